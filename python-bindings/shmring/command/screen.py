# SPDX-License-Identifier: LGPL-2.1-or-later
"""A terminal's whole screen, given back as it was, however the program ends."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType
from typing import Any, Iterable

_ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, no cursor
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"  # shown at once, where terminals can
_CLEAR_LINE = "\x1b[K"


def is_terminal() -> bool:
    """Somebody looks, and may press keys."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def says_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def size() -> tuple[int, int]:
    """Columns and lines."""
    found = os.get_terminal_size(sys.stdout.fileno())
    return found.columns or 80, found.lines or 24


class Screen:
    """The context in which the screen is ours. SIGTERM and SIGHUP end the program by SystemExit."""

    def __enter__(self) -> Screen:
        self._modes = termios.tcgetattr(sys.stdin)
        self._handlers: dict[signal.Signals, Any] = {number: signal.signal(number, self._end)
                          for number in (signal.SIGTERM, signal.SIGHUP)}
        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stop)
        self._take()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def draw(self, lines: Iterable[str]) -> None:
        """Shows LINES, which fit, from the top."""
        text = f"{_CLEAR_LINE}\n".join(lines)
        self._write(f"{_BEGIN}{text}{_CLEAR_LINE}{_END}")

    def key(self, seconds: float) -> str:
        """What was pressed within SECONDS, or ''."""
        ready, _, _ = select.select([sys.stdin], [], [], max(0, seconds))
        if not ready:
            return ""
        pressed = os.read(sys.stdin.fileno(), 64)
        if not pressed:
            raise SystemExit(0)  # the terminal is gone
        return pressed.decode("utf-8", "replace")

    def _take(self) -> None:
        tty.setcbreak(sys.stdin)
        self._write(_ENTER)

    def _give_back(self) -> None:
        self._write(_LEAVE)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._modes)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _end(self, number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _stop(self, number: int, frame: FrameType | None) -> Any:
        """Ctrl-Z: the shell gets its terminal; fg, and it is ours again."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)
        self._take()
