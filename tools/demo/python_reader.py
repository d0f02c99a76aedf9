# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo's first reader: a Python script without GStreamer. Arguments: the ring's name, a PNG."""

import sys
import time

import mark
import png
import shmring
from meter import Meter


def main(name, picture):
    meter = Meter()
    frame = None
    with shmring.Reader(name) as reader:
        for frame in reader:
            meter.add(frame.seq, time.time_ns() - frame.timestamp_ns)
    if frame is None:
        sys.exit(f"ring '{name}' ended without a frame")
    mine = frame.array.copy()
    mark.mark(mine, frame.timestamp_ns)
    png.write(picture, mine)
    meter.report()


main(*sys.argv[1:])
