# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rings over time: what their counters did since a moment ago."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import shmring

from .. import raw
from ..records import Info, ReaderInfo, RingState
from . import headers

_KEPT_TIMES = 512  # of frames, of one ring


class Rates(NamedTuple):
    """Of one ring, over the time since the look before."""

    info: Info
    frame: raw.RawFrame | None  #: the newest
    fps: float | None  #: None: there was no look before
    jitter_ns: float | None  #: standard deviation of the time from frame to frame
    bytes_per_second: float | None
    culprit: int | None  #: port of the reader that the writer waited for last


def intervals(times: dict[int, int]) -> list[int]:
    """Nanoseconds from frame to frame, where both are known."""
    return [at - times[seq - 1] for seq, at in sorted(times.items()) if seq - 1 in times]


class _Ring:
    """What is remembered of one."""

    def __init__(self, info: Info) -> None:
        self.reader = headers.HeaderReader(info.name)
        self.times: dict[int, int] = {}
        self.culprit: int | None = None
        self.frame: raw.RawFrame | None = None
        self.before: tuple[int, Info] | None = None

    def glance(self, info: Info) -> None:
        """Often: what is gone at the next look."""
        if info.waits_for >= 0:
            self.culprit = info.waits_for
        try:
            self.frame = self.reader.latest(timeout=0)
        except raw.Error:
            pass  # no new frame, or none any more
        self.reader.note(self.times, 0, _KEPT_TIMES)

    def look(self, info: Info, now: int) -> Rates:
        passed, since = (now - self.before[0], self.before[1]) if self.before else (0, info)
        between = intervals(self.times)
        rates = Rates(
            info, self.frame, (info.published - since.published) * 1e9 / passed if passed else None,
            statistics.pstdev(between) if len(between) > 1 else None,
            (info.bytes - since.bytes) * 1e9 / passed if passed else None, self._culprit(info))
        self.before, self.culprit = (now, info), None
        self.times = dict(list(self.times.items())[-1:])
        return rates

    def _culprit(self, info: Info) -> int | None:
        """Only who is still there."""
        ports = {reader.port for reader in info.readers or ()}
        return self.culprit if info.readers is None or self.culprit in ports else None


class Watch:
    """All rings of this user, or those of NAMES."""

    def __init__(self, names: list[str] | None = None) -> None:
        self.names = names
        self.dead = 0  # rings, at the last look
        self._rings: dict[str, _Ring] = {}

    def glance(self) -> None:
        """To be called a few times between two looks: whom a writer waits for, and when frames
        came, is told for a moment only."""
        for name, ring in self._rings.items():
            try:
                ring.glance(shmring.query(name))
            except shmring.Error:
                pass  # it is gone, or is just moving

    def look(self) -> list[Rates]:
        """The rings that live or whose stream has ended, by name."""
        self.glance()
        now = time.monotonic_ns()
        found = [info for info in shmring.list(dead=True)
                 if self.names is None or info.name in self.names]
        here = [info for info in found if info.state in (RingState.LIVE, RingState.ENDED)]
        self.dead = len(found) - len(here)
        self._forget({info.name: info for info in here})
        return [self._ring_of(info).look(info, now) for info in here]

    def _ring_of(self, info: Info) -> _Ring:
        if info.name not in self._rings:
            self._rings[info.name] = ring = _Ring(info)
            ring.glance(info)
        return self._rings[info.name]

    def _forget(self, here: dict[str, Info]) -> None:
        """Rings that are gone, or whose writer began anew with other counters."""
        for name, ring in list(self._rings.items()):
            info, before = here.get(name), ring.before
            if info is None or before and info.published < before[1].published:
                ring.reader.close()
                del self._rings[name]


def is_held_up(rates: Rates, reader: ReaderInfo) -> bool:
    """The writer waits for this reader, or has just waited."""
    return reader.is_waited_for or reader.port == rates.culprit
