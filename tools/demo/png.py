# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a BGR or grey frame as a PNG file, with the standard library."""

import os
import struct
import zlib

COLOR_TYPE = {2: 0, 3: 2}  # by the dimensions of the array: grey, RGB


def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def encode(array):
    """The PNG of an array of bytes: (height, width, 3) in BGR order, or (height, width)."""
    height, width = array.shape[:2]
    rgb = array[:, :, ::-1] if array.ndim == 3 else array
    rows = b"".join(b"\0" + row.tobytes() for row in rgb)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPE[array.ndim], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 6))
        + chunk(b"IEND", b"")
    )


def write(path, array):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "wb") as file:
        file.write(encode(array))
