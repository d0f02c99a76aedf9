# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame as a file: of pixels, as they lie in the ring, or as an array."""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, TYPE_CHECKING, Any

from .. import raw
from . import headers

if TYPE_CHECKING:
    import numpy as np

    _Array = np.ndarray[Any, np.dtype[Any]]

# What a frame may be that is a picture in a file already: its media type.
_ENCODED = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
SUFFIXES = (".png", ".jpg", ".jpeg", ".npy", ".raw")


def _png(picture: _Array) -> bytes:
    """PICTURE is (height, width, 3) of bytes."""
    height, width, _ = picture.shape
    lines = b"".join(b"\0" + picture[row].tobytes() for row in range(height))
    chunks = ((b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("JPEG takes Pillow (Debian: apt install python3-pil); a raw frame as PNG "
                          "goes without") from None
    return Image


def _save(picture: _Array, file: IO[bytes], suffix: str) -> None:
    if suffix == ".png":
        file.write(_png(picture))
    else:
        _pillow().fromarray(picture).save(file, "JPEG", quality=92)


def _write_picture(frame: raw.RawFrame, file: IO[bytes], suffix: str) -> None:
    from . import pixels

    _save(pixels.picture_of(frame), file, suffix)


def decode(frame: raw.RawFrame) -> _Array | None:
    """The pixels of a frame that is a picture in a file already; None: it is none. Takes Pillow."""
    import numpy

    if headers.media_type(frame) not in _ENCODED:
        return None
    return numpy.asarray(_pillow().open(io.BytesIO(bytes(frame.data))).convert("RGB"))


def _write_encoded(frame: raw.RawFrame, file: IO[bytes], suffix: str) -> None:
    """As it is, where that is what the file is to be; else by way of its pixels."""
    is_it = _ENCODED[headers.media_type(frame)] == suffix.replace("jpeg", "jpg")
    picture = None if is_it else decode(frame)
    if picture is None:
        file.write(frame.data)
    else:
        _save(picture, file, suffix)


def _write_array(frame: raw.RawFrame, file: IO[bytes]) -> None:
    import numpy

    try:
        array = frame.array
    except BufferError:
        raise ValueError(f"the planes of frame {frame.seq} of {frame.width}x{frame.height} "
                         f"{headers.kind_of(frame)} do not form one array: take .raw or .png") from None
    numpy.save(file, array)


def write(frame: raw.RawFrame, file: IO[bytes], suffix: str) -> None:
    """In the form that SUFFIX names. ValueError: it is none of SUFFIXES, or there are no pixels."""
    if suffix == ".raw":
        file.write(frame.data)
    elif suffix == ".npy":
        _write_array(frame, file)
    elif suffix not in SUFFIXES:
        raise ValueError(f"a file's name ends in {', '.join(SUFFIXES)}, not in '{suffix}'")
    elif headers.media_type(frame) in _ENCODED:
        _write_encoded(frame, file, suffix)
    else:
        _write_picture(frame, file, suffix)
