# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring info: one ring, in full."""

from __future__ import annotations

import argparse
import time
from typing import Any

import shmring

from .. import raw
from ..records import Info, ReaderInfo
from . import headers, options, text

EXAMPLES = """\
  shmring info cam0
  shmring info cam0 --json | jq .frame.caps
"""

_FRAME = ("seq", "format", "width", "height", "channels", "strides", "offsets", "size", "flags",
          "framerate", "timestamp_ns", "pts_ns", "dts_ns", "duration_ns", "clock_ns", "publish_ns",
          "frame_number", "caps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _facts(info: Info, frame: raw.RawFrame | None) -> dict[str, Any]:
    facts: dict[str, Any] = {**info._asdict(), "state": info.state.name.lower()}
    if info.readers is not None:
        facts["readers"] = [reader._asdict() for reader in info.readers]
    facts["frame"] = frame and {field: getattr(frame, field) for field in _FRAME}
    return facts


def _ago(monotonic_ns: int) -> str:
    return f"{text.span(time.monotonic_ns() - monotonic_ns)} ago"


def _frame_lines(frame: raw.RawFrame | None) -> list[tuple[str, str]]:
    if frame is None:
        return [("newest frame", "none yet")]
    lines = [("format", headers.kind_of(frame) or text.NONE)]
    if frame.width:
        lines.append(("size", f"{frame.width}x{frame.height}"))
    lines += [("frames/s", text.rate(frame.framerate)), ("caps", text.printable(frame.caps or text.NONE)),
              ("newest frame", f"{frame.seq}, {text.size(frame.size)} bytes, published "
                               f"{_ago(frame.publish_ns)}"),
              ("captured", time.strftime("%Y-%m-%d %H:%M:%S",
                                         time.localtime(frame.timestamp_ns / 1e9)))]
    if frame.clock_ns is not None:
        lines.append(("capture to publish",
                      f"{text.milliseconds(frame.publish_ns - frame.clock_ns)} ms"))
    return lines


def _writer(info: Info) -> str:
    return f"{info.writer_process} (pid {info.writer_pid})"


def _waiting(info: Info) -> str:
    if info.waits_for < 0:
        return "for nobody"
    name = next((f"{reader.process} (pid {reader.pid})" for reader in info.readers or ()
                 if reader.port == info.waits_for), f"the reader of port {info.waits_for}")
    return f"for {name}, {info.waited_ns / 1e9:.1f} s by now"


def _free(info: Info) -> str:
    return "free ones not for this user to see" if info.free_slots is None else f"{info.free_slots} free"


def _ring_lines(info: Info) -> list[tuple[str, str]]:
    return [
        ("ring", info.name), ("state", info.state.name.lower()), ("writer", _writer(info)),
        ("made", f"{text.span(time.time_ns() - info.created_ns)} ago"),
        ("permissions", f"{info.mode:04o}, user {info.owner}"),
        ("slots", f"{info.slots} of {info.slot_size} bytes, {_free(info)}, {info.lend_limit} to lend"),
        ("memory", f"{text.size(info.total_size)} bytes"),
        ("latency", f"{text.milliseconds(info.latency_ns)} ms, as the writer says"),
        ("published", f"{info.published} frames, {text.size(info.bytes)} bytes"),
        ("dropped", f"{info.dropped} that found no slot"),
        ("taken back", f"{info.revoked} from readers of the newest, {info.withdrawn} from readers "
                       f"that did not read, {info.flushed} by seeks"),
        ("waits", f"{info.waits}, {info.wait_ns / 1e9:.1f} s in all; now {_waiting(info)}"),
    ]


def _reader_line(reader: ReaderInfo) -> str:
    mode = reader.mode if reader.mode == "all" else f"latest {reader.depth}"
    words = [f"{reader.process} (pid {reader.pid})", mode, f"lease {reader.lease}",
             f"holds {reader.held}", f"offered {reader.offered}", f"lag {reader.lag}",
             f"received {reader.received}", f"dropped {reader.dropped}"]
    if reader.withdrawn:
        words.append(f"taken back {reader.withdrawn}")
    if reader.is_stuck:
        words.append("stuck: it is not waited for any more")
    elif reader.is_waited_for:
        words.append("the writer waits for it")
    return ", ".join(words)


def _readers_lines(info: Info) -> list[tuple[str, str]]:
    if info.readers is None:
        return [("readers", f"not for this user to see: /dev/shm/{info.name}.ctl tells them")]
    if not info.readers:
        return [("readers", f"none of {info.max_readers}")]
    lines = [("readers", f"{len(info.readers)} of {info.max_readers}")]
    return lines + [("", _reader_line(reader)) for reader in info.readers]


def _pasteable(info: Info, frame: raw.RawFrame | None) -> str:
    is_raw = headers.media_type(frame) == "video/x-raw"
    show = "videoconvert ! autovideosink" if is_raw else "decodebin ! autovideosink"
    return (f"\ngst-launch-1.0 shmringsrc ring-name={info.name} leaky-type=downstream ! {show}\n"
            f"python3 -c 'import shmring; print(shmring.Reader(\"{info.name}\", \"latest\")"
            f".read(timeout=5))'")


def run(arguments: argparse.Namespace) -> int:
    info = shmring.query(arguments.name)
    frame = headers.newest_of(info.name)
    if arguments.json:
        text.print_json(_facts(info, frame))
        return 0
    lines = _ring_lines(info) + _frame_lines(frame) + _readers_lines(info)
    width = max(len(what) for what, _ in lines)
    print("\n".join(f"{what:{width}}  {value}" for what, value in lines))
    print(_pasteable(info, frame))
    return 0
