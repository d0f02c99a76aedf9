# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks share: writers, the frames they number, and figures of several runs."""

import argparse
import contextlib
import itertools
import os
import re
import statistics
import struct
import subprocess
import sys

STAMP = struct.Struct("<Qq")  # see picture.h
ENDS_WITHIN_S = 60

_counter = itertools.count()


class BenchError(Exception):
    """Told in one line."""


def unique_name(hint):
    return f"bench-{os.getpid()}-{next(_counter)}-{hint}"


def at_least(least):
    def number(text):
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    return number


def picture_size(text):
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 1920x1080")
    return tuple(map(int, match.groups()))


def parser(doc):
    made = argparse.ArgumentParser(description=doc)
    made.add_argument("--size", type=picture_size, default=(1920, 1080), metavar="WxH",
                      help="of the pictures (1920x1080)")
    made.add_argument("--runs", type=at_least(1), default=3, help="of each, in turn (3)")
    return made


def run(main):
    """Calls MAIN as the program it is; ends with a line for people where it cannot go on."""
    try:
        main()
    except BenchError as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def start(command, **kwargs):
    try:
        return subprocess.Popen(command, **kwargs)
    except FileNotFoundError:
        raise BenchError(f"no program {command[0]}: run this by ./dev shell bench/...") from None


@contextlib.contextmanager
def writer(program, name, *args):
    """A writer that is ready. To leave ends it, and removes what a killed one left."""
    process = start([program, name, *map(str, args)], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "ready\n":
            raise BenchError(f"{program} failed")
        yield process
        process.stdin.close()
        process.wait(ENDS_WITHIN_S)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        for left in (name, name + ".ctl"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink("/dev/shm/" + left)


def read_stamp(pixels, size):
    """(number, time sent) of a frame of SIZE bytes; both its ends must say the same."""
    first, last = (STAMP.unpack_from(pixels, at) for at in (0, size - STAMP.size))
    if first != last:
        raise BenchError(f"frame {first[0]} is torn: its end is of frame {last[0]}")
    return first


def check_next(number, expected):
    if number != expected:
        raise BenchError(f"frame {number} came instead of frame {expected}")


def in_turn(runs, **measurements):
    """Calls each measurement RUNS times, in turn: {its name: [what it returned, ...]}."""
    results = {name: [] for name in measurements}
    for _ in range(runs):
        for name, measure in measurements.items():
            results[name].append(measure())
    return results


def spread(values, digits=0):
    """The median, and from where to where."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:12,.{digits}f}  ({low:,.{digits}f} to {high:,.{digits}f})"


def ratio(over, under):
    """Of the medians, to two digits."""
    value = statistics.median(over) / statistics.median(under)
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def title(options, what):
    width, height = options.size
    print(f"{width}x{height} BGR, {what}; median of {options.runs} (least to most), "
          f"{os.cpu_count()} cores")
