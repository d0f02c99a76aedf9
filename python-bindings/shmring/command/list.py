# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring list: a line for each ring."""

from __future__ import annotations

import argparse
import time
from typing import Any

import shmring

from ..records import Info
from . import headers, leftovers, text

EXAMPLES = """\
  shmring list                       the rings that live
  shmring list --all                 dead ones and leftovers, too, and the memory they hold
  shmring list --json | jq -r '.[] | select(.state == "live") | .name'
"""
_COLUMNS = ("NAME", "FORMAT", "SIZE", ">FPS", ">SLOTS", ">READERS", "WRITER", ">AGE", "STATE",
            ">MEMORY")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true",
                        help="also rings whose writer is gone, and files that a crash left")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def facts_of(info: Info) -> dict[str, Any]:
    """What the list tells of a ring, for programs."""
    frame = headers.newest_of(info.name)
    return {
        "name": info.name, "state": info.state.name.lower(), "format": headers.kind_of(frame),
        "width": frame.width if frame else None, "height": frame.height if frame else None,
        "framerate": frame.framerate if frame else None, "slots": info.slots,
        "readers": None if info.readers is None else len(info.readers),
        "writer_pid": info.writer_pid, "writer_process": info.writer_process,
        "created_ns": info.created_ns, "memory": info.total_size, "published": info.published,
    }


def _leftover_facts(left: leftovers.Leftover) -> dict[str, Any]:
    return {"name": left.name, "state": "leftover", "created_ns": left.changed_ns,
            "memory": left.memory}


def _size(facts: dict[str, Any]) -> str:
    return f"{facts['width']}x{facts['height']}" if facts.get("width") else text.NONE


def _row(facts: dict[str, Any]) -> list[str]:
    writer = facts.get("writer_process")
    readers = facts.get("readers")
    return [facts["name"], facts.get("format") or text.NONE, _size(facts),
            text.rate(facts.get("framerate")), str(facts.get("slots", text.NONE)),
            text.NONE if readers is None else str(readers),
            f"{writer}({facts['writer_pid']})" if writer else text.NONE,
            text.span(time.time_ns() - facts["created_ns"]), facts["state"],
            text.size(facts["memory"])]


def run(arguments: argparse.Namespace) -> int:
    facts = [facts_of(info) for info in shmring.list(dead=arguments.all)]
    if arguments.all:
        facts += map(_leftover_facts, leftovers.find())
    if arguments.json:
        text.print_json(facts)
    elif facts:
        print("\n".join(text.table(_COLUMNS, map(_row, facts))))
    else:
        print("there is no ring" if arguments.all else "there is no live ring")
    return 0
