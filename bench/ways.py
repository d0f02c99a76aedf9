# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ways that lead frames of a ring into Python and out of it. A writer has write(pen): one
frame. A reader is iterated: memory with a frame in it, which may change once the next is asked for."""

import asyncio

import numpy as np

import shmring


class Writer:
    """Frames are written where they will be read."""

    def __init__(self, name, pen):
        height, width, _ = pen.shape
        self.writer = shmring.Writer(name, width, height)

    def write(self, pen):
        with self.writer.loan() as loan:
            pen.write(loan.array)

    def close(self):
        self.writer.close()


class CopyingWriter(Writer):
    """The frames lie elsewhere."""

    def __init__(self, name, pen):
        super().__init__(name, pen)
        self.picture = np.zeros(pen.shape, np.uint8)

    def write(self, pen):
        pen.write(self.picture)
        self.writer.write(self.picture)


def read_views(name, settings):
    with shmring.Reader(name, mode=settings.get("mode", "all")) as reader:
        for frame in reader:
            yield frame.array


def read_arrays(name, settings):
    """Into one array of the reader's own."""
    with shmring.Reader(name) as reader:
        mine = reader.read_array()
        while True:
            yield mine
            reader.read_array(out=mine)


def read_raw(name, settings):
    """Plain Python, as an observer: the newest frame, copied. A try is lost when the writer came
    back to the slot meanwhile: the most that a frame took are told."""
    from shmring.raw import RawReader

    class CountingReader(RawReader):
        tries = 0

        def _copy(self, *args):
            self.tries += 1
            return super()._copy(*args)

    extra = settings["extra"]
    with CountingReader(name) as reader:
        mine, extra["tries"] = bytearray(1920 * 1080 * 3), 0
        while True:
            reader.tries = 0
            frame = reader.latest(timeout=60, out=mine)
            extra["tries"] = max(extra["tries"], reader.tries)
            yield frame.array


def read_capture(name, settings):
    """As with OpenCV: a picture of the reader's own each time."""
    capture = shmring.VideoCapture(name, mode="all")
    while True:
        good, picture = capture.read()
        if not good:
            return
        yield picture


def read_asyncio(name, settings):
    loop = asyncio.new_event_loop()
    reader = shmring.Reader(name)
    try:
        while True:
            yield loop.run_until_complete(reader.__anext__()).array
    finally:
        reader.close()
        loop.close()


def read_appsink(name, settings):
    """PIPELINE ! appsink, in Python."""
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    pipeline = Gst.parse_launch(settings["pipeline"].replace("NAME", name)
                                + " ! appsink name=sink sync=false max-buffers=2")
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    try:
        while sample := sink.emit("pull-sample"):
            buffer = sample.get_buffer()
            with buffer.map(Gst.MapFlags.READ) as mapping:
                yield mapping.data
            del sample, buffer
    finally:
        pipeline.set_state(Gst.State.NULL)


def read_opencv(name, settings):
    """cv2.VideoCapture of PIPELINE."""
    import cv2

    capture = cv2.VideoCapture(settings["pipeline"].replace("NAME", name)
                               + " ! appsink sync=false max-buffers=2", cv2.CAP_GSTREAMER)
    picture = None
    while True:
        good, picture = capture.read(picture)
        if not good:
            return
        yield picture


WRITERS = {"ring": Writer, "ring-copy": CopyingWriter}
READERS = {"ring": read_views, "ring-out": read_arrays, "ring-raw": read_raw,
           "ring-capture": read_capture, "ring-asyncio": read_asyncio, "appsink": read_appsink,
           "opencv": read_opencv}
