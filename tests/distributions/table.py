#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints docs/platforms.md: what the last tests on each system said."""

import argparse
import json
import os
import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
ROOTS = Path(os.environ.get("SHMRING_ROOTS", "/var/cache/shmring-roots"))
TEXT = """# Where it is tested

Made by `./dev test --everywhere`, which runs every test on each of these systems; the protocol's
model, which is the same everywhere, on the first alone. In qemu: what needs no GStreamer of the
suites ring, stress and python, as `tests/distributions/cross arm64` tries it.

| Debian | architecture | GStreamer | Python | compiler | passed | skipped | failed |
|---|---|---|---|---|---|---|---|"""
PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = re.compile(
    r"^ *(\w+) \([\w.]+\)(?: [\[(].*)?(?:\n.*)? \.\.\. skipped (['\"])(.*)\2$", re.MULTILINE)


def dependencies(build):
    listed = json.loads((build / "meson-info" / "intro-dependencies.json").read_text())
    return {entry["name"].partition("-3")[0]: entry["version"] for entry in listed}


def logged(build, pattern):
    log = (build / "meson-logs" / "meson-log.txt").read_text(errors="replace")
    found = re.search(pattern, log)
    return found[1] if found else "-"


def results(build):
    lines = (build / "meson-logs" / "testlog.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def short_name(test):
    return re.split(" / |:", test["name"])[-1]


def skipped_parts(test):
    """What was skipped inside a test: (name, reason). A description is a line of its own; what
    a subTest is called stands behind the name."""
    text = (test.get("stderr") or "") + (test.get("stdout") or "")
    found = SKIPPED.findall(text)
    unnamed = sum(map(int, re.findall(r"(?m)^OK \(.*\bskipped=(\d+)", text))) - len(found)
    yield from ((name, reason) for name, _, reason in found)
    yield from re.findall(r"(?m)^skipped: (\w+), (.*)$", text)  # by a test in C
    if unnamed > 0:
        yield f"{unnamed} of its tests", "it does not say which and why"


def skipped(build):
    """Tests that skipped themselves: (test, the last that each said)."""
    for test in results(build):
        if test["result"] == "SKIP":
            said = f"{test.get('stdout') or ''}\n{test.get('stderr') or ''}".split("\n")
            yield short_name(test), next(filter(None, reversed(said)), "it does not say why")


def never_run(build):
    """What tests/distributions/cross leaves out: (test, reason)."""
    file = build / "left-out"
    return [line.split(": ", 1) for line in file.read_text().splitlines()] if file.exists() else []


def parts_left_out(build):
    """(test, reason, part of it or None)"""
    yield from ((test, reason, None) for test, reason in [*never_run(build), *skipped(build)])
    for test in results(build):
        yield from ((short_name(test), reason, part) for part, reason in skipped_parts(test))


def lines_left_out(builds):
    """One a test, reason and list of systems."""
    where, lines = {}, {}
    for system, build in builds:
        for key in dict.fromkeys(parts_left_out(build)):
            where.setdefault(key, []).append(system)
    for (test, reason, part), found in where.items():
        lines.setdefault((test, reason, ", ".join(found)), []).append(part)
    for (test, reason, found), parts in lines.items():
        shown = f"{len(parts)} tests" if len(parts) > 3 else ", ".join(filter(None, parts))
        yield f"- {': '.join(filter(None, (test, shown)))} ({reason}): {found}"


def row(system, build):
    tests = results(build)
    passed = [test for test in tests if test["result"] in PASSED]
    failed = [test for test in tests if test["result"] not in PASSED | {"SKIP"}]
    debian, _, arch = system.rpartition("-")
    versions = dependencies(build)
    compiler = logged(build, r"C compiler for the host machine: .*? \(([^\"]*) \"")
    left_out = [test for test, _ in (*skipped(build), *never_run(build))]
    cells = [debian, arch, versions.get("gstreamer-1.0", "-"), versions.get("python", "-"),
             compiler, str(len(passed)), " ".join(left_out) or "none",
             " ".join(map(short_name, failed)) or "none"]
    return f"| {' | '.join(cells)} |"


def this_system():
    codename = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())
    machine = os.uname().machine.replace("x86_64", "amd64")
    return f"{codename[1] if codename else 'here'}-{machine}"


def systems(here):
    yield this_system(), here
    for build in sorted(TOP.glob("build-arm*")):  # of tests/distributions/cross
        yield f"{this_system().split('-')[0]}-{build.name[6:]} in qemu", build
    for build in sorted(ROOTS.glob("*/src/shmring/build")):
        yield build.parents[2].name, build


def tested_at(build):
    """The time of its results; before all others where there are none."""
    log = build / "meson-logs" / "testlog.json"
    return log.stat().st_mtime if log.exists() else -1


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="where this system's tests were built")
    parser.add_argument("--since", type=Path, help="results that are older than this file are none")
    parser.add_argument("--untested", default="", help="systems that cannot be tested here")
    parser.add_argument("--failed", default="", help="systems whose tests failed, or never began")
    return parser.parse_args()


def main():
    args = parse()
    since = args.since.stat().st_mtime if args.since else 0
    builds = [entry for entry in systems(args.build) if tested_at(entry[1]) >= since]
    print(TEXT, *(row(*entry) for entry in builds), sep="\n")
    if args.failed:
        print(f"\nFailed, in the table or before their tests began: {args.failed.strip()}")
    if args.untested:
        print(f"\nNot tested, since they cannot be where this was made: {args.untested.strip()}")
    left_out = list(lines_left_out(builds))
    if left_out:
        print("\nLeft out, and why:\n", *left_out, sep="\n")


if __name__ == "__main__":
    main()
