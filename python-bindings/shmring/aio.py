# SPDX-License-Identifier: LGPL-2.1-or-later
"""`async for frame in reader`: each wait is in a thread of its own, which nobody has to join.

asyncio's own executor would be joined at the end of asyncio.run(), so a wait there would keep the
program from ending. A thread here ends soon after its task is cancelled, and a frame that it took
meanwhile is put back for the next read.
"""

from __future__ import annotations

import asyncio
import threading

from ._shmring import EndOfStream, Frame, Reader


class _Wait:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
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
            self._frame = self._reader._read_unless(self._abandoned)
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


async def next_frame(reader: Reader) -> Frame:
    await asyncio.sleep(0)  # other tasks run, also while there is always a frame
    try:
        return reader.try_read() or await _Wait(reader).frame()
    except EndOfStream:
        raise StopAsyncIteration from None
