# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring ingest: an IP camera into a ring, which stays while the camera is gone."""

from __future__ import annotations

import argparse
import time
from typing import Any
from urllib.parse import urlsplit

from ..errors import Error
from . import gstreamer, options, secrets

EXAMPLES = """\
  shmring ingest rtsp://camera.local/stream1 cam0
  shmring ingest rtsp://camera.local/stream1 cam0 --encoded     as the camera sends it
  shmring ingest rtsps://camera.local/stream1 cam0 --login /etc/shmring/cam0.login
"""
_LOOK_MS = 250
_CONNECT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
# What stays as it is with --encoded, and what cuts it into frames.
_PARSERS = {
    "video/x-h264": "h264parse config-interval=-1 ! "
                    "capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au",
    "video/x-h265": "h265parse config-interval=-1 ! "
                    "capsfilter caps=video/x-h265,stream-format=byte-stream,alignment=au",
    "image/jpeg": "jpegparse",
}
_EXIT = "appsink name=exit sync=false max-buffers=4 emit-signals=true"
_ELEMENTS = {"shmringsink": gstreamer.SHMRING, "uridecodebin": "gstreamer1.0-plugins-base",
             "appsrc": "gstreamer1.0-plugins-base",
             "rtspsrc": "gstreamer1.0-plugins-good"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="rtsp://…, or another that GStreamer plays")
    options.add_name(parser)
    parser.add_argument("--encoded", action="store_true", help="H.264, H.265 or JPEG, not decoded")
    parser.add_argument("--format", default="BGR", help="of the pictures (BGR)")
    parser.add_argument("--latency", type=int, default=200, metavar="MS",
                        help="to wait for packets that come late or again (200)")
    parser.add_argument("--transport", choices=("tcp", "udp"), default="tcp", help="tcp")
    parser.add_argument("--silence", type=float, default=5, metavar="S",
                        help="without a frame after which to connect anew (5)")
    parser.add_argument("--login", metavar="FILE",
                        help="with NAME:PASSWORD, a file that only you can read; or the "
                             "environment's SHMRING_LOGIN")


def _check_url(url: str) -> None:
    """What will never be, at once; what may come is waited for."""
    _, gst = gstreamer.load()
    parts = urlsplit(url)
    if not gst.uri_is_valid(url) or parts.scheme.startswith("rtsp") and not parts.hostname:
        raise ValueError(f"'{url}' is no URL, as rtsp://HOST/PATH is one")
    if not gst.uri_protocol_is_supported(gst.URIType.SRC, parts.scheme):
        raise Error(f"GStreamer has nothing here that plays {parts.scheme}://")
    if parts.username is not None:
        raise Error("a login in the URL is seen by every process: give --login FILE")


def _check_format(name: str) -> None:
    video = gstreamer.load("GstVideo")[2]
    if video.VideoFormat.from_string(name) == video.VideoFormat.UNKNOWN:
        raise ValueError(f"'{name}' is no format of pictures, as BGR, GRAY8 or I420 are")


def _why(message: Any) -> str:
    """What GStreamer says, and what its element adds to that."""
    error, debug = message.parse_error()
    added = (debug or "").rpartition(":\n")[2].strip()
    return ": ".join(text.rstrip(".") for text in (error.message, added) if text)


class _Camera:
    """A pipeline with the ring, which stays, and one with the camera, made anew at each connection;
    their running times are the same."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self.glib, self._gst = gstreamer.load()
        gstreamer.require(self._gst, _ELEMENTS)
        logins = secrets.logins(arguments.login, "SHMRING_LOGIN")
        self._login = next(iter(logins.items()), None)
        self._pipeline = self._made(self._text())
        self._entry = self._pipeline.get_by_name("entry")
        self._ring = self._pipeline.get_by_name("ring")
        self._source: Any = None
        self._pause = _FIRST_PAUSE_S
        self._published, self._moved = 0, time.monotonic()
        self._connected = False
        self.loop = self.glib.MainLoop()
        self.error: Error | None = None

    def _made(self, text: str) -> Any:
        try:
            return self._gst.parse_launch(text)
        except self.glib.Error as error:
            raise Error(error.message) from None

    def _text(self) -> str:
        entry = (f"appsrc name=entry is-live=true format=time handle-segment-change=true "
                 f"max-buffers=4 leaky-type=downstream min-latency={10**6 * self._arguments.latency}")
        ring = f"shmringsink name=ring ring-name={self._arguments.name} async=false"
        if self._arguments.encoded:
            return f"{entry} ! {ring} caps=ANY"
        return (f"{entry} ! videoconvert ! video/x-raw,format={self._arguments.format} ! "
                f"{ring} caps=video/x-raw")

    def start(self) -> None:
        self._pipeline.use_clock(self._gst.SystemClock.obtain())
        self._watch(self._pipeline, self._on_ring_error)
        self._pipeline.set_state(self._gst.State.PLAYING)
        self._connect()
        self.glib.timeout_add(_LOOK_MS, self._look)

    def stop(self) -> None:
        self._disconnect()
        self._pipeline.set_state(self._gst.State.NULL)

    def _watch(self, pipeline: Any, on_error: Any) -> None:
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", on_error)
        bus.connect("message::latency", lambda *_: pipeline.recalculate_latency())

    # ---- A connection ----

    def _connect(self) -> bool:
        self._moved = time.monotonic()
        source = self._source = self._gst.Pipeline()
        source.use_clock(self._gst.SystemClock.obtain())
        source.set_start_time(self._gst.CLOCK_TIME_NONE)
        source.set_base_time(self._pipeline.get_base_time())
        self._watch(source, lambda bus, message: self._lost(_why(message), source))
        source.get_bus().connect("message::eos", lambda *_: self._lost("its stream ended", source))
        decoder = self._gst.ElementFactory.make("uridecodebin")
        decoder.set_property("uri", self._arguments.url)
        decoder.connect("source-setup", self._on_source)
        decoder.connect("pad-added", self._on_pad)
        if self._arguments.encoded:
            kinds = ";".join([*_PARSERS, "audio/x-raw(ANY)"])
            decoder.set_property("caps", self._gst.Caps.from_string(kinds))
        source.add(decoder)
        source.set_state(self._gst.State.PLAYING)
        return False

    def _on_source(self, decoder: Any, source: Any) -> None:
        wanted = {"latency": self._arguments.latency, "protocols": self._arguments.transport,
                  "add-reference-timestamp-meta": True}
        if self._login:
            wanted |= {"user-id": self._login[0], "user-pw": self._login[1]}
        for key, value in wanted.items():
            if source.find_property(key):
                self._gst.util_set_object_arg(source, key, str(value))

    def _on_pad(self, decoder: Any, pad: Any) -> None:
        """The first picture of all that the camera sends."""
        source = decoder.get_parent()
        kind = (pad.get_current_caps() or pad.query_caps(None)).to_string().split(",")[0]
        if not source or source.get_by_name("exit") or not kind.startswith(("video/", "image/")):
            return
        text = _PARSERS[kind] if self._arguments.encoded and kind in _PARSERS else "identity"
        way = self._gst.parse_bin_from_description(f"{text} ! {_EXIT}", True)
        way.get_by_name("exit").connect("new-sample", self._on_sample)
        source.add(way)
        way.sync_state_with_parent()
        pad.link(way.get_static_pad("sink"))

    def _on_sample(self, sink: Any) -> Any:
        sample = sink.emit("pull-sample")
        return self._entry.emit("push-sample", sample) if sample else self._gst.FlowReturn.EOS

    def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source:
            source.get_bus().remove_signal_watch()
            source.set_state(self._gst.State.NULL)

    def _lost(self, why: str, source: Any) -> None:
        """A second message of the same end finds another source, or none."""
        if source is not self._source:
            return
        gstreamer.say("ingest", f"{self._place()}: {why}; again in {self._pause:g} s")
        self._connected = False
        self._disconnect()
        self.glib.timeout_add(int(1000 * self._pause), self._connect)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)

    def _patience(self) -> float:
        """To connect takes longer than to send a frame."""
        return float(self._arguments.silence) + (0 if self._connected else _CONNECT_S)

    def _place(self) -> str:
        url = str(self._arguments.url)
        return urlsplit(url).netloc or url

    # ---- What happens ----

    def _on_ring_error(self, bus: Any, message: Any) -> None:
        self.error = Error(message.parse_error()[0].message)
        self.loop.quit()

    def _look(self) -> bool:
        stats = self._ring.get_property("ring-stats")
        published = stats.get_value("published") if stats else 0
        now = time.monotonic()
        if published != self._published:
            self._published, self._moved, self._pause = published, now, _FIRST_PAUSE_S
            if not self._connected:
                self._connected = True
                gstreamer.say("ingest", f"{self._place()}: connected")
        elif self._source is not None and now - self._moved > self._patience():
            self._lost(f"no frame for {self._patience():g} s", self._source)
        return True


def run(arguments: argparse.Namespace) -> int:
    _check_url(arguments.url)
    _check_format(arguments.format)
    camera = _Camera(arguments)
    camera.start()
    gstreamer.run_loop(camera.glib, camera.loop, camera.stop)
    if camera.error:
        raise camera.error
    return 0
