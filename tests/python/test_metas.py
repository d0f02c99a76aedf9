# SPDX-License-Identifier: LGPL-2.1-or-later
"""The block of metas in a frame's header, as docs/layout.md describes it."""

import struct
import unittest

import shmring
from support import RingTest, bgr

CROP, TRANSFORMATION, REGION, TAGS = range(1, 5)


def entry(kind, payload):
    padding = -len(payload) % 8
    return struct.pack("<II", kind, len(payload)) + payload + bytes(padding)


def crop(*box):
    return entry(CROP, struct.pack("<4I", *box))


def region(number, parent, box, *texts):
    return entry(REGION, struct.pack("<2i4I", number, parent, *box)
                 + b"".join(text + b"\0" for text in texts))


class MetasTest(RingTest):
    def metas(self, block):
        writer = self.start_writer(**bgr(64, 48, metas=block.hex()) if block else bgr(64, 48))
        with shmring.Reader(self.name, timeout=10) as reader:
            writer.publish()
            return reader.read().metas

    def test_none(self):
        self.assertEqual(self.metas(b""), (None, None, (), None))

    def test_all_kinds(self):
        matrix = [float(i) / 4 for i in range(16)]
        metas = self.metas(
            crop(1, 2, 30, 40) + entry(TRANSFORMATION, struct.pack("<16f", *matrix))
            + region(7, -1, (1, 2, 3, 4), b"face", b"detection, confidence=(double)0.9;", b"b;")
            + region(8, 7, (5, 6, 7, 8), "äuge".encode())
            + entry(TAGS, b"taglist, image-orientation=(string)rotate-90;\0"))
        self.assertEqual(metas.crop, (1, 2, 30, 40))
        self.assertEqual(metas.transformation, tuple(matrix))
        self.assertEqual(metas.tags, "taglist, image-orientation=(string)rotate-90;")
        face, eye = metas.regions
        self.assertEqual((face.type, face.x, face.y, face.width, face.height, face.id,
                          face.parent_id, face.params),
                         ("face", 1, 2, 3, 4, 7, -1, ("detection, confidence=(double)0.9;", "b;")))
        self.assertEqual((eye.type, eye.parent_id, eye.params), ("äuge", 7, ()))

    def test_unknown_kinds_are_skipped(self):
        metas = self.metas(entry(99, b"who knows") + crop(0, 0, 64, 48))
        self.assertEqual(metas.crop, (0, 0, 64, 48))

    def test_what_cannot_be_is_ignored(self):
        for block in (crop(40, 0, 30, 1), crop(0, 40, 1, 9), crop(2**32 - 1, 0, 2, 1),
                      entry(CROP, b"short"), entry(TRANSFORMATION, bytes(63)),
                      entry(REGION, bytes(23)), entry(REGION, bytes(24) + b"no end"),
                      region(0, 0, (0, 0, 1, 1), b"\xff\xfe"), entry(TAGS, b"no end"),
                      entry(TAGS, b"\xff\0")):
            with self.subTest(block=block):
                self.name += "-"
                self.assertEqual(self.metas(block + entry(TAGS, b"")), (None, None, (), None))

    def test_an_entry_beyond_the_block_is_the_last(self):
        long = struct.pack("<II", TAGS, 2**32 - 1) + b"text\0\0\0\0"
        self.assertEqual(self.metas(crop(0, 0, 1, 1) + long + crop(0, 0, 2, 2)),
                         ((0, 0, 1, 1), None, (), None))

    def test_a_text_that_makes_no_sense_ends_the_params(self):
        metas = self.metas(region(0, 0, (0, 0, 1, 1), b"car", b"good;", b"\xff", b"lost;"))
        self.assertEqual(metas.regions[0].params, ("good;",))

    def test_a_half_entry_at_the_end(self):
        self.assertEqual(self.metas(crop(0, 0, 1, 1) + b"\1\0\0"), ((0, 0, 1, 1), None, (), None))

    def test_they_end_with_the_frame(self):
        writer = self.start_writer()
        with shmring.Reader(self.name, timeout=10) as reader:
            writer.publish()
            frame = reader.read()
            frame.release()
            with self.assertRaisesRegex(ValueError, "was released"):
                frame.metas


if __name__ == "__main__":
    unittest.main()
