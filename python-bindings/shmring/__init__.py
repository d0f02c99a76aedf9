# SPDX-License-Identifier: LGPL-2.1-or-later
"""Video frames out of a shared memory ring, as arrays that cost no copy.

    import shmring

    with shmring.Reader("cam0") as reader:
        for frame in reader:
            print(frame.seq, frame.array.mean())

A frame's array is a read-only view of the slot the writer filled. The slot goes back to the writer
when the frame and every array made from it are gone, so keep frames no longer than they are needed,
and copy what is to stay or to be drawn on: `frame.array.copy()`.

numpy is needed for `Frame.array` and `Frame.planes` only; `memoryview(frame)` works without.
"""

import builtins as _builtins
import os as _os

from ._shmring import Frame, Loan, Timeline, __version__, now, query as _query
from .aio import AsyncReader
from .capture import VideoCapture
from .errors import (
    EndOfStream,
    Error,
    LayoutError,
    LeaseError,
    RingBusy,
    RingDenied,
    RingNotFound,
    Timeout,
    WriterLost,
)
from .raw import ring_name as _ring_name
from .reader import Reader
from .records import (
    FrameFlags,
    Info,
    Metas,
    ReaderInfo,
    Region,
    RingState,
    Stats,
    WriterStats,
    info_of as _info_of,
    reader_info_of as _reader_info_of,
)
from .writer import Writer

__all__ = [
    "AsyncReader",
    "EndOfStream",
    "Error",
    "Frame",
    "FrameFlags",
    "Info",
    "LayoutError",
    "LeaseError",
    "Loan",
    "Metas",
    "Reader",
    "ReaderInfo",
    "Region",
    "RingBusy",
    "RingDenied",
    "RingNotFound",
    "RingState",
    "Stats",
    "Timeline",
    "Timeout",
    "VideoCapture",
    "Writer",
    "WriterLost",
    "WriterStats",
    "__version__",
    "list",
    "now",
    "query",
]


def list(dead: bool = False) -> _builtins.list[Info]:
    """The live rings that this user may observe, sorted by name. With `dead`, those too whose
    stream is over or whose writer is gone: `state` says which. As with query(), nobody notices."""
    rings: _builtins.list[Info] = []
    for name in sorted(_os.listdir("/dev/shm")):
        try:
            info = query(name)
        except (Error, ValueError):  # no ring, or none of ours
            continue
        if dead or info.state is RingState.LIVE:
            rings.append(info)
    return rings


def query(name: str) -> Info:
    """What has the name, live or not; RingNotFound when nothing has. It takes permission to read
    the ring. Who may not read NAME.ctl too (it is readable to whom `perms` let attach) gets `readers`
    and `free_slots` of None."""
    values, readers = _query(_ring_name(name))
    return _info_of(values)._replace(
        readers=None if readers is None else tuple(map(_reader_info_of, readers)))


for _name in __all__:  # as they are to be imported, and pickled
    if isinstance(globals()[_name], type) and globals()[_name].__module__ != __name__:
        globals()[_name].__module__ = __name__
