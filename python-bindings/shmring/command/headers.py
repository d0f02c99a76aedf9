# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a ring's frames say of themselves, read as an observer does, without their pixels."""

from __future__ import annotations

from typing import Any

import shmring

from .. import raw
from . import text

_MOST = 32  # frames looked at in one go


class HeaderReader(raw.RawReader):
    """A RawReader whose frames have no data."""

    def __enter__(self) -> HeaderReader:
        return self

    def _pixels(self, segment: raw.Segment, at: int, size: int, out: Any) -> raw.Data:
        return bytearray()

    def times(self, after: int) -> list[tuple[int, int]]:
        """(seq, publish_ns) of the frames since AFTER that are still there, oldest first. A slot is
        used again soon, so of those between two looks some are gone."""
        segment = self._segment
        if segment is None:
            return []
        h, found = segment.header, []
        head = segment.word(raw.HEADER["head"][0])
        for seq in range(max(after + 1, h["base"], head - _MOST, head - h["slots"]), head):
            slot = segment.word(h["ring_offset"] + 8 * (seq % h["capacity"])) & 0xFFFF
            if slot >= h["slots"]:
                continue
            at = h["frames_offset"] + slot * h["frame_stride"]
            publish_ns = segment.word(at + raw.FRAME["publish_ns"][0])
            raw.fence()
            if segment.word(at) == seq:
                found.append((seq, publish_ns))
        return found

    def note(self, times: dict[int, int], since: int, most: int) -> None:
        """Adds to TIMES, by seq, those of the frames that came after them, or after SINCE; the MOST
        newest stay."""
        times.update(self.times(max(times, default=since)))
        for seq in list(times)[:-most]:
            del times[seq]


def media_type_in(caps: str) -> str:
    """As "video/x-raw", of caps as text."""
    return caps.split(",")[0].strip()


def media_type(frame: raw.RawFrame | None) -> str:
    """As "video/x-raw"; "" where there is no frame, or it tells none."""
    return media_type_in(frame.caps or "") if frame else ""


def newest_of(name: str) -> raw.RawFrame | None:
    """The newest frame of the ring NAME; None where there is none, or it cannot be read."""
    try:
        with HeaderReader(name) as reader:
            return reader.latest(timeout=0)
    except (raw.Error, OSError):
        return None


def kind_of(frame: raw.RawFrame | None) -> str | None:
    """Its format, or what it is when that is none of video: h264, jpeg, audio."""
    if frame is None:
        return None
    if frame.format or not frame.caps:
        return frame.format or "data"
    family, _, kind = media_type(frame).partition("/")
    return text.printable(family if kind == "x-raw" else kind.removeprefix("x-"))


def require(name: str) -> None:
    """RingNotFound, or what else is the matter, when nothing has the name: who looks at a ring does
    not wait for it."""
    shmring.query(name)


def is_there(name: str) -> bool:
    """Whether there is a ring NAME. It raises for one that cannot be read, or can never be."""
    try:
        shmring.query(name)
    except shmring.RingNotFound:
        return False
    return True
