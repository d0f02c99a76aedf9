# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writer: arrays into a ring."""

from __future__ import annotations

import errno
from types import EllipsisType
from typing import TYPE_CHECKING, NoReturn

from . import _shmring, arguments, formats
from ._shmring import Loan
from .errors import LIMIT, LeaseError, TIMEOUT, Timeout, raise_forked, raise_result, warn
from .records import ReaderInfo, WriterStats, reader_info_of

if TYPE_CHECKING:
    import numpy.typing as npt


class Writer(_shmring.Writer):
    """Makes the ring NAME and writes frames of one size and format, for shmring.Reader, for
    `shmringsrc ring-name=NAME` and everything else that reads rings. A context manager: its end is
    the end of the stream, unless it is left by an exception.

    format: GStreamer's name, as 'BGR', 'GRAY8', 'NV12'.
    slots: frames that shared memory holds, 4 to 256.
    framerate: frames a second, a number or (numerator, denominator).
    perms: like a file's; r may observe, w may attach.
    timeout: seconds that a write waits for a slot, None for ever; then its frame is dropped.
    patience: seconds to wait for a reader in mode 'all' that takes nothing, None for ever. Then its
    oldest frames are taken from it, and from nobody else, until it takes one again.
    """

    __slots__ = ()

    def __new__(cls, name: str, width: int, height: int, format: str = "BGR", slots: int = 8,
                framerate: float | tuple[int, int] | None = None, perms: int = 0o600,
                timeout: float | None = None, patience: float | None = None) -> Writer:
        width, height = arguments.count(width, "width"), arguments.count(height, "height")
        planes = formats.choose_planes(format, width, height)
        fps_num, fps_den = arguments.rate(framerate)
        self = super().__new__(cls, arguments.ring_name(name), planes[2],
                               arguments.count(slots, "slots"), arguments.count(perms, "perms"),
                               arguments.timeout_ns(timeout), arguments.timeout_ns(patience))
        duration = arguments.NS_PER_SECOND * fps_den // fps_num if fps_num else arguments.TIME_NONE
        # Colours are left out: GStreamer then takes what is usual for format and size.
        caps = (f"video/x-{'bayer' if formats.is_bayer(format) else 'raw'}, format=(string){format}, "
                f"width=(int){width}, height=(int){height}, interlace-mode=(string)progressive, "
                "pixel-aspect-ratio=(fraction)1/1, "
                f"framerate=(fraction){fps_num}/{fps_den}")
        self._set_format(format, width, height, formats.channels(format), planes, caps, fps_num,
                         fps_den, duration)
        return self

    def write(self, array: npt.ArrayLike, pts_ns: int | None = None,
              timestamp_ns: int | None = None) -> int:
        """Publish a copy of ARRAY and return the frame's number. ARRAY has Frame.array's shape and
        element type and any strides, or is a tuple of planes as Frame.planes. Waits for a free slot
        at most the writer's timeout, then drops the frame and raises Timeout.

        pts_ns: running time; by default counted from the framerate, or from the clock since the
        writer was made.
        timestamp_ns: when it was captured, as time.time_ns(); by default now.
        """
        return self._write(array, arguments.time_ns(pts_ns, "pts_ns"),
                           arguments.time_ns(timestamp_ns, "timestamp_ns"))

    def loan(self, pts_ns: int | None = None, timestamp_ns: int | None = None) -> Loan:
        """A Loan to fill in place, for `with`: published at its end, abandoned on an exception. Its
        memory holds what was there before. Waits as write() does.
        """
        return self._loan(arguments.time_ns(pts_ns, "pts_ns"),
                          arguments.time_ns(timestamp_ns, "timestamp_ns"))

    def wait_reader(self, timeout: float | None | EllipsisType = ...) -> None:
        """Return once a reader is attached; raise Timeout when none came within TIMEOUT seconds
        (None: for ever; by default the writer's)."""
        if not self._wait_reader(arguments.timeout_ns(timeout, self._timeout_ns)):
            raise Timeout(f"no reader of ring '{self.name}' came within the timeout: start one")

    @property
    def stats(self) -> WriterStats:
        """What it counted."""
        return WriterStats._make(self._stats())

    @property
    def readers(self) -> tuple[ReaderInfo, ...]:
        """Its attached readers."""
        return tuple(map(reader_info_of, self._readers()))

    def __enter__(self) -> Writer:
        self._enter()
        return self

    def _warn_of_copies(self) -> None:
        warn(f"an array of a loan of ring '{self.name}' outlives its `with` block, so this frame and "
             "others like it are copied to be published: let go of the array in the block, or use "
             "write()")

    def _fail(self, result: int, message: str) -> NoReturn:
        if result == LIMIT:
            raise LeaseError(f"3 loans of ring '{self.name}' are still in use, their arrays counted: "
                             "let go of one")
        if result == TIMEOUT:
            raise Timeout(f"{message} (waited {arguments.seconds_of(self._timeout_ns)} s, and dropped "
                          "the frame)")
        if -result == errno.ECHILD:
            raise_forked("writer", self.name)
        raise_result(result, message)
