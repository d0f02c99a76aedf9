# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame's header, caps and metas of any bytes, through shmring.Reader and all that its Frame
tells."""

import os

import image
import shmring
from shmring import raw


class Ring:
    """A writer and a reader of pictures of FORMAT."""

    def __init__(self, format):
        name = f"fuzz-python-{os.getpid()}-{format}"
        self.format = format
        self.writer = image.open_writer(name, format)
        self.reader = shmring.Reader(name, timeout=0, wait_for_keyframe=False)
        self.fd = os.open(f"/dev/shm/{name}", os.O_RDWR)
        assert self.reader.try_read() is None  # attached

    def publish(self, data):
        """A frame, and what DATA makes of its header before anybody looks."""
        image.write(self.writer, self.format)
        header, size = image.newest_header(self.fd)
        regions = [(header + 8, raw.FRAME_BYTES - 8),
                   (header + raw.FRAME_BYTES, size - raw.FRAME_BYTES)]
        for at, changed in image.patches(data, regions):
            os.pwrite(self.fd, changed, at)


rings = {}
properties = [name for name in dir(shmring.Frame) if not name.startswith("_")]


def look(frame):
    for name in properties:
        if name in ("array", "contiguous", "release"):
            continue
        getattr(frame, name)
    repr(frame)
    assert all(0 <= plane.sum() for plane in frame.planes)
    try:
        with memoryview(frame) as view:
            assert view.readonly
            bytes(view)
        assert frame.array.sum() == frame.contiguous().sum()
    except BufferError:
        assert len(frame.planes) > 1


def run(data):
    format, data = image.kind_of(data)
    ring = rings.get(format) or rings.setdefault(format, Ring(format))
    ring.publish(data)
    try:
        frame = ring.reader.try_read()
    except shmring.LayoutError as error:
        assert str(error)
        return
    if frame is not None:  # else a gap
        with frame:
            look(frame)
