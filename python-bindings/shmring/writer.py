# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writer: arrays into a ring."""

from __future__ import annotations

import atexit
import errno
import re
import time
import weakref
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, NoReturn

from . import _shmring, arguments, formats
from ._shmring import Loan, Timeline
from .arguments import TIME_NONE, time_ns
from .errors import LIMIT, LeaseError, TIMEOUT, Timeout, raise_forked, raise_pickled, raise_result, warn
from .metas import write_metas
from .raw import ring_name
from .records import Metas, ReaderInfo, Region, WriterStats, reader_info_of

if TYPE_CHECKING:
    from types import EllipsisType, TracebackType

    import numpy.typing as npt

    Said = tuple[int, int, int, int, bytes | None]


# Of what is no picture, at first; the ring grows as it must.
_FIRST_SIZE = 65536
# Bytes of a sample of audio, by GStreamer's name of its format.
_SAMPLE = re.compile(r"[SUF](8|16|24_32|24|20|18|32|64)(?:LE|BE)?")
_MEDIA_TYPE = re.compile(r"\s*[A-Za-z][\w.:+-]*/[^\s,;()]")
_FIELD = re.compile(r"([\w-]+)=(?:\([\w/]+\))?\"?([\w./:-]+)")


class _Sound(NamedTuple):
    """What raw audio's times are counted by."""

    rate: int
    frame: int  #: bytes of a sample of all channels

    def ns(self, size: int) -> int:
        return arguments.NS_PER_SECOND * (size // self.frame) // self.rate


def _sound_of(caps: str) -> _Sound | None:
    fields = dict(_FIELD.findall(caps))
    sample = _SAMPLE.fullmatch(fields.get("format", ""))
    if caps.split(",")[0].strip() != "audio/x-raw" or not sample:
        return None
    bits = {"24_32": 32, "18": 24, "20": 24}.get(sample[1]) or int(sample[1])
    rate, channels = int(fields.get("rate", 0)), int(fields.get("channels", 0))
    return _Sound(rate, channels * bits // 8) if rate and channels else None


# Until a call is out of a Writer that was closed: it is interrupted.
_LEAVING_S = 2
_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


def _close_all() -> None:
    """A thread that is still inside a Writer or Reader keeps what it knows from being freed at the
    program's end: the rings would stay."""
    writers = tuple(_writers)
    for writer in writers:
        writer.close()
    end = time.monotonic() + _LEAVING_S
    while any(writer._users for writer in writers) and time.monotonic() < end:
        time.sleep(0.001)


atexit.register(_close_all)


def _said(pts_ns: int | None, timestamp_ns: int | None, duration_ns: int | None, flags: int,
          metas: Metas | None, regions: Iterable[Region]) -> Said | None:
    """As the C side takes it; None: nothing, as of nearly every frame."""
    if (pts_ns is timestamp_ns is duration_ns is None and metas is None and regions == ()
            and flags == 0):
        return None
    if metas is not None:
        arguments.of_type(metas, "metas", Metas, "a shmring.Metas")
    if regions != () and (regions := tuple(regions)):
        metas = metas or Metas()
        metas = metas._replace(regions=(*metas.regions, *regions))
    return (TIME_NONE if pts_ns is None else time_ns(pts_ns, "pts_ns"),
            TIME_NONE if timestamp_ns is None else time_ns(timestamp_ns, "timestamp_ns"),
            TIME_NONE if duration_ns is None else time_ns(duration_ns, "duration_ns"),
            arguments.count(flags, "flags"),
            None if metas is None else write_metas(metas))


class Writer(_shmring.Writer):
    """Makes the ring NAME and writes frames, for shmring.Reader, for `shmringsrc ring-name=NAME` and
    everything else that reads rings. A context manager: its end is the end of the stream, unless it
    is left by an exception.

    width, height, format: of pictures, with GStreamer's name of the format, as 'BGR', 'NV12'.
    caps: instead of them, GStreamer's of what is no raw video, as 'image/jpeg' or
    'audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved'; write() then takes bytes.
    slots: frames that shared memory holds, 4 to 256.
    framerate: frames a second, a number or (numerator, denominator).
    perms: like a file's; r may observe, w may attach.
    timeout: seconds that a write waits for a slot, None for ever; then its frame is dropped.
    patience: seconds to wait for a reader in mode 'all' that takes nothing, None for ever. Then its
    oldest frames are taken from it, and from nobody else, until it takes one again.
    timeline: a Timeline that Writers of streams that belong together share.
    """

    __slots__ = ("_format", "_rate", "_caps", "_sound", "_written", "__weakref__")
    _format: str
    _rate: tuple[int, int]
    _caps: str | None
    _sound: _Sound | None
    _written: int

    def __new__(cls, name: str, width: int | None = None, height: int | None = None,
                format: str = "BGR", slots: int = 8,
                framerate: float | tuple[int, int] | None = None, perms: int = 0o600,
                timeout: float | None = None, patience: float | None = None,
                caps: str | None = None, timeline: Timeline | None = None) -> Writer:
        if caps is None and (width is None or height is None):
            raise TypeError("Writer() needs width and height, or caps")
        if caps is not None and (width is not None or height is not None):
            raise TypeError("Writer() takes width and height, or caps, not both")
        arguments.of_type(format, "format", str, "a str")
        if caps is not None:
            arguments.of_type(caps, "caps", str, "a str")
            if not _MEDIA_TYPE.match(caps):
                raise ValueError(f"caps must begin with a media type, as 'image/jpeg', not {caps!r}")
        rate, size = arguments.rate(framerate), _FIRST_SIZE
        if width is not None and height is not None:
            width, height = arguments.count(width, "width"), arguments.count(height, "height")
            size = formats.choose_planes(format, width, height)[2]
        self = super().__new__(cls, ring_name(name), size,
                               arguments.count(slots, "slots"), arguments.count(perms, "perms"),
                               arguments.timeout_ns(timeout),
                               arguments.timeout_ns(patience, what="patience"), timeline)
        _writers.add(self)
        self._format, self._rate, self._caps, self._written = format, rate, caps, 0
        self._sound = _sound_of(caps) if caps else None
        if width is not None and height is not None:
            self._set_picture(width, height)
        elif caps is not None:
            self._set_frames("", 0, 0, ((), (), 0), caps)
        return self

    def write(self, array: npt.ArrayLike, pts_ns: int | None = None,
              timestamp_ns: int | None = None, duration_ns: int | None = None,
              metas: Metas | None = None, regions: Iterable[Region] = (),
              flags: int = 0) -> int:
        """Publish a copy of ARRAY and return the frame's number. ARRAY has Frame.array's shape and
        element type and any strides, or is a tuple of planes as Frame.planes; of another size it
        changes the pictures' size from here on. With caps, ARRAY is bytes, or what has a buffer of
        them. Waits for a free slot at most the writer's timeout, then drops the frame and raises
        Timeout.

        pts_ns: running time; by default counted from the framerate, of raw audio from its samples,
        else from the clock since the writer was made.
        timestamp_ns: when it was captured, as time.time_ns(); by default now.
        metas, regions: what Frame.metas of its readers is; regions are added to those of metas.
        flags: shmring.FrameFlags, as DELTA of what is no key frame.
        """
        if self._caps is not None:
            return self._write_bytes(array, pts_ns, timestamp_ns, duration_ns, flags, metas, regions)
        said = _said(pts_ns, timestamp_ns, duration_ns, flags, metas, regions)
        try:
            return self._write(array, said)
        except ValueError:
            if self.closed or not self._follow_size(array):
                raise
            return self._write(array, said)

    def loan(self, pts_ns: int | None = None, timestamp_ns: int | None = None,
             duration_ns: int | None = None, metas: Metas | None = None,
             regions: Iterable[Region] = (), flags: int = 0) -> Loan:
        """A Loan to fill in place, for `with`: published at its end, abandoned on an exception. Its
        memory holds what was there before. Waits as write() does.
        """
        if self._caps is not None:
            raise TypeError("a loan is a picture: with caps, use write()")
        return self._loan(_said(pts_ns, timestamp_ns, duration_ns, flags, metas, regions))

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

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        """End the stream, unless by an exception, and close."""
        if kind is None and not self.closed:
            self.end()
        self.close()

    def __reduce__(self) -> NoReturn:
        raise_pickled(self)

    def _write_bytes(self, data: Any, pts_ns: int | None, timestamp_ns: int | None,
                     duration_ns: int | None, *more: Any) -> int:
        view = memoryview(data).cast("B")
        if view.nbytes > _FIRST_SIZE:
            self._make_room(1 << (view.nbytes - 1).bit_length())
        samples: tuple[int, ...] = ()
        if self._sound:
            pts_ns = self._sound.ns(self._written) if pts_ns is None else pts_ns
            duration_ns = self._sound.ns(view.nbytes) if duration_ns is None else duration_ns
            ends = self._written, self._written + view.nbytes
            samples = tuple(end // self._sound.frame for end in ends)
        said = _said(pts_ns, timestamp_ns, duration_ns, *more)
        seq = self._write(view, said and (*said, *samples))
        self._written += view.nbytes
        return seq

    def _set_picture(self, width: int, height: int) -> None:
        num, den = self._rate
        # Colours are left out: GStreamer then takes what is usual for format and size.
        caps = (f"video/x-{'bayer' if formats.is_bayer(self._format) else 'raw'}, "
                f"format=(string){self._format}, width=(int){width}, height=(int){height}, "
                "interlace-mode=(string)progressive, pixel-aspect-ratio=(fraction)1/1, "
                f"framerate=(fraction){num}/{den}")
        planes = formats.choose_planes(self._format, width, height)
        self._make_room(planes[2])
        self._set_frames(self._format, width, height, planes, caps)

    def _set_frames(self, format: str, width: int, height: int, planes: formats.Planes,
                    caps: str) -> None:
        num, den = self._rate
        duration = arguments.NS_PER_SECOND * den // num if num else TIME_NONE
        self._set_format(format, width, height, formats.channels(format), planes, caps, num, den,
                         duration)

    def _follow_size(self, array: Any) -> bool:
        """Whether ARRAY is a picture of another size, which frames have from now on."""
        views = array if isinstance(array, tuple) else (array,)
        shapes = tuple(memoryview(view).shape or () for view in views)
        try:
            width, height = formats.size_of(self._format, shapes)
        except (ValueError, IndexError):
            return False
        self._set_picture(width, height)
        return True

    def _warn_of_copies(self) -> None:
        warn(f"an array of a loan of ring '{self.name}' outlives its `with` block, so this frame and "
             "others like it are copied to be published: let go of the array in the block, or use "
             "write()")

    def _warn_of_names(self) -> None:
        warn(f"somebody removed the ring '{self.name}' from /dev/shm; it has moved to a new segment "
             "of that name, and its readers follow. Look for what cleans up there: a rm, or logind at "
             "the end of a session (RemoveIPC)")

    def _fail(self, result: int, message: str) -> NoReturn:
        if result == LIMIT:
            raise LeaseError(f"3 loans of ring '{self.name}' are still in use, their arrays counted: "
                             "let go of one")
        if result == TIMEOUT:
            raise Timeout(f"{message} (waited {arguments.seconds_of(self._timeout_ns)} s, and dropped "
                          "the frame)")
        if -result == errno.ECHILD:
            raise_forked("writer", self.name)
        # Of a wait for a reader the library says no more than that.
        raise_result(result, message or f"ring '{self.name}' was cut off: somebody shortened "
                     f"/dev/shm/{self.name} or its .ctl; start its writer again")
