# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures: the pixels of a frame, whatever its format, as red, green and blue. Needs numpy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from .. import raw
from . import headers

if TYPE_CHECKING:
    _Array = np.ndarray[Any, np.dtype[Any]]
    _Components = dict[str, _Array]

# Letters: what lies where. R G B, or Y and the colour differences U and V, or L (grey) alone.
_PACKED = {"v308": "YUV", "IYU2": "UYV", "AYUV": "AYUV", "VUYA": "VUYA", "Y412": "UYVA"}
_PAIRED = {"YUY2": "YUYV", "UYVY": "UYVY", "YVYU": "YVYU", "VYUY": "VYUY", "v216": "UYVY",
           "Y210": "YUYV", "Y212": "YUYV"}
_PLANAR = {"YV12": "YVU", "YVU9": "YVU", "GBR": "GBR", "GBRA": "GBR", "RGBP": "RGB", "BGRP": "BGR"}
# Letter: (lowest bit, bits), of a word.
_WORDS = {
    "RGB16": {"R": (11, 5), "G": (5, 6), "B": (0, 5)}, "BGR16": {"B": (11, 5), "G": (5, 6), "R": (0, 5)},
    "RGB15": {"R": (10, 5), "G": (5, 5), "B": (0, 5)}, "BGR15": {"B": (10, 5), "G": (5, 5), "R": (0, 5)},
    "r210": {"R": (20, 10), "G": (10, 10), "B": (0, 10)},
    "RGB10A2_LE": {"R": (0, 10), "G": (10, 10), "B": (20, 10)},
    "BGR10A2_LE": {"B": (0, 10), "G": (10, 10), "R": (20, 10)},
    "Y410": {"U": (0, 10), "Y": (10, 10), "V": (20, 10)},
}
_MOSAIC = re.compile(r"(bggr|gbrg|grbg|rggb)(10|12|14|16)?(le|be)?")
_LOW_BITS = re.compile(r"[A-Z0-9]+_(9|10|12|14|16)(?:LE|BE)")
# Kr and Kb of GStreamer's matrices, by their numbers in a colorimetry and by the names of those.
_MATRICES = {"2": (0.30, 0.11), "3": (0.2126, 0.0722), "4": (0.299, 0.114), "5": (0.212, 0.087),
             "6": (0.2627, 0.0593)}
_NAMED = {"bt601": "2:4", "bt709": "2:3", "smpte240m": "2:5", "sRGB": "1:1", "bt2020": "2:6",
          "bt2020-10": "2:6", "bt2100-pq": "2:6", "bt2100-hlg": "2:6"}


class _Grid(NamedTuple):
    """The pixels that are wanted."""

    rows: _Array
    columns: _Array

    def of(self, plane: _Array, xshift: int = 0, yshift: int = 0) -> _Array:
        """Theirs in a plane that is smaller by so many halvings."""
        picked: _Array = plane[(self.rows >> yshift)[:, None], self.columns >> xshift]
        return picked


# ---- What lies where: each gives letters' values, and the bits that these have --------------------


def _read_packed(letters: str, plane: _Array, grid: _Grid) -> _Components:
    picked = grid.of(plane)
    return {letter: picked[..., i] for i, letter in enumerate(letters)}


def _read_paired(letters: str, plane: _Array, grid: _Grid) -> _Components:
    """Two pixels share U and V: the first has one, the second the other."""
    luma, chroma = letters.index("Y"), 1 - letters.index("Y")
    first, second = letters[chroma], letters[chroma + 2]
    last = plane.shape[1] - 1
    of_second = np.where(grid.columns | 1 <= last, grid.columns | 1, max(0, (last - 1) | 1))
    return {"Y": grid.of(plane)[..., luma],
            first: _Grid(grid.rows, grid.columns & ~1).of(plane)[..., chroma],
            second: _Grid(grid.rows, np.minimum(of_second, last)).of(plane)[..., chroma]}


def _read_words(format: str, plane: _Array, grid: _Grid) -> _Components:
    """Fields of 5, 6 or 10 bits as ones of 16: of colours all of these, so that white is white; of
    brightness and colour differences the upper ones, as their range is told."""
    fields, picked = _WORDS[format], grid.of(plane).astype(np.uint32)
    if picked.ndim == 3:  # bytes of a word of 16 bits
        picked = picked[..., 0] + 256 * picked[..., 1]

    def scale(bits: int) -> float:
        return 1 << 16 - bits if "Y" in fields else 65535 / ((1 << bits) - 1)

    return {letter: (picked >> low & (1 << bits) - 1).astype(np.float32) * scale(bits)
            for letter, (low, bits) in fields.items()}


def _read_planes(format: str, planes: Sequence[_Array], grid: _Grid) -> _Components:
    rules = raw.KNOWN[format][1]
    letters = _PLANAR.get(format.split("_")[0], "YUV")
    shifts = [(*rule, 0, 0)[1:3] for rule in rules]
    if rules[1][0] == 2:  # U and V beside each other
        both = grid.of(planes[1], *shifts[1])
        first = 1 if format in ("NV21", "NV61") else 0
        return {"Y": grid.of(planes[0]), "U": both[..., first], "V": both[..., 1 - first]}
    return {letter: grid.of(plane, *shift) for letter, plane, shift in zip(letters, planes, shifts)}


def _read_mosaic(order: str, plane: _Array, grid: _Grid) -> _Components:
    """The colours of the 2x2 pixels in which each lies."""
    found: dict[str, list[_Array]] = {"r": [], "g": [], "b": []}
    for i, letter in enumerate(order):
        rows = np.minimum(grid.rows & ~1 | i >> 1, plane.shape[0] - 1)
        columns = np.minimum(grid.columns & ~1 | i & 1, plane.shape[1] - 1)
        found[letter].append(_Grid(rows, columns).of(plane).astype(np.float32))
    return {letter.upper(): sum(values) / len(values)  # type: ignore[misc]
            for letter, values in found.items()}


def _bits_of(format: str, plane: _Array) -> int:
    """Of its values; those that lie in the upper bits of a word count as all of it."""
    low = _LOW_BITS.fullmatch(format)
    mosaic = _MOSAIC.fullmatch(format)
    if low and not format.startswith("P0"):
        return int(low[1])
    if mosaic and mosaic[2]:
        return int(mosaic[2])
    return 16 if format in _WORDS else 8 * plane.dtype.itemsize


def _read(format: str, planes: Sequence[_Array], grid: _Grid) -> _Components:
    family = format.split("_")[0]
    mosaic = _MOSAIC.fullmatch(format)
    if mosaic:
        return _read_mosaic(mosaic[1], planes[0], grid)
    if format in _WORDS:
        return _read_words(format, planes[0], grid)
    if family in _PAIRED:
        return _read_paired(_PAIRED[family], planes[0], grid)
    if len(planes) > 1:
        return _read_planes(format, planes, grid)
    if planes[0].ndim == 2:
        return {"L": grid.of(planes[0])}
    return _read_packed(_PACKED.get(family, family.removesuffix("64")), planes[0], grid)


# ---- Colours -------------------------------------------------------------------------------------


def _colorimetry(caps: str | None, height: int, is_yuv: bool) -> tuple[bool, tuple[float, float]]:
    """Whether the range is the video one, 16 to 235; Kr and Kb. Where caps do not say, as GStreamer
    has it: by the height."""
    default = ("6" if height >= 2160 else "3" if height > 576 else "4") if is_yuv else "1"
    said = re.search(r"colorimetry=(?:\(string\))?\"?([\w:.-]+)", caps or "")
    text = _NAMED.get(said[1], said[1]) if said else ""
    found = re.match(r"(\d+):(\d+)", text)
    limited = found[1] == "2" if found and found[1] != "0" else is_yuv
    matrix = found[2] if found and found[2] in _MATRICES else default
    return limited, _MATRICES.get(matrix, _MATRICES["4"])


def _from_luma(y: _Array, u: _Array, v: _Array, factors: tuple[float, float]) -> list[_Array]:
    """Red, green and blue, all from 0 to 1; u and v from -0.5 to 0.5."""
    red, blue = factors
    green = 1 - red - blue
    return [y + 2 * (1 - red) * v,
            y - 2 * blue * (1 - blue) / green * u - 2 * red * (1 - red) / green * v,
            y + 2 * (1 - blue) * u]


def _unit(values: _Array, bits: int, low: float, high: float, limited: bool) -> _Array:
    """From 0 to 1 where the range is LOW to HIGH of 8 bits, or all of BITS."""
    scaled = values.astype(np.float32)
    if limited:
        unit: _Array = (scaled / 2 ** (bits - 8) - low) / (high - low)
    else:
        unit = scaled / (2**bits - 1)
    return unit


def to_rgb(format: str, planes: Sequence[_Array], width: int, height: int, caps: str | None = None,
           rows: _Array | None = None, columns: _Array | None = None) -> _Array:
    """An array (rows, columns, 3) of bytes; of these ROWS and COLUMNS, or all."""
    grid = _Grid(np.arange(height) if rows is None else rows,
                 np.arange(width) if columns is None else columns)
    parts = _read(format, planes, grid)
    bits = _bits_of(format, planes[0])
    limited, factors = _colorimetry(caps, height, "Y" in parts)
    if "Y" in parts:
        y = _unit(parts["Y"], bits, 16, 235, limited)
        u, v = ((_unit(parts[letter], bits, 128, 128 + 224, True) if limited else
                 _unit(parts[letter], bits, 0, 0, False) - 128 / 255) for letter in "UV")
        colours = _from_luma(y, u, v, factors)
    else:
        colours = [_unit(parts[letter if letter in parts else "L"], bits, 16, 235, limited)
                   for letter in "RGB"]
    picture: _Array = np.stack(colours, axis=-1)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def picture_of(frame: raw.RawFrame, rows: _Array | None = None,
               columns: _Array | None = None) -> _Array:
    """As to_rgb. ValueError: it has no pixels."""
    if frame.format not in raw.KNOWN or not frame.size:
        what = frame.format or headers.media_type(frame) or "data of no kind that is told"
        raise ValueError(f"frame {frame.seq} has no pixels to show: it is {what}")
    return to_rgb(frame.format, frame.planes, frame.width, frame.height, frame.caps, rows, columns)
