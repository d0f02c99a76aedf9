#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames per second that reach a Python program: shmring.Reader, every frame, beside a byte ring.

The writers do the same for both rings. `stamp`: they write only a number at both ends of the frame,
as if a device or a decoder had filled the memory: what is measured is the handing over. `fill`: they
copy a picture into each frame. The readers make an array of each frame and touch it; a frame that
is missing, out of order or torn ends the measurement.
"""

import functools
import time

import numpy as np
import shmring

import bench
from byte_ring import ByteRingReader

TOUCHES = {
    "ends": lambda picture: None,  # the numbers at both ends are read anyway
    "rows": lambda picture: picture[:, 0, 0].sum(),
    "all": lambda picture: picture.max(),
}


def rate(arrays, touch):
    """Frames per second, from the first to the last."""
    began = None
    for number, picture in enumerate(arrays):
        began = began or time.perf_counter()
        bench.check_next(bench.read_stamp(picture, picture.nbytes)[0], number)
        touch(picture)
    return number / (time.perf_counter() - began)


def byte_ring_arrays(reader, frames, shape):
    for _ in range(frames):
        yield np.frombuffer(reader.read(), np.uint8).reshape(shape)


def measure_byte_ring(options):
    name, (width, height) = bench.unique_name("bytes"), options.size
    args = (width, height, options.baseline_frames, options.writer)
    with bench.writer("bench-byte-ring-writer", name, *args):
        arrays = byte_ring_arrays(ByteRingReader(name), options.baseline_frames, (height, width, 3))
        return rate(arrays, TOUCHES[options.touch])


def measure_shmring(options):
    name, (width, height) = bench.unique_name("ring"), options.size
    args = (width, height, options.frames, 0, options.writer)
    with bench.writer("bench-ring-writer", name, *args):
        with shmring.Reader(name, mode="all") as reader:
            return rate((frame.array for frame in reader), TOUCHES[options.touch])


def main():
    parser = bench.parser(__doc__)
    parser.add_argument("--frames", type=bench.at_least(2), default=100_000, help="(100000)")
    parser.add_argument("--baseline-frames", type=bench.at_least(2), default=1000,
                        help="of the byte ring (1000)")
    parser.add_argument("--writer", choices=("stamp", "fill"), default="stamp")
    parser.add_argument("--touch", choices=TOUCHES, default="ends",
                        help="a frame's two ends, a pixel a row, or every byte (ends)")
    options = parser.parse_args()
    results = bench.in_turn(options.runs, bytes=functools.partial(measure_byte_ring, options),
                            ring=functools.partial(measure_shmring, options))
    bench.title(options, f"writer: {options.writer}, touched: {options.touch}")
    print(f"byte ring       {options.baseline_frames:7} frames, frames/s",
          bench.spread(results["bytes"]))
    print(f"shmring.Reader  {options.frames:7} frames, frames/s", bench.spread(results["ring"]))
    print("shmring / byte ring:", bench.ratio(results["ring"], results["bytes"]))


if __name__ == "__main__":
    bench.run(main)
