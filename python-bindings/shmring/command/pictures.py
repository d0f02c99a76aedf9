# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ring as JPEG pictures, made once for all who look, and only while somebody does."""

from __future__ import annotations

import asyncio
from typing import Any

from . import gstreamer, headers

_QUALITY = 75
_TRIES = 5
_ELEMENTS = {"shmringsrc": gstreamer.SHMRING, "videorate": "gstreamer1.0-plugins-base",
             "jpegenc": "gstreamer1.0-plugins-good"}


def _text(name: str, kind: str, rate: int, width: int) -> str:
    """Frames beyond the rate are left out before they cost anything; JPEG is sent as it is."""
    source = (f"shmringsrc ring-name={name} leaky-type=downstream on-disconnect=wait lease=1 ! "
              "queue leaky=downstream max-size-buffers=1")
    slower = f"videorate drop-only=true max-rate={rate}"
    smaller = (f"videoscale ! video/x-raw,width=[16,{width}],height=[16,{width}],"
               "pixel-aspect-ratio=1/1 ! videoconvert")
    sink = "appsink name=jpegs max-buffers=1 drop=true sync=false emit-signals=true"
    encoded = f"{smaller} ! jpegenc quality={_QUALITY} ! {sink}"
    if kind == "image/jpeg":
        return f"{source} ! {slower} ! {sink}"
    if kind == "video/x-bayer":
        return f"{source} ! {slower} ! bayer2rgb ! {encoded}"
    if kind == "video/x-raw":
        return f"{source} ! {slower} ! {encoded}"
    return f"{source} ! decodebin ! {slower} ! {encoded}"


class Pictures:
    """Of one ring. Used in one event loop; pictures come in a thread of GStreamer's."""

    def __init__(self, name: str, rate: int, width: int) -> None:
        self.name, self._rate, self._width = name, rate, width
        self._gst = gstreamer.load()[1]
        gstreamer.require(self._gst, _ELEMENTS)
        self._loop = asyncio.get_running_loop()
        self._pipeline: Any = None
        self._kind = ""
        self._watchers: set[asyncio.Event] = set()
        self.newest = b""
        self.count = 0
        self.error = ""

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def watch(self, changed: asyncio.Event) -> None:
        """CHANGED is set at each picture."""
        self._watchers.add(changed)
        self.look()

    def unwatch(self, changed: asyncio.Event) -> None:
        self._watchers.discard(changed)

    async def next(self, changed: asyncio.Event, after: int) -> tuple[int, bytes]:
        """The newest picture that is not number AFTER."""
        while self.count == after or not self.newest:
            changed.clear()
            await changed.wait()
        return self.count, self.newest

    def look(self) -> None:
        """Now and then: begins, ends, or begins anew after an error or with another kind of data."""
        frame = self._newest() if self._watchers else None
        kind = headers.media_type(frame)
        message = self._pipeline and self._pipeline.get_bus().pop_filtered(
            self._gst.MessageType.ERROR | self._gst.MessageType.EOS)
        if message and message.type == self._gst.MessageType.ERROR:
            self.error = message.parse_error()[0].message
        if self._pipeline and (not self._watchers or message or kind and kind != self._kind):
            self._stop()
        elif self._watchers and not self._pipeline and kind:
            self._start(kind)

    def _newest(self) -> Any:
        """On a busy machine the writer may be faster more than once."""
        tries = (headers.newest_of(self.name) for _ in range(_TRIES))
        return next(filter(None, tries), None)

    def _start(self, kind: str) -> None:
        self._kind = kind
        if kind.startswith("audio/"):
            self.error = "sound has no picture"
            return
        self._pipeline = self._gst.parse_launch(_text(self.name, kind, self._rate, self._width))
        self._pipeline.get_by_name("jpegs").connect("new-sample", self._on_sample)
        self._pipeline.set_state(self._gst.State.PLAYING)

    def _stop(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        self.newest = b""  # it would be old for who comes next
        self._loop.run_in_executor(None, pipeline.set_state, self._gst.State.NULL)

    def close(self) -> None:
        if self._pipeline:
            self._pipeline.set_state(self._gst.State.NULL)

    def _on_sample(self, sink: Any) -> Any:
        sample = sink.emit("pull-sample")
        if sample:
            buffer = sample.get_buffer()
            jpeg = buffer.extract_dup(0, buffer.get_size())
            self._loop.call_soon_threadsafe(self._on_picture, jpeg)
        return self._gst.FlowReturn.OK

    def _on_picture(self, jpeg: bytes) -> None:
        self.newest, self.count, self.error = jpeg, self.count + 1, ""
        for changed in self._watchers:
            changed.set()
