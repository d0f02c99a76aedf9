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

from ._shmring import (
    EndOfStream,
    Error,
    Frame,
    Info,
    LayoutError,
    LeaseError,
    Loan,
    Metas,
    Reader,
    Region,
    RingBusy,
    RingDenied,
    RingNotFound,
    Stats,
    Timeout,
    Writer,
    WriterLost,
    __version__,
    list,
    now,
)
from .capture import VideoCapture

__all__ = [
    "EndOfStream",
    "Error",
    "Frame",
    "Info",
    "LayoutError",
    "LeaseError",
    "Loan",
    "Metas",
    "Reader",
    "Region",
    "RingBusy",
    "RingDenied",
    "RingNotFound",
    "Stats",
    "Timeout",
    "VideoCapture",
    "Writer",
    "WriterLost",
    "__version__",
    "list",
    "now",
]
