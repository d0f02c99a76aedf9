# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ring in the place of a camera: OpenCV's VideoCapture, without OpenCV.

    capture = shmring.VideoCapture("cam0")
    while True:
        ok, image = capture.read()
        if not ok:
            break

Needs numpy; the CAP_PROP_* here are those of cv2 that it knows, with the same numbers.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Literal

from ._shmring import Frame
from .errors import EndOfStream, Error, LayoutError, WriterLost
from .reader import Reader

__all__ = [
    "CAP_PROP_BUFFERSIZE",
    "CAP_PROP_FPS",
    "CAP_PROP_FRAME_HEIGHT",
    "CAP_PROP_FRAME_WIDTH",
    "CAP_PROP_OPEN_TIMEOUT_MSEC",
    "CAP_PROP_POS_FRAMES",
    "CAP_PROP_POS_MSEC",
    "CAP_PROP_READ_TIMEOUT_MSEC",
    "VideoCapture",
]

CAP_PROP_POS_MSEC = 0
CAP_PROP_POS_FRAMES = 1
CAP_PROP_FRAME_WIDTH = 3
CAP_PROP_FRAME_HEIGHT = 4
CAP_PROP_FPS = 5
CAP_PROP_BUFFERSIZE = 38
CAP_PROP_OPEN_TIMEOUT_MSEC = 53
CAP_PROP_READ_TIMEOUT_MSEC = 54

_FAILS_AFTER_S = 0.01

_OF_FRAME: dict[int, Callable[[Frame], float]] = {
    CAP_PROP_POS_MSEC: lambda frame: (frame.pts_ns or 0) / 1e6,
    CAP_PROP_POS_FRAMES: lambda frame: frame.seq,
    CAP_PROP_FRAME_WIDTH: lambda frame: frame.width,
    CAP_PROP_FRAME_HEIGHT: lambda frame: frame.height,
    CAP_PROP_FPS: lambda frame: frame.framerate[0] / frame.framerate[1] if frame.framerate else 0,
}


class VideoCapture:
    """OpenCV's VideoCapture on the ring NAME. Images are the caller's: owned, writable, contiguous.

    Opening waits for the ring and its first frame, and each read for a frame, TIMEOUT seconds at
    most (None: for ever); then it fails as OpenCV does, with False, and `error` says why. So does
    the read that meets the end of the stream or its writer; the next one waits for the next. No
    read fails within less than 10 ms: a loop that goes on at a failure does not spin.

    mode 'all' reads every frame and the writer waits for it; 'latest' the newest DEPTH frames, as
    does set(CAP_PROP_BUFFERSIZE, DEPTH). on_disconnect is Reader's: with 'wait' a reader goes on
    with the next writer of that name.

    An image has the format the ring has, and Frame.array's shape: BGR or GRAY8 behind
    `videoconvert ! shmringsink`, as OpenCV has it; others are for cv2.cvtColor.
    """

    def __init__(self, name: str | None = None, *, mode: Literal["all", "latest"] = "all",
                 depth: int = 1, timeout: float | None = 10.0,
                 on_disconnect: Literal["auto", "end", "error", "wait"] = "auto") -> None:
        self.error: Error | None = None
        self._name = name
        self._mode: Literal["all", "latest"] = mode
        self._depth = depth
        self._on_disconnect: Literal["auto", "end", "error", "wait"] = on_disconnect
        self._timeouts = {CAP_PROP_OPEN_TIMEOUT_MSEC: timeout, CAP_PROP_READ_TIMEOUT_MSEC: timeout}
        self._raises = False
        self._ended = False  # the last read said so
        self._reader: Reader | None = None
        self._ahead: Frame | None = None  # read while opening, for the first grab
        self._grabbed: Frame | None = None
        self._known: Frame | None = None  # the last one, perhaps released, for get()
        if name is not None:
            self.open(name)

    def __repr__(self) -> str:
        return f"<shmring.VideoCapture of {self._name!r}, {'opened' if self._reader else 'closed'}>"

    def open(self, name: str) -> bool:
        """Release what was open, wait for the ring and its first frame; True when it came."""
        self.release()
        self._name, self._ended = name, False
        self._reader = self._new_reader(name)
        try:
            self._ahead = self._known = self._take(self._timeouts[CAP_PROP_OPEN_TIMEOUT_MSEC])
        finally:
            if not self._ahead:
                self.release()
        return self.isOpened()

    def isOpened(self) -> bool:
        """True from a successful open() to release(), also when the stream has ended."""
        return self._reader is not None

    def grab(self) -> bool:
        """Take the next frame, for retrieve(). It is held as a view until the next grab()."""
        began = time.monotonic()
        return self._grab() or self._slowly_false(began)

    def _grab(self) -> bool:
        if self._grabbed:
            self._grabbed.release()
        self._grabbed = None
        frame, self._ahead = self._newest(self._ahead), None
        self._grabbed = frame or self._take(self._timeouts[CAP_PROP_READ_TIMEOUT_MSEC])
        self._known = self._grabbed or self._known
        return self._grabbed is not None

    def retrieve(self, image: Any = None) -> tuple[bool, Any]:
        """(True, a copy of the grabbed frame), or (False, None).

        The copy is made in IMAGE if that is an array of its shape and type.
        """
        if not self._grabbed:
            return False, None
        try:
            return True, self._copy(self._grabbed, image)
        except BufferError as error:
            self._failed(LayoutError(f"{error} of shmring.Reader"))
            return False, None

    def read(self, image: Any = None) -> tuple[bool, Any]:
        """grab() and retrieve(): (True, the next image), or (False, None)."""
        began = time.monotonic()
        ok, image = self.retrieve(image) if self._grab() else (False, None)
        return ok or self._slowly_false(began), image

    def get(self, prop: int) -> float:
        """The value of a CAP_PROP_*; 0 when it is not known.

        Known are position (ms, frames), width, height and frame rate, of the last frame; the buffer
        size, 0 in mode 'all'; and the timeouts, 0 being none.
        """
        if prop in self._timeouts:
            return (self._timeouts[prop] or 0) * 1000.0
        if prop == CAP_PROP_BUFFERSIZE:
            return float(self._depth) if self._mode == "latest" else 0.0
        if prop in _OF_FRAME and self._known:
            return float(_OF_FRAME[prop](self._known))
        return 0.0

    def set(self, prop: int, value: float) -> bool:
        """Set a CAP_PROP_*; True when it has that value now.

        A buffer size of n changes to mode 'latest' of depth n; the timeouts are milliseconds, 0 for
        ever. The picture is the writer's: its size and frame rate are True only as they are.
        """
        if prop in self._timeouts and value >= 0:
            self._timeouts[prop] = value / 1000 if value else None
        elif prop == CAP_PROP_BUFFERSIZE and value >= 1:
            self._keep_latest(int(value))
        return prop in (*self._timeouts, CAP_PROP_BUFFERSIZE, *_OF_FRAME) and self.get(prop) == value

    def release(self) -> None:
        """Leave the ring. Images stay."""
        reader, self._reader = self._reader, None
        for frame in (self._grabbed, self._ahead):
            if frame:
                frame.release()
        self._grabbed = self._ahead = self._known = None
        if reader:
            reader.close()

    def setExceptionMode(self, enable: bool) -> None:
        """With True, what would return False raises its shmring.Error."""
        self._raises = enable

    def getExceptionMode(self) -> bool:
        """As set by setExceptionMode(); False at first."""
        return self._raises

    def getBackendName(self) -> str:
        """'SHMRING'."""
        return "SHMRING"

    def _slowly_false(self, began: float) -> bool:
        time.sleep(max(0, began + _FAILS_AFTER_S - time.monotonic()))
        return False

    def _copy(self, frame: Frame, image: Any) -> Any:
        try:
            return frame.contiguous(image)
        except (TypeError, ValueError):  # of another shape or type: it does not fit
            return frame.contiguous()

    def _failed(self, error: Error) -> None:
        self.error = error
        if self._raises:
            raise error

    def _new_reader(self, name: str) -> Reader | None:
        try:
            return Reader(name, self._mode, depth=self._depth, on_disconnect=self._on_disconnect)
        except Error as error:
            self._failed(error)
            return None

    def _take(self, timeout: float | None) -> Frame | None:
        reader = self._reader
        if not reader:
            return None
        try:
            if self._ended:
                reader.resume()
            self._ended = False
            return reader.read(timeout=timeout)
        except Error as error:
            self._ended = isinstance(error, (EndOfStream, WriterLost))
            self._failed(error)
        except ValueError:
            if not reader.closed:
                raise
        return None

    def _newest(self, ahead: Frame | None) -> Frame | None:
        """In mode latest, what was read while opening is old if another frame came since."""
        if not ahead or self._mode == "all" or not self._reader:
            return ahead
        try:
            newer = self._reader.try_read()
        except Error:  # the next read raises it again
            return ahead
        if newer:
            ahead.release()
        return newer or ahead

    def _keep_latest(self, depth: int) -> None:
        self._mode, self._depth = "latest", depth
        reader, self._reader = self._reader, None
        if reader:
            reader.close()
            self._reader = self._new_reader(reader.name)
