# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies that are the caller's own: where they lie, what they cost, when they fail."""

import gc
import resource
import threading
import unittest
import warnings

import numpy as np

import shmring
from support import RingTest, bgr, frame_bytes


def pixels(seq, width, height):
    stride = (3 * width + 3) // 4 * 4
    rows = frame_bytes(seq, stride * height).reshape(height, stride)
    return rows[:, : 3 * width].reshape(height, width, 3)


class CopyTest(RingTest):
    WIDTH, HEIGHT = 61, 4

    def setUp(self):
        super().setUp()
        self.writer = self.start_writer(**bgr(self.WIDTH, self.HEIGHT))
        self.reader = shmring.Reader(self.name, timeout=10)
        self.addCleanup(self.reader.close)

    def expected(self, seq):
        return pixels(seq, self.WIDTH, self.HEIGHT)

    def empty(self, dtype="u1"):
        return np.zeros((self.HEIGHT, self.WIDTH, 3), dtype)


class ContiguousTest(CopyTest):
    def setUp(self):
        super().setUp()
        self.writer.publish()
        self.frame = self.reader.read()

    def test_a_new_array(self):
        copy = self.frame.contiguous()
        self.assertTrue(copy.flags.c_contiguous and copy.flags.writeable)
        np.testing.assert_array_equal(copy, self.expected(1))
        copy[:] = 0
        np.testing.assert_array_equal(self.frame.array, self.expected(1))

    def test_into_the_callers(self):
        out = self.empty()
        self.assertIs(self.frame.contiguous(out), out)
        np.testing.assert_array_equal(out, self.expected(1))

    def test_into_memory_without_numpy(self):
        out = bytearray(self.HEIGHT * self.WIDTH * 3)
        shaped = memoryview(out).cast("B", (self.HEIGHT, self.WIDTH, 3))
        self.assertIs(self.frame.contiguous(out=shaped), shaped)
        self.assertEqual(bytes(out), self.expected(1).tobytes())

    def test_it_outlives_the_frame_and_the_reader(self):
        copy = self.frame.contiguous()
        self.frame.release()
        self.reader.close()
        del self.frame, self.reader
        gc.collect()
        np.testing.assert_array_equal(copy, self.expected(1))

    def test_a_released_frame_has_none(self):
        self.frame.release()
        with self.assertRaisesRegex(ValueError, "was released"):
            self.frame.contiguous()

    def test_what_does_not_fit(self):
        for out, error in ((self.empty("u2"), TypeError), (self.empty()[:2], ValueError),
                           (self.empty()[:, ::2], ValueError),
                           (self.empty().reshape(-1), ValueError),
                           (bytes(self.HEIGHT * self.WIDTH * 3), BufferError), ([], TypeError)):
            with self.subTest(out=type(out)):
                with self.assertRaises(error):
                    self.frame.contiguous(out)
        with self.assertRaisesRegex(TypeError, r"61x4 BGR frame is an array of uint8 \(4, 61, 3\), "
                                               r"not of float32 \(4, 61, 3\)"):
            self.frame.contiguous(self.empty("f4"))
        self.frame.release()  # nothing of a failed copy holds it

    def test_views_are_counted_as_before(self):
        self.frame.contiguous()
        self.frame.contiguous(self.empty())
        view = memoryview(self.frame)
        with self.assertRaisesRegex(BufferError, "1 arrays or views"):
            self.frame.release()
        view.release()
        self.frame.release()


class PlanesTest(RingTest):
    def frame(self, **options):
        writer = self.start_writer(**options)
        with shmring.Reader(self.name, timeout=10) as reader:
            writer.publish()
            return reader.read()

    def test_padded_i420_becomes_opencvs_array(self):
        frame = self.frame(size=64 * 4 + 2 * 32 * 2, width=62, height=4, channels=3, format="I420",
                           planes=3, stride="64,32,32", offset=f"0,{64 * 4},{64 * 4 + 64}")
        with self.assertRaises(BufferError):
            frame.array
        copy = frame.contiguous()
        self.assertEqual(copy.shape, (6, 62))
        self.assertEqual(copy.tobytes(), b"".join(plane.tobytes() for plane in frame.planes))

    def test_odd_i420_has_planes_only(self):
        frame = self.frame(size=64 * 4 + 2 * 32 * 2, width=61, height=3, channels=3, format="I420",
                           planes=3, stride="64,32,32", offset=f"0,{64 * 4},{64 * 4 + 64}")
        with self.assertRaisesRegex(BufferError, "use frame.planes"):
            frame.contiguous()

    def test_opaque_data(self):
        copy = self.frame(size=1000).contiguous()
        np.testing.assert_array_equal(copy, frame_bytes(1, 1000))


class ReadArrayTest(CopyTest):
    def test_an_array_of_ones_own(self):
        self.writer.publish(3)
        for seq in (1, 2, 3):
            array = self.reader.read_array()
            self.assertTrue(array.flags.writeable)
            np.testing.assert_array_equal(array, self.expected(seq))
            self.assertEqual(self.reader.stats.held, 0)

    def test_into_the_callers(self):
        self.writer.publish()
        out = self.empty()
        self.assertIs(self.reader.read_array(out=out, timeout=10), out)
        np.testing.assert_array_equal(out, self.expected(1))

    def test_kept_arrays_never_change(self):
        self.writer.send("publish", 20)
        kept = [self.reader.read_array() for _ in range(20)]
        for seq, array in enumerate(kept, 1):
            np.testing.assert_array_equal(array, self.expected(seq))

    def test_a_part_keeps_its_memory(self):
        self.writer.publish(2)
        part = self.reader.read_array()[1:3]
        self.reader.read_array()
        np.testing.assert_array_equal(part, self.expected(1)[1:3])

    def test_memory_is_used_again(self):
        self.writer.publish(3)
        address = self.reader.read_array().ctypes.data
        self.assertEqual(self.reader.read_array().ctypes.data, address)
        self.reader.close()

    def test_an_array_that_outlives_the_reader(self):
        self.writer.publish()
        array = self.reader.read_array()
        self.reader.close()
        del self.reader
        np.testing.assert_array_equal(array, self.expected(1))

    def test_what_does_not_fit_costs_no_frame(self):
        self.writer.publish(2)
        with self.assertRaisesRegex(ValueError, "is an array of"):
            self.reader.read_array(self.empty()[:1])
        np.testing.assert_array_equal(self.reader.read_array(), self.expected(1))
        self.assertEqual(self.reader.read().seq, 2)

    def test_beyond_the_lease_nobody_is_warned(self):
        self.writer.publish(4)
        held = [self.reader.read(), self.reader.read()]
        for seq in (3, 4):  # warnings are errors here
            np.testing.assert_array_equal(self.reader.read_array(), self.expected(seq))
        self.assertEqual(len(held), 2)

    def test_timeout(self):
        with self.assertRaises(shmring.Timeout):
            self.reader.read_array(timeout=0.01)

    def test_after_the_end(self):
        self.writer.ask("end")
        with self.assertRaises(shmring.EndOfStream):
            self.reader.read_array()


class LimitTest(RingTest):
    """Frames of 1 MiB: the third copy goes beyond the limit, the fourth is not made."""

    def reader_at_its_limit(self, mode="all", **options):
        self.writer = self.start_writer(size=1 << 20)
        reader = shmring.Reader(self.name, mode, lease=0, max_copy_bytes=5 << 19, **options)
        self.addCleanup(reader.close)
        kept = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for _ in range(3):
                self.writer.publish()
                kept.append(reader.read(timeout=10))
        self.writer.publish()
        return reader, kept

    def test_a_timeout_says_so(self):
        reader, kept = self.reader_at_its_limit()
        with self.assertRaisesRegex(shmring.Timeout, rf"holds \d{{7}} bytes of copies of ring "
                                                     rf"'{self.name}'.*raise max_copy_bytes"):
            reader.read(timeout=0.01)
        del kept[1]
        self.assertEqual(reader.read(timeout=10).seq, 4)

    def test_a_frame_that_goes_elsewhere_ends_the_wait(self):
        reader, kept = self.reader_at_its_limit()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            thread = threading.Thread(target=kept.clear)
            thread.start()
            self.assertEqual(reader.read(timeout=60).seq, 4)
        thread.join()

    def test_who_does_not_wait_is_warned_once(self):
        reader, kept = self.reader_at_its_limit()
        with self.assertRaisesRegex(RuntimeWarning, "bytes of copies"):
            reader.try_read()
        self.assertIsNone(reader.try_read())
        self.assertEqual(len(kept), 3)

    def test_who_waits_for_ever_is_warned(self):
        reader, kept = self.reader_at_its_limit()
        with self.assertRaisesRegex(RuntimeWarning, "bytes of copies"):
            next(reader)
        kept.clear()
        self.assertEqual(next(reader).seq, 4)

    def test_the_newest_comes_when_there_is_room(self):
        reader, kept = self.reader_at_its_limit("latest")
        self.writer.publish(10)
        with self.assertRaises(shmring.Timeout):
            reader.read(timeout=0.01)
        kept.clear()
        frame = reader.read(timeout=10)
        self.assertEqual((frame.seq, frame.dropped), (14, 10))

    def test_arrays_of_ones_own_are_not_counted(self):
        self.writer = self.start_writer(size=1 << 20)
        with shmring.Reader(self.name, lease=0, max_copy_bytes=1, timeout=10) as reader:
            self.writer.send("publish", 10)
            kept = [reader.read_array() for _ in range(10)]
        self.assertEqual(len(kept), 10)

    def test_limits_that_cannot_be(self):
        for limit, error in ((-1, OverflowError), (2**64, OverflowError), (None, TypeError)):
            with self.subTest(limit):
                with self.assertRaisesRegex(error, "max_copy_bytes"):
                    shmring.Reader(self.name, max_copy_bytes=limit)


class PageFaultTest(CopyTest):
    WIDTH, HEIGHT = 1920, 1080
    FRAMES = 50

    def test_no_copy_is_in_fresh_pages(self):
        pages = self.WIDTH * self.HEIGHT * 3 // resource.getpagesize()
        self.writer.send("publish", 10 + self.FRAMES)
        for _ in range(10):  # every slot is seen and the pool is there
            array = self.reader.read_array()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(self.FRAMES):
            array = self.reader.read_array()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        self.assertLess(faults, pages)  # a fresh copy each time: 50 times as many
        self.assertEqual(array.nbytes, self.WIDTH * self.HEIGHT * 3)


class NewerThanTest(CopyTest):
    def test_what_was_published_before_is_skipped(self):
        self.writer.publish(3)
        now = shmring.now()
        self.writer.publish(2)
        self.assertEqual(self.reader.read(newer_than=now).seq, 4)
        self.assertEqual(self.reader.read().seq, 5)

    def test_what_was_put_back_is_skipped_too(self):
        self.writer.publish()
        with self.assertRaises(ValueError):
            self.reader.read_array(self.empty()[:1])
        now = shmring.now()
        self.writer.publish()
        self.assertEqual(self.reader.read(newer_than=now).seq, 2)

    def test_one_that_is_there_needs_no_time(self):
        self.writer.publish(3)
        now = shmring.now()
        self.writer.publish()
        self.assertEqual(self.reader.read(newer_than=now, timeout=0).seq, 4)

    def test_it_waits_for_one(self):
        self.writer.publish(3)
        now = shmring.now()
        with self.assertRaises(shmring.Timeout):
            self.reader.read(newer_than=now, timeout=0)
        self.writer.publish()
        frame = self.reader.read(newer_than=now)
        self.assertEqual(frame.seq, 4)
        self.assertGreater(frame.publish_ns, now)

    def test_a_time_to_come_is_a_timeout(self):
        self.writer.send("publish", 1000)
        with self.assertRaises(shmring.Timeout):
            self.reader.read(newer_than=shmring.now() + 10**12, timeout=0.05)
        self.reader.close()

    def test_skipped_frames_are_given_back(self):
        self.writer.publish(3)
        with self.assertRaises(shmring.Timeout):
            self.reader.read(newer_than=shmring.now(), timeout=0)
        self.assertEqual(self.reader.stats.held, 0)

    def test_times_that_cannot_be(self):
        with self.assertRaises(ValueError):
            self.reader.read(newer_than=-1)
        with self.assertRaises(TypeError):
            self.reader.read(newer_than="now")


if __name__ == "__main__":
    unittest.main()
