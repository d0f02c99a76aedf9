# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame's values, and that its arrays are the ring's own memory."""

import time
import unittest
import zlib

import numpy as np

import shmring
from support import EPOCH_NS, FRAME_NS, RingTest, bgr, frame_bytes


def expected_bgr(seq, width, height):
    stride = (3 * width + 3) // 4 * 4
    rows = frame_bytes(seq, stride * height).reshape(height, stride)
    return rows[:, : 3 * width].reshape(height, width, 3)


def mapping_of(address):
    with open("/proc/self/maps") as maps:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if start <= address < end:
                return line.split()
    return None


class FrameTest(RingTest):
    def frames(self, count=1, **options):
        writer = self.start_writer(**(options or bgr(64, 4)))
        reader = shmring.Reader(self.name, lease=2, timeout=10)
        self.addCleanup(reader.close)
        writer.send("publish", count)
        frames = [reader.read() for _ in range(count)]
        self.assertEqual(writer.answer(), f"published {count}")
        return frames

    def test_says_what_it_is(self):
        before = time.monotonic_ns()
        _, frame = self.frames(2, **bgr(64, 4, caps="video/x-raw,format=BGR", flags=3))
        self.assertEqual((frame.width, frame.height, frame.channels), (64, 4, 3))
        self.assertEqual((frame.format, frame.size, frame.strides), ("BGR", 192 * 4, (192,)))
        self.assertEqual((frame.seq, frame.frame_number, frame.flags), (2, 2, 3))
        self.assertEqual((frame.pts_ns, frame.duration_ns), (FRAME_NS, FRAME_NS))
        self.assertIsNone(frame.dts_ns)
        self.assertLessEqual(abs(frame.clock_ns - frame.publish_ns), 40_000_000)
        self.assertEqual(frame.timestamp_ns, EPOCH_NS + FRAME_NS)
        self.assertEqual((frame.framerate, frame.dropped), ((25, 1), 0))
        self.assertEqual(frame.caps, "video/x-raw,format=BGR")
        self.assertTrue(frame.is_view)
        self.assertTrue(before <= frame.publish_ns <= time.monotonic_ns())
        self.assertTrue(0 <= frame.latency_ns <= time.monotonic_ns() - before)
        self.assertIn("2 of", repr(frame))

    def test_times_that_are_not_known(self):
        (frame,) = self.frames()
        self.assertIsNone(frame.caps)
        self.assertEqual(frame.pts_ns, 0)

    def test_values(self):
        for frame in self.frames(2):
            np.testing.assert_array_equal(frame.array, expected_bgr(frame.seq, 64, 4))

    def test_odd_widths_keep_their_strides(self):
        for width, stride in ((641, 1924), (642, 1928), (643, 1932)):
            with self.subTest(width=width):
                name = f"{self.name}-{width}"
                writer = self.start_writer(name, **bgr(width, 3))
                with shmring.Reader(name, timeout=10) as reader:
                    writer.publish()
                    array = reader.read().array
                    self.assertEqual(array.shape, (3, width, 3))
                    self.assertEqual(array.strides, (stride, 3, 1))
                    np.testing.assert_array_equal(array, expected_bgr(1, width, 3))

    def test_grey_has_two_dimensions(self):
        (frame,) = self.frames(size=644 * 3, width=641, height=3, channels=1, format="GRAY8",
                               planes=1, stride=644)
        array = frame.array
        self.assertEqual((array.shape, array.strides), ((3, 641), (644, 1)))
        np.testing.assert_array_equal(array, frame_bytes(1, 644 * 3).reshape(3, 644)[:, :641])

    def test_opaque_data_is_flat_bytes(self):
        (frame,) = self.frames(size=1000)
        self.assertEqual((frame.format, frame.width, frame.planes), ("", 0, ()))
        np.testing.assert_array_equal(frame.array, frame_bytes(1, 1000))

    def test_arrays_are_the_slot_itself(self):
        (frame,) = self.frames()
        one, two, three = frame.array, np.asarray(frame), frame.planes[0]
        addresses = {a.__array_interface__["data"][0] for a in (one, two, three)}
        self.assertEqual(len(addresses), 1)
        mapping = mapping_of(addresses.pop())
        self.assertEqual(mapping[-1], f"/dev/shm/{self.name}")
        self.assertEqual(mapping[1], "r--s")

    def test_each_array_is_a_new_one(self):
        (frame,) = self.frames()
        self.assertIsNot(frame.array, frame.array)

    def test_nothing_can_be_written(self):
        (frame,) = self.frames()
        array = frame.array
        self.assertFalse(array.flags.writeable)
        with self.assertRaises(ValueError):
            array[0, 0, 0] = 1
        with self.assertRaises(ValueError):
            array.setflags(write=True)
        self.assertTrue(memoryview(frame).readonly)
        with self.assertRaises(TypeError):
            memoryview(frame)[0, 0, 0] = 1
        with self.assertRaises(AttributeError):
            frame.width = 1

    def test_consumers_of_plain_bytes(self):
        (frame,) = self.frames()
        self.assertEqual(zlib.crc32(frame), zlib.crc32(frame_bytes(1, frame.size)))
        self.assertEqual(memoryview(frame).nbytes, frame.size)

    def test_padded_rows_are_not_plain_bytes(self):
        (frame,) = self.frames(**bgr(641, 2))
        with self.assertRaisesRegex(BufferError, "padded rows"):
            zlib.crc32(frame)
        self.assertEqual(bytes(frame), expected_bgr(1, 641, 2).tobytes())

    def test_a_writable_buffer_is_refused(self):
        (frame,) = self.frames()
        with open("/dev/zero", "rb", buffering=0) as zeros:
            with self.assertRaisesRegex(TypeError, "read-write"):
                zeros.readinto(frame)

    def test_cannot_be_made_by_hand(self):
        with self.assertRaises(TypeError):
            shmring.Frame()


if __name__ == "__main__":
    unittest.main()
