# SPDX-License-Identifier: LGPL-2.1-or-later
"""The raw reader over a file of any bytes."""

import fcntl
import os
import struct

import image
from shmring import raw

NAME = f"fuzz-raw-{os.getpid()}"
ALIVE, CUT = 1, 2  # bits of an input's first byte


class File:
    """A ring of FORMAT with two frames, and as many bytes of it as there are to know."""

    def __init__(self, format):
        with image.open_writer(NAME, format) as writer:
            for _ in range(2):
                image.write(writer, format)
            with open(f"/dev/shm/{NAME}", "rb") as file:
                self.bytes = file.read()
                header, size = image.newest_header(file.fileno())
        self.regions = [(0, raw.HEADER_BYTES), (0, 256), (raw.PAGE, 64), (header, raw.FRAME_BYTES),
                        (header + raw.FRAME_BYTES, size - raw.FRAME_BYTES)]


files = {}


def put(fd, format, how, data):
    file = files.get(format) or files.setdefault(format, File(format))
    os.pwrite(fd, file.bytes, 0)
    for at, changed in image.patches(data, file.regions):
        os.pwrite(fd, changed, at)
    if how & CUT:
        os.ftruncate(fd, int.from_bytes(data[:3], "little") % len(file.bytes))
    if how & ALIVE:
        fcntl.fcntl(fd, 37, struct.pack("@hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))  # OFD_SETLK


def look(reader):
    frame = reader.latest(timeout=0)
    repr(frame)
    assert len(frame.data) == frame.size
    for name in frame.__annotations__:
        getattr(frame, name)
    assert all(0 <= plane.sum() for plane in frame.planes)
    try:
        assert frame.array.sum() >= 0
    except BufferError:
        assert len(frame.planes) > 1


def run(data):
    format, data = image.kind_of(data)
    how, data = data[:1], data[1:]
    files.get(format) or files.setdefault(format, File(format))
    fd = os.open(f"/dev/shm/{NAME}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        put(fd, format, how[0] if how else ALIVE, data)
        with raw.RawReader(NAME) as reader:
            for _ in range(2):
                look(reader)
    except raw.Error as error:
        assert str(error)
    finally:
        os.close(fd)
        os.unlink(f"/dev/shm/{NAME}")
