# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ring as encoded buffers, those of the last seconds, and a Matroska file: GStreamer does it all.

Needs gst-python and GStreamer's plugins (Debian: python3-gst-1.0, gstreamer1.0-plugins-good, and for
raw video gstreamer1.0-plugins-ugly, whose x264enc is the first choice)."""

from __future__ import annotations

import collections
import time
from typing import Any

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GLib, Gst
except (ImportError, ValueError) as error:
    raise ImportError(f"recording takes GStreamer in Python ({error}): apt install python3-gst-1.0 "
                      "gir1.2-gstreamer-1.0 gstreamer1.0-plugins-good") from None

from ..errors import Error, Timeout, WriterLost
from . import gstreamer

SECOND = 10**9
# As a Matroska file takes it: encoders and cameras make a byte stream unless told.
_H264 = "h264parse ! video/x-h264,stream-format=avc,alignment=au"
# The first that is there encodes raw video; each makes a key frame a second.
_ENCODERS = {
    "x264enc": "x264enc speed-preset=ultrafast tune=zerolatency pass=qual quantizer=23 "
               "key-int-max={fps} ! video/x-h264,profile=main ! " + _H264,
    "openh264enc": "openh264enc gop-size={fps} complexity=low rate-control=off ! " + _H264,
    "vp8enc": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist={fps} target-bitrate=8000000",
    "jpegenc": "jpegenc quality=90",
}
_ONLY_EVEN = {"x264enc"}  # width and height
_PARSERS = {"video/x-h264": _H264,
            "video/x-h265": "h265parse ! video/x-h265,stream-format=hvc1,alignment=au",
            "image/jpeg": "jpegparse", "video/x-av1": "av1parse", "video/x-vp9": "vp9parse"}
_WAITING_BUFFERS = 120  # encoded, between GStreamer's threads and ours
_WAITING_BYTES = 64 << 20  # on the way to the disk
_TIMESCALE_NS = 100_000  # of the times in the file
_ALL = gstreamer.copy_flags(Gst)


def _has(element: str) -> bool:
    return Gst.ElementFactory.find(element) is not None


def chain_for(media_type: str, fps: int, width: int, height: int) -> tuple[str, str]:
    """(how it is encoded, the elements that do it)."""
    if media_type == "video/x-raw":
        for name, text in _ENCODERS.items():
            if (width % 2 or height % 2) and name in _ONLY_EVEN:
                continue
            if all(_has(part.split()[0]) for part in text.split(" ! ") if "/" not in part):
                return f"encoded by {name}", (f"queue max-size-buffers=4 ! videoconvert n-threads=2 ! "
                                              f"{text.format(fps=fps)}")
        raise Error(f"GStreamer has none of the encoders {', '.join(_ENCODERS)}: apt install "
                    "gstreamer1.0-plugins-ugly (x264enc) or gstreamer1.0-plugins-good (jpegenc)")
    parser = _PARSERS.get(media_type, "identity")
    return "as it is", parser if _has(parser.split()[0]) else "identity"


def _keyframe(buffer: Any) -> bool:
    return not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)


class Entry:
    """An encoded buffer and its times, in nanoseconds of CLOCK_MONOTONIC."""

    def __init__(self, sample: Any) -> None:
        self.buffer, segment = sample.get_buffer(), sample.get_segment()
        self.caps = sample.get_caps()
        self.size = self.buffer.get_size()
        self.is_key = _keyframe(self.buffer)
        pts = self._running(segment, self.buffer.pts)
        dts = self._running(segment, self.buffer.dts)
        self.pts = pts if pts is not None else dts or 0
        self.dts = dts if dts is not None else pts or 0

    @staticmethod
    def _running(segment: Any, time_ns: int) -> int | None:
        if time_ns == Gst.CLOCK_TIME_NONE:
            return None
        sign, running = segment.to_running_time_full(Gst.Format.TIME, time_ns)
        return int(sign * running)


class Source:
    """The ring NAME, encoded, one Entry after the other."""

    def __init__(self, name: str, chain: str, waits: bool) -> None:
        if not _has("shmringsrc"):
            raise Error("GStreamer does not find shmringsrc: shmring doctor tells where it looks")
        self.name = name
        self.pipeline = Gst.parse_launch(
            f"shmringsrc ring-name={name} lease=1 on-disconnect={'wait' if waits else 'auto'} ! "
            f"{chain} ! appsink name=out sync=false max-buffers={_WAITING_BUFFERS}")
        # From the clock's own 0 on: frames that were there before, which the first of these need, would
        # have no time of their own in a pipeline that begins now.
        self.pipeline.use_clock(Gst.SystemClock.obtain())
        self.pipeline.set_start_time(Gst.CLOCK_TIME_NONE)
        self.pipeline.set_base_time(0)
        self._out, self._bus = self.pipeline.get_by_name("out"), self.pipeline.get_bus()
        self.has_ended = False
        self.pipeline.set_state(Gst.State.PLAYING)

    def next(self, seconds: float) -> Entry | None:
        """None: none came so fast, or it has ended."""
        sample = self._out.emit("try-pull-sample", int(seconds * SECOND))
        self._look_for_errors()
        if sample is None:
            self.has_ended = self._out.props.eos
            return None
        return Entry(sample)

    def _look_for_errors(self) -> None:
        message = self._bus.pop_filtered(Gst.MessageType.ERROR)
        if message is not None:
            error, _ = message.parse_error()
            kind = WriterLost if "died" in error.message else Error
            raise kind(error.message)

    def close(self) -> None:
        self.pipeline.set_state(Gst.State.NULL)


class Past:
    """The last seconds, from a key frame on, in so much memory at most."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._span, self._most = int(seconds * SECOND), most_bytes
        # Each a key frame and what needs it.
        self._groups: collections.deque[list[Entry]] = collections.deque()
        self.bytes = 0
        self.was_cut = False  #: memory was at its end before the time was

    def add(self, entry: Entry) -> None:
        if self._groups and not entry.caps.is_equal(self._groups[-1][-1].caps):
            self.clear()
        if entry.is_key:
            self._groups.append([])
        if self._groups:
            self._groups[-1].append(entry)
            self.bytes += entry.size
        while self._is_too_old() or self.bytes > self._most:
            self.was_cut = self.was_cut or self.bytes > self._most
            self.bytes -= sum(old.size for old in self._groups.popleft())

    def clear(self) -> None:
        self._groups.clear()
        self.bytes = 0

    def entries(self) -> list[Entry]:
        """All of it, oldest first."""
        return [entry for group in self._groups for entry in group]

    def _is_too_old(self) -> bool:
        """The second key frame is old enough to begin with."""
        groups = self._groups
        return len(groups) > 1 and groups[1][0].pts <= groups[-1][-1].pts - self._span


def _wall_clock(monotonic_ns: int) -> Any:
    real_ns = time.time_ns() - time.monotonic_ns() + monotonic_ns
    whole = GLib.DateTime.new_from_unix_utc(real_ns // SECOND)
    return whole.add(real_ns % SECOND // 1000)  # microseconds


class File:
    """A Matroska file, whose DateUTC is the capture of its first frame. What was written of it plays,
    whenever the program ends."""

    def __init__(self, path: str) -> None:
        self.path, self.frames, self.bytes = path, 0, 0
        self.first_ns = self.last_ns = 0
        self._pipeline: Any = None
        self._has_failed = False

    def _open(self, entry: Entry) -> None:
        self._pipeline = Gst.parse_launch(
            f"appsrc name=in format=time block=true max-bytes={_WAITING_BYTES} "
            f"matroskamux name=mux timecodescale={_TIMESCALE_NS} ! filesink name=file "
            "buffer-mode=unbuffered")
        self._in, self._bus = self._pipeline.get_by_name("in"), self._pipeline.get_bus()
        self._in.props.caps = entry.caps
        mux = self._pipeline.get_by_name("mux")
        mux.set_property("creation-time", _wall_clock(entry.pts))
        self._in.get_static_pad("src").link(self._track(mux, entry.caps))
        self._pipeline.get_by_name("file").props.location = self.path
        self.first_ns = min(entry.pts, entry.dts)
        self._pipeline.set_state(Gst.State.PLAYING)

    def _track(self, mux: Any, caps: Any) -> Any:
        """A pad for CAPS: sound is another kind of track than pictures are."""
        for template in mux.get_pad_template_list():
            if template.direction == Gst.PadDirection.SINK and template.get_caps().can_intersect(caps):
                return mux.request_pad(template, None, caps)
        self._has_failed = True
        raise Error(f"{self.path}: a Matroska file takes no {caps.to_string()}")

    def add(self, entry: Entry) -> None:
        if self._pipeline is None:
            self._open(entry)
        # not copy(), which PyGObject has for every boxed type: it only takes another reference
        buffer = entry.buffer.copy_region(_ALL, 0, entry.size)
        buffer.pts, buffer.dts = (max(0, ns - self.first_ns) for ns in (entry.pts, entry.dts))
        self._in.emit("push-buffer", buffer)
        self._look_for_errors(0)
        self.frames += 1
        self.bytes += entry.size
        self.last_ns = entry.pts

    def _look_for_errors(self, timeout_ns: int) -> None:
        message = self._bus.timed_pop_filtered(timeout_ns, Gst.MessageType.ERROR | Gst.MessageType.EOS)
        if message is not None and message.type == Gst.MessageType.ERROR:
            self._has_failed = True
            raise Error(f"{self.path}: {message.parse_error()[0].message}")

    def close(self) -> None:
        """The index is written, and it is whole."""
        if self._pipeline is None:
            return
        try:
            if not self._has_failed:
                self._in.emit("end-of-stream")
                self._look_for_errors(30 * SECOND)
        finally:
            self._pipeline.set_state(Gst.State.NULL)
            self._pipeline = None

    @property
    def seconds(self) -> float:
        return (self.last_ns - self.first_ns) / SECOND


def start() -> None:
    """GStreamer, once a process."""
    Gst.init(None)


def no_frame(name: str, seconds: float) -> Timeout:
    return Timeout(f"no frame of ring '{name}' came within {seconds:g} s")
