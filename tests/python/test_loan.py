# SPDX-License-Identifier: LGPL-2.1-or-later
"""A loan is the slot itself until it is published; from then on nobody here can write the frame."""

import gc
import threading
import unittest
import warnings

import numpy as np

import shmring
from support import RingTest

SHAPE = (4, 64, 3)


def place_of(array):
    """Where in the ring's file an array lies, and how that is mapped."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, access, offset, _, _, *path = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if start <= address < end:
                return path[0], access, int(offset, 16) + address - start
    return None


class LoanCase(RingTest):
    def setUp(self):
        super().setUp()
        self.writer = shmring.Writer(self.name, 64, 4, timeout=10)
        self.addCleanup(self.writer.close)
        self.reader = shmring.Reader(self.name, timeout=10)
        self.addCleanup(self.reader.close)

    def check_frame(self, value):
        frame = self.reader.read()
        np.testing.assert_array_equal(frame.array, np.full(SHAPE, value, "u1"))
        return frame

    def publish(self, value=0):
        with self.writer.loan() as frame:
            frame.array[...] = value


class LoanTest(LoanCase):
    def test_published_at_the_end(self):
        with self.writer.loan() as frame:
            frame.array[...] = 7
            self.assertIsNone(frame.seq)
            self.assertIsNone(self.reader.try_read())
        self.assertEqual(self.check_frame(7).seq, 1)
        self.assertEqual(frame.seq, 1)

    def test_it_is_the_slot_itself(self):
        with self.writer.loan() as frame:
            there = place_of(frame.array)
        self.assertRegex(there[0], rf"^/dev/shm/\.?{self.name}")  # as it was named when it was made
        self.assertEqual(there[1], "rw-s")
        self.assertEqual(place_of(self.reader.read().array)[2], there[2])

    def test_abandoned_on_an_exception(self):
        with self.assertRaises(KeyError):
            with self.writer.loan() as frame:
                frame.array[...] = 1
                raise KeyError
        self.assertIsNone(self.reader.try_read())
        self.assertIsNone(frame.seq)
        with self.assertRaisesRegex(ValueError, f"a loan of ring '{self.name}' was abandoned"):
            frame.array
        self.publish(2)
        self.assertEqual(self.check_frame(2).seq, 1)

    def test_nothing_can_be_written_once_published(self):
        with self.writer.loan() as frame:
            frame.array[...] = 7
        for use in (lambda: frame.array, lambda: np.asarray(frame), lambda: memoryview(frame),
                    lambda: frame.planes, frame.__enter__):
            with self.assertRaisesRegex(ValueError, f"frame 1 of ring '{self.name}' was published"):
                use()
        self.assertIsNone(frame.__exit__(None, None, None))
        self.check_frame(7)
        self.assertIsNone(self.reader.try_read())

    def test_says_what_it_is(self):
        with self.writer.loan() as frame:
            self.assertEqual((frame.width, frame.height, frame.channels), (64, 4, 3))
            self.assertEqual((frame.format, frame.strides), ("BGR", (192,)))
            self.assertEqual((frame.array.shape, frame.array.dtype), (SHAPE, np.dtype("u1")))
            self.assertIn("to be filled", repr(frame))
        self.assertIn("was published", repr(frame))

    def test_says_that_it_could_not_be_published(self):
        loan = self.writer.loan()
        self.writer.close()
        with self.assertRaisesRegex(ValueError, "is closed"):
            loan.__exit__(None, None, None)
        self.assertIn("ended with an error", repr(loan))
        with self.assertRaisesRegex(ValueError, f"a loan of ring '{self.name}' ended with an error"):
            loan.array

    def test_planes(self):
        name = self.name + "-planes"
        with shmring.Writer(name, 61, 3, "I420") as writer, shmring.Reader(name) as reader:
            with writer.loan() as frame:
                with self.assertRaisesRegex(BufferError, "a loan .* no one array.* frame.planes"):
                    frame.array
                for i, plane in enumerate(frame.planes):
                    plane[...] = i
                del plane
            self.assertEqual([int(p.max()) for p in reader.read().planes], [0, 1, 2])

    def test_times(self):
        with self.writer.loan(pts_ns=5, timestamp_ns=6):
            pass
        frame = self.reader.read()
        self.assertEqual((frame.pts_ns, frame.timestamp_ns), (5, 6))

    def test_loans_are_published_in_the_order_of_their_ends(self):
        with self.writer.loan() as first:
            with self.writer.loan() as second:
                second.array[...] = 2
            first.array[...] = 1
        self.check_frame(2)
        self.check_frame(1)

    def test_one_that_was_never_used_goes_back(self):
        for _ in range(50):
            self.writer.loan()
        self.publish(1)
        self.check_frame(1)

    def test_too_many(self):
        loans = [self.writer.loan() for _ in range(3)]
        for use in (self.writer.loan, lambda: self.writer.write(np.zeros(SHAPE, "u1"))):
            with self.assertRaisesRegex(shmring.LeaseError,
                                        f"3 loans of ring '{self.name}' are still in use"):
                use()
        loans.pop()
        self.publish()

    def test_cannot_be_made_by_hand(self):
        with self.assertRaises(TypeError):
            shmring.Loan()

    def test_a_closed_writer_leaves_its_memory(self):
        array = self.writer.loan().array
        self.writer.close()
        del self.writer
        array[...] = 9
        self.assertEqual(int(array.sum()), 9 * 768)


class KeptArrayTest(LoanCase):
    """A naive binding writes into a frame that its readers have, or into one published later."""

    def setUp(self):
        super().setUp()
        caught = warnings.catch_warnings(record=True)
        self.warnings = caught.__enter__()
        self.addCleanup(caught.__exit__, None, None, None)
        warnings.simplefilter("always")

    def keep(self, make, value=7):
        with self.writer.loan() as frame:
            kept = make(frame)
            np.asarray(frame)[...] = value
        return kept

    def test_it_cannot_write_the_frame(self):
        for make in (lambda frame: frame.array, np.asarray, memoryview,
                     lambda frame: frame.planes[0],
                     lambda frame: frame.array[1:3, ::2], lambda frame: frame.array[1].data):
            kept = self.keep(make)
            with self.reader.read() as frame:
                before = frame.array.copy()
                np.asarray(kept)[...] = 8
                np.testing.assert_array_equal(frame.array, before)
                self.assertEqual(int(before.min()), 7)
            del kept

    def test_its_slot_is_not_used_again(self):
        kept = self.keep(lambda frame: frame.array)
        self.reader.read()
        for value in range(20):
            self.publish(value)
            self.check_frame(value)
        np.testing.assert_array_equal(kept, np.full(SHAPE, 7, "u1"))

    def test_after_an_exception_too(self):
        try:
            with self.writer.loan() as frame:
                kept = frame.array
                kept[...] = 7
                raise KeyError
        except KeyError:
            pass
        for value in range(20):
            self.publish(value)
            self.check_frame(value)
        np.testing.assert_array_equal(kept, np.full(SHAPE, 7, "u1"))
        self.assertEqual(self.warnings, [])

    def test_it_goes_back_with_the_last_array(self):
        for _ in range(20):
            kept = self.keep(lambda frame: frame.array)
            self.reader.read()
            del kept

    def test_a_loop_that_keeps_its_last_array(self):
        for value in range(100):
            with self.writer.loan() as frame:
                image = frame.array
                image[...] = value
            self.check_frame(value)

    def test_one_warning(self):
        self.publish()
        self.assertEqual(self.warnings, [])
        for _ in range(3):
            self.keep(lambda frame: frame.array)
        self.assertEqual(len(self.warnings), 1)
        self.assertRegex(str(self.warnings[0].message), f"loan of ring '{self.name}' outlives")
        self.assertEqual(self.warnings[0].filename, __file__)

    def test_the_warning_costs_no_frame(self):
        warnings.simplefilter("error")
        with self.assertRaises(RuntimeWarning):
            with self.writer.loan() as frame:
                kept = frame.array
                kept[...] = 5
        self.check_frame(5)

    def test_no_slot_for_the_copy(self):
        kept = [self.keep(lambda frame: frame.array) for _ in range(2)]
        with self.assertRaisesRegex(shmring.LeaseError, "3 loans"):
            with self.writer.loan() as frame:
                kept.append(frame.array)
        self.assertEqual([self.reader.read().seq for _ in range(2)], [1, 2])
        kept.clear()
        self.publish(3)
        self.check_frame(3)

    def test_let_go_while_the_copy_waits(self):
        self.assertIsNone(self.reader.try_read())
        loan, kept = self.writer.loan(), []

        def fill():
            with loan as frame:
                frame.array[...] = 9
                kept.append(frame.array)

        for _ in range(7):
            self.publish()
        thread = threading.Thread(target=fill)
        thread.start()
        while "to be filled" in repr(loan):
            pass
        kept.clear()
        for _ in range(7):
            self.reader.read()
        thread.join()
        self.check_frame(9)

    def test_a_cycle_is_collected(self):
        for _ in range(20):
            with self.writer.loan() as frame:
                cycle = [frame.array, frame]
                cycle.append(cycle)
            del frame, cycle
            self.reader.read()
            gc.collect()

    def test_another_thread_writes_all_the_time(self):
        stop = threading.Event()

        def scribble(array):
            value = 0
            while not stop.is_set():
                value = (value + 1) & 255
                array[...] = value

        with self.writer.loan() as frame:
            thread = threading.Thread(target=scribble, args=(frame.array,))
            thread.start()
        with self.reader.read() as frame:
            before = frame.array.copy()
            for _ in range(100):
                np.testing.assert_array_equal(frame.array, before)
        stop.set()
        thread.join()

    def test_without_an_array_there_is_no_copy_and_no_warning(self):
        with self.writer.loan() as frame:
            there = place_of(frame.array)
        self.assertEqual(place_of(self.reader.read().array)[2], there[2])
        self.assertEqual(self.warnings, [])


if __name__ == "__main__":
    unittest.main()
