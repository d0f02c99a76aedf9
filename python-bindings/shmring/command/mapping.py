# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ring over zenoh: what is sent, as docs/bridges.md writes it down for others."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from .. import raw
from .._shmring import Frame
from ..errors import Error

FRAME, ENDED, CLOSED, LOST = range(1, 5)
_MAGIC, _VERSION = b"SHMR", 1
_HEAD = struct.Struct("<4sHHQQq")
CLOCK = struct.Struct("<qq")
# Of a frame, under the layout's names.
_PLAIN = ("seq", "width", "height", "channels", "flags", "timestamp_ns", "stretch", "pts_ns",
          "dts_ns", "duration_ns", "clock_ns", "publish_ns", "frame_number", "frame_number_end")
_LARGEST_TEXT = 1 << 20


class Head(NamedTuple):
    """What goes before a frame, or in its place."""

    kind: int
    sender: int  #: random, of one run of a sender
    number: int  #: of what that has sent, from 1: a gap is a loss on the way
    sent_ns: int  #: CLOCK_MONOTONIC of the sender


def _plain(frame: Frame, field: str) -> int:
    value = getattr(frame, field)
    return raw.NONE.get(field, -1) if value is None else int(value)


def pack_end(head: Head) -> bytes:
    return _HEAD.pack(_MAGIC, _VERSION, *head)


def pack(head: Head, frame: Frame, planes: tuple[Any, ...], metas: bytes) -> bytes:
    """The attachment of FRAME: what the ring's own frame header is, byte for byte, with caps and
    metas behind it."""
    strides, offsets, size = planes
    caps = (frame.caps or "").encode()
    rate = frame.framerate or (0, 1)
    values: dict[str, Any] = {field: _plain(frame, field) for field in _PLAIN}
    values |= {
        "format": frame.format.encode(), "planes": len(strides), "size": size,
        "stride": (*strides, 0, 0, 0, 0)[:4], "offset": (*offsets, 0, 0, 0, 0)[:4],
        "fps_num": rate[0], "fps_den": rate[1], "caps_size": len(caps), "metas_size": len(metas),
    }
    header = bytearray(raw.FRAME_BYTES)
    for field, (at, code) in raw.FRAME.items():
        value = values[field]
        struct.pack_into(f"<{code}", header, at, *(value if isinstance(value, tuple) else (value,)))
    return pack_end(head) + bytes(header) + caps + metas


def unpack_head(data: bytes) -> Head:
    """Error: it is not of this mapping."""
    if len(data) < _HEAD.size:
        raise Error("what comes has no header of a ring's frame: another program sends there")
    magic, version, *values = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise Error("what comes is not of this version's mapping, or no frames of a ring")
    return Head(*values)


class Received(NamedTuple):
    """A frame that came."""

    seq: int
    stretch: int
    publish_ns: int
    timestamp_ns: int
    clock_ns: int
    flags: int
    said: tuple[Any, ...]  #: for Writer._write_as_it_is()


def unpack_frame(data: bytes, size: int) -> Received:
    """Of a frame with SIZE bytes. ValueError: it cannot be one."""
    header = data[_HEAD.size:]
    if len(header) < raw.FRAME_BYTES:
        raise ValueError("a frame header that ends too early")
    h = raw.unpack(raw.FRAME, header[:raw.FRAME_BYTES])
    caps_size, metas_size = h["caps_size"], h["metas_size"]
    texts = header[raw.FRAME_BYTES:]
    if h["planes"] > 4 or caps_size + metas_size != len(texts) or len(texts) > _LARGEST_TEXT:
        raise ValueError("a frame header that cannot be")
    if h["size"] != size or any(offset > size for offset in h["offset"][:h["planes"]]):
        raise ValueError("a frame whose bytes are not those that its header tells of")
    planes = (tuple(h["stride"][:h["planes"]]), tuple(h["offset"][:h["planes"]]), h["size"])
    format = h["format"].split(b"\0")[0].decode("ascii", "replace")
    caps = texts[:caps_size].split(b"\0")[0].decode("utf-8", "replace")
    said = (format, h["width"], h["height"], h["channels"], h["flags"], planes, h["timestamp_ns"],
            h["pts_ns"], h["dts_ns"], h["duration_ns"], h["clock_ns"], h["frame_number"],
            h["frame_number_end"], h["fps_num"], h["fps_den"], caps or None,
            texts[caps_size:] or None)
    return Received(h["seq"], h["stretch"], h["publish_ns"], h["timestamp_ns"], h["clock_ns"],
                    h["flags"], said)


def moved(frame: Received, offset_ns: int, lost: bool) -> tuple[Any, ...]:
    """What is written here: the sender's CLOCK_MONOTONIC as this host's; DISCONT after a loss."""
    said = list(frame.said)
    said[4] |= int(lost)
    if frame.clock_ns != raw.NONE["clock_ns"]:
        said[10] = max(0, frame.clock_ns - offset_ns)
    return tuple(said)
