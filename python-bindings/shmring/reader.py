# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reader: frames out of a ring."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, AsyncIterator, Coroutine, Literal, NoReturn, TypeVar, overload

from . import _shmring, arguments
from ._shmring import Frame
from .errors import (CLOSED, ENDED, LEASE, LOST, TIMEOUT, EndOfStream, LeaseError, RingNotFound,
                     Timeout, WriterLost, raise_forked, raise_pickled, raise_result, warn)
from .raw import ring_name
from .records import Info, Stats, info_of

if TYPE_CHECKING:
    from types import EllipsisType, TracebackType

    import numpy as np
    from _typeshed import WriteableBuffer

    from .aio import AsyncReader

    _Array = np.ndarray[Any, np.dtype[Any]]
    _Out = TypeVar("_Out", bound=np.ndarray[Any, Any] | WriteableBuffer)

# The ends that are an end of the stream and no error.
_QUIET_ENDS = {"auto": (ENDED, CLOSED), "end": (ENDED, CLOSED, LOST), "error": (ENDED,),
               "wait": (ENDED, CLOSED)}


class Reader(_shmring.Reader):
    """Reads the ring NAME, as an iterator of Frame (`for` and `async for`) and a context manager.
    Does not wait for the ring: the first read does.

    mode: 'all' gets every frame and the writer waits for it; 'latest' gets the newest DEPTH frames
    and never makes the writer wait.
    lease: frames that may be held at once as views; beyond it a frame is a copy or, with
    views_only, a LeaseError.
    max_copy_bytes: memory for copies that are still referenced. Once so much is held, a read waits
    until a frame is let go; with 'latest' older frames are dropped meanwhile. 0: no limit.
    timeout: seconds that a read waits, None for ever.
    on_disconnect: what a writer that went without end of stream means. 'auto': stopped ends the
    iteration, died raises WriterLost; 'end' and 'error': either does that; 'wait': wait for the
    next writer of that name.

    wait_for_keyframe: of encoded streams, leave out what cannot be decoded after an attach or a
    loss, and ask the writer for a frame that stands alone.
    any_owner: also rings of other users than this one and root.

    `async with` gives an AsyncReader, whose read() is awaited.
    """

    __slots__ = ()

    def __new__(cls, name: str, mode: Literal["all", "latest"] = "all", depth: int = 1,
                lease: int = 2, views_only: bool = False, timeout: float | None = None,
                on_disconnect: Literal["auto", "end", "error", "wait"] = "auto",
                wait_for_keyframe: bool = True, any_owner: bool = False,
                max_copy_bytes: int = 256 << 20) -> Reader:
        arguments.choice(mode, "mode", ("all", "latest"))
        arguments.choice(on_disconnect, "on_disconnect", tuple(_QUIET_ENDS))
        return super().__new__(
            cls, ring_name(name), mode == "latest", arguments.count(depth, "depth"),
            arguments.count(lease, "lease"), views_only, arguments.timeout_ns(timeout),
            on_disconnect, wait_for_keyframe, any_owner,
            arguments.count(max_copy_bytes, "max_copy_bytes", 2**64 - 1))

    def read(self, timeout: float | None | EllipsisType = ..., newer_than: int | None = None) -> Frame:
        """The next Frame. Waits for it, and for the ring, at most TIMEOUT seconds (None: for ever;
        by default the reader's), then raises Timeout, or RingNotFound when there is no ring.
        EndOfStream after the last frame, WriterLost when the writer died.

        newer_than: skip frames published (publish_ns) before that time of CLOCK_MONOTONIC, as
        shmring.now() tells it.
        """
        return self._take(arguments.timeout_ns(timeout, self._timeout_ns),
                          arguments.time_ns(newer_than, "newer_than"))

    @overload
    def read_array(self, out: None = None, timeout: float | None | EllipsisType = ...) -> _Array: ...
    @overload
    def read_array(self, out: _Out, timeout: float | None | EllipsisType = ...) -> _Out: ...
    def read_array(self, out: Any = None, timeout: float | None | EllipsisType = ...) -> Any:
        """The next frame as an array that is yours: writable, in rows without padding, and nothing
        of the ring is held. In OUT, which is returned, or in memory of an earlier array that is
        gone. When OUT does not fit, the frame stays the next one. Raises as read() does.
        """
        return self._take_array(out, arguments.timeout_ns(timeout, self._timeout_ns))

    def request_keyframe(self, at_ns: int | None = None) -> bool:
        """Ask the writer for a frame that stands alone: the next, or the one that is due at AT_NS
        of CLOCK_MONOTONIC. An encoder that can obey does. False when there is no ring to ask."""
        return self._request_keyframe(arguments.time_ns(at_ns, "at_ns"))

    @property
    def info(self) -> Info:
        """The ring it is attached to; RingNotFound when it is not."""
        values = self._info()
        if values is None:
            raise RingNotFound(f"not attached to ring '{self.name}': it is not there yet, or its "
                               "stream has ended")
        return info_of(values)

    @property
    def stats(self) -> Stats:
        """Its counts; once closed, the last ones."""
        return Stats._make(self._stats())

    def __enter__(self) -> Reader:
        self._enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        """Leave the ring."""
        self.close()

    def __reduce__(self) -> NoReturn:
        raise_pickled(self)

    def __repr__(self) -> str:
        attached = "attached" if self.stats.attached else "not attached"
        return f"<shmring.Reader of '{self.name}', {'closed' if self.closed else attached}>"

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Frame]:
        from .aio import next_frame

        return next_frame(self)

    async def __aenter__(self) -> AsyncReader:
        from .aio import AsyncReader

        self._enter()
        return AsyncReader(self)

    async def __aexit__(self, kind: type[BaseException] | None, value: BaseException | None,
                        traceback: TracebackType | None) -> None:
        self.close()

    def _held(self) -> tuple[int, int]:
        stats = self.stats
        return stats.held, stats.lease

    def _lease_advice(self, lease: int) -> str:
        if lease < self._lease:
            return "the ring had no more to lease: make it with more slots, or close another reader"
        return "let go of frames and their arrays earlier, or ask for a larger lease"

    def _warn_of_copies(self) -> None:
        held, lease = self._held()
        why = (f"{held} frames are still referenced and the lease is {lease}, so this frame and "
               "others beyond it are copies" if lease else
               "this reader was leased nothing, so its frames are copies")
        warn(f"ring '{self.name}': {why}; {self._lease_advice(lease)}")

    def _warn_of_limit(self, message: str) -> None:
        warn(f"{message}; until then no frame comes")

    def _fail(self, result: int, code: int, message: str, timeout_ns: int) -> NoReturn:
        name, seconds = self.name, arguments.seconds_of(timeout_ns)
        if result == TIMEOUT and -code == errno.ENOENT:
            raise RingNotFound(f"no ring '{name}' appeared within {seconds} s: start its writer, or "
                               f"check the name ({message})")
        if result == TIMEOUT:
            raise Timeout(f"{message} (waited {seconds} s)")
        if result == LEASE:
            held, lease = self._held()
            raise LeaseError(f"{held} frames still referenced: ring '{name}' leases this reader "
                             f"{lease}; {self._lease_advice(lease)}, or do without views_only")
        if result in _QUIET_ENDS[self._on_disconnect]:
            raise EndOfStream(f"the stream of ring '{name}' has ended: resume() waits for its next "
                              "one, as a new Reader does")
        if result in (CLOSED, LOST):
            if result == CLOSED:
                message = f"the writer of ring '{name}' stopped without ending its stream"
            raise WriterLost(f"{message}: start it again; on_disconnect='wait' reads on then")
        if -result == errno.ECHILD:
            raise_forked("reader", name)
        raise_result(result, message)
