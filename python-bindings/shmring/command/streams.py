# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ring as a stream for RTP that never stops: while nobody writes, a picture that says so."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from ..errors import Error
from . import gstreamer, headers

_SILENT_AFTER_S = 1.0
_NTP_EPOCH_NS = 2_208_988_800 * 10**9  # from 1900 to 1970
_KEY_FRAMES = 60  # from one to the next; a client that comes gets one at once
_SIZE = 640, 360  # of a ring that was never seen


class _Kind(NamedTuple):
    """Texts of pipelines, of what can be sent: what a ring's frames of this kind go through, what raw
    pictures go through to become such, and what both go through then."""

    frames: str
    encode: str
    both: str


_I420 = "videoconvert ! video/x-raw,format=I420"
# What its payloader leaves out it calls an invalid component.
_JPEG_ADVICE = ("; RTP carries JPEG of 4:2:0 and 4:2:2 alone (RFC 2435), as jpegenc makes it behind "
                "video/x-raw,format=I420")
_PICTURE = ("videotestsrc is-live=true pattern={pattern} ! video/x-raw,format=I420,"
            "framerate=5/1,width={width},height={height}{label}")
_SILENCE = "audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=48000,channels=2"
_H264 = "video/x-h264,stream-format=byte-stream,alignment=au"
_H265 = "video/x-h265,stream-format=byte-stream,alignment=au"
# A parser puts a key frame's parameters before it. A payloader would put them before each slice of it,
# which ffmpeg takes for so many damaged frames.
_H264_PARSER = f"h264parse config-interval=-1 ! {_H264}"
_H265_PARSER = f"h265parse config-interval=-1 ! {_H265}"
_H264_PAYLOADER = "rtph264pay name=pay0 pt=96 aggregate-mode=zero-latency"
_RAW, _SOUND = "video/x-raw", "audio/x-raw"
_KINDS = {
    _RAW: _Kind("identity", "identity",
                f"{_I420} ! {{encoder}} ! {_H264_PARSER} ! {_H264_PAYLOADER}"),
    "video/x-h264": _Kind(_H264_PARSER, f"{{encoder}} ! {_H264_PARSER}", _H264_PAYLOADER),
    "video/x-h265": _Kind(_H265_PARSER, f"x265enc tune=zerolatency ! {_H265_PARSER}",
                          "rtph265pay name=pay0 pt=96 aggregate-mode=zero-latency"),
    "image/jpeg": _Kind("jpegparse", "jpegenc", "rtpjpegpay name=pay0 pt=26"),
    _SOUND: _Kind("identity", "",
                  "audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay0 pt=97"),
}
# To raw pictures; what else is one is for decodebin.
_DECODE = {_RAW: "identity", "video/x-bayer": "bayer2rgb"}
ELEMENTS = {
    "shmringsrc": gstreamer.SHMRING,
    "rtphdrextntp64": "gstreamer1.0-plugins-good of 1.22 or newer",
    "h264parse": "gstreamer1.0-plugins-bad",
}


def _picture(Gst: Any, name: str) -> dict[str, str]:
    """In words, where GStreamer can write."""
    if not Gst.ElementFactory.find("textoverlay"):
        return {"pattern": "ball", "label": ""}
    return {"pattern": "black",
            "label": f' ! textoverlay text="no signal: {name}" valignment=center '
                     'halignment=center font-desc="Sans, 24"'}


def _text(name: str, sent: str, size: tuple[int, int], said: dict[str, str]) -> str:
    kind = _KINDS[sent]
    meanwhile = _SILENCE if sent == _SOUND else f"{_PICTURE} ! {kind.encode}"
    # A frame of a codec that is left out costs all until the next key frame.
    depth = 3 if sent == _RAW else 30
    return (f"shmringsrc name=ring ring-name={name} leaky-type=downstream max-buffers={depth} "
            "on-disconnect=wait "
            f"{meanwhile} ! input-selector name=ring-or-not sync-streams=false ! {kind.both}"
            ).format(width=size[0], height=size[1], **said)


def _way(kind: str, sent: str) -> str:
    """Text of what leads from a ring's frames of KIND to what is SENT; empty: nothing does. Clients
    were told once what is sent, and the ring may come later, or anew as another kind."""
    if kind == sent:
        return _KINDS[sent].frames
    if sent == _SOUND or not kind.startswith(("video/", "image/")):
        return ""
    return f"{_DECODE.get(kind, 'decodebin')} ! {_I420} ! {_KINDS[sent].encode}"


class Stream:
    """The bin of one ring, with a payloader pay0. Its watch() is to be called every WATCH_MS."""

    WATCH_MS = 100

    def __init__(self, name: str, bitrate: int) -> None:
        self._glib, self._gst, _, self._video = gstreamer.load("GstRtp", "GstVideo")
        self.name = name
        header = headers.newest_of(name)
        kind = headers.media_type(header)
        self._sent = kind if kind in _KINDS else _RAW
        size = (header.width & ~1, header.height & ~1) if header and header.width > 1 else _SIZE
        self._said = {**_picture(self._gst, name),
                      "encoder": gstreamer.encoder(self._gst, bitrate, _KEY_FRAMES)}
        self.bin = self._made(_text(name, self._sent, size, self._said))
        self._selector = self.bin.get_by_name("ring-or-not")
        self._meanwhile = self._selector.get_static_pad("sink_0")
        self._ring = self._selector.request_pad_simple("sink_%u")
        self._kind = ""  # of the ring's frames, until they come
        self._way: Any = None
        self._warned: set[str] = set()
        self._unix, self._ntp = (self._gst.Caps.from_string(f"timestamp/{name}")
                                 for name in ("x-unix", "x-ntp"))
        self._copied = gstreamer.copy_flags(self._gst)
        # An input-selector that changes pads in the midst of another's buffer mixes up their caps.
        self._turn = threading.Lock()
        self._shown = time.monotonic()  # a frame of the ring
        self._reached = -1  # running time of the picture in its place
        self._pick(self._ring)
        self._meanwhile.get_peer().add_probe(self._gst.PadProbeType.BUFFER, self._on_picture)
        self.bin.get_by_name("ring").get_static_pad("src").add_probe(
            self._gst.PadProbeType.QUERY_DOWNSTREAM, self._on_query)
        self._tell_capture_time()

    def close(self) -> None:
        """Its probes and its elements hold each other, which no collector sees."""
        self.bin = self._selector = self._meanwhile = self._ring = self._way = self._active = None

    def _made(self, text: str) -> Any:
        try:
            return self._gst.parse_bin_from_description(text, False)
        except self._glib.Error as error:
            raise Error(f"ring '{self.name}': {error.message}") from None

    def _on_query(self, pad: Any, info: Any) -> Any:
        """Before it sends frames of another kind, the ring's source asks whether they are taken."""
        query = info.get_query()
        if query.type == self._gst.QueryType.ACCEPT_CAPS:
            # As text: what gst-python has for a structure is another thing in 1.26.
            kind = headers.media_type_in(query.parse_accept_caps().to_string())
            if kind != self._kind:
                self._kind = kind
                self._lead(pad)
        return self._gst.PadProbeReturn.OK

    def _lead(self, source: Any) -> None:
        """The ring's frames to the selector, by what they need."""
        if self._way:
            self._way.set_state(self._gst.State.NULL)
            self.bin.remove(self._way)
        self._way = self._made_way()
        self.bin.add(self._way)
        source.link(self._door("entry", "sink"))
        if self._way.get_by_name("exit"):
            door = self._door("exit", "src")
            door.add_probe(self._gst.PadProbeType.BUFFER, self._on_frame)
            door.link(self._ring)
        self._way.sync_state_with_parent()

    def _door(self, name: str, direction: str) -> Any:
        pad = self._way.get_by_name(name).get_static_pad(direction)
        door = self._gst.GhostPad.new(direction, pad)
        self._way.add_pad(door)
        return door

    def _made_way(self) -> Any:
        """One into nothing, where there is no other."""
        text = _way(self._kind, self._sent).format(**self._said)
        try:
            if text:
                return self._made(f"identity name=entry ! {text} ! identity name=exit")
            gstreamer.say("serve", f"ring '{self.name}' is {self._kind} now: who looks at it as "
                                   f"{self._sent} has to leave and come again")
        except Error as error:
            gstreamer.say("serve", str(error))
        return self._made("fakesink name=entry sync=false async=false")

    def warn(self, why: str) -> None:
        """Once: what an element says of one frame it says of the next."""
        if why not in self._warned:
            self._warned.add(why)
            advice = _JPEG_ADVICE if self._sent == "image/jpeg" else ""
            gstreamer.say("serve", f"ring '{self.name}': {why}{advice}")

    def watch(self) -> None:
        """Shows the picture once the ring has been silent."""
        if self._active is not self._ring or time.monotonic() - self._shown <= _SILENT_AFTER_S:
            return
        if self._turn.acquire(blocking=False):
            self._pick(self._meanwhile)
            self._turn.release()

    def request_key_frame(self) -> None:
        """For a client that came."""
        self.bin.get_by_name("pay0").get_static_pad("sink").push_event(self._key_frame())

    def _key_frame(self) -> Any:
        return self._video.video_event_new_upstream_force_key_unit(self._gst.CLOCK_TIME_NONE,
                                                                   True, 0)

    def _pick(self, pad: Any) -> None:
        self._active = pad
        self._selector.set_property("active-pad", pad)

    def _running_time(self, pad: Any, buffer: Any) -> int:
        event = pad.get_sticky_event(self._gst.EventType.SEGMENT, 0)
        if event is None or buffer.pts == self._gst.CLOCK_TIME_NONE:
            return -1
        return int(event.parse_segment().to_running_time(self._gst.Format.TIME, buffer.pts))

    def _on_picture(self, pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        if self._is_told(buffer):
            return self._gst.PadProbeReturn.OK
        with self._turn:
            if self._active is self._meanwhile:
                self._reached = self._running_time(pad, buffer)
                self._push_with_time(pad, buffer)
        return self._gst.PadProbeReturn.DROP

    def _on_frame(self, pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        if self._is_told(buffer):
            return self._gst.PadProbeReturn.OK
        with self._turn:
            self._shown = time.monotonic()
            if self._active is not self._ring and self._may_follow(pad, buffer):
                self._pick(self._ring)
            if self._active is self._ring:
                self._push_with_time(pad, buffer)
        return self._gst.PadProbeReturn.DROP

    def _may_follow(self, pad: Any, buffer: Any) -> bool:
        """Whether what was sent last is no later than the frame, which needs nothing before it."""
        if self._sent == _RAW:
            return self._running_time(pad, buffer) > self._reached
        if not buffer.has_flags(self._gst.BufferFlags.DELTA_UNIT):
            return True
        self._ring.push_event(self._key_frame())
        return False

    def _is_told(self, buffer: Any) -> bool:
        return buffer.get_reference_timestamp_meta(self._ntp) is not None

    def _push_with_time(self, pad: Any, buffer: Any) -> None:
        """One that tells its capture as NTP has it: of nothing else is RFC 6051's header extension
        made."""
        unix = buffer.get_reference_timestamp_meta(self._unix)
        told = buffer.copy_region(self._copied, 0, buffer.get_size())  # the same memory
        told.add_reference_timestamp_meta(
            self._ntp, (unix.timestamp if unix else time.time_ns()) + _NTP_EPOCH_NS,
            self._gst.CLOCK_TIME_NONE)
        pad.push(told)

    def _tell_capture_time(self) -> None:
        extension = self._gst.ElementFactory.make("rtphdrextntp64")
        extension.set_id(1)
        extension.set_property("every-packet", True)  # a payloader may lose that of the first
        self.bin.get_by_name("pay0").emit("add-extension", extension)
