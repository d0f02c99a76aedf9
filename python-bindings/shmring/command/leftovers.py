# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files in /dev/shm that a writer made and, killed, never gave a name or took away."""

from __future__ import annotations

import os
import re
import stat
from typing import NamedTuple

import shmring

from .. import raw
from ..records import RingState

# As ring/name.c makes them; a first version put a dot before and nothing behind.
_TEMPORARY = re.compile(r"\.?([A-Za-z0-9_-][A-Za-z0-9._-]*)\.[0-9a-f]{32}(?:\.ctl)?(?:\.new)?")
_CTL_MAGIC = b"SHMRCTL\0"


class Leftover(NamedTuple):
    """A file of no ring."""

    name: str
    ring: str  #: that it was to be of
    owner: int  #: user id
    memory: int  #: bytes
    changed_ns: int


def _ring_of(entry: str, fd: int) -> str | None:
    """The ring that a temporary file was to be of, or a NAME.ctl whose NAME is gone."""
    temporary = _TEMPORARY.fullmatch(entry)
    if temporary and (entry.startswith(".") or entry.endswith(".new")):
        return temporary[1]
    name = entry[: -len(".ctl")]
    lonely = entry.endswith(".ctl") and not os.path.lexists(f"{raw.SHM}/{name}")
    return name if lonely and os.pread(fd, 8, 0) == _CTL_MAGIC else None


def _look(entry: str) -> Leftover | None:
    try:
        fd = os.open(f"{raw.SHM}/{entry}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        ring = _ring_of(entry, fd) if stat.S_ISREG(status.st_mode) and not raw.is_locked(fd) else None
        if ring is None:
            return None
        return Leftover(entry, ring, status.st_uid, 512 * status.st_blocks, status.st_mtime_ns)
    finally:
        os.close(fd)


def find() -> list[Leftover]:
    """Those that this user may read, by name."""
    entries = sorted(entry for entry in os.listdir(raw.SHM)
                     if entry.endswith((".ctl", ".new")) or entry.startswith("."))
    return [left for left in map(_look, entries) if left]


def by_ring() -> dict[str, int]:
    """Of what has no live writer, dead rings too: name, and the memory it holds."""
    found = {info.name: info.total_size for info in shmring.list(dead=True)
             if info.state not in (RingState.LIVE, RingState.ENDED)}
    for left in find():
        found[left.ring] = found.get(left.ring, 0) + left.memory
    return found
