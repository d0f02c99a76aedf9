#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints docs/platforms.md: what the last tests on each system said. Argument: the build folder."""

import json
import os
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
ROOTS = Path(os.environ.get("SHMRING_ROOTS", "/var/cache/shmring-roots"))
TEXT = """# Where it is tested

Made by `./dev test --everywhere`, which runs every test on each of these systems. In qemu: the library
alone, as `tests/distributions/cross arm64` builds and tries it.

| Debian | architecture | GStreamer | Python | compiler | passed | skipped | failed |
|---|---|---|---|---|---|---|---|"""
PASSED = {"OK", "EXPECTEDFAIL"}


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
    """What unittest skipped inside a test, each with its reason."""
    text = (test.get("stderr") or "") + (test.get("stdout") or "")
    for name, reason in re.findall(r"(?m)^(\w+) .*\.\.\. skipped ['\"](.*)['\"]$", text):
        yield f"{short_name(test)}: {name} ({reason})"


def names(tests):
    return " ".join(map(short_name, tests)) or "none"


def row(system, build):
    tests = results(build)
    skipped = [test for test in tests if test["result"] == "SKIP"]
    passed = [test for test in tests if test["result"] in PASSED]
    failed = [test for test in tests if test not in skipped and test not in passed]
    debian, _, arch = system.rpartition("-")
    versions = dependencies(build)
    compiler = logged(build, r"C compiler for the host machine: .*? \(([^\"]*) \"")
    cells = [debian, arch, versions.get("gstreamer-1.0", "-"), versions.get("python", "-"),
             compiler, str(len(passed)), names(skipped), names(failed)]
    return f"| {' | '.join(cells)} |"


def this_system():
    codename = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())
    machine = os.uname().machine.replace("x86_64", "amd64")
    return f"{codename[1] if codename else 'here'}-{machine}"


def systems(here):
    yield this_system(), here
    for build in sorted(TOP.glob("build-arm*")):  # of tests/distributions/cross
        if (build / "meson-logs" / "testlog.json").exists():
            yield f"{this_system().split('-')[0]}-{build.name[6:]} in qemu", build
    for build in sorted(ROOTS.glob("*/src/shmring/build")):
        if (build / "meson-logs" / "testlog.json").exists():
            yield build.parents[2].name, build


def main():
    print(TEXT)
    left_out = {}
    for system, build in systems(Path(sys.argv[1])):
        print(row(system, build))
        for part in (part for test in results(build) for part in skipped_parts(test)):
            left_out.setdefault(part, []).append(system)
    if left_out:
        print("\nLeft out inside tests that pass:\n")
    for part, where in left_out.items():
        print(f"- {part}: {', '.join(where)}")


if __name__ == "__main__":
    main()
