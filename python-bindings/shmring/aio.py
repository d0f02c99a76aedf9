# SPDX-License-Identifier: LGPL-2.1-or-later
"""`async for frame in reader`: each wait is in a thread of its own, which nobody has to join.

asyncio's own executor would be joined at the end of asyncio.run(), so a wait there would keep the
program from ending. A thread here ends soon after its task is cancelled, and a frame that it took
meanwhile is put back for the next read.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, AsyncIterator

from . import arguments
from ._shmring import Frame
from .errors import EndOfStream
from .records import Info, Stats

if TYPE_CHECKING:
    import asyncio
    from types import EllipsisType

    from .reader import Reader


class _Wait:
    def __init__(self, reader: Reader, timeout_ns: int, newer_than: int) -> None:
        import asyncio  # here: half the time that importing the package takes

        self._reader = reader
        self._times = timeout_ns, newer_than
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()
        self._lock = threading.Lock()
        self._abandoned: list[bool] = []  # the C side looks whether it is empty
        self._done = False
        self._frame: Frame | None = None
        self._error: BaseException | None = None

    async def frame(self) -> Frame:
        threading.Thread(target=self._run, name="shmring-read", daemon=True).start()
        try:
            await self._woken
        except BaseException:  # cancelled, or the coroutine was thrown away
            self._abandon()
            raise
        if self._error is not None:
            raise self._error
        frame, self._frame = self._frame, None
        assert frame is not None
        return frame

    def _abandon(self) -> None:
        with self._lock:
            if not self._done:
                self._abandoned.append(True)
                self._reader._abandon()
                return
        self._reader._put_back(self._frame)
        self._frame = None

    def _run(self) -> None:
        try:
            self._frame = self._reader._take_unless(self._abandoned, *self._times)
        except BaseException as error:
            self._error = error
        with self._lock:
            self._done = True
            if self._abandoned:
                self._reader._left(self._frame)
                self._frame = None
                return
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop was closed without cancelling its tasks
            self._abandon()

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)


async def read_frame(reader: Reader, timeout_ns: int, newer_than: int = arguments.TIME_NONE) -> Frame:
    import asyncio

    await asyncio.sleep(0)  # other tasks run, also while there is always a frame
    if newer_than == arguments.TIME_NONE and (frame := reader.try_read()):
        return frame
    return await _Wait(reader, timeout_ns, newer_than).frame()


async def next_frame(reader: Reader) -> Frame:
    try:
        return await read_frame(reader, reader._timeout_ns)
    except EndOfStream:
        raise StopAsyncIteration from None


class AsyncReader:
    """What `async with shmring.Reader(...) as reader` gives: a Reader whose waits are awaited.

        async with shmring.Reader("cam0") as reader:
            frame = await reader.read(timeout=5)
            async for frame in reader:
                ...

    A task that is cancelled leaves its wait, and no frame is lost by it.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __repr__(self) -> str:
        return repr(self._reader).replace("Reader", "AsyncReader", 1)

    @property
    def name(self) -> str:
        """The ring's name."""
        return self._reader.name

    @property
    def closed(self) -> bool:
        """True once it is closed."""
        return self._reader.closed

    @property
    def info(self) -> Info:
        """As Reader.info."""
        return self._reader.info

    @property
    def stats(self) -> Stats:
        """As Reader.stats."""
        return self._reader.stats

    async def read(self, timeout: float | None | EllipsisType = ...,
                   newer_than: int | None = None) -> Frame:
        """The next Frame, as Reader.read()."""
        return await read_frame(self._reader,
                                arguments.timeout_ns(timeout, self._reader._timeout_ns),
                                arguments.time_ns(newer_than, "newer_than"))

    async def read_array(self, out: Any = None, timeout: float | None | EllipsisType = ...) -> Any:
        """The next frame as an array that is yours, as Reader.read_array()."""
        frame = await self.read(timeout)
        try:
            array = frame.contiguous(out)
        except BaseException:
            self._reader._put_back(frame)
            raise
        frame.release()
        return array

    def try_read(self) -> Frame | None:
        """The next Frame, or None when there is none now."""
        return self._reader.try_read()

    def close(self) -> None:
        """Leave the ring."""
        self._reader.close()

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        return await next_frame(self._reader)
