# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring hz: how fast frames come, and how evenly."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Sequence

from . import headers, options, screen, text, watch

EXAMPLES = """\
  shmring hz cam0                    a line a second, until Ctrl-C
  shmring hz cam0 -n 300             over 300 frames
"""
_WINDOW = 1000  # frames that a line is about, at most
_DRAWN = 40
_BARS = "▁▂▃▄▅▆▇█", "_.-=*#"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    parser.add_argument("-n", "--number", type=options.count, metavar="N", help="end after N frames")
    options.add_timeout(parser, "a frame")


def sparkline(values: Sequence[float], bars: str) -> str:
    """The last of VALUES, from the smallest to the largest of them; level where they differ by less
    than a hundredth, which is nothing to see."""
    drawn = values[-_DRAWN:]
    least, most = min(drawn), max(drawn)
    if most - least < abs(most) / 100:
        return bars[len(bars) // 2] * len(drawn)
    return "".join(bars[round((value - least) * (len(bars) - 1) / (most - least))] for value in drawn)


def line_of(times: dict[int, int]) -> str:
    """Frames/s over all, those of the longest and of the shortest interval, and how even they are."""
    if not times:
        return "0 frames"
    between = watch.intervals(times)
    first, last = min(times), max(times)
    if last == first:
        return "1 frame"
    rate = (last - first) * 1e9 / max(1, times[last] - times[first])
    if not between:
        return f"{rate:.2f} frames/s; {last - first + 1} frames, no two in a row of which were seen"
    bars = _BARS[0] if screen.says_unicode() else _BARS[1]
    deviation = text.milliseconds(statistics.pstdev(between))
    return (f"{rate:.2f} frames/s, min {1e9 / max(1, max(between)):.2f}, "
            f"max {1e9 / max(1, min(between)):.2f}; intervals' std {deviation} ms; "
            f"{last - first + 1} frames\n  {sparkline(between, bars)}")


def run(arguments: argparse.Namespace) -> int:
    times: dict[int, int] = {}
    headers.require(arguments.name)
    with headers.HeaderReader(arguments.name) as reader:
        after = reader.latest(timeout=arguments.timeout).seq - 1
        reader.note(times, after, _WINDOW)
        first, told = min(times, default=None), time.monotonic()
        while arguments.number is None or first is None or max(times) - first + 1 < arguments.number:
            reader.latest(timeout=arguments.timeout)
            reader.note(times, after, _WINDOW)
            first = min(times, default=None) if first is None else first
            if arguments.number is None and time.monotonic() - told >= 1:
                told = time.monotonic()
                print(line_of(times), flush=True)
    print(line_of(times))
    return 0
