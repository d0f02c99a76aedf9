# SPDX-License-Identifier: LGPL-2.1-or-later
"""Facts as people read them: sizes, times, tables."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from typing import Any, Iterable, Sequence

NONE = "-"
_RIGHT = ">"


def printable(said: str) -> str:
    """What a ring says, as a terminal may have it: no escape sequences, nor new lines."""
    return "".join(c if c.isprintable() else "?" for c in said)


def size(count: float) -> str:
    """In units of 1000, three digits: 23.7M."""
    for unit in "", "k", "M", "G", "T":
        if count < 999.5 or unit == "T":
            break
        count /= 1000
    return f"{count:.0f}{unit}" if not unit or count >= 99.95 else f"{count:.1f}{unit}"


def span(ns: float) -> str:
    """Time that passed, in the two units that matter: 3d 4h, 5m 12s, 31s."""
    seconds = max(0, int(ns / 1e9))
    for unit, of, part, within in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= of:
            return f"{seconds // of}{unit} {seconds % of // within}{part}"
    return f"{seconds}s"


def milliseconds(ns: float) -> str:
    return f"{ns / 1e6:.2f}"


def rate(framerate: tuple[int, int] | None) -> str:
    """30, 29.97."""
    if not framerate or not framerate[0] or not framerate[1]:
        return NONE
    return f"{float(Fraction(*framerate)):.2f}".rstrip("0").rstrip(".")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; a column whose title begins with '>' stands to the right."""
    titles = [title.lstrip(_RIGHT) for title in columns]
    lines = [titles, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    shown = []
    for line in lines:
        cells = [cell.rjust(width) if title.startswith(_RIGHT) else cell.ljust(width)
                 for cell, width, title in zip(line, widths, columns)]
        shown.append(" ".join(cells).rstrip())
    return shown


def print_json(facts: Any) -> None:
    json.dump(facts, sys.stdout, indent=2)
    print()
