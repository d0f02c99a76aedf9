# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring delay: how old frames are when they are published, and when somebody sees them."""

from __future__ import annotations

import argparse
import time
from typing import Sequence

from .. import raw
from . import headers, options, text

EXAMPLES = """\
  shmring delay cam0                 over 100 frames
  shmring delay cam0 -n 1000
"""
_COLUMNS = ("", ">P50 MS", ">P99 MS", ">MAX MS")
_STEPS = ("capture to publish", "publish to seen", "capture to seen")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    parser.add_argument("-n", "--number", type=options.count, metavar="N", default=100,
                        help="of frames to look at (100)")
    options.add_timeout(parser, "a frame")


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest of VALUES that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def steps_of(frame: raw.RawFrame, seen_ns: int, real_ns: int) -> tuple[int, int, int]:
    """What _STEPS name, of a frame that was seen at SEEN_NS of the monotonic clock, which is REAL_NS
    of the one that captures are told by."""
    to_publish = frame.publish_ns - (frame.timestamp_ns - real_ns + seen_ns)
    to_seen = seen_ns - frame.publish_ns
    return to_publish, to_seen, to_publish + to_seen


def run(arguments: argparse.Namespace) -> int:
    found: list[tuple[int, int, int]] = []
    headers.require(arguments.name)
    with headers.HeaderReader(arguments.name) as reader:
        start = time.monotonic_ns()
        while len(found) < arguments.number:
            frame = reader.latest(timeout=arguments.timeout, newer_than=start)
            found.append(steps_of(frame, time.monotonic_ns(), time.time_ns()))
    rows = [[step, *map(text.milliseconds, (percentile(values, 50), percentile(values, 99),
                                            max(values)))]
            for step, values in zip(_STEPS, zip(*found))]
    print("\n".join(text.table(_COLUMNS, rows)))
    return 0
