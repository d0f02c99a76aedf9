#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws on frames with OpenCV and saves the last one. Something to read:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0

OpenCV reads a view as it reads every array. But never draw on one: OpenCV before 4.9 (Debian 12 has
4.6) does not look whether an array is read-only, so cv2.rectangle(frame.array, ...) ends the
program with a segmentation fault. Draw on a copy.
"""

import argparse
import itertools
import sys

import cv2
import shmring


def annotated(frame):
    view = frame.array
    edges = cv2.Canny(view, 100, 200)  # reading needs no copy
    image = view.copy()  # drawing does
    cv2.rectangle(image, (0, 0), (frame.width - 1, frame.height - 1), (0, 0, 255), 2)
    cv2.putText(image, f"frame {frame.seq}, {cv2.countNonZero(edges)} pixels of edges", (8, 24),
                cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 255), 2)
    return image


def main():
    parser = argparse.ArgumentParser(description="Marks BGR frames and saves the last one.")
    parser.add_argument("ring", help="the ring's name: shmringsink's name or ring-name")
    parser.add_argument("picture", help="where to save it, as out.png")
    parser.add_argument("--frames", type=int, help="stop after so many")
    parser.add_argument("--timeout", type=float, help="longest wait in seconds (default: for ever)")
    args = parser.parse_args()

    image = None
    with shmring.Reader(args.ring, "latest", timeout=args.timeout) as reader:
        for frame in itertools.islice(reader, args.frames):
            image = annotated(frame)
            print(f"frame {frame.seq}: {frame.width}x{frame.height}")
    if image is not None:
        cv2.imwrite(args.picture, image)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except shmring.Error as error:
        sys.exit(str(error))
