# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at a ring from outside, with nothing but Python's standard library.

    from shmring import raw                # or: copy this one file, and `import raw`

    with raw.RawReader("cam0") as reader:
        frame = reader.latest(timeout=5)   # the newest frame, copied and checked
        print(frame.seq, frame.format, frame.width, frame.height, frame.data[:3])
        picture = frame.array              # numpy, if it is there: writable, yours

It needs Python 3.8, read permission on /dev/shm/NAME (the writer's perms 0640 or 0644 do) and
nothing else: no extension, no compiler. It takes no port, takes no lock and writes nothing,
so neither the writer nor any reader can notice it. `import shmring.raw` imports the package, hence
its extension; where that is not built, copy the file.

It is for snapshots and monitors. It sees the newest frame when it looks, not every frame, and pays
a copy for each: a program that works on the frames uses shmring.Reader. docs/layout.md of the
project says what a ring is made of, and how to look at one in another language.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import re
import stat
import struct
import sys
import time
import warnings
import weakref
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

try:
    import ctypes
except ImportError:  # a Python without libffi: polls
    ctypes = None  # type: ignore[assignment]

__all__ = ["EndOfStream", "Error", "LayoutError", "RawFrame", "RawReader", "RingDenied",
           "RingNotFound", "Timeout", "WriterLost", "WriterStopped"]

# ---- The layout, version 1: field: (offset, format as in the struct module) ----------------------

HEADER = {
    "magic": (0, "8s"), "version": (8, "I"), "header_bytes": (12, "I"), "total_size": (16, "Q"),
    "ring_offset": (24, "Q"), "frames_offset": (32, "Q"), "slots_offset": (40, "Q"),
    "slot_size": (48, "Q"), "slot_stride": (56, "Q"), "frame_stride": (64, "I"),
    "slots": (68, "I"), "capacity": (72, "I"), "max_readers": (76, "I"), "lend_limit": (80, "I"),
    "instance": (88, "16s"), "created_ns": (104, "q"), "base": (112, "Q"),
    # All above is constant. These change:
    "state": (128, "I"), "writer_pid": (160, "I"), "writer_process": (168, "16s"),
    "head": (192, "Q"), "event": (256, "I"),
}
HEADER_BYTES = 2432
FRAME = {
    "seq": (0, "Q"), "width": (8, "I"), "height": (12, "I"), "channels": (16, "I"),
    "flags": (20, "I"), "timestamp_ns": (24, "q"), "format": (32, "16s"), "planes": (48, "I"),
    "stretch": (52, "I"), "stride": (56, "4i"), "offset": (72, "4Q"), "size": (104, "Q"),
    "pts_ns": (112, "q"), "dts_ns": (120, "q"), "duration_ns": (128, "q"), "clock_ns": (136, "q"),
    "publish_ns": (144, "q"), "frame_number": (152, "Q"), "frame_number_end": (160, "Q"),
    "fps_num": (168, "I"), "fps_den": (172, "I"), "caps_size": (176, "I"), "metas_size": (180, "I"),
}
FRAME_BYTES = 184
NONE = {"pts_ns": -1, "dts_ns": -1, "duration_ns": -1, "clock_ns": -1,
        "frame_number": 2**64 - 1, "frame_number_end": 2**64 - 1}
GAP = 4  # of flags: no content
MAGIC = b"SHMRING\0"
VERSION = 1
STATE_ACTIVE, STATE_ENDED, STATE_CLOSED, STATE_SUPERSEDED, STATE_MOVING = range(1, 6)
PAGE = 4096

# Formats: type of an element; for each plane its elements a pixel, and how often width and height
# are halved; GStreamer's names. Of ? there is one of each byte order, named with LE or BE behind.
FORMATS = """
    u1  1                          GRAY8 bggr gbrg grbg rggb
    u1  2                          YUY2 UYVY YVYU VYUY RGB16 BGR16 RGB15 BGR15
    u1  3                          BGR RGB v308 IYU2
    u1  4                          BGRx BGRA RGBx RGBA xRGB ARGB xBGR ABGR AYUV VUYA
    ?u2 1                          GRAY16_ bggr10 gbrg10 grbg10 rggb10 bggr12 gbrg12 grbg12 rggb12
    ?u2 1                          bggr14 gbrg14 grbg14 rggb14 bggr16 gbrg16 grbg16 rggb16
    <u2 2                          v216 Y210
    ?u2 2                          Y212_
    <u2 4                          ARGB64 AYUV64
    ?u2 4                          Y412_ ARGB64_ RGBA64_ BGRA64_ ABGR64_
    <u4 1                          Y410 BGR10A2_LE RGB10A2_LE
    >u4 1                          r210
    u1  1 1:1:1 1:1:1              I420 YV12
    u1  1 1:2:0 1:2:0              Y41B
    u1  1 1:1:0 1:1:0              Y42B
    u1  1 1:2:2 1:2:2              YUV9 YVU9
    u1  1 1:1:1 1:1:1 1            A420
    u1  1 1 1                      Y444 GBR RGBP BGRP
    u1  1 1 1 1                    GBRA
    u1  1 2:1:1                    NV12 NV21
    u1  1 2:1:0                    NV16 NV61
    u1  1 2                        NV24
    u1  1 2:1:1 1                  AV12
    ?u2 1 2:1:1                    P010_10 P012_ P016_
    ?u2 1 1:1:1 1:1:1              I420_10 I420_12
    ?u2 1 1:1:0 1:1:0              I422_10 I422_12
    ?u2 1 1 1                      Y444_10 Y444_12 Y444_16 GBR_10 GBR_12
    ?u2 1 1 1 1                    GBRA_10 GBRA_12 A444_10
    ?u2 1 1:1:1 1:1:1 1            A420_10
    ?u2 1 1:1:0 1:1:0 1            A422_10
"""

Fields = Dict[str, Any]
Data = Union[bytearray, memoryview]

SHM = "/dev/shm"
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
PASTED = re.compile(r"(?:/dev/shm/|shmring://)([^/?]+)/?")
PROBE_S = 0.1  # how often a sleeper asks whether the writer lives
POLL_S = 0.001  # where there is no futex
LOOKOUT_S = 0.01  # for a ring that is not there yet: there is nothing to sleep on
COPY_TRIES = 16


class Error(Exception):
    """Base of all that can go wrong with a ring. None of them is an OSError: web frameworks take
    that for a client that went away."""


class Timeout(Error):
    """Nothing came within the timeout."""


class RingNotFound(Timeout):
    """There is no ring of that name, or none appeared within the timeout."""


class RingDenied(Error):
    """The ring's permissions do not let this user in."""


class LayoutError(Error):
    """Not a ring, one of another layout version, or a damaged one; or a frame that cannot be what
    it says."""


class EndOfStream(Error, EOFError):
    """After the last frame of a stream that has ended: no newer one will come."""


class WriterStopped(EndOfStream):
    """The writer stopped without ending its stream."""


class WriterLost(Error):
    """The writer died without ending its stream."""


# ---- The machine: system calls, the fence, the futex ---------------------------------------------

# futex and membarrier, for processes of 64 bits.
SYSCALLS = {"x86_64": (202, 324), "aarch64": (98, 283), "riscv64": (98, 283),
            "loongarch64": (98, 283), "ppc64le": (221, 365)}
MEMBARRIER_CMD_QUERY, MEMBARRIER_CMD_GLOBAL_EXPEDITED = 0, 2
FUTEX_WAIT = 0
F_OFD_GETLK = 36  # the fcntl module has it from Python 3.9
MACHINE = os.uname().machine


def load_libc() -> Any:
    """The C library, or None: then its system calls are done without."""
    if ctypes is None or not sys.platform.startswith("linux") or sys.maxsize <= 2**32:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    size, number = ctypes.c_size_t, ctypes.c_int
    libc.syscall.restype = ctypes.c_long
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, size]
    return libc


LIBC = load_libc()


def no_fence() -> None:
    """x86 keeps each load before every later one, those of memcpy and of the kernel included."""


def membarrier() -> None:
    """Orders every load before it before every load after it. (Its PRIVATE commands do nothing in a
    process of one thread.)"""
    number = ctypes.c_long(SYSCALLS[MACHINE][1])
    if LIBC.syscall(number, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "membarrier")


def choose_fence(machine: str) -> Optional[Callable[[], None]]:
    """How to keep loads in order here; None: there is no way."""
    if machine in ("x86_64", "i686", "i586", "i486", "i386"):
        return no_fence
    if LIBC is None or machine not in SYSCALLS:
        return None
    commands = LIBC.syscall(ctypes.c_long(SYSCALLS[machine][1]), MEMBARRIER_CMD_QUERY, 0, 0)
    return membarrier if commands > 0 and commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED else None


FENCE = choose_fence(MACHINE)
fence = FENCE or no_fence


def map_event(fd: int) -> Optional[int]:
    """Where the first page lies, for futex(2): a read-only mmap object tells no address. None: here
    system calls cannot be made."""
    if LIBC is None or MACHINE not in SYSCALLS:
        return None
    address: int = LIBC.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return address


# ---- A segment: the file that has the name, or had it --------------------------------------------


def unpack(fields: Dict[str, Tuple[int, str]], data: bytes) -> Fields:
    """The values of FIELDS in DATA, those of a list as a tuple."""
    found = {field: struct.unpack_from("<" + code, data, offset)
             for field, (offset, code) in fields.items()}
    return {field: values if len(values) > 1 else values[0] for field, values in found.items()}


def require(holds: bool, problem: str) -> None:
    """Of what a ring says of itself."""
    if not holds:
        raise ValueError(problem)


def pages(size: int) -> int:
    return (size + PAGE - 1) // PAGE * PAGE


def plan_regions(h: Fields) -> Dict[str, int]:
    """Version 1 leaves nothing to choose: the sizes determine every offset."""
    capacity = 1 << (2 * h["slots"] - 1).bit_length()
    frames = PAGE + pages(8 * capacity)
    frame_stride, slot_stride = pages(h["frame_stride"]), pages(h["slot_size"])
    slots = frames + h["slots"] * frame_stride
    return dict(header_bytes=HEADER_BYTES, capacity=capacity, ring_offset=PAGE,
                frames_offset=frames, frame_stride=frame_stride, slots_offset=slots,
                slot_stride=slot_stride, total_size=slots + h["slots"] * slot_stride)


def check_header(h: Fields, file_size: int, memory: int) -> None:
    require(h["magic"] == MAGIC, "it is not a ring")
    require(h["version"] == VERSION,
            f"it has layout version {h['version']}, this reader knows {VERSION}")
    for field, low, high in (("slots", 4, 256), ("slot_size", 1, 2**38), ("max_readers", 1, 32),
                             ("lend_limit", 0, h["slots"] - 2), ("frame_stride", PAGE, 65536),
                             ("base", 1, 2**47)):
        require(low <= h[field] <= high, f"its {field} cannot be {h[field]}")
    for field, value in plan_regions(h).items():
        require(h[field] == value,
                f"its header contradicts itself: {field} is {h[field]} instead of {value}")
    require(h["total_size"] <= file_size,
            f"it has {file_size} bytes, its header says {h['total_size']}")
    require(h["total_size"] <= memory or h["state"] != STATE_ACTIVE,
            f"it has memory for {memory} bytes of its {h['total_size']}")


def open_ring(name: str, path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        status = os.stat(path)
        raise RingDenied(
            f"no permission to see ring '{name}': {path} belongs to user {status.st_uid} with mode "
            f"{stat.S_IMODE(status.st_mode):04o}; the writer's perms decide (r may observe)"
        ) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        no_file = error.errno in (errno.ELOOP, errno.ENXIO)  # a link, a socket
        problem = "it is not a ring" if no_file else f"{path}: {error.strerror}"
        raise LayoutError(f"'{name}' cannot be read as a ring: {problem}") from None


def release(fd: int, address: Optional[int]) -> None:
    if address is not None:
        LIBC.munmap(address, PAGE)
    os.close(fd)


def is_locked(fd: int) -> bool:
    """Whether its writer lives, who has byte 0. Asking for a read lock meets write locks only:
    other askers do not count."""
    wanted = struct.pack("@hhqqi0q", fcntl.F_RDLCK, os.SEEK_SET, 0, 1, 0)
    answer = fcntl.fcntl(fd, F_OFD_GETLK, wanted)
    return bool(struct.unpack_from("@h", answer)[0] != fcntl.F_UNLCK)


class Segment:
    """One file, read with pread(), its constants checked and copied. A mapping would bring pages
    into memory that nobody wrote, and be a SIGBUS where the file is cut short."""

    def __init__(self, name: str) -> None:
        self.name, self.path = name, f"{SHM}/{name}"
        self.fd = open_ring(name, self.path)
        try:
            self.inode = self.check()
            self.address = map_event(self.fd)
        except BaseException:
            os.close(self.fd)
            raise
        self.close = weakref.finalize(self, release, self.fd, self.address)

    def check(self) -> Tuple[int, int]:
        status = os.fstat(self.fd)
        start = os.pread(self.fd, HEADER_BYTES, 0) if stat.S_ISREG(status.st_mode) else b""
        self.header = unpack(HEADER, start.ljust(HEADER_BYTES, b"\0"))
        try:
            check_header(self.header, status.st_size, 512 * status.st_blocks)
        except ValueError as error:
            raise LayoutError(f"'{self.name}' cannot be read as a ring: {error}") from None
        return status.st_dev, status.st_ino

    def read(self, offset: int, target: Data) -> Data:
        """Fills TARGET, which it returns."""
        view = memoryview(target)
        while view:
            count = os.preadv(self.fd, [view], offset)
            if count == 0:
                raise LayoutError(f"ring '{self.name}' was cut short")
            view, offset = view[count:], offset + count
        return target

    def value(self, field: str) -> Any:
        """Of the header, as it is now."""
        offset, code = HEADER[field]
        data = self.read(offset, bytearray(struct.calcsize("<" + code)))
        return struct.unpack("<" + code, data)[0]

    def word(self, offset: int) -> int:
        return int.from_bytes(self.read(offset, bytearray(8)), "little")

    def has_name(self) -> bool:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self.inode

    def wait(self, event: int, seconds: float) -> None:
        """Until `event` differs from EVENT, a signal came, or SECONDS passed."""
        if self.address is None:
            return time.sleep(min(seconds, POLL_S))
        timespec = (ctypes.c_long * 2)(int(seconds), int(seconds % 1 * 1e9))
        LIBC.syscall(ctypes.c_long(SYSCALLS[MACHINE][0]),
                     ctypes.c_void_p(self.address + HEADER["event"][0]), FUTEX_WAIT,
                     ctypes.c_uint32(event), timespec, None, 0)


# ---- A frame: an owned copy ----------------------------------------------------------------------


class Plane(NamedTuple):
    """How an array lies in a frame's bytes."""

    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]
    dtype: str

    def row(self) -> int:
        return self.shape[1] * self.strides[1]


# dtype; for each plane its elements a pixel and how often width and height are halved.
Rule = Tuple[str, Tuple[Tuple[int, ...], ...]]
OPAQUE: Rule = "", ()


def read_formats(text: str) -> Dict[str, Rule]:
    formats = {}
    for line in text.strip().splitlines():
        dtype, *words = line.split()
        planes = [word for word in words if re.fullmatch(r"\d(:\d:\d)?", word)]
        shapes = tuple(tuple(int(n) for n in (plane + ":0:0").split(":")[:3]) for plane in planes)
        for name in words[len(planes) :]:
            for order, end in (("<", "LE"), (">", "BE")) if dtype[0] == "?" else ((dtype[0], ""),):
                end = end.lower() if name.islower() else end  # as Bayer's are
                formats[name + end] = order + dtype[1:], shapes
    return formats


KNOWN = read_formats(FORMATS)


def stack(planes: List[Plane]) -> Optional[Plane]:
    """Planes of one size at even distances (Y444, GBR): (planes, height, width)."""
    first, step = planes[0], planes[1].offset - planes[0].offset
    if planes != [first._replace(offset=first.offset + i * step) for i in range(len(planes))]:
        return None
    return first._replace(shape=(len(planes), *first.shape), strides=(step, *first.strides))


def join(planes: List[Plane]) -> Optional[Plane]:
    """Planes one below the other as rows of the first one's width, as OpenCV has NV12 and I420:
    rows of one length in one stride, or no padding anywhere."""
    first, size = planes[0], 0
    for plane in planes:
        if plane.offset != first.offset + size:
            return None
        size += plane.shape[0] * plane.strides[0]
    even = all((p.row(), p.strides[0]) == (first.row(), first.strides[0]) for p in planes)
    tight = all(p.row() == p.strides[0] for p in planes) and size % first.row() == 0
    if not even and not tight:
        return None
    rows = sum(plane.shape[0] for plane in planes) if even else size // first.row()
    return first._replace(shape=(rows, first.shape[1]))


def lay_planes(rule: Rule, width: int, height: int, strides: Tuple[int, ...],
               offsets: Tuple[int, ...], size: int) -> List[Plane]:
    """The arrays of a frame's planes in GStreamer's order; none: its bytes have no such form.
    ValueError when the frame cannot be what it says."""
    dtype, rules = rule
    require(not rules or len(rules) == len(strides), "its format has another number of planes")
    require(not rules or width * height > 0, "it has a format, and no width or height")
    require(all(offset < size for offset in offsets), "a plane starts beyond the frame's bytes")
    require(all(stride > 0 for stride in strides), "a stride is not positive")
    planes = []
    for (items, xshift, yshift), stride, offset in zip(rules, strides, offsets):
        rows, columns, item = -(-height >> yshift), -(-width >> xshift), int(dtype[-1])
        row = columns * items * item
        require(row <= stride, "a row is longer than its stride")
        require(0 <= offset <= size - ((rows - 1) * stride + row),
                "a plane reaches beyond the frame's bytes")
        more = ((items,), (item,)) if items > 1 else ((), ())
        planes.append(Plane(offset, (rows, columns, *more[0]), (stride, items * item, *more[1]),
                            dtype))
    return planes


def lay_whole(planes: List[Plane]) -> Optional[Plane]:
    """The one array of the whole frame, in OpenCV's shapes, or None."""
    return planes[0] if len(planes) == 1 else stack(planes) or join(planes)


class RawFrame:
    """A frame as it was when it was looked at: an owned copy, to be kept and changed at will.

    Times are nanoseconds, None where the writer has none. timestamp_ns is the capture's, as
    time.time_ns(); clock_ns and publish_ns are as time.monotonic_ns().
    """

    seq: int  #: the frame's number in the ring
    width: int
    height: int
    channels: int
    format: str  #: GStreamer's name; empty for opaque data
    flags: int
    strides: Tuple[int, ...]  #: bytes from row to row, one number a plane
    offsets: Tuple[int, ...]  #: of each plane, from the first byte of data
    size: int
    timestamp_ns: int
    pts_ns: Optional[int]
    dts_ns: Optional[int]
    duration_ns: Optional[int]
    clock_ns: Optional[int]
    publish_ns: int
    stretch: int  #: counts the times that pts_ns began anew
    frame_number: Optional[int]  #: the source's own count
    frame_number_end: Optional[int]  #: where that ends (audio: samples)
    framerate: Optional[Tuple[int, int]]
    caps: Optional[str]
    metas: Optional[bytes]
    data: Data  #: `size` bytes
    dropped: int  #: frames published since the one returned before

    def __init__(self, h: Fields, text: bytes, data: Data, dropped: int) -> None:
        """ValueError when it cannot be what its header says; in the words of the library."""
        name, *rest = h["format"].split(b"\0")
        metas, caps = h["caps_size"] + 7 & ~7, text[: max(h["caps_size"], 1) - 1].split(b"\0")[0]
        self.caps = caps.decode(errors="replace") if h["caps_size"] else None
        require(bool(rest) and all(32 < byte < 127 for byte in name), "its format is no name")
        require(h["planes"] <= 4, "it has more than 4 planes")
        require(max(h["width"], h["height"]) < 2**31 and h["channels"] <= 4,
                "its width, height or channels cannot be")
        require(metas + h["metas_size"] <= len(text),
                "its caps and metas are larger than its header")
        require((self.caps or "").encode() == caps, "its caps are not UTF-8 text")
        for field in self.__annotations__.keys() & h.keys():
            setattr(self, field, None if h[field] == NONE.get(field) else h[field])
        self.format = name.decode()
        self.strides, self.offsets = (h[field][: h["planes"]] for field in ("stride", "offset"))
        self.framerate = (h["fps_num"], h["fps_den"]) if h["fps_num"] else None
        self.metas = text[metas : metas + h["metas_size"]] or None
        self.data, self.dropped = data, dropped
        self._layout()

    def __repr__(self) -> str:
        return f"<RawFrame {self.seq}: {self.width}x{self.height} {self.format or 'opaque'}>"

    def _layout(self) -> List[Plane]:
        if self.flags & GAP and not self.size:  # silence has no pixels
            return []
        return lay_planes(KNOWN.get(self.format, OPAQUE), self.width, self.height, self.strides,
                          self.offsets, self.size)

    def _view(self, plane: Plane) -> Any:
        import numpy  # only here: everything else works without

        return numpy.ndarray(plane.shape, plane.dtype, self.data, plane.offset, plane.strides)

    @property
    def planes(self) -> Tuple[Any, ...]:
        """A numpy array for each plane in GStreamer's order; empty for opaque data."""
        return tuple(self._view(plane) for plane in self._layout())

    @property
    def array(self) -> Any:
        """A numpy array over `data`: (height, width, 3) for BGR, (height, width) for GRAY8,
        OpenCV's shapes for planar formats, flat bytes for what has no pixels of whole bytes."""
        planes = self._layout()
        if not planes:
            return self._view(Plane(0, (self.size,), (1,), "u1"))
        whole = lay_whole(planes)
        if whole is None:
            raise BufferError(f"the planes of {self!r} do not form one array: use frame.planes")
        return self._view(whole)


# ---- The reader ----------------------------------------------------------------------------------


def ring_name(name: str) -> str:
    """NAME, or the one in /dev/shm/NAME or shmring://NAME, as people paste the ring's file and its
    name in a pipeline."""
    if not isinstance(name, str):
        raise TypeError(f"a ring's name is a str, not {type(name).__name__}")
    pasted = PASTED.fullmatch(name)
    return pasted[1] if pasted else name


class RawReader:
    """Looks at the ring NAME; does not wait for it to be there: latest() does."""

    def __init__(self, name: str) -> None:
        name = ring_name(name)
        if not NAME.fullmatch(name) or name.endswith((".ctl", ".new")):
            raise ValueError(f"'{name}' cannot name a ring: 1-200 of A-Z a-z 0-9 . _ -, not "
                             "starting with '.', not ending in '.ctl' or '.new'")
        if FENCE is None:
            warnings.warn("no way to keep loads in order on this machine: a frame may be torn",
                          RuntimeWarning, stacklevel=2)
        self.name, self.closed = name, False
        self._segment: Optional[Segment] = None
        self._instance = b""  # of the ring looked at last
        self._seen = 0  # the frame returned last
        self._open()

    def latest(self, timeout: Optional[float] = None, newer_than: int = 0,
               out: Any = None) -> RawFrame:
        """The newest frame that was not returned before; waits for it, and for the ring.

        timeout: seconds; None: for ever.
        newer_than: a time.monotonic_ns() time; frames published before do not count.
        out: a writable buffer that is large enough, for frame.data to lie in; None: new memory.

        Raises Timeout (RingNotFound when there is no ring), EndOfStream after the last frame of a
        stream that has ended (its subclass WriterStopped: stopped without ending it), WriterLost
        when the writer died, LayoutError, RingDenied. After an end the next call looks for the
        next writer of that name. A restarted or resized ring is followed without a word.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            if self.closed:
                raise ValueError(f"the reader of ring '{self.name}' is closed")
            segment = self._segment or self._open()
            event = segment.value("event") if segment else 0
            frame = self._look(segment, newer_than, out) if segment else None
            if frame is not None:
                return frame
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._nothing_within(timeout)
            if segment is None:
                time.sleep(min(left, LOOKOUT_S))
            elif segment is self._segment:
                segment.wait(event, min(left, PROBE_S))

    def close(self) -> None:
        """Leave the ring; frames stay, they are copies."""
        self.closed = True
        self._leave()

    def __enter__(self) -> RawReader:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def _nothing_within(self, seconds: Optional[float]) -> Timeout:
        if self._segment is None:
            return RingNotFound(f"no ring '{self.name}' appeared within {seconds} s: start its "
                                "writer, or check the name")
        return Timeout(f"no new frame came from ring '{self.name}' within {seconds} s: its writer "
                       "lives but does not publish")

    def _open(self) -> Optional[Segment]:
        """What has the name now, or None."""
        try:
            segment = Segment(self.name)
        except FileNotFoundError:
            return None
        if segment.header["instance"] != self._instance:
            # Its frames are new, also where it counts from 1 again.
            self._seen = min(self._seen, segment.header["base"] - 1)
        self._instance = segment.header["instance"]
        self._leave()
        self._segment = segment
        return segment

    def _leave(self) -> None:
        if self._segment is not None:
            self._segment.close()
        self._segment = None

    def _look(self, segment: Segment, newer_than: int, out: Any) -> Optional[RawFrame]:
        # In this order, or the last frame or a clean end is taken for a death.
        alive, state = is_locked(segment.fd), segment.value("state")
        fence()
        frame = self._newest(segment, newer_than, out)
        if frame is None:
            self._judge(segment, alive, state)
        return frame

    def _judge(self, segment: Segment, alive: bool, state: int) -> None:
        """There is no newer frame: may one still come?"""
        ended = state in (STATE_ENDED, STATE_CLOSED)
        moved = state in (STATE_SUPERSEDED, STATE_MOVING) or (not alive and not ended)
        moved = moved and not segment.has_name()
        if moved and (self._open() is not None or state == STATE_MOVING and alive):
            return
        if moved or ended or not alive:
            raise self._end(segment)

    def _end(self, segment: Segment) -> Error:
        # Anew: its successor's end is written to a superseded one, too.
        state = segment.value("state")
        pid = segment.value("writer_pid")
        process = segment.value("writer_process").split(b"\0")[0].decode("ascii", "replace")
        self._leave()
        if state == STATE_ENDED:
            return EndOfStream(f"the stream of ring '{self.name}' has ended")
        if state in (STATE_CLOSED, STATE_SUPERSEDED):
            return WriterStopped(f"the writer of ring '{self.name}' stopped without ending its "
                                 "stream")
        return WriterLost(f"the writer of ring '{self.name}', {process} (pid {pid}), died")

    def _newest(self, segment: Segment, newer_than: int, out: Any) -> Optional[RawFrame]:
        """The newest frame, if it is new. None, too, when it was overwritten every time."""
        h = segment.header
        for _ in range(COPY_TRIES):
            seq = segment.value("head") - 1
            if seq < h["base"] or seq <= self._seen:
                return None
            fence()
            descriptor = segment.word(h["ring_offset"] + 8 * (seq % h["capacity"]))
            slot = descriptor & 0xFFFF
            if descriptor >> 16 != seq or slot >= h["slots"]:
                continue
            frame = self._copy(segment, seq, slot, newer_than, out)
            if frame is not None:
                return frame
        return None

    def _copy(self, segment: Segment, seq: int, slot: int, newer_than: int,
              out: Any) -> Optional[RawFrame]:
        """None when it changed meanwhile or is older than NEWER_THAN."""
        h = segment.header
        at, pixels = h["frames_offset"] + slot * h["frame_stride"], h["slots_offset"]
        header = bytes(segment.read(at, bytearray(h["frame_stride"])))
        values = unpack(FRAME, header)
        if values["publish_ns"] <= newer_than:
            return None
        data = self._pixels(segment, pixels + slot * h["slot_stride"],
                            min(values["size"], h["slot_size"]), out)
        fence()
        if not values["seq"] == segment.word(at) == seq:
            return None
        frame = self._check(values, header[FRAME_BYTES:], data, h["slot_size"])
        if out is not None and len(data) < frame.size:
            raise ValueError(f"out has {len(data)} bytes, frame {seq} has {frame.size}")
        self._seen = seq
        return frame

    def _pixels(self, segment: Segment, at: int, size: int, out: Any) -> Data:
        """SIZE bytes in new memory, or as many of them as there is room for in OUT."""
        target: Data = bytearray(size) if out is None else memoryview(out).cast("B")[:size]
        if memoryview(target).readonly:
            raise TypeError("out cannot be written")
        return segment.read(at, target)

    def _check(self, values: Fields, text: bytes, data: Data, slot_size: int) -> RawFrame:
        seq, seen = values["seq"], self._seen
        try:
            require(values["size"] <= slot_size, "it is larger than its slot")
            return RawFrame(values, text, data, seq - seen - 1 if seen else 0)
        except ValueError as error:
            self._seen = seq
            raise LayoutError(f"frame {seq} of ring '{self.name}' is damaged and was skipped: "
                              f"{error}") from None
