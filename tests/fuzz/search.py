# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a fuzz target in Python over its corpus, or searches on from there.

usage: search.py TARGET [--seconds N] [--seed N] FOLDER...

A target is a module here with a function run(data), which raises when what must hold does not.
Without --seconds each file of the folders is run once. With it, inputs are changed at random, and
those that reach a line of the package that none reached before are kept in the first folder. The
input that runs now is in FOLDER-last, should the process die of it.
"""

import argparse
import hashlib
import importlib
import os
import pathlib
import random
import sys
import time

import shmring

PACKAGE = os.path.dirname(shmring.__file__)
MOST = 700  # bytes of an input
EDGES = (0, 1, 2, 4, 0x7F, 0x80, 0xFF)


class Coverage:
    """Steps from line to line of the package."""

    def __init__(self):
        self.steps = set()

    def _trace(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        before = [0]

        def step(frame, event, arg):
            self.steps.add((frame.f_code, before[0], frame.f_lineno, event))
            before[0] = frame.f_lineno
            return step

        return step

    def grows_by(self, run, data):
        known = len(self.steps)
        sys.settrace(self._trace)
        try:
            run(data)
        finally:
            sys.settrace(None)
        return len(self.steps) > known


def change(data, others, dice):
    """DATA with one to four changes."""
    data = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at, size = dice.randint(0, len(data)), dice.randint(1, 8)
        how = dice.randrange(6)
        if how == 0:
            data[at:at] = dice.randbytes(size)
        elif how == 1:
            del data[at:at + size]
        elif how == 2:
            data[at:at + 1] = bytes([dice.choice(EDGES)])
        elif how == 3 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif how == 4:
            data[at:at + size] = (dice.choice(EDGES) * 2**dice.randrange(8 * size) % 2**(
                8 * size)).to_bytes(size, "little")
        else:
            data[at:] = dice.choice(others)[dice.randint(0, 16):]
    return bytes(data[:MOST])


def read(folders):
    return [file.read_bytes() for folder in folders for file in sorted(folder.iterdir())]


def search(run, inputs, folder, seconds, seed):
    coverage, dice, count = Coverage(), random.Random(seed), 0
    last = os.open(f"{folder}-last", os.O_RDWR | os.O_CREAT, 0o600)
    for data in inputs:
        coverage.grows_by(run, data)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = change(dice.choice(inputs), inputs, dice)
        os.ftruncate(last, 0)
        os.pwrite(last, data, 0)
        count += 1
        if coverage.grows_by(run, data):
            inputs.append(data)
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    os.close(last)
    os.unlink(f"{folder}-last")
    print(f"{count} inputs, {len(coverage.steps)} steps from line to line, {len(inputs)} kept")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    run, inputs = importlib.import_module(args.target).run, read(args.folders)
    if args.seconds is not None:
        search(run, inputs or [b""], args.folders[0], args.seconds, args.seed)
        return
    if not inputs:
        sys.exit("no corpus is no test")
    for data in inputs:
        run(data)
    print(f"{len(inputs)} inputs")


main()
