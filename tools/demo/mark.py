# SPDX-License-Identifier: LGPL-2.1-or-later
"""A box and a time in a picture: what a Python script may do with an array."""

import time

# Rows of 3 pixels, as bits.
GLYPHS = {"0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717",
          "6": "74757", "7": "71122", "8": "75757", "9": "75717", ":": "02020", ".": "00002"}
INK = {3: (0, 200, 255), 2: 255}  # by the dimensions of the array: orange in BGR, or white


def draw_text(array, text, left, top, scale):
    for number, letter in enumerate(text):
        for y, row in enumerate(GLYPHS[letter]):
            for x in range(3):
                if int(row) >> (2 - x) & 1:
                    at_x, at_y = left + (4 * number + x) * scale, top + y * scale
                    array[at_y : at_y + scale, at_x : at_x + scale] = INK[array.ndim]


def draw_box(array, left, top, right, bottom, width):
    ink = INK[array.ndim]
    for lines in (slice(top, top + width), slice(bottom - width, bottom)):
        array[lines, left:right] = ink
    for columns in (slice(left, left + width), slice(right - width, right)):
        array[top:bottom, columns] = ink


def mark(array, timestamp_ns):
    """Draws when it was captured, in a box, low in the picture; ARRAY is changed."""
    height, width = array.shape[:2]
    scale = max(1, height // 120)
    second = time.strftime("%H:%M:%S", time.localtime(timestamp_ns // 10**9))
    text = f"{second}.{timestamp_ns // 10**6 % 1000:03}"
    across, down = 4 * len(text) * scale, 5 * scale
    left, top = (width - across) // 2, height - 4 * down
    if left < 4 * scale or top < height // 2:
        return
    array[top - 2 * scale : top + down + 2 * scale, left - 2 * scale : left + across + scale] //= 4
    draw_box(array, left - 3 * scale, top - 3 * scale, left + across + 2 * scale, top + down + 3 * scale,
             scale)
    draw_text(array, text, left, top, scale)
