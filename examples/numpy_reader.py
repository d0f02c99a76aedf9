#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a ring with numpy, without GStreamer. Something to read:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0
"""

import argparse
import itertools
import sys

import shmring


def main():
    parser = argparse.ArgumentParser(description="Prints the mean of each frame of a ring.")
    parser.add_argument("ring", help="the ring's name: shmringsink's name or ring-name")
    parser.add_argument("--frames", type=int, help="stop after so many")
    parser.add_argument("--latest", action="store_true", help="skip frames when they come too fast")
    parser.add_argument("--timeout", type=float, help="longest wait in seconds (default: for ever)")
    args = parser.parse_args()

    mode = "latest" if args.latest else "all"
    with shmring.Reader(args.ring, mode, timeout=args.timeout) as reader:
        for frame in itertools.islice(reader, args.frames):
            picture = frame.array  # a read-only view: draw on picture.copy()
            shape = "x".join(map(str, picture.shape))
            print(f"frame {frame.seq}: {shape} {frame.format}, mean {picture.mean():.2f}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except shmring.Error as error:
        sys.exit(str(error))
