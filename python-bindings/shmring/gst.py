# SPDX-License-Identifier: LGPL-2.1-or-later
"""Samples of GStreamer as arrays, for applications of gst-python.

    from shmring.gst import sample_as_array

    sample = appsink.emit("pull-sample")
    picture = sample_as_array(sample)

The arrays have the shapes that Frame.array and Frame.planes have, cost no copy, and are read-only.
Each keeps its buffer mapped until the last array made from it is gone; what gst-python itself hands
out (`buffer.map(...).data`) dangles after the unmap without an error.

Needs GStreamer's typelibs, gst-python and numpy (Debian: gir1.2-gst-plugins-base-1.0,
python3-gst-1.0, python3-numpy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402

from . import formats, raw  # noqa: E402

__all__ = ["sample_as_array", "sample_as_planes"]

if TYPE_CHECKING:
    _Array = np.ndarray[Any, np.dtype[Any]]


class _Mapping:
    """A buffer that stays mapped as long as this object lives."""

    def __init__(self, buffer: Any) -> None:
        self._info = None
        self._buffer = buffer
        info = buffer.map(Gst.MapFlags.READ)
        if not hasattr(info, "data"):
            raise ImportError("Gst.Buffer.map gives no memory: install gst-python "
                              "(Debian: apt install python3-gst-1.0)")
        if info.data is None:
            raise ValueError("the sample's buffer cannot be mapped for reading")
        self._info = info
        self.size: int = info.size
        self.address: int = np.frombuffer(info.data, np.uint8).ctypes.data

    def __del__(self) -> None:
        if self._info is not None:
            self._buffer.unmap(self._info)


class _View:
    """What numpy makes an array's base, so the array keeps the mapping."""

    def __init__(self, mapping: _Mapping, plane: raw.Plane) -> None:
        self._mapping = mapping
        self.__array_interface__ = {
            "version": 3,
            "typestr": np.dtype(plane.dtype).str,
            "shape": plane.shape,
            "strides": plane.strides,
            "data": (mapping.address + plane.offset, True),
        }


def _structure_of(caps: Any) -> Any:
    """gst-python 1.26 has it in a context manager, older and newer ones as it is."""
    structure = caps.get_structure(0)
    return structure.__enter__() if hasattr(structure, "__enter__") else structure


def _info_of(caps: Any) -> Any:
    if hasattr(GstVideo.VideoInfo, "new_from_caps"):  # from GStreamer 1.20 on
        return GstVideo.VideoInfo.new_from_caps(caps)
    info = GstVideo.VideoInfo()
    info.from_caps(caps)
    return info


def _picture_of(caps: Any, buffer: Any) -> tuple[str, int, int, tuple[int, ...], tuple[int, ...]]:
    """Format, width, height, strides and offsets; what is no raw video has none."""
    structure = _structure_of(caps) if caps else None
    meta = GstVideo.buffer_get_video_meta(buffer)
    if structure and structure.has_name("video/x-raw"):
        info = _info_of(caps)
        planes = meta or info
        count = info.finfo.n_planes
        return (info.finfo.name, info.width, info.height,
                tuple(planes.stride[:count]), tuple(planes.offset[:count]))
    if structure and structure.has_name("video/x-bayer"):
        format, width, height = map(structure.get_value, ("format", "width", "height"))
        if meta:
            return format, width, height, (meta.stride[0],), (meta.offset[0],)
        return format, width, height, *_bayer_rows(format, width, height, buffer.get_size())
    return "", 0, 0, (), ()


def _bayer_rows(format: str, width: int, height: int,
                size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Elements pad the rows as GStreamer does, devices often not."""
    if not formats.channels(format):
        return (), ()
    for padded in (True, False):
        strides, offsets, needed = formats.pack(format, width, height, padded)
        if needed <= size:
            break
    return strides, offsets


def _map(sample: Any) -> tuple[_Mapping, raw.Plane | None, tuple[raw.Plane, ...]]:
    buffer = sample.get_buffer()
    if buffer is None:
        raise ValueError("the sample has no buffer")
    mapping = _Mapping(buffer)
    whole, planes = formats.arrays_of(*_picture_of(sample.get_caps(), buffer), mapping.size)
    return mapping, whole, planes


def sample_as_array(sample: Any) -> _Array:
    """A read-only array of a Gst.Sample's memory, without a copy.

    Its shape is (height, width, 3) for BGR, (height, width) for GRAY8, OpenCV's for planar formats,
    flat bytes for what is no raw video; its strides and offset are the buffer's own (GstVideoMeta).
    The buffer stays mapped until the array and every view of it are gone. ValueError when the
    planes do not form one array: sample_as_planes() has them.
    """
    mapping, whole, _ = _map(sample)
    if whole is None:
        raise ValueError("the planes of this sample do not form one array: take them one by one, "
                         "with sample_as_planes()")
    return np.asarray(_View(mapping, whole))


def sample_as_planes(sample: Any) -> tuple[_Array, ...]:
    """A tuple of read-only arrays, one a plane in GStreamer's order, as sample_as_array()'s.

    Empty for what is no raw video.
    """
    mapping, _, planes = _map(sample)
    return tuple(np.asarray(_View(mapping, plane)) for plane in planes)
