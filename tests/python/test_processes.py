# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other processes: multiprocessing of both kinds, and OpenCV that writes where it must not."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import unittest
from multiprocessing import resource_tracker

import numpy as np

import shmring
from support import RingTest

SHAPE = (48, 64, 3)
LONG = 120  # seconds; a child that is spawned in an emulator comes late

DRAW = """
import sys, cv2, numpy as np, shmring
with shmring.Reader(sys.argv[1], timeout=10) as reader:
    frame = reader.read()
    image = frame.array
    print("drawing", flush=True)
    try:
        cv2.rectangle(image, (0, 0), (40, 40), (255, 255, 255), -1)
    except cv2.error:
        print("refused", flush=True)
        sys.exit(3)
"""

DRAW_ON_A_COPY = DRAW.replace("image = frame.array", "image = frame.contiguous()")


def read_all(name, results):
    """In a child: a Reader of its own, and no help from a resource tracker."""
    with shmring.Reader(name, timeout=LONG) as reader:
        results.put("attached")
        total = sum(int(frame.array[0, 0, 0]) for frame in reader)
    results.put((total, resource_tracker._resource_tracker._pid is None))


def write_all(name, count):
    with shmring.Writer(name, SHAPE[1], SHAPE[0]) as writer:
        writer.wait_reader(timeout=LONG)
        for value in range(count):
            writer.write(np.full(SHAPE, value, "u1"))


def use_inherited(reader, frame, results):
    """In a forked child: the parent's reader is refused, its frame can be seen and let go."""
    try:
        reader.read()
    except shmring.Error as error:
        results.put(str(error))
    results.put(int(frame.array.max()))
    frame.release()
    reader.close()


class MultiprocessingTest(RingTest):
    def check_reader(self, method):
        context = multiprocessing.get_context(method)
        results = context.SimpleQueue()
        with shmring.Writer(self.name, SHAPE[1], SHAPE[0]) as writer:
            child = context.Process(target=read_all, args=(self.name, results))
            child.start()
            self.assertEqual(results.get(), "attached")
            for value in range(20):
                writer.write(np.full(SHAPE, value, "u1"))
            writer.end()
            total, untracked = results.get()
            child.join()
            self.assertEqual((child.exitcode, total), (0, sum(range(20))))
            # The child's end took nothing away: shared_memory of the standard library would.
            self.assertTrue(os.path.exists(f"/dev/shm/{self.name}"))
        if method == "spawn":
            self.assertTrue(untracked)

    def test_a_reader_in_a_forked_child(self):
        self.check_reader("fork")

    def test_a_reader_in_a_spawned_child(self):
        self.check_reader("spawn")

    def check_writer(self, method):
        context = multiprocessing.get_context(method)
        child = context.Process(target=write_all, args=(self.name, 20))
        child.start()
        with shmring.Reader(self.name, timeout=LONG, on_disconnect="error") as reader:
            values = [int(frame.array[0, 0, 0]) for frame in reader]
        child.join()
        self.assertEqual((child.exitcode, values), (0, list(range(20))))

    def test_a_writer_in_a_forked_child(self):
        self.check_writer("fork")

    def test_a_writer_in_a_spawned_child(self):
        self.check_writer("spawn")

    def test_what_a_forked_child_inherits(self):
        context = multiprocessing.get_context("fork")
        results = context.SimpleQueue()
        with shmring.Writer(self.name, SHAPE[1], SHAPE[0], slots=4, timeout=0) as writer, \
                shmring.Reader(self.name, timeout=10, lease=1) as reader:
            writer.write(np.full(SHAPE, 7, "u1"))
            frame = reader.read()
            child = context.Process(target=use_inherited, args=(reader, frame, results))
            child.start()
            self.assertRegex(results.get(), "reader of ring .* belongs to the parent process")
            self.assertEqual(results.get(), 7)
            child.join()
            self.assertEqual(child.exitcode, 0)
            # Still ours: the child gave nothing back.
            for value in range(20):
                writer.write(np.full(SHAPE, value, "u1"))
                reader.read_array()
            self.assertEqual((int(frame.array.min()), reader.stats.held), (7, 1))

    def test_spawning_with_a_reader_says_what_to_do(self):
        context = multiprocessing.get_context("spawn")
        with shmring.Writer(self.name, SHAPE[1], SHAPE[0]), shmring.Reader(self.name) as reader:
            child = context.Process(target=use_inherited, args=(reader, None, None))
            with self.assertRaisesRegex(TypeError, "Reader cannot be pickled: make shmring.Reader"):
                child.start()
        del child
        gc.collect()


class OpenCVTest(RingTest):
    """OpenCV before 4.9 writes through read-only arrays. The mapping is read-only, so that ends
    the program, and never changes what others see."""

    def setUp(self):
        super().setUp()
        try:
            import cv2
        except ImportError:
            self.skipTest("needs OpenCV")
        self.old = tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (4, 9)
        self.writer = shmring.Writer(self.name, SHAPE[1], SHAPE[0])
        self.addCleanup(self.writer.close)

    def draw(self, script):
        # AddressSanitizer, where the tests run under it, would make an exit status of the signal.
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:handle_segv=0"
        process = subprocess.Popen([sys.executable, "-c", script, self.name],
                                   env={**os.environ, "ASAN_OPTIONS": options},
                                   stdout=subprocess.PIPE, text=True)
        with process:
            self.writer.wait_reader(timeout=LONG)
            with shmring.Reader(self.name, timeout=10) as reader:
                self.writer.write(np.full(SHAPE, 7, "u1"))
                text = process.stdout.read()
                frame = reader.read()
        self.assertEqual((int(frame.array.min()), int(frame.array.max())), (7, 7))
        return process.returncode, text

    def test_on_a_view(self):
        returncode, text = self.draw(DRAW)
        if self.old:
            self.assertEqual((returncode, text), (-signal.SIGSEGV, "drawing\n"))
        else:
            self.assertEqual((returncode, text), (3, "drawing\nrefused\n"))

    def test_on_a_copy(self):
        self.assertEqual(self.draw(DRAW_ON_A_COPY), (0, "drawing\n"))


if __name__ == "__main__":
    unittest.main()
