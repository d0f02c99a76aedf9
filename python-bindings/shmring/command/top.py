# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring top: rings and their readers, live."""

from __future__ import annotations

import argparse
import itertools
import os
import time
from typing import Iterable

from .. import raw
from ..records import ReaderInfo, RingState
from . import headers, options, screen, text, watch

EXAMPLES = """\
  shmring top                        live; q ends it
  shmring top cam0 cam1              these rings only
  shmring top -b -n 1                once, as text
  shmring top -b -i 10 >>rings.log   every 10 s, for ever
"""
_GLANCE_S = 0.1
_RING = "{:<18} {:<8} {:>9} {:>6} {:>6} {:>6} {:>7} {:>7} {:>5}"
_NUMBER_WIDTH = 6
_READER = "{:1} {:<9} {:>5} {:>4} {:>7} {:>6} {:>7} {:>7} {:<15} {}"
_TITLES = (_RING.format("RING", "FORMAT", "SIZE", "FPS", "JITTER", "MB/S", "FREE", "DROPPED", "WAITS"),
           _READER.format("", "MODE", "LEASE", "HELD", "OFFERED", "LAG", "DROPPED", "PID", "NAME", "").rstrip())
_BOLD, _REVERSE, _PLAIN = "\x1b[1m", "\x1b[7m", "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_names(parser, "only these rings")
    parser.add_argument("-b", "--batch", action="store_true",
                        help="print text, one picture after the other; so, too, without a terminal")
    parser.add_argument("-n", "--number", type=options.count, metavar="N", help="end after N pictures")
    parser.add_argument("-i", "--interval", type=options.seconds, metavar="S", default=1.0,
                        help="seconds between two pictures (1)")


def _number(value: float | None, digits: int = 1) -> str:
    """Whole where so many digits behind the point do not fit."""
    if value is None:
        return text.NONE
    said = f"{value:.{digits}f}"
    return said if len(said) <= _NUMBER_WIDTH else f"{value:.0f}"


def _fit(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[:width - 1]}~"


def ring_line(rates: watch.Rates) -> str:
    info, frame = rates.info, rates.frame
    size = f"{frame.width}x{frame.height}" if frame and frame.width else text.NONE
    free = "?" if info.free_slots is None else info.free_slots
    live = info.state is RingState.LIVE
    jitter = None if rates.jitter_ns is None else rates.jitter_ns / 1e6
    bandwidth = None if rates.bytes_per_second is None else rates.bytes_per_second / 1e6
    return _RING.format(
        _fit(info.name, 18), _fit(headers.kind_of(frame) or text.NONE, 8), size,
        _number(rates.fps) if live else info.state.name.lower(), _number(jitter, 2),
        _number(bandwidth), f"{free}/{info.slots}", info.dropped, info.waits)


def _mark(rates: watch.Rates, reader: ReaderInfo) -> str:
    if reader.is_stuck:
        return "stuck"
    return "holds up" if watch.is_held_up(rates, reader) else ""


def reader_line(rates: watch.Rates, reader: ReaderInfo) -> str:
    mark = _mark(rates, reader)
    mode = reader.mode if reader.mode == "all" else f"latest {reader.depth}"
    return _READER.format(
        ">" if mark else "", mode, reader.lease, reader.held, reader.offered, reader.lag,
        reader.dropped + reader.withdrawn, reader.pid, _fit(reader.process, 15), mark).rstrip()


def _reader_lines(rates: watch.Rates) -> list[str]:
    if rates.info.readers is None:
        return [f"  its readers are not for this user to see: {raw.SHM}/NAME.ctl tells them"]
    return [reader_line(rates, reader) for reader in rates.info.readers]


def _summary(found: list[watch.Rates], dead: int) -> str:
    status = os.statvfs(raw.SHM)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    total = status.f_blocks * status.f_frsize
    readers = sum(len(rates.info.readers or ()) for rates in found)
    left = f", {dead} dead" if dead else ""
    return (f"shmring  {time.strftime('%H:%M:%S')}  {len(found)} rings, {readers} readers{left}; "
            f"{raw.SHM} {text.size(used)} of {text.size(total)}")


def lines_of(found: list[watch.Rates], dead: int) -> list[str]:
    """The picture."""
    lines = [_summary(found, dead), "", *_TITLES]
    for rates in found:
        lines += [ring_line(rates), *_reader_lines(rates)]
    return lines


def _coloured(line: str, number: int) -> str:
    if line.startswith(">"):
        return f"{_REVERSE}{line}{_PLAIN}"
    is_ring = number > 3 and not line.startswith(" ")
    return f"{_BOLD}{line}{_PLAIN}" if is_ring or number in (2, 3) else line


def _fitted(lines: list[str], columns: int, rows: int) -> list[str]:
    """What there is room for, and how much there is not."""
    if len(lines) > rows:
        lines = [*lines[: rows - 1], f"… and {len(lines) - rows + 1} more lines"]
    return [_coloured(line[:columns], number) for number, line in enumerate(lines)]


def _rounds(number: int | None) -> Iterable[int]:
    return itertools.count() if number is None else range(number)


def _print_batch(rings: watch.Watch, arguments: argparse.Namespace) -> None:
    rings.look()
    for turn in _rounds(arguments.number):
        _glance_for(rings, arguments.interval)
        print("\n".join([""] * (turn > 0) + lines_of(rings.look(), rings.dead)), flush=True)


def _glance_for(rings: watch.Watch, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _GLANCE_S))
        rings.glance()


def _show(rings: watch.Watch, arguments: argparse.Namespace) -> None:
    """Until q, or so many pictures. The size is looked at as often as the rings are."""
    with screen.Screen() as shown:
        for _ in _rounds(arguments.number):
            lines, drawn_for = lines_of(rings.look(), rings.dead), (0, 0)
            end = time.monotonic() + arguments.interval
            while (left := end - time.monotonic()) > 0:
                if screen.size() != drawn_for:
                    drawn_for = screen.size()
                    shown.draw(_fitted(lines, *drawn_for))
                if "q" in shown.key(min(left, _GLANCE_S)).lower():
                    return
                rings.glance()


def run(arguments: argparse.Namespace) -> int:
    for name in arguments.names:
        headers.require(name)
    rings = watch.Watch(arguments.names or None)
    if arguments.batch or not screen.is_terminal():
        _print_batch(rings, arguments)
    else:
        _show(rings, arguments)
    return 0
