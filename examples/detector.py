#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A detector that is slower than the camera: it always works on the newest frame. Something to
watch:

    gst-launch-1.0 videotestsrc is-live=true pattern=ball ! videoconvert ! shmringsink name=cam0

In mode latest the writer never waits for this program, and the time between a frame's capture and
its detection does not grow, however slow the detector is: frames it has no time for are dropped.
"""

import argparse
import itertools
import sys
import time

import numpy as np
import shmring


def detect(picture, threshold):
    """Left, top, right and bottom of what is brighter than THRESHOLD, or None."""
    bright = picture > threshold
    if bright.ndim == 3:
        bright = bright.all(axis=2)
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def main():
    parser = argparse.ArgumentParser(description="Finds the bright thing in the frames of a ring.")
    parser.add_argument("ring", help="the ring's name: shmringsink's name or ring-name")
    parser.add_argument("--threshold", type=int, default=128, help="what is bright (128)")
    parser.add_argument("--frames", type=int, help="stop after so many")
    parser.add_argument("--timeout", type=float, help="longest wait in seconds (default: for ever)")
    args = parser.parse_args()

    # A camera that is restarted is waited for, and gone on with.
    with shmring.Reader(args.ring, "latest", timeout=args.timeout, on_disconnect="wait") as reader:
        for frame in itertools.islice(reader, args.frames):
            box = detect(frame.array, args.threshold)
            age_ms = (time.time_ns() - frame.timestamp_ns) / 1e6
            print(f"frame {frame.seq}: {box}, {frame.dropped} dropped, {age_ms:.1f} ms old",
                  flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except shmring.Error as error:
        sys.exit(str(error))
