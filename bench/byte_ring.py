# SPDX-License-Identifier: LGPL-2.1-or-later
"""The peer's reader: a ring of bytes read by mmap, struct and copies. See byte-ring-writer.c.

Written as readers of such rings are: each message is copied out as bytes, in two pieces where it
is split by the end of the data, and an empty ring is slept on for a millisecond. What kills them,
an index that is not masked to 32 bits, is mended: the measurement is longer than 4 GiB.
"""

import mmap
import struct
import time

HEAD, TAIL, CAPACITY, DATA = 0, 4, 8, 16
U32 = struct.Struct("<I")
POLL_S = 0.001


class ByteRingReader:
    def __init__(self, name):
        with open(f"/dev/shm/{name}", "r+b") as file:
            self.memory = memoryview(mmap.mmap(file.fileno(), 0))
        self.capacity = U32.unpack_from(self.memory, CAPACITY)[0]

    def _read_raw(self, at, size):
        offset = at & (self.capacity - 1)
        first = min(size, self.capacity - offset)
        piece = bytes(self.memory[DATA + offset : DATA + offset + first])
        if first == size:
            return piece
        return piece + bytes(self.memory[DATA : DATA + size - first])

    def try_read(self):
        """A message, or None."""
        tail = U32.unpack_from(self.memory, TAIL)[0]
        head = U32.unpack_from(self.memory, HEAD)[0]
        if head == tail:
            return None
        size = U32.unpack(self._read_raw(tail, 4))[0]
        message = self._read_raw(tail + 4, size)
        U32.pack_into(self.memory, TAIL, (tail + 4 + size) & 0xFFFFFFFF)
        return message

    def read(self):
        while True:
            message = self.try_read()
            if message is not None:
                return message
            time.sleep(POLL_S)
