#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What frame.array costs, and that it is the shared memory itself.

Reads frames in mode all and looks where each array lies: inside the mapping of the ring, at one of
as many places as the ring has slots. Then reads again and copies each, into new memory and into
memory that is there already.
"""

import time

import numpy as np
import shmring

import bench


def address(array):
    return array.__array_interface__["data"][0]


def mapping_of(name):
    """The addresses at which this process has the ring."""
    with open("/proc/self/maps") as maps:
        line = next(line for line in maps if line.split()[-1] == f"/dev/shm/{name}")
    first, end = line.split()[0].split("-")
    return range(int(first, 16), int(end, 16))


def read_all(options, frames, look):
    """Seconds a frame for reading and LOOK."""
    name, (width, height) = bench.unique_name("views"), options.size
    with bench.writer("bench-ring-writer", name, width, height, frames, 0, "stamp"):
        with shmring.Reader(name, mode="all") as reader:
            look(name, reader.read())
            began = time.perf_counter()
            for number in range(1, frames):
                frame = reader.read()
                look(name, frame)
                bench.check_next(frame.frame_number, number)
            return (time.perf_counter() - began) / (frames - 1)


class Addresses:
    """Notes where the arrays lie."""

    def __init__(self):
        self.seen, self.bytes, self.mapping = set(), 0, None

    def __call__(self, name, frame):
        array = frame.array
        self.mapping = self.mapping or mapping_of(name)
        self.seen.add(address(array))
        self.bytes += array.nbytes
        self.shape = array.shape

    def problem(self):
        if not all(first in self.mapping for first in self.seen):
            return "an array lies outside the ring's mapping"
        if len(self.seen) > 8:
            return f"{len(self.seen)} addresses, but the ring has 8 slots"
        return None


def take_array(name, frame):
    frame.array


def copy_array(name, frame):
    frame.array.copy()


class CopyInto:
    def __init__(self, size):
        self.memory = np.zeros((size[1], size[0], 3), np.uint8)

    def __call__(self, name, frame):
        np.copyto(self.memory, frame.array)


def main():
    parser = bench.parser(__doc__)
    parser.add_argument("--frames", type=bench.at_least(2), default=100_000, help="(100000)")
    parser.add_argument("--copies", type=bench.at_least(2), default=1000, help="(1000)")
    options = parser.parse_args()
    addresses = Addresses()
    read_all(options, options.frames, addresses)
    if addresses.problem():
        raise bench.BenchError(addresses.problem())
    into = CopyInto(options.size)
    results = bench.in_turn(
        options.runs, views=lambda: 1e6 * read_all(options, options.frames, take_array),
        copies=lambda: 1e6 * read_all(options, options.copies, copy_array),
        reused=lambda: 1e6 * read_all(options, options.copies, into))
    bench.title(options, f"{options.frames} frames read in mode all")
    print(f"{len(addresses.seen)} addresses of arrays, all inside the mapping of the ring, "
          f"{addresses.bytes / 2**30:,.1f} GiB")
    print("read() + frame.array                   us a frame", bench.spread(results["views"], 1))
    print("read() + frame.array.copy()            us a frame", bench.spread(results["copies"], 1))
    print("read() + copyto(memory, frame.array)   us a frame", bench.spread(results["reused"], 1))
    print("copy / view:", bench.ratio(results["copies"], results["views"]))


if __name__ == "__main__":
    bench.run(main)
