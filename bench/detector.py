# SPDX-License-Identifier: LGPL-2.1-or-later
"""An application: counts the bright pixels of each frame. detector.py ring|opencv|memory FRAMES
[NAME or PIPELINE]"""

import sys

import cv2
import numpy as np


def from_ring(name):
    import shmring

    with shmring.Reader(name, timeout=60) as reader:
        for frame in reader:
            yield frame.array


def from_opencv(pipeline):
    capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
    while True:
        good, picture = capture.read()
        if not good:
            return
        yield picture


def from_memory():
    picture = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)
    while True:
        yield picture


def main():
    way, frames, *rest = sys.argv[1:]
    pictures = {"ring": from_ring, "opencv": from_opencv, "memory": from_memory}[way](*rest)
    cv2.setNumThreads(1)
    bright = 0
    for _, picture in zip(range(int(frames)), pictures):
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        bright += cv2.countNonZero(cv2.threshold(gray, 127, 255, cv2.THRESH_BINARY)[1])


main()
