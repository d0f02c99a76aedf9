#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the library's ABI with the recorded one, or records it (--record)."""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77  # as Meson has it
ADVICE = """
What programs were built against has changed. A function that is new is recorded:
  tests/abi/check.py --record LIBRARY HEADER tests/abi
What was released is never changed or removed without another soversion.
"""


def record(options):
    """A type is public when it is declared in a header of this folder: no other may lie there."""
    with tempfile.TemporaryDirectory() as headers:
        shutil.copy(options.header, headers)
        subprocess.run(["abidw", "--headers-dir", headers, "--drop-private-types",
                        "--exported-interfaces-only", "--no-show-locs", "--no-corpus-path",
                        "--no-comp-dir-path", "--no-elf-needed", "--out-file", options.record,
                        options.library], check=True)


def compare(options):
    result = subprocess.run(["abidiff", "--no-show-locs", options.record, options.library])
    if result.returncode:
        print(ADVICE)
    return result.returncode


def machine():
    """A 32-bit system may run on a 64-bit kernel."""
    return platform.machine() if sys.maxsize > 2**32 else f"{platform.machine()}-32"


def why_not(options):
    if not shutil.which("abidiff"):
        return "there is no abidiff (Debian: abigail-tools)"
    if not options.record.exists():
        return f"nothing is recorded for {machine()}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", dest="is_new", action="store_true")
    parser.add_argument("library", type=Path)
    parser.add_argument("header", type=Path)
    parser.add_argument("record", type=Path, metavar="FOLDER", help="of the records")
    options = parser.parse_args()
    options.record = options.record / f"libshmring.{machine()}.abi"
    if options.is_new:
        return record(options)
    if reason := why_not(options):
        print(f"not compared: {reason}")
        return SKIPPED
    return compare(options)


if __name__ == "__main__":
    sys.exit(main())
