#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes pictures made with numpy into a ring, for GStreamer. To see them:

    gst-launch-1.0 shmringsrc ring-name=bars ! videoconvert ! autovideosink
"""

import argparse
import itertools
import sys
import time

import shmring


def draw(picture, number):
    """A white bar that moves 4 pixels a frame over grey, straight into shared memory."""
    height, width, _ = picture.shape
    left = 4 * number % width
    picture[...] = 64
    picture[:, left:left + width // 8] = 255


def main():
    parser = argparse.ArgumentParser(description="Writes a moving bar into a ring.")
    parser.add_argument("ring", help="the ring's name: what shmringsrc has as ring-name")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"))
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--frames", type=int, help="end the stream after so many")
    parser.add_argument("--fast", action="store_true", help="do not keep to the frame rate")
    args = parser.parse_args()

    width, height = args.size
    with shmring.Writer(args.ring, width, height, framerate=args.fps) as writer:
        writer.wait_reader()
        start = time.monotonic()
        for number in itertools.islice(itertools.count(), args.frames):
            if not args.fast:
                time.sleep(max(0, start + number / args.fps - time.monotonic()))
            with writer.loan() as frame:
                draw(frame.array, number)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except shmring.Error as error:
        sys.exit(str(error))
