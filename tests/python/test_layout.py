# SPDX-License-Identifier: LGPL-2.1-or-later
"""The layout as a program in another language would write it down, against the golden offsets and
against the shared memory of a live ring. Plain struct, nothing of the library."""

import mmap
import os
import re
import struct
import unittest

from support import EPOCH_NS, FRAME_NS, RingTest, bgr, frame_bytes

ANSWER = "epoch:Q first:Q end:Q stream:Q flushed:Q withdrawn:Q banned:Q stuck:Q @64"
HEADER = """magic:8s version:I header_bytes:I total_size:Q ring_offset:Q frames_offset:Q
    slots_offset:Q slot_size:Q slot_stride:Q frame_stride:I slots:I capacity:I max_readers:I
    lend_limit:I reserved:I instance:16s created_ns:q base:Q
    @64 state:I waiting:I watching:I stretch:I stream:Q latency_ns:q writer_pid:I waited_port:I
    writer_process:16s waited_since_ns:q @64 head:Q key_seq:Q @64 event:I
    @64 published:Q bytes:Q dropped:Q revoked:Q withdrawn:Q flushed:Q waits:Q wait_ns:Q
    @64 answer:2048s @64"""
FRAME = """seq:Q width:I height:I channels:I flags:I timestamp_ns:q format:16s planes:I stretch:I
    stride:4i offset:4Q size:Q pts_ns:q dts_ns:q duration_ns:q clock_ns:q publish_ns:q
    frame_number:Q frame_number_end:Q fps_num:I fps_den:I caps_size:I metas_size:I data:0s"""
PORT = """attach:Q lease:I pid:I process:16s cursor:Q received:Q key_at_ns:q key_count:I
    dropped:Q
    @2048 claim:256Q"""
CTL = "magic:8s version:I max_readers:I instance:16s @64 doorbell:I @64 notice:I @4096 port:0s"
STRUCTS = {"layout_header": HEADER, "layout_answer": ANSWER, "layout_frame": FRAME,
           "layout_port": PORT, "layout_ctl": CTL}
CONSTANTS = {"LAYOUT_MAGIC": "SHMRING", "LAYOUT_CTL_MAGIC": "SHMRCTL", "LAYOUT_VERSION": "1",
             "STATE_ACTIVE": "1", "STATE_ENDED": "2", "SHMRING_MAX_READERS": "32"}
ACTIVE, ENDED = 1, 2


def place_fields(text):
    """{field: (offset, format)} and the size; a field lies at a multiple of its own width."""
    fields, offset = {}, 0
    for word in text.split():
        if word.startswith("@"):
            offset = -(-offset // int(word[1:])) * int(word[1:])
            continue
        name, code = word.split(":")
        width = struct.calcsize("<" + code[-1])
        offset = -(-offset // width) * width
        fields[name] = (offset, "<" + code)
        offset += struct.calcsize("<" + code)
    return fields, offset


def read_golden():
    fields, sizes, constants = {}, {}, {}
    with open(os.environ["LAYOUT_GOLDEN"]) as golden:
        for line in golden:
            words = line.split()
            if words[0] == "constant":
                constants[words[1]] = words[2]
            elif words[0] == "sizeof":
                sizes[words[1]] = int(words[2])
            else:
                fields[words[0]] = (int(words[1]), int(words[2]))
    return fields, sizes, constants


class GoldenTest(unittest.TestCase):
    def test_every_field_is_where_the_golden_file_says(self):
        golden, sizes, _ = read_golden()
        ours = {}
        for name, text in STRUCTS.items():
            fields, size = place_fields(text)
            with self.subTest(struct=name):
                self.assertEqual(size, sizes[name])
            for field, (offset, code) in fields.items():
                ours[f"{name}.{field}"] = (offset, struct.calcsize(code))
        self.assertEqual(ours, golden)

    def test_constants(self):
        constants = read_golden()[2]
        self.assertEqual(CONSTANTS, {name: constants[name] for name in CONSTANTS})


class View:
    """Fields of one struct in a file that is mapped read-only."""

    def __init__(self, path, text, at=0):
        self.fields, self.at = place_fields(text)[0], at
        with open(path, "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def __getattr__(self, name):
        offset, code = self.fields[name]
        values = struct.unpack_from(code, self.memory, self.at + offset)
        value = values[0] if len(values) == 1 else values
        return value.rstrip(b"\0") if isinstance(value, bytes) else value


class LiveRingTest(RingTest):
    def setUp(self):
        super().setUp()
        self.writer = self.start_writer(**bgr(641, 3, caps="video/x-raw", flags=2, slots=5))
        self.writer.publish(3)
        self.header = View(f"/dev/shm/{self.name}", HEADER)

    def newest_slot(self):
        at = self.header.ring_offset + 8 * ((self.header.head - 1) % self.header.capacity)
        (descriptor,) = struct.unpack_from("<Q", self.header.memory, at)
        self.assertEqual(descriptor >> 16, self.header.head - 1)
        return descriptor & 0xFFFF

    def test_header(self):
        header = self.header
        self.assertEqual((header.magic, header.version), (b"SHMRING", 1))
        self.assertEqual((header.slots, header.capacity, header.max_readers), (5, 16, 8))
        self.assertEqual((header.slot_size, header.slot_stride), (1924 * 3, 8192))
        self.assertEqual((header.writer_pid, header.writer_process),
                         (self.writer.process.pid, b"ring-writer"))
        self.assertEqual(header.total_size, len(header.memory))
        self.assertEqual((header.base, header.head), (1, 4))
        self.assertEqual(header.state, ACTIVE)
        self.writer.ask("end")
        self.assertEqual(header.state, ENDED)

    def test_control_file(self):
        ctl = View(f"/dev/shm/{self.name}.ctl", CTL)
        self.assertEqual((ctl.magic, ctl.version, ctl.max_readers), (b"SHMRCTL", 1, 8))
        self.assertEqual(ctl.instance, self.header.instance)
        self.assertEqual(len(ctl.memory), 4096 * (1 + 8))

    def test_newest_frame(self):
        header, slot = self.header, self.newest_slot()
        frame = View(f"/dev/shm/{self.name}", FRAME,
                     header.frames_offset + slot * header.frame_stride)
        self.assertEqual((frame.seq, frame.frame_number, frame.flags), (3, 3, 2))
        self.assertEqual((frame.width, frame.height, frame.channels), (641, 3, 3))
        self.assertEqual(frame.timestamp_ns, EPOCH_NS + 2 * FRAME_NS)
        self.assertEqual((frame.format, frame.planes), (b"BGR", 1))
        self.assertEqual((frame.stride[0], frame.offset[0], frame.size), (1924, 0, 1924 * 3))
        self.assertEqual((frame.pts_ns, frame.dts_ns), (2 * FRAME_NS, -1))
        self.assertEqual((frame.fps_num, frame.fps_den), (25, 1))
        caps_at = frame.at + frame.fields["data"][0]
        caps = header.memory[caps_at : caps_at + frame.caps_size]
        self.assertTrue(re.fullmatch(rb"video/x-raw\0", caps), caps)
        at = header.slots_offset + slot * header.slot_stride
        self.assertEqual(header.memory[at : at + frame.size], frame_bytes(3, frame.size).tobytes())


if __name__ == "__main__":
    unittest.main()
