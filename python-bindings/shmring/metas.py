# SPDX-License-Identifier: LGPL-2.1-or-later
"""The block of metas in a frame's header, as docs/layout.md describes it.

Of what another process wrote nothing is believed: entries that cannot be are ignored, and one that
goes beyond the block is the last.
"""

from __future__ import annotations

import struct
from typing import Iterator

from . import arguments
from .records import Metas, Region

CROP, TRANSFORMATION, REGION, TAGS = range(1, 5)
ENTRY, BOX, MATRIX, REGION_HEAD = (struct.Struct("<" + code) for code in ("2I", "4I", "16f", "2i4I"))


def _entries(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + ENTRY.size <= len(block):
        kind, size = ENTRY.unpack_from(block, at)
        at += ENTRY.size
        if size > len(block) - at:
            return
        yield kind, block[at:at + size]
        at += size + -size % 8


def _texts(payload: bytes) -> Iterator[str]:
    """Those that end with a NUL, up to the first that makes no sense."""
    for text in payload.split(b"\0")[:-1]:
        try:
            yield text.decode()
        except UnicodeDecodeError:
            return


def _region(payload: bytes) -> Region | None:
    if len(payload) < REGION_HEAD.size:
        return None
    number, parent, x, y, width, height = REGION_HEAD.unpack_from(payload)
    texts = tuple(_texts(payload[REGION_HEAD.size:]))
    return Region(texts[0], x, y, width, height, number, parent, texts[1:]) if texts else None


def read_metas(block: bytes, width: int, height: int) -> Metas:
    """The metas of a frame of WIDTH x HEIGHT; the later of two entries counts."""
    crop = transformation = tags = None
    regions = []
    for kind, payload in _entries(block):
        if kind == CROP and len(payload) >= BOX.size:
            x, y, columns, rows = BOX.unpack_from(payload)
            crop = (x, y, columns, rows) if x + columns <= width and y + rows <= height else crop
        elif kind == TRANSFORMATION and len(payload) >= MATRIX.size:
            transformation = MATRIX.unpack_from(payload)
        elif kind == REGION and (region := _region(payload)):
            regions.append(region)
        elif kind == TAGS:
            tags = next(_texts(payload), tags)
    return Metas(crop, transformation, tuple(regions), tags)


def _entry(kind: int, payload: bytes) -> bytes:
    return ENTRY.pack(kind, len(payload)) + payload + bytes(-len(payload) % 8)


def _text(text: str) -> bytes:
    if "\0" in text:
        raise ValueError(f"a text of metas has no NUL in it: {text!r}")
    return text.encode() + b"\0"


def write_metas(metas: Metas) -> bytes:
    """The block that read_metas() reads."""
    block = b""
    try:
        if metas.crop is not None:
            block += _entry(CROP, BOX.pack(*metas.crop))
        if metas.transformation is not None:
            block += _entry(TRANSFORMATION, MATRIX.pack(*metas.transformation))
        for region in metas.regions:
            arguments.of_type(region, "each of regions", Region, "a shmring.Region")
            head = REGION_HEAD.pack(region.id, region.parent_id, region.x, region.y, region.width,
                                    region.height)
            block += _entry(REGION, head + b"".join(map(_text, (region.type, *region.params))))
        if metas.tags is not None:
            block += _entry(TAGS, _text(metas.tags))
    except struct.error as error:
        raise ValueError(f"metas that cannot be: {error}") from None
    return block
