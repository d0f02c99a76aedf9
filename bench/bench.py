#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures what shmring costs, beside others and what the machine can do: docs/performance.md.

Each contender of a row runs in turn with the others, lap after lap; a short first one is not
counted. What is printed is the median with the least and the most. A ratio is of the row's first
contender to another one, pair by pair; where others took too much of the machine, none is told.

    bench.py    the command                          rows.py      the rows and the goals
    lap.py      one lap, and who disturbed it        contenders.py, stories.py   who takes part
    compare.py  another commit beside this one       figures.py, report.py, plots.py   what is told

    What they start: ring.c limits.c predecessors.c (with measure.c), gstbench.c in pipelines, end.py
    with ways.py and peers.py (and measure.py) in Python, detector.py.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

import compare
import lap
import report
import rows

TOP = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Plan:
    laps: int  # that count
    warm_up: bool  # by a short lap that does not
    seconds: float  # of a lap that is as fast as it can
    paced_s: float
    warm_s: float
    most: int  # contenders of a row
    tries: int  # of a peer's laps in a row: so many may fail
    gives_up: int = 2  # after so many rows in which a peer hung


FULL = Plan(laps=5, warm_up=True, seconds=0.5, paced_s=1.6, warm_s=0.1, most=100, tries=3)
QUICK = Plan(laps=1, warm_up=False, seconds=0.05, paced_s=0.2, warm_s=0, most=2, tries=1)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these (all)")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--quick", action="store_true",
                        help="one short lap of two contenders a row: shows that all of it works")
    parser.add_argument("--laps", type=int, help="counted laps of each (5)")
    parser.add_argument("--json", metavar="FILE", help="write what was measured there")
    parser.add_argument("--report", metavar="PAGE", help="write tables and plots into that page, "
                        "between its marks: docs/performance.md")
    parser.add_argument("--ordering", metavar="FILE",
                        help="tell which rows have their contenders in the order of that --json")
    parser.add_argument("--compare", metavar="COMMIT",
                        help="build that commit, too, and measure both")
    parser.add_argument("--from", metavar="FILE", dest="saved",
                        help="show what --json wrote, instead of measuring")
    return parser.parse_args()


def run_lap(entrant, plan, tries):
    """Figures, and how many times it failed before: shmsink locks up for good now and then."""
    for failed in range(max(1, tries)):
        try:
            if entrant.contender.run:
                return lap.watch(entrant.contender.run, entrant.env), failed
            return lap.measure(entrant.contender, entrant.env, plan.warm_s), failed
        except lap.LapError as error:
            why = error
    raise why


def why_left_out(entrant, plan, hung):
    before = hung.get(entrant.name, ())
    if len(before) >= plan.gives_up:
        return f"it hung in {' and '.join(before)}"
    return entrant.contender.skipped


def warming(entrant):
    return dataclasses.replace(entrant, contender=entrant.contender.shortened(QUICK.seconds))


def run_row(row, entrants, plan, hung):
    """{name: [figures of each lap]}, {name: why it is left out}, {name: laps run again}"""
    again, laps_of_each = {}, min(plan.laps, row.laps or plan.laps)
    left_out = {e.name: why_left_out(e, plan, hung) for e in entrants}
    left_out = {name: why for name, why in left_out.items() if why}
    laps = {e.name: [] for e in entrants if e.name not in left_out}
    for number in range(not plan.warm_up, laps_of_each + 1):
        for entrant in entrants:
            if entrant.name in left_out or not (number or entrant.contender.ends):
                continue
            try:
                tries = 1 if entrant.contender.ours else plan.tries - again.get(entrant.name, 0)
                figures, failed = run_lap(entrant if number else warming(entrant), plan, tries)
                again[entrant.name] = again.get(entrant.name, 0) + failed
            except lap.LapError as error:
                left_out[entrant.name] = ("FAILED" if entrant.contender.ours else "it failed") + (
                    ": " + " ".join(str(error).split())[-200:])
                laps.pop(entrant.name)
                if isinstance(error, lap.Hung):
                    hung.setdefault(entrant.name, []).append(row.name)
                continue
            if number:
                laps[entrant.name].append(figures)
    return laps, left_out, {name: count for name, count in again.items() if count}


def measure(chosen, plan, other):
    measured, hung = {}, {}
    for row in chosen:
        entrants = compare.entrants(row, other)[: plan.most * (2 if other else 1)]
        if not entrants:
            continue
        print(f"{row.name} ...", end=" ", file=sys.stderr, flush=True)
        laps, left_out, again = run_row(row, entrants, plan, hung)
        measured[row.name] = {"title": row.title, "figures": row.figures, "laps": laps,
                              "left_out": left_out, "again": again, "share": row.share,
                              "ours": [e.name for e in entrants if e.contender.ours],
                              "limits": [e.name for e in entrants if e.contender.limit]}
        print(report.row_text(measured[row.name]),
              report.verdict_text(row.name, measured[row.name]), flush=True)
    return measured


def commit():
    try:
        done = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], text=True,
                              capture_output=True)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if "model name" in line), "")
    return f"{model or platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}"


def choose(names, plan):
    found = {row.name: row for row in rows.all_rows(plan.seconds, plan.paced_s)}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise lap.LapError(f"no row {', '.join(unknown)}; there are {', '.join(found)}")
    return [found[name] for name in names or found]


def run(options):
    plan = QUICK if options.quick else FULL
    if options.laps:
        plan = dataclasses.replace(plan, laps=options.laps)
    chosen = choose(options.rows, plan)
    if options.list:
        for row in chosen:
            print(f"{row.name:16} {row.title}")
        return None
    if options.saved:
        return json.loads(pathlib.Path(options.saved).read_text())
    other = compare.build(TOP, options.compare) if options.compare else None
    found = {"commit": commit(), "machine": machine(), "laps": plan.laps,
             "date": datetime.date.today().isoformat(), "compared": options.compare}
    print(report.head_text(found))
    began = time.monotonic()
    measured = measure(chosen, plan, other)
    print(f"\nIt took {(time.monotonic() - began) / 60:.0f} minutes.")
    return {**found, "rows": measured}


def show(options, found):
    if options.saved:
        for row in found["rows"].values():
            print(report.row_text(row))
    if not found["compared"]:
        print("\n" + report.goals_text(found["rows"]))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
    if options.report:
        report.write(found, pathlib.Path(options.report))
    if options.ordering:
        old = json.loads(pathlib.Path(options.ordering).read_text())
        print(report.ordering_text(found["rows"], old["rows"]))


def main():
    options = arguments()
    # What has been started is ended, and what it left removed, as after a Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = run(options)
        if found is None:
            return
        show(options, found)
    except (lap.LapError, OSError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    failed = [f"{name}: {who}" for name, row in found["rows"].items()
              for who, why in row["left_out"].items() if why.startswith("FAILED")]
    if failed:
        sys.exit("bench: failed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
