# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that Python cannot have, at each place where it asks for some: nobody crashes, it is told,
nothing is lost, and afterwards all goes on."""

import gc
import glob
import os
import sys
import unittest
import warnings

import numpy as np

import shmring
from support import RingTest

try:
    import _testcapi
except ImportError:
    _testcapi = None

PICTURE = np.zeros((4, 64, 3), "u1")
MOST = 5000
# numpy.asarray() says it so, of what has several dimensions.
TOLD = (MemoryError, NotImplementedError)
# Python 3.11 does, when it is to call what is written in Python.
AT_A_CALL = SystemError


def run_without(number, call):
    """Allocation NUMBER of CALL fails: what it raised, and whether it came so far."""
    raised = None
    _testcapi.set_nomemory(number, number + 1)
    try:
        call()
    except BaseException as error:
        raised = type(error)  # itself, it would hold all that its frames hold
    reached = True
    try:  # is it behind us? else one of as many is it
        while raised is None and number >= 0:
            bytearray(64)
            number -= 1
    except MemoryError:
        reached = False
    _testcapi.remove_mem_hooks()
    return raised, reached


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


@unittest.skipIf(np.lib.NumpyVersion(np.__version__) < "1.20.0", "numpy crashes without memory")
@unittest.skipUnless(hasattr(_testcapi, "set_nomemory"), "this Python has no _testcapi")
# in what is written in Python: a generator that is unpacked does it
@unittest.skipIf(sys.version_info >= (3, 12), "Python crashes without memory since 3.12")
class MemoryTest(RingTest):
    def fail_each(self, call, *more):
        """Told by a MemoryError, or MORE."""
        call()
        for number in range(MOST):
            raised, reached = run_without(number, call)
            self.check(raised, number, *more)
            if not reached:
                break
        self.assertLess(number, MOST - 1)
        call()

    def check(self, raised, number, *more):
        if raised is not None:
            self.assertIn(raised, TOLD + more, f"allocation {number}")


class OpeningTest(MemoryTest):
    def test_a_writer(self):
        def make():
            shmring.Writer(self.name, 64, 4).close()

        before = descriptors()
        self.fail_each(make)
        gc.collect()
        self.assertEqual((glob.glob(f"/dev/shm/{self.name}*"), descriptors()), ([], before))

    def test_a_reader(self):
        with shmring.Writer(self.name, 64, 4) as writer:
            before = descriptors()
            self.fail_each(lambda: shmring.Reader(self.name).close())
            gc.collect()
            self.assertEqual((writer.stats.readers, descriptors()), (0, before))


class UseTest(MemoryTest):
    def setUp(self):
        super().setUp()
        self.writer = shmring.Writer(self.name, 64, 4, framerate=30, timeout=0)
        self.addCleanup(self.writer.close)
        self.reader = shmring.Reader(self.name, timeout=0, lease=1)
        self.addCleanup(self.reader.close)
        self.addCleanup(self.check_goes_on)

    def check_goes_on(self):
        """Each slot is free, and the next frame arrives."""
        gc.collect()
        self.read_all()
        self.assertEqual((self.writer.stats.loans, self.reader.stats.held), (0, 0))
        seq = self.writer.write(PICTURE)
        self.assertEqual(self.reader.read().seq, seq)

    def read_all(self):
        while self.reader.try_read():
            pass

    def check(self, raised, number, *more):
        super().check(raised, number, *more)
        self.read_all()

    def read_one(self):
        self.writer.write(PICTURE)
        return self.reader.read()

    def test_writing(self):
        self.fail_each(lambda: self.writer.write(PICTURE))

    def test_writing_what_does_not_fit(self):
        def write():
            with self.assertRaises(ValueError):
                self.writer.write(PICTURE[..., :2])

        self.fail_each(write, AT_A_CALL)

    def test_a_loan(self):
        def write():
            with self.writer.loan() as loan:
                loan.array[...] = 0

        self.fail_each(write)

    def test_a_loan_whose_array_is_kept(self):
        def write():
            with self.writer.loan() as loan:
                kept = loan.array
            del kept

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.fail_each(write)

    def test_reading(self):
        self.fail_each(self.read_one)

    def test_reading_into_an_array(self):
        def read(out):
            self.writer.write(PICTURE)
            self.reader.read_array(out)

        self.fail_each(lambda: read(None))
        self.fail_each(lambda: read(PICTURE.copy()))

    def test_no_frame(self):
        def read():
            with self.assertRaises(shmring.Timeout):
                self.reader.read()

        self.fail_each(read, AT_A_CALL)

    def test_what_a_frame_says(self):
        frame = self.read_one()
        for say in (lambda: frame.array, lambda: frame.planes, lambda: frame.caps,
                    lambda: frame.metas, lambda: frame.flags, lambda: repr(frame),
                    lambda: memoryview(frame), frame.contiguous, frame._as_it_is):
            self.fail_each(say)
        frame.release()

    def test_what_a_ring_says(self):
        for say in (lambda: self.writer.stats, lambda: self.writer.readers,
                    lambda: self.reader.stats, lambda: self.reader.info,
                    lambda: shmring.query(self.name)):
            self.fail_each(say)
        self.fail_each(shmring.list, AT_A_CALL)


if __name__ == "__main__":
    unittest.main()
