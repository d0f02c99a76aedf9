# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said of several laps: medians, ratios pair by pair, and when there is no telling."""

import dataclasses
import statistics

OTHERS = 0.15  # of the machine, that others took in half of the laps: too much
SPREAD = 0.3  # of the ratio, that half of the pairs lie apart: too much

# name: (heading, digits)
FIGURES = {
    "rate": ("frames/s", 0), "cpu_us": ("CPU us", 1), "write_cpu_us": ("writer's CPU us", 2),
    "read_cpu_us": ("reader's CPU us", 2), "p50_us": ("p50 us", 1), "p90_us": ("p90 us", 1),
    "p99_us": ("p99 us", 1), "p100_us": ("max us", 1), "faults": ("faults", 2),
    "read_faults": ("faults", 0), "switches": ("switches", 2), "missed": ("missed", 0),
    "own_mib": ("own MiB", 0), "shared_mib": ("shared MiB", 0), "syscalls": ("syscalls", 2),
    "tries": ("most tries", 0),
}


@dataclasses.dataclass(frozen=True)
class Spread:
    middle: float
    least: float
    most: float


def values(laps, figure):
    return [lap[figure] for lap in laps if figure in lap]


def spread(laps, figure):
    """None: it was not measured."""
    found = values(laps, figure)
    return Spread(statistics.median(found), min(found), max(found)) if found else None


def others_of(*contenders):
    """What others took of the machine in the laps of all of these: the median."""
    return statistics.median(lap["others"] for laps in contenders for lap in laps)


def ratios(over, under, figure, less=()):
    """Pair by pair; without UNDER the figures themselves. LESS is taken off OVER."""
    tops, bottoms = values(over, figure), values(under, figure) if under else None
    if less:
        tops = [top - off for top, off in zip(tops, values(less, figure))]
    if bottoms is None:
        return tops
    return [top / bottom for top, bottom in zip(tops, bottoms) if bottom]


def too_noisy(found, *contenders):
    """Why no ratio can be told, or ""."""
    others = others_of(*contenders)
    if others > OTHERS:
        return f"too noisy: others took {others:.0%} of the machine"
    middle = statistics.median(found)
    if len(found) >= 4:
        low, _, high = statistics.quantiles(found, n=4, method="inclusive")
        if high - low > SPREAD * abs(middle):
            return f"too noisy: half of the pairs from {low:.3g} to {high:.3g}"
    return ""
