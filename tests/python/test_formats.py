# SPDX-License-Identifier: LGPL-2.1-or-later
"""The arrays of the other pixel formats, in OpenCV's shapes."""

import unittest

import numpy as np

import shmring
from shmring import raw
from support import RingTest, bgr, frame_bytes, lie


class FormatTest(RingTest):
    def frame(self, **options):
        writer = self.start_writer(**options)
        with shmring.Reader(self.name, timeout=10) as reader:
            writer.publish()
            return reader.read()

    def check(self, array, shape, strides, dtype, offset=0, size=10000):
        self.assertEqual((array.shape, array.strides), (shape, strides))
        self.assertEqual(array.dtype, np.dtype(dtype))
        raw = frame_bytes(1, size)[offset:].tobytes()
        np.testing.assert_array_equal(array, np.ndarray(shape, dtype, raw, 0, strides))

    def test_nv12(self):
        frame = self.frame(size=96 * 6, width=92, height=4, channels=3, format="NV12", planes=2,
                           stride="96,96", offset=f"0,{96 * 4}")
        self.check(frame.array, (6, 92), (96, 1), "u1")
        luma, chroma = frame.planes
        self.check(luma, (4, 92), (96, 1), "u1")
        self.check(chroma, (2, 46, 2), (96, 2, 1), "u1", offset=96 * 4)

    def test_i420_without_padding(self):
        frame = self.frame(size=64 * 6, width=64, height=4, channels=3, format="I420", planes=3,
                           stride="64,32,32", offset=f"0,{64 * 4},{64 * 5}")
        self.check(frame.array, (6, 64), (64, 1), "u1")
        self.check(frame.planes[2], (2, 32), (32, 1), "u1", offset=64 * 5)

    def test_i420_with_padding_has_planes_only(self):
        frame = self.frame(size=64 * 4 + 2 * 32 * 2, width=61, height=3, channels=3, format="I420",
                           planes=3, stride="64,32,32", offset=f"0,{64 * 4},{64 * 5}")
        with self.assertRaisesRegex(BufferError, "use frame.planes"):
            frame.array
        with self.assertRaisesRegex(BufferError, "use frame.planes"):
            np.asarray(frame)
        self.check(frame.planes[0], (3, 61), (64, 1), "u1")
        self.check(frame.planes[1], (2, 31), (32, 1), "u1", offset=64 * 4)

    def test_planes_of_one_size_are_stacked(self):
        frame = self.frame(size=64 * 2 * 3, width=61, height=2, channels=3, format="Y444",
                           planes=3, stride="64,64,64", offset="0,128,256")
        self.check(frame.array, (3, 2, 61), (128, 64, 1), "u1")

    def check_sixteen_bits(self, format, dtype):
        frame = self.frame(size=132 * 2, width=65, height=2, channels=1, format=format, planes=1,
                           stride=132)
        self.check(frame.array, (2, 65), (132, 2), dtype)

    def test_sixteen_bits(self):
        self.check_sixteen_bits("GRAY16_LE", "<u2")

    def test_sixteen_bits_of_the_other_order(self):
        self.check_sixteen_bits("GRAY16_BE", ">u2")

    def test_packed_yuv(self):
        frame = self.frame(size=128 * 2, width=64, height=2, channels=3, format="YUY2", planes=1,
                           stride=128)
        self.check(frame.array, (2, 64, 2), (128, 2, 1), "u1")

    def test_a_format_without_whole_bytes_is_flat(self):
        frame = self.frame(size=512, width=48, height=4, channels=3, format="v210", planes=1,
                           stride=128)
        self.check(frame.array, (512,), (1,), "u1")
        self.assertEqual(frame.planes, ())

    def test_bayer(self):
        for format, dtype, items in (("rggb", "u1", 1), ("bggr10le", "<u2", 2),
                                     ("gbrg14be", ">u2", 2), ("grbg16le", "<u2", 2)):
            with self.subTest(format):
                self.name += "-"
                frame = self.frame(size=64 * items * 2, width=63, height=2, channels=1, planes=1,
                                   format=format, stride=64 * items)
                self.check(frame.array, (2, 63), (64 * items, items), dtype)


class LieTest(RingTest):
    """A frame that cannot be what its header says, by each thing that a header can say."""

    LIES = (
        ("a row is longer than its stride", dict(stride=(191, 0, 0, 0))),
        ("a row is longer than its stride", dict(width=65)),
        ("reaches beyond the frame's bytes", dict(height=5)),
        ("reaches beyond the frame's bytes", dict(offset=(1, 0, 0, 0))),
        ("reaches beyond the frame's bytes", dict(size=700)),
        ("starts beyond the frame's bytes", dict(offset=(2**63, 0, 0, 0))),
        ("a stride is not positive", dict(stride=(-192, 0, 0, 0))),
        ("a stride is not positive", dict(stride=(0, 0, 0, 0))),
        ("another number of planes", dict(planes=2, stride=(192, 192, 0, 0))),
        ("another number of planes", dict(planes=0)),
        ("more than 4 planes", dict(planes=5)),
        ("no width or height", dict(width=0)),
        ("width, height or channels cannot be", dict(height=2**31)),
        ("width, height or channels cannot be", dict(channels=5)),
        ("its format is no name", dict(format=b"B" * 16)),
        ("its format is no name", dict(format="GRÜN".encode())),
        ("its caps are not UTF-8 text", dict(caps=b"video/\xff")),
        ("its caps are not UTF-8 text", dict(flags=shmring.FrameFlags.GAP, size=0, caps=b"video/\xff")),
        ("larger than its slot", dict(size=2**40)),
    )

    def test_attached_and_raw_readers_say_the_same(self):
        for text, fields in self.LIES:
            with self.subTest(**fields):
                self.name += "-"
                writer = self.start_writer(**bgr(64, 4, caps="video/x-raw"))
                with shmring.Reader(self.name, timeout=10) as reader:
                    writer.publish()
                    lie(self.name, **fields)
                    with self.assertRaisesRegex(shmring.LayoutError, f"frame 1 .*{text}"):
                        reader.read()
                    with raw.RawReader(self.name) as observer:
                        with self.assertRaisesRegex(raw.LayoutError, f"frame 1 .*{text}"):
                            observer.latest(timeout=0)
                        writer.publish()
                        self.assertEqual(reader.read().array.shape, (4, 64, 3))
                        self.assertEqual(observer.latest(timeout=0).array.shape, (4, 64, 3))


if __name__ == "__main__":
    unittest.main()
