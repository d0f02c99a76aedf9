# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring record: a ring into a Matroska file, from now on or with what was before."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import Any

from . import headers, options, recorders, text

EXAMPLES = """\
  shmring record cam0 cam0.mkv                 from now until Ctrl-C, or the end of the stream
  shmring record cam0 cam0.mkv --after 1m      one minute
  shmring record cam0 event.mkv --before 10s --after 5s
                                               keeps 10 s in memory; Enter, SIGUSR1 or `shmring
                                               trigger cam0` saves them and the next 5 s, into
                                               event.mkv, event-2.mkv, ...
"""
_SLICE_S = 0.1


def _memory(value: str) -> int:
    units = {"k": 1000, "M": 1000**2, "G": 1000**3}
    number, unit = (value[:-1], units[value[-1]]) if value[-1:] in units else (value, 1)
    return options.count(number) * unit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    parser.add_argument("file", metavar="FILE", help="to write: Matroska, .mkv; never an old one")
    parser.add_argument("--before", type=options.seconds, metavar="S",
                        help="keep so many seconds, and write when triggered")
    parser.add_argument("--after", type=options.seconds, metavar="S",
                        help="write so many seconds from now, or from the trigger (there: 5)")
    parser.add_argument("--memory", type=_memory, metavar="BYTES", default=256_000_000,
                        help="for what is kept, encoded; then fewer seconds are (256M)")
    options.add_timeout(parser, "the first frame")


def _say(line: str) -> None:
    print(line, flush=True)


class _Signals:
    """What was asked for since it was looked at: by signals, and by Enter."""

    def __init__(self) -> None:
        self.has_trigger = self.has_end = False
        self._reads = sys.stdin is not None and not sys.stdin.closed
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, self._end)
        signal.signal(signal.SIGUSR1, self._trigger)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.has_end = True

    def _trigger(self, number: int, frame: FrameType | None) -> None:
        self.has_trigger = True

    def take_trigger(self) -> bool:
        if self._reads and select.select([sys.stdin], [], [], 0)[0]:
            pressed = os.read(sys.stdin.fileno(), 4096)
            self._reads = bool(pressed)
            self.has_trigger = self.has_trigger or b"\n" in pressed
        was, self.has_trigger = self.has_trigger, False
        return was


def free_path(path: str) -> str:
    """PATH, or the next that is no file: event.mkv, event-2.mkv."""
    stem, suffix = os.path.splitext(path)
    number, found = 1, path
    while os.path.exists(found):
        number += 1
        found = f"{stem}-{number}{suffix}"
    return found


class _Recorder:
    """From a source into files: all of it, or around triggers."""

    def __init__(self, arguments: argparse.Namespace, source: Any, library: Any) -> None:
        self.arguments, self.source, self.library = arguments, source, library
        self.signals = _Signals()
        waits = arguments.before is not None
        self.past: Any = library.Past(arguments.before, arguments.memory) if waits else None
        self.file: Any = None
        self.until_ns = 0  # of the file; 0: no end
        self.was_cut = False

    def run(self) -> None:
        deadline, has_frame = time.monotonic() + self.arguments.timeout, False
        try:
            while not self.signals.has_end and not self.source.has_ended:
                entry = self.source.next(_SLICE_S)
                has_frame = has_frame or entry is not None
                if not has_frame and time.monotonic() > deadline:
                    raise self.library.no_frame(self.source.name, self.arguments.timeout)
                if self._is_over(entry):
                    break
        finally:
            self._finish()

    def _is_over(self, entry: Any) -> bool:
        if self.past is None:
            return entry is not None and self._record(entry)
        if self.signals.take_trigger():
            self._trigger()
        if entry is not None:
            self._keep(entry)
        return False

    # Without what was before

    def _record(self, entry: Any) -> bool:
        """True: that was all."""
        if self.file is None and not entry.is_key:
            return False
        if self.file is None or not self._fits(entry):
            self._begin(entry)
        if self.until_ns and entry.pts >= self.until_ns:
            return True
        self.file.add(entry)
        return False

    def _fits(self, entry: Any) -> bool:
        return bool(self.caps.is_equal(entry.caps))

    def _begin(self, entry: Any) -> None:
        if self.file is None and self.arguments.after:
            self.until_ns = entry.pts + int(self.arguments.after * 1e9)
        self._finish()
        self.file, self.caps = self.library.File(free_path(self.arguments.file)), entry.caps

    # With it

    def _trigger(self) -> None:
        """A trigger while it writes makes it write on."""
        now = time.monotonic_ns()
        if self.file is None:
            entries = self.past.entries()
            self.file = self.library.File(free_path(self.arguments.file))
            for entry in entries:
                self.file.add(entry)
            if entries:
                self.caps = entries[0].caps
            _say(f"triggered: {len(entries)} frames from before go into {self.file.path}")
        self.until_ns = now + int((self.arguments.after or 5.0) * 1e9)

    def _keep(self, entry: Any) -> None:
        if self.file is not None and self.file.frames and not self._fits(entry):
            self._finish()  # another size: what follows does not belong into it
        if self.file is not None and entry.pts >= self.until_ns:
            self._finish()
        self.past.add(entry)
        self._say_cut()
        if self.file is None:
            return
        if self.file.frames or entry.is_key:
            self.caps = entry.caps
            self.file.add(entry)

    def _say_cut(self) -> None:
        if self.past.was_cut and not self.was_cut:
            self.was_cut = True
            _say(f"{text.size(self.arguments.memory)} of memory do not hold "
                 f"{self.arguments.before:g} s: what is kept is shorter (--memory)")

    def _finish(self) -> None:
        if self.file is None:
            return
        file, self.file = self.file, None
        file.close()
        if file.frames:
            _say(f"{file.path}: {file.frames} frames, {file.seconds:.1f} s, {text.size(file.bytes)} bytes")


def _describe(frame: Any) -> str:
    size = f"{frame.width}x{frame.height} " if frame.width else ""
    return f"{size}{headers.kind_of(frame)}"


def _chain(arguments: argparse.Namespace, recording: Any) -> str:
    """How it is encoded; said."""
    with headers.HeaderReader(arguments.name) as reader:
        frame = reader.latest(timeout=arguments.timeout)
    media_type = headers.media_type(frame) or "video/x-raw"
    rate = frame.framerate or (30, 1)
    fps = max(1, round(rate[0] / rate[1]))
    how, chain = recording.chain_for(media_type, fps, frame.width, frame.height)
    _say(f"{reader.name}: {_describe(frame)}, {how}")
    if arguments.before is not None:
        _say(f"keeps the last {arguments.before:g} s in at most {text.size(arguments.memory)} of memory; "
             f"Enter, kill -USR1 {os.getpid()} or `shmring trigger {reader.name}` saves them")
    return str(chain)


def run(arguments: argparse.Namespace) -> int:
    headers.require(arguments.name)
    if arguments.before is None and os.path.exists(arguments.file):
        raise FileExistsError(f"{arguments.file} exists: take another name, or remove it")
    from . import recording

    recording.start()
    chain = _chain(arguments, recording)
    source = recording.Source(arguments.name, chain, waits=arguments.before is not None)
    mark = recorders.register(arguments.name)
    try:
        _Recorder(arguments, source, recording).run()
    finally:
        source.close()
        recorders.unregister(mark)
    return 0
