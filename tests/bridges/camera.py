# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera whose pictures say which they are: `camera.py NAME [LEVEL [WIDTHxHEIGHT [FPS [COUNT]]]]`.

Frame n is grey of LEVEL, with n as bars of black and white over its upper half, and was captured at
captured_ns(n). It ends with the stream after COUNT frames, for which it waits for a reader; else never.
"""

import itertools
import sys
import time

import numpy as np

BITS = 16
EPOCH_NS = 1_700_000_000_123_456_789
STEP_NS = 33_366_700


def captured_ns(number):
    return EPOCH_NS + STEP_NS * number


def paint(number, level, width, height):
    picture = np.full((height, width, 3), level, np.uint8)
    for bit in range(BITS):
        bar = slice(bit * width // BITS, (bit + 1) * width // BITS)
        picture[:height // 2, bar] = 255 if number >> bit & 1 else 0
    return picture


def number_in(picture):
    """What paint() was told; PICTURE may come from a codec and be grey or in colours."""
    grey = picture if picture.ndim == 2 else picture[..., 1]  # the colours are the same
    height, width = grey.shape
    middles = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    rows = grey[height // 8:height * 3 // 8]
    return sum(1 << bit for bit, x in enumerate(middles) if rows[:, x - 2:x + 3].mean() > 127)


def level_in(picture):
    grey = picture if picture.ndim == 2 else picture[..., 1]  # the colours are the same
    height, width = grey.shape
    return float(grey[height * 3 // 4:height * 15 // 16, width // 8:width * 7 // 8].mean())


def main(name, level="100", size="320x192", fps="30", count="0"):
    import shmring

    width, height = map(int, size.split("x"))
    patience = 60 if int(count) else 1
    with shmring.Writer(name, width, height, framerate=int(fps), patience=patience) as writer:
        if int(count):
            writer.wait_reader(timeout=60)
        due = time.monotonic()
        for number in itertools.islice(itertools.count(), int(count) or None):
            writer.write(paint(number, int(level), width, height),
                         timestamp_ns=captured_ns(number))
            due = max(due + 1 / int(fps), time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
