# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the targets in Python share: rings of several kinds of pictures, and what an input writes over
them."""

import os

import numpy as np

import shmring
from shmring import raw

MOST_PATCHES = 32
METAS = shmring.Metas(
    crop=(0, 0, 2, 2), transformation=tuple(map(float, range(16))), tags="taglist, a=(int)1;",
    regions=(shmring.Region("face", 1, 1, 2, 2, params=("p, a=(int)1;",)),))
PICTURES = {format: np.arange(np.prod(shape)).astype(np.uint8).reshape(shape) for format, shape in
            {"GRAY8": (8, 8), "BGR": (8, 8, 3), "NV12": (12, 8), "I420": (12, 8), "Y444": (3, 8, 8)}.items()}


def kind_of(data):
    """The format that an input begins with, and the rest."""
    return tuple(PICTURES)[data[0] % len(PICTURES)] if data else "GRAY8", data[1:]


def open_writer(name, format):
    return shmring.Writer(name, 8, 8, format=format, slots=4)


def write(writer, format):
    writer.write(PICTURES[format], metas=METAS, timestamp_ns=1)


def patches(data, regions):
    """What DATA writes, as pairs of a place and bytes; REGIONS are pairs of a place and a size."""
    for _ in range(MOST_PATCHES):
        if len(data) < 4:
            return
        begin, most = regions[data[0] % len(regions)]
        at, size = int.from_bytes(data[1:3], "little") % most, data[3]
        yield begin + at, data[4:4 + size][:most - at]
        data = data[4 + size:]


def newest_header(fd):
    """Place and size of the header of the newest frame in the file."""
    header = raw.unpack(raw.HEADER, os.pread(fd, raw.HEADER_BYTES, 0))
    seq = header["head"] - 1
    word = os.pread(fd, 8, header["ring_offset"] + 8 * (seq % header["capacity"]))
    slot = int.from_bytes(word, "little") & 0xFFFF
    return header["frames_offset"] + slot * header["frame_stride"], header["frame_stride"]
