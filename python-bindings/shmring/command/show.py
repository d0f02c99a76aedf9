# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring show: the picture in the terminal, two pixels a character."""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING, Any, cast

from .. import raw
from . import headers, options, screen

if TYPE_CHECKING:
    import numpy as np

    _Array = np.ndarray[Any, np.dtype[Any]]

EXAMPLES = """\
  shmring show cam0                  live, in the terminal, over ssh too; q ends it
  shmring show cam0 --colors 256     for terminals without 24-bit colours
  shmring show cam0 --once           one picture, printed
"""
_SAMPLES = 2  # a side, of the picture, for each pixel that is shown
_HALF, _PLAIN = "▀", "\x1b[0m"
_FASTEST = 15.0  # pictures a second; a terminal is no screen
_ONCE_SIZE = 80, 24
_PATIENCE_S = 0.2  # between two looks at the keyboard
_MOST_MEMORY = 1 << 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    parser.add_argument("--colors", choices=("auto", "true", "256"), default="auto",
                        help="24 bits, or 256 colours; auto: as COLORTERM says")
    parser.add_argument("--once", action="store_true",
                        help="print one picture; so, too, without a terminal")
    options.add_timeout(parser, "the first frame")


def fit(width: int, height: int, columns: int, lines: int) -> tuple[int, int]:
    """Pixels across and down that COLUMNS x LINES characters have for such a picture; down, even."""
    across = max(1, min(columns, round(2 * lines * width / height)))
    down = max(2, min(2 * lines, round(across * height / width)))
    return across, down + down % 2


def _grid(width: int, height: int, across: int, down: int) -> tuple[_Array, _Array]:
    """Rows and columns of a few pixels for each that is shown."""
    import numpy as np

    # 64 bits: numpy 1.24 divides 32-bit ones wrongly on 32-bit x86
    rows, columns = ((np.arange(n * _SAMPLES, dtype=np.int64) * 2 + 1) * of // (2 * n * _SAMPLES)
                     for n, of in ((down, height), (across, width)))
    return rows, columns


def shrink(frame: raw.RawFrame, columns: int, lines: int) -> _Array:
    """What fits into so many characters: each pixel the mean of a few that lie where it is."""
    import numpy as np

    from . import images, pixels

    decoded = images.decode(frame)
    height, width = (frame.height, frame.width) if decoded is None else decoded.shape[:2]
    across, down = fit(width or 1, height or 1, columns, lines)
    grid = _grid(width, height, across, down)
    picture = pixels.picture_of(frame, *grid) if decoded is None else decoded[grid[0]][:, grid[1]]
    mean: _Array = picture.reshape(down, _SAMPLES, across, _SAMPLES, 3).mean(axis=(1, 3))
    return mean.astype(np.uint8)


def _nearest_256(picture: _Array) -> _Array:
    """Numbers of the nearest of 216 colours, or of 24 greys where that is nearer."""
    import numpy as np

    steps = np.array([0, 95, 135, 175, 215, 255])
    cube = np.abs(picture[..., None].astype(int) - steps).argmin(-1)
    grey = np.clip((picture.mean(-1) - 3) // 10, 0, 23).astype(int)
    off_cube = ((steps[cube] - picture.astype(int)) ** 2).sum(-1)
    off_grey = (((8 + 10 * grey)[..., None] - picture.astype(int)) ** 2).sum(-1)
    number: _Array = np.where(off_grey < off_cube, 232 + grey,
                              16 + 36 * cube[..., 0] + 6 * cube[..., 1] + cube[..., 2])
    return number


def _codes(picture: _Array, true_colour: bool) -> list[list[str]]:
    if true_colour:
        rows = cast("list[list[list[int]]]", picture.tolist())
        return [[f"2;{r};{g};{b}" for r, g, b in row] for row in rows]
    return [[f"5;{number}" for number in row] for row in _nearest_256(picture).tolist()]


def draw(picture: _Array, true_colour: bool) -> list[str]:
    """Lines of characters whose upper half is a pixel and whose ground the one below; a colour is
    told where it changes."""
    codes, lines = _codes(picture, true_colour), []
    for above, below in zip(codes[::2], codes[1::2]):
        parts, last = [], ("", "")
        for pair in zip(above, below):
            parts.append(_HALF if pair == last else f"\x1b[38;{pair[0]};48;{pair[1]}m{_HALF}")
            last = pair
        lines.append("".join(parts) + _PLAIN)
    return lines


def _status(name: str, frame: raw.RawFrame, fps: float, columns: int) -> str:
    return (f"frame {frame.seq}  {frame.width}x{frame.height} {headers.kind_of(frame)}  "
            f"{fps:.1f} pictures/s  q ends  {name}")[:columns]


def _is_true(colors: str) -> bool:
    if colors == "auto":
        return os.environ.get("COLORTERM", "") in ("truecolor", "24bit")
    return colors == "true"


def _next(reader: raw.RawReader, memory: bytearray) -> tuple[raw.RawFrame | None, bytearray]:
    """The frame in MEMORY, or in more of it; None: there is no new one."""
    while True:
        try:
            return reader.latest(timeout=_PATIENCE_S, out=memory), memory
        except raw.Timeout:
            return None, memory
        except ValueError:
            if len(memory) > _MOST_MEMORY:
                raise
            memory = bytearray(2 * len(memory))  # it is larger


def _show(reader: raw.RawReader, arguments: argparse.Namespace) -> None:
    true_colour, fps, memory = _is_true(arguments.colors), 0.0, bytearray(1 << 20)
    deadline: float | None = time.monotonic() + arguments.timeout  # of the first frame
    with screen.Screen() as shown:
        while "q" not in shown.key(0).lower():
            start = time.monotonic()
            frame, memory = _next(reader, memory)
            if frame is None and deadline is not None and start > deadline:
                raise raw.Timeout(f"no frame of ring '{reader.name}' came within {arguments.timeout:g} s")
            if frame is None:
                continue
            columns, lines = screen.size()
            shown.draw([*draw(shrink(frame, columns, lines - 1), true_colour),
                        _status(reader.name, frame, fps, columns)])
            if "q" in shown.key(start + 1 / _FASTEST - time.monotonic()).lower():
                return
            took, deadline = time.monotonic() - start, None
            fps = 0.9 * fps + 0.1 / took if fps else 1 / took


def run(arguments: argparse.Namespace) -> int:
    headers.require(arguments.name)
    with raw.RawReader(arguments.name) as reader:
        if arguments.once or not screen.is_terminal():
            frame = reader.latest(timeout=arguments.timeout)
            columns, lines = screen.size() if screen.is_terminal() else _ONCE_SIZE
            print("\n".join(draw(shrink(frame, columns, lines), _is_true(arguments.colors))))
        else:
            _show(reader, arguments)
    return 0
