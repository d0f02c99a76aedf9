# SPDX-License-Identifier: LGPL-2.1-or-later
"""What rings, readers and frames say of themselves."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

__all__ = ["FrameFlags", "Info", "Metas", "ReaderInfo", "Region", "RingState", "Stats", "WriterStats"]


class FrameFlags(enum.IntFlag):
    """What GStreamer says of a frame. Bits 20 to 31 belong to the kind of media; those named here
    are raw video's."""

    DISCONT = 1 << 0  #: frames are missing before this one
    CORRUPTED = 1 << 1  #: the source says that its content is damaged
    GAP = 1 << 2  #: no content: the stream is silent here
    DELTA = 1 << 3  #: not a key frame (encoded streams)
    HEADER = 1 << 4  #: stream headers (encoded streams)
    RESYNC = 1 << 5
    MARKER = 1 << 6  #: ends a unit: a picture's last packet, first after silence
    DROPPABLE = 1 << 7
    NON_DROPPABLE = 1 << 8
    DECODE_ONLY = 1 << 9  #: decode, do not show
    SYNC_AFTER = 1 << 10
    INTERLACED = 1 << 20
    TFF = 1 << 21  #: top field first
    RFF = 1 << 22  #: repeat first field
    ONEFIELD = 1 << 23  #: one field only


class RingState(enum.Enum):
    """What became of a ring's writer."""

    LIVE = 1  #: it has the ring, and its stream goes on
    ENDED = 2  #: it has the ring; its stream is over, another may follow
    CLOSED = 3  #: it stopped
    DEAD = 4  #: it died


class ReaderInfo(NamedTuple):
    """One attached reader, as its writer sees it (Writer.readers), or as anybody does who may read
    NAME.ctl (Info.readers): that tells no id, and waited_ns of whom the writer waits for only. What
    it says of itself is for people."""

    id: int  #: of this attachment; none comes twice from one writer; 0: not known
    port: int  #: of the ring, from 0
    process: str  #: name of its program
    pid: int  #: may be of another PID namespace
    mode: str  #: 'all' or 'latest'
    depth: int
    lease: int  #: frames that it may hold as views
    offered: int  #: frames it did not take yet
    held: int  #: frames it has taken and not released
    lag: int  #: frames published that it did not get to yet, as it says
    received: int  #: frames it took, as it says
    dropped: int  #: frames it missed by being slow, as it says
    withdrawn: int  #: frames taken back from it because patience ended
    waited_ns: int  #: how long the writer has waited for it since it took one last
    is_waited_for: bool  #: the writer waits for it now
    is_stuck: bool  #: patience ended: it is not waited for until it takes a frame


class Info(NamedTuple):
    """What a ring is."""

    name: str
    state: RingState
    slots: int  #: frames that shared memory holds
    slot_size: int  #: bytes that a frame may have
    max_readers: int  #: readers that may be attached at once
    lend_limit: int  #: slots that the writer may hand out at once
    header_size: int  #: bytes for a frame's header, caps and metas
    total_size: int  #: bytes of shared memory
    owner: int  #: user id
    mode: int  #: permission bits
    writer_pid: int  #: process id of the writer, as it sees itself
    writer_process: str  #: name of the writer's program
    created_ns: int  #: when the ring was made, as time.time_ns()
    latency_ns: int  #: of the writing pipeline, now
    published: int  #: frames, over all of the ring's life
    bytes: int  #: published
    dropped: int  #: frames that found no slot
    revoked: int  #: offers taken back from readers in mode 'latest'
    withdrawn: int  #: offers taken back from readers that the writer's patience ended for
    flushed: int  #: offers taken back by a seek
    newest: int  #: number of the newest frame, 0: none yet
    key: int  #: number of the newest frame that stands alone, 0: none yet
    waits: int  #: times that the writer had to wait for a reader
    wait_ns: int  #: time it waited
    waits_for: int  #: port of the reader that the writer waits for now, -1: none
    waited_ns: int  #: for how long
    free_slots: int | None  #: that no reader was offered or holds; None: who only may see the
    #: ring, not its readers, cannot know
    instance: str  #: random id of this ring, 32 hexadecimal digits
    readers: tuple[ReaderInfo, ...] | None = None  #: None: not known, as free_slots


def info_of(values: tuple[Any, ...]) -> Info:
    """From what the C side tells."""
    free = None if values[-2] < 0 else values[-2]
    return Info._make((values[0], RingState(values[1]), *values[2:-2], free, values[-1].hex(), None))


def reader_info_of(values: tuple[Any, ...]) -> ReaderInfo:
    """From what the C side tells."""
    info = ReaderInfo._make(values)
    return info._replace(mode=("all", "latest")[values[4]])


class Stats(NamedTuple):
    """What a reader counted, over all its attachments: received + dropped + flushed + withdrawn +
    skipped is what was published while it was attached."""

    received: int  #: frames read
    copied: int  #: of those, as copies
    early: int  #: the newest frame at an attach in mode 'latest': from before it, beside those
    dropped: int  #: taken back to keep mode 'latest' to its depth, overwritten, or damaged
    flushed: int  #: taken back by the writer (a seek)
    withdrawn: int  #: taken back because the writer's patience ended
    skipped: int  #: left out by wait_for_keyframe
    lag: int  #: frames published that this reader did not get to yet
    held: int  #: frames held as views now
    lease: int  #: frames that may be held as views, as granted
    attached: bool


class WriterStats(NamedTuple):
    """What a writer counted."""

    readers: int  #: attached now
    loans: int  #: out now
    published: int  #: frames
    bytes: int  #: published
    dropped: int  #: frames that found no slot
    revoked: int  #: offers taken back from readers in mode 'latest'
    withdrawn: int  #: offers taken back from readers that patience ended for
    flushed: int
    waits: int  #: times it had to wait for a slot
    wait_ns: int  #: time it waited
    dead_readers: int  #: readers that died attached
    bad_claims: int  #: readers that were shut out for writing nonsense
    names_lost: int  #: times that somebody removed a name: the ring moved and has it again
    adopted: int  #: frames that the dead writer before had published


class Region(NamedTuple):
    """A region of interest."""

    type: str  #: what it is, as 'face'
    x: int
    y: int
    width: int
    height: int
    id: int = 0  #: its number in the frame
    parent_id: int = -1  #: the number of the region it belongs to, -1: none
    params: tuple[str, ...] = ()  #: GstStructures, as 'detection, confidence=(double)0.9;'


class Metas(NamedTuple):
    """What GStreamer's metas say of a frame."""

    crop: tuple[int, int, int, int] | None = None  #: the part to show: x, y, width, height
    transformation: tuple[float, ...] | None = None  #: for showing: 4x4, column after column
    regions: tuple[Region, ...] = ()  #: as a detector found them
    tags: str | None = None  #: what changes the picture's meaning: text of a GstTagList
