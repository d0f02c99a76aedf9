# SPDX-License-Identifier: LGPL-2.1-or-later
"""What frames of a format are made of: their planes in memory and their arrays.

The table of formats is the library's (ring/format.c). How planes become arrays stands in raw.py,
which has to do without this package, and has a table of its own for that.
"""

from __future__ import annotations

import difflib
import sys

from . import _shmring, raw

# An array as the C side takes it: offset, size and code of an element, shape, strides.
Array = tuple[int, int, str, tuple[int, ...], tuple[int, ...]]
# strides, offsets, size
Planes = tuple[tuple[int, ...], tuple[int, ...], int]

_LARGEST = 1 << 24  # of width and height
_NATIVE = "<" if sys.byteorder == "little" else ">"
_CODES = {"1": "B", "2": "H", "4": "I"}
# Names that others have for them.
_ELSEWHERE = {"mono": "gray8", "l": "gray8", "gray": "gray8", "grey": "gray8", "y": "gray8",
              "mono16": "gray16_le", "gray16": "gray16_le", "y16": "gray16_le",
              "yuyv": "yuy2", "yuv": "i420", "yuv420p": "i420", "yu": "i420"}
_MOSAICS = ("bggr", "gbrg", "grbg", "rggb")


def _array(plane: raw.Plane) -> Array:
    order, item = plane.dtype[0], plane.dtype[-1]
    prefix = order if order in "<>" and order != _NATIVE else ""
    return plane.offset, int(item), prefix + _CODES[item], plane.shape, plane.strides


def _bytes(size: int) -> raw.Plane:
    return raw.Plane(0, (size,), (1,), "u1")


def is_bayer(format: str) -> bool:
    return format[:4] in _MOSAICS


def _rule(format: str) -> raw.Rule:
    known = _shmring.format(format)
    return known[:2] if known else raw.OPAQUE


def channels(format: str) -> int:
    """Components a pixel: BGR 3, GRAY8 1, NV12 3."""
    known = _shmring.format(format)
    return known[2] if known else 0


def pack(format: str, width: int, height: int, padded: bool) -> Planes:
    """Rows padded as GStreamer does it (whole groups of pixels, and 4:2:0 whole pairs of rows), or
    not at all. A few rare formats have more padding there at odd sizes; a frame says where its
    planes are, so both are right."""
    code, planes = _rule(format)
    item = int(code[-1])
    groups = len(planes) == 1 and (planes[0][0] == 2 or is_bayer(format))
    align = (4 * item if groups else 4) if padded else 1
    together = 2 if padded and len(planes) > 1 and planes[1][2] == 1 else 1
    strides, offsets, size = [], [], 0
    for items, xshift, yshift in planes:
        row = -(-width >> xshift) * items * item
        rows = -(-(-(-height // together) * together) >> yshift)
        strides.append(-(-row // align) * align)
        offsets.append(size)
        size += rows * strides[-1]
    return tuple(strides), tuple(offsets), size


def arrays_of(format: str, width: int, height: int, strides: tuple[int, ...],
              offsets: tuple[int, ...], size: int) -> tuple[raw.Plane | None, tuple[raw.Plane, ...]]:
    """(whole, planes): the arrays of a frame; whole is None when only the planes are arrays.
    ValueError when the frame cannot be what it says."""
    planes = raw.lay_planes(_rule(format), width, height, strides, offsets, size) if size else []
    return (raw.lay_whole(planes) if planes else _bytes(size)), tuple(planes)


def layout_of(format: str, width: int, height: int, lie: Planes
              ) -> tuple[str | None, Array | None, tuple[Array, ...], Planes | None]:
    """For the C side, of planes that LIE so: why there is no one array, the one array, those of the
    planes, and how they lie without padding."""
    whole, planes = arrays_of(format, width, height, *lie)
    problem = None if whole else "its planes do not form one array: use frame.planes"
    tight = pack(format, width, height, False) if planes else None
    return problem, whole and _array(whole), tuple(map(_array, planes)), tight


def _nearest(format: str) -> str | None:
    """What OpenCV, ROS, Pillow and V4L2 call it; else the format with the most similar name."""
    name = format.lower().removeprefix("bayer_")
    short = name.rstrip("0123456789")
    by_name = {known.lower(): known for known in raw.KNOWN}
    for candidate in (name, short, _ELSEWHERE.get(name), _ELSEWHERE.get(short)):
        if candidate in by_name:
            return by_name[candidate]
    near = difflib.get_close_matches(name, by_name, 1)
    return by_name[near[0]] if near else None


def choose_planes(format: str, width: int, height: int) -> Planes:
    """In GStreamer's order of preference: its padded rows, unless only rows without padding make
    one array (I420 of a width that 8 does not divide). ValueError when there are no such frames."""
    if not _shmring.format(format):
        near = _nearest(format)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"frames in {format!r} cannot be written: this format is not one of "
                         f"GStreamer's, or its samples are no whole bytes{hint}")
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise ValueError(f"frames of {width}x{height} cannot be written: width and height must be 1 "
                         f"to {_LARGEST}")
    padded, tight = (pack(format, width, height, flag) for flag in (True, False))
    whole = [arrays_of(format, width, height, *planes)[0] for planes in (padded, tight)]
    return tight if whole[1] and not whole[0] else padded


def size_of(format: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[int, int]:
    """Width and height of the frame that has the one array, or planes, of SHAPES. ValueError when
    none has."""
    _, planes = _rule(format)
    first = shapes[0]
    together = len(shapes) == 1 and len(planes) > 1
    sizes = [(first[-1], first[-2])] if together and len(first) == 3 else [(first[1], first[0])]
    if together and len(first) == 2:  # planes one below the other
        sizes = [(first[1], height) for height in range(first[0] // 3, first[0])]
    for width, height in sizes:
        planes_of = choose_planes(format, width, height)
        whole, arrays = arrays_of(format, width, height, *planes_of)
        wanted = tuple(array.shape for array in arrays) if len(shapes) > 1 else (whole and whole.shape,)
        if wanted == shapes:
            return width, height
    raise ValueError(f"no {format} frame has arrays of {shapes}")
