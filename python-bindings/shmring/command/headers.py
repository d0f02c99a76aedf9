# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a ring's frames say of themselves, read as an observer does, without their pixels."""

from __future__ import annotations

from typing import NamedTuple

from .. import raw

_TRIES = 16


class Header(NamedTuple):
    """Of one frame. Times are nanoseconds; None: not known."""

    seq: int
    format: str  #: GStreamer's name; of opaque data the media type of its caps
    width: int
    height: int
    size: int
    flags: int
    framerate: tuple[int, int] | None
    timestamp_ns: int  #: of capture, CLOCK_REALTIME
    pts_ns: int | None
    clock_ns: int | None
    publish_ns: int
    caps: str


def _time(ns: int) -> int | None:
    return None if ns == -1 else ns


def _decode(data: bytes, room: int) -> Header:
    h = raw.unpack(raw.FRAME, data)
    caps = data[raw.FRAME_BYTES:][: min(h["caps_size"], room)].split(b"\0")[0].decode("utf-8", "replace")
    format = h["format"].split(b"\0")[0].decode("ascii", "replace")
    rate = (h["fps_num"], h["fps_den"]) if h["fps_num"] and h["fps_den"] else None
    return Header(h["seq"], format or caps.split(",")[0], h["width"], h["height"], h["size"],
                  h["flags"], rate, h["timestamp_ns"], _time(h["pts_ns"]), _time(h["clock_ns"]),
                  h["publish_ns"], caps)


def newest(segment: raw.Segment) -> Header | None:
    """Of the newest frame; None when there is none yet, or the writer was faster every time."""
    h = segment.header
    for _ in range(_TRIES):
        seq = segment.value("head") - 1
        if seq < h["base"]:
            return None
        raw.fence()
        descriptor = segment.word(h["ring_offset"] + 8 * (seq % h["capacity"]))
        slot = descriptor & 0xFFFF
        if descriptor >> 16 != seq or slot >= h["slots"]:
            continue
        at = h["frames_offset"] + slot * h["frame_stride"]
        data = bytes(segment.bytes(at, h["frame_stride"]))
        raw.fence()
        if segment.word(at) == seq:
            return _decode(data, h["frame_stride"] - raw.FRAME_BYTES)
    return None


def newest_of(name: str) -> Header | None:
    """Of the newest frame of the ring NAME; None, too, where it cannot be read."""
    try:
        segment = raw.Segment(name)
    except (raw.Error, OSError):
        return None
    try:
        return newest(segment)
    except (raw.Error, OSError):
        return None
    finally:
        segment.close()
