# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo's figures on a terminal (a table, updated in place) or in a log (a line a second)."""

import sys

COLUMNS = ("frames", "fps", "p50 ms", "p99 ms", "dropped")
HEADER = f"{'':10}" + "".join(f"{column:>9}" for column in COLUMNS)


def row(part):
    figures = part.report
    if figures is None:
        return f"{part.title:10}  waits for a frame"
    return (
        f"{part.title:10}{figures['frames']:9}{figures['fps']:9.1f}"
        f"{figures['p50_ms']:9.2f}{figures['p99_ms']:9.2f}{figures['dropped']:9}"
    )


def table(parts):
    return "\n".join([HEADER, *map(row, parts)])


def log_line(parts):
    return "; ".join(" ".join(row(part).split()) for part in parts)


class Display:
    """Shows figures while it is entered, and leaves the last ones standing."""

    def __init__(self, parts):
        self._parts = parts
        self._on_terminal = sys.stdout.isatty()
        self.interval_s = 0.2 if self._on_terminal else 1.0

    def __enter__(self):
        print(HEADER if self._on_terminal else f"({', '.join(COLUMNS)})", flush=True)
        return self

    def __exit__(self, *exception):
        if self._on_terminal:
            print(self._rows(), end="", flush=True)
        else:
            print(table(self._parts), flush=True)

    def update(self):
        if self._on_terminal:
            print(f"{self._rows()}\x1b[{len(self._parts)}A", end="", flush=True)
        else:
            print(log_line(self._parts), flush=True)

    def _rows(self):
        return "".join(f"\x1b[K{row(part)}\n" for part in self._parts)
