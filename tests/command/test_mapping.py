# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `shmring mirror` sends of a frame, and what it takes for one."""

import struct
import unittest

import shmring
from shmring import raw
from shmring.command import mapping
from support import RingTest, bgr

HEAD = mapping.Head(mapping.FRAME, sender=2**64 - 1, number=7, sent_ns=-1)
HEAD_BYTES = len(mapping.pack_end(HEAD))


class MappingTest(RingTest):
    def setUp(self):
        super().setUp()
        self.start_writer(**bgr(64, 4, caps="video/x-raw", flags=2)).publish(3)
        self.observed = raw.RawReader(self.name).latest(timeout=0)
        with shmring.Reader(self.name, "latest", timeout=10) as reader, reader.read() as frame:
            self.data, planes, metas = frame._as_it_is()
            self.sent = mapping.pack(HEAD, frame, planes, metas)

    def test_the_header_is_the_rings(self):
        """Up to the size of the caps, which end without a NUL here."""
        header = self.sent[HEAD_BYTES:HEAD_BYTES + raw.FRAME["caps_size"][0]]
        with open(f"/dev/shm/{self.name}", "rb") as ring:
            self.assertTrue(header in ring.read())
        self.assertEqual(self.sent[HEAD_BYTES + raw.FRAME_BYTES:], b"video/x-raw")

    def test_what_is_sent_comes(self):
        self.assertEqual(mapping.unpack_head(self.sent), HEAD)
        frame, was = mapping.unpack_frame(self.sent, len(self.data)), self.observed
        self.assertEqual((frame.seq, frame.stretch, frame.flags), (3, was.stretch, 2))
        self.assertEqual((frame.publish_ns, frame.timestamp_ns),
                         (was.publish_ns, was.timestamp_ns))
        self.assertEqual(frame.said[:6], ("BGR", 64, 4, 3, 2, ((192,), (0,), 768)))
        self.assertEqual(frame.said[7:11], (was.pts_ns, raw.NONE["dts_ns"], was.duration_ns,
                                            was.clock_ns))
        self.assertEqual(frame.said[11:], (3, raw.NONE["frame_number_end"], 25, 1, "video/x-raw",
                                           None))

    def test_what_cannot_be_is_refused(self):
        for field, value in (("size", 769), ("size", 2**63), ("offset", 769), ("offset", 2**63),
                             ("planes", 5), ("caps_size", 2**31), ("metas_size", 1)):
            sent, (at, code) = bytearray(self.sent), raw.FRAME[field]
            struct.pack_into("<" + code[-1], sent, HEAD_BYTES + at, value)
            with self.subTest(field=field, value=value), self.assertRaises(ValueError):
                mapping.unpack_frame(bytes(sent), len(self.data))
        with self.assertRaises(ValueError):
            mapping.unpack_frame(self.sent[:HEAD_BYTES + raw.FRAME_BYTES - 1], len(self.data))


if __name__ == "__main__":
    unittest.main()
