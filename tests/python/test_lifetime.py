# SPDX-License-Identifier: LGPL-2.1-or-later
"""A slot is held exactly as long as somebody can see it, whatever dies first."""

import gc
import glob
import os
import pathlib
import resource
import subprocess
import sys
import threading
import unittest
import warnings
import weakref

import numpy as np

import shmring
from support import RingTest, bgr, frame_bytes, run_python

WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import shmring
frame = shmring.Reader(sys.argv[1], timeout=10).read()
assert memoryview(frame).shape == (4, 64, 3), memoryview(frame).shape
assert memoryview(frame)[0, 0, 1] == 32
try:
    frame.array
except ModuleNotFoundError as error:
    print(error)
"""

EXIT_WITH_FRAMES = """
import sys, threading, shmring
reader = shmring.Reader(sys.argv[1], timeout=10)
frame = reader.read()
cycle = [frame.array, frame]
cycle.append(cycle)
threading.Thread(target=lambda: next(shmring.Reader("never-made")), daemon=True).start()
print("done", flush=True)
"""


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


class SlotTest(RingTest):
    """A ring of four slots: two held as views, two offered, so that none is free."""

    def setUp(self):
        super().setUp()
        self.writer = self.start_writer(**bgr(64, 4, slots=4, lend_limit=1))
        self.reader = shmring.Reader(self.name, lease=2, timeout=10)
        self.addCleanup(self.reader.close)
        self.assertEqual(self.writer.publish(4), "published 4")
        self.frame = self.reader.read()
        self.other = self.reader.read()
        self.assertEqual(self.writer.try_publish(), "full 4")

    def assert_held(self):
        self.assertIn("full", self.writer.try_publish())

    def assert_free(self):
        self.assertEqual(self.writer.try_publish(), "published 5")

    def test_the_last_array_gives_it_back(self):
        array = self.frame.array
        part = array[1:3, ::2]
        self.frame = None
        self.assert_held()
        del array
        self.assert_held()
        del part
        self.assert_free()

    def test_every_kind_of_view_holds_it(self):
        for make in (np.asarray, memoryview, lambda frame: frame.planes[0],
                     lambda frame: np.frombuffer(frame, "u1"), lambda frame: iter(frame.array)):
            view = make(self.frame)
            self.frame = None
            self.assert_held()
            del view
            self.assertIn("published", self.writer.try_publish())
            self.frame = self.reader.read()

    def test_release(self):
        array = self.frame.array
        with self.assertRaisesRegex(BufferError, "1 arrays or views of it are still in use"):
            self.frame.release()
        self.assert_held()
        del array
        self.frame.release()
        self.frame.release()
        self.assert_free()

    def test_a_released_frame_has_no_array(self):
        self.frame.release()
        for use in (lambda: self.frame.array, lambda: np.asarray(self.frame),
                    lambda: memoryview(self.frame), lambda: self.frame.planes,
                    lambda: self.frame.caps, self.frame.__enter__):
            with self.assertRaisesRegex(ValueError, "was released"):
                use()
        self.assertEqual((self.frame.seq, self.frame.width), (1, 64))

    def test_with_ends_the_frames_own_hold(self):
        with self.frame as frame:
            pass
        self.assert_free()
        del frame

    def test_with_leaves_arrays_alive(self):
        with self.frame as frame:
            array = frame.array
        with self.assertRaisesRegex(ValueError, "was released"):
            frame.array
        self.assert_held()
        np.testing.assert_array_equal(array.reshape(-1), frame_bytes(1, 192 * 4))
        del array
        self.assert_free()

    def test_views_of_planes_outlive_with(self):
        with self.frame as frame:
            plane = frame.planes[0]
        self.assert_held()
        del plane
        self.assert_free()

    def test_given_back_from_another_thread(self):
        frames = [self.frame]
        self.frame = None
        thread = threading.Thread(target=frames.clear)
        thread.start()
        thread.join()
        self.assert_free()

    def test_a_cycle_is_collected(self):
        cycle = [self.frame.array]
        cycle.append(cycle)
        self.frame = None
        del cycle
        self.assert_held()
        gc.collect()
        self.assert_free()

    def test_closing_the_reader_leaves_frames_alone(self):
        array = self.frame.array
        self.other = None
        self.reader.close()
        self.assertEqual(self.writer.publish(20), "published 24")
        np.testing.assert_array_equal(array.reshape(-1), frame_bytes(1, 192 * 4))

    def test_the_writers_end_leaves_frames_alone(self):
        array = self.frame.array
        self.frame = self.other = None
        self.writer.close()
        self.assertEqual([self.reader.read().seq for _ in range(2)], [3, 4])
        self.assertIsNone(next(self.reader, None))
        self.reader.close()
        np.testing.assert_array_equal(array.reshape(-1), frame_bytes(1, 192 * 4))

    def test_fork(self):
        array = self.frame.array
        pid = os.fork()
        if pid == 0:
            problem = None
            try:
                self.reader.read()
            except shmring.Error as error:
                problem = str(error)
            good = problem and array[0, 0, 1] == 32
            self.frame = self.other = self.reader = None
            del array
            os._exit(0 if good else 1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assert_held()
        self.assertEqual(self.reader.stats.held, 2)


class ProcessTest(RingTest):
    def output(self, script):
        writer = self.start_writer()
        process = run_python(script, self.name)
        with process:
            writer.ask("wait-reader")
            writer.publish()
            text = process.stdout.read()
        self.assertEqual(process.returncode, 0)
        return text

    def test_without_numpy(self):
        self.assertIn("needs numpy", self.output(WITHOUT_NUMPY))

    def test_importing_does_not_import_numpy(self):
        script = "import shmring, sys; assert 'numpy' not in sys.modules"
        subprocess.run([sys.executable, "-c", script], check=True)

    def test_exit_with_live_frames(self):
        self.assertEqual(self.output(EXIT_WITH_FRAMES), "done\n")


class ThreadsTest(RingTest):
    """A program that ends while a thread of it is inside a read or a write leaves no ring."""

    SCRIPT = """if True:
        import sys, threading
        import shmring
        writer = shmring.Writer(sys.argv[1], 8, 8, "GRAY8")
        reader = shmring.Reader(sys.argv[1], lease=0)
        assert reader.try_read() is None
        inside = threading.Event()
        def work():
            inside.set()
            try:
                while True:
                    {}
            except (ValueError, shmring.EndOfStream):
                pass  # a traceback at that moment may end Python: it wants stderr's lock
        threading.Thread(target=work, daemon=True).start()
        inside.wait()
        """

    def test_inside(self):
        picture = "memoryview(bytes(64)).cast('B', (8, 8))"
        for call in ("reader.read()", f"writer.write({picture})"):
            with self.subTest(call):
                program = run_python(self.SCRIPT.format(call), self.name, stderr=subprocess.PIPE)
                out, err = program.communicate(timeout=60)
                self.assertEqual((program.returncode, out), (0, ""), err)
                self.assertNotIn("Fatal", err)
                self.assertEqual(glob.glob(f"/dev/shm/{self.name}*"), [])


    FORK = """if True:
        import os, sys, threading
        import numpy as np
        import shmring
        picture = np.zeros((8, 8), "u1")
        with shmring.Writer(sys.argv[1], 8, 8, "GRAY8", slots=6) as writer, \\
                shmring.Reader(sys.argv[1]) as reader, writer.loan() as loan:
            writer.write(picture + 7)
            frame = reader.read()
            threading.Thread(target=reader.read, daemon=True).start()
            pid = os.fork()
            if pid == 0:
                {}
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert shmring.query(sys.argv[1]).state is shmring.RingState.LIVE
            assert writer.stats.loans == 1 and writer.stats.readers == 1, writer.stats
            assert frame.array.min() == frame.array.max() == 7
            assert writer.write(picture) == 2
        assert loan.seq == 3, loan
        print(status)
        """

    def test_a_forked_child_ends(self):
        """As a program does: by itself, by an exception, or at once. It has all that its parent
        had, and a thread of the parent's was inside a read."""
        env = dict(os.environ)
        if sys.version_info < (3, 10):  # 3.9.2 with -X dev cannot end what it forked, whatever it is
            env["PYTHONMALLOC"] = "pymalloc"
        for end, status in (("sys.exit(7)", 7), ("os._exit(7)", 7), ("raise KeyError", 1),
                            ("writer.close(), reader.close(), os._exit(7)", 7)):
            with self.subTest(end):
                program = run_python(self.FORK.format(end), self.name, stderr=subprocess.PIPE, env=env)
                out, err = program.communicate(timeout=60)
                self.assertEqual((program.returncode, out), (0, f"{status}\n"), err)


class ClosingTest(RingTest):
    """close() ends whatever another thread waits for."""

    def check(self, handle, wait):
        raised = []

        def work():
            try:
                wait()
            except ValueError as error:
                raised.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        self.wait_until_asleep(thread)
        handle.close()
        thread.join()
        self.assertRegex(raised[0], f"the (reader|writer) of ring '{handle.name}' (is|was) closed")

    def wait_until_asleep(self, thread):
        path = f"/proc/self/task/{thread.native_id}/syscall"
        while pathlib.Path(path).read_text().startswith("running"):
            pass

    def reader(self, **options):
        reader = shmring.Reader(self.name, **options)
        self.addCleanup(reader.close)
        return reader

    def writer(self):
        writer = shmring.Writer(self.name, 8, 8, "GRAY8", slots=4)
        self.addCleanup(writer.close)
        return writer

    def test_for_a_ring(self):
        reader = self.reader()
        self.check(reader, reader.read)

    def test_for_a_frame(self):
        self.writer()
        for wait in ("read", "read_array", "__next__"):
            reader = self.reader()
            self.check(reader, getattr(reader, wait))

    def test_for_room_for_a_copy(self):
        writer, reader = self.writer(), self.reader(lease=0, max_copy_bytes=1)
        for _ in range(2):
            writer.write(np.zeros((8, 8), "u1"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = reader.read()
            self.check(reader, reader.read)
        del held

    def test_for_a_reader(self):
        writer = self.writer()
        self.check(writer, writer.wait_reader)

    def test_for_a_slot(self):
        picture = np.zeros((8, 8), "u1")
        for wait in (lambda writer: writer.write(picture), lambda writer: writer.loan()):
            writer, reader = self.writer(), self.reader()
            for _ in range(4):
                writer.write(picture)
            self.check(writer, lambda: wait(writer))
            reader.close()


class LeakTest(RingTest):
    """Blocks of Python, references to what every frame refers to, and memory of C."""

    WARM_UP = 2000
    COUNT = 100_000

    def setUp(self):
        super().setUp()
        self.counted = self.name.encode().decode()  # a str that only shmring refers to

    def check_no_leak(self, run):
        run(self.WARM_UP)
        gc.collect()
        blocks, references = sys.getallocatedblocks(), sys.getrefcount(self.counted)
        memory = resident_bytes()
        run(self.COUNT)
        gc.collect()
        self.assertLess(sys.getallocatedblocks() - blocks, self.COUNT // 100)
        self.assertEqual(sys.getrefcount(self.counted), references)
        if "asan" not in os.environ.get("LD_PRELOAD", ""):  # which keeps what was freed
            self.assertLess(resident_bytes() - memory, 20 * self.COUNT)

    def check_reading(self, use):
        def run(count):
            writer = self.start_writer(**bgr(8, 2))
            with shmring.Reader(self.counted, timeout=10) as reader:
                writer.send("publish", count)
                writer.send("end")
                for frame in reader:
                    use(frame)
            writer.answer()
            writer.answer()
            writer.close()

        self.check_no_leak(run)

    def test_frames_and_arrays(self):
        self.check_reading(lambda frame: (frame.array, frame.planes, frame.caps, frame.pts_ns))

    def test_what_frames_say(self):
        self.check_reading(lambda frame: (frame.strides, frame.framerate, repr(frame), frame.metas,
                                          frame.contiguous(), frame.latency_ns))

    def test_views_that_outlive_the_frame(self):
        def use(frame):
            with frame:
                view = memoryview(frame)
                array = np.asarray(frame)[::-1]
            view.release()
            del array

        self.check_reading(use)

    def test_refusals(self):
        def use(frame):
            with frame:
                pass
            for refused in (lambda: frame.array, lambda: np.asarray(frame), lambda: frame.caps):
                try:
                    refused()
                except ValueError:
                    continue
                self.fail("a released frame was used")

        self.check_reading(use)

    def test_arrays_of_ones_own(self):
        out = np.zeros((2, 8, 3), "u1")

        def run(count):
            writer = self.start_writer(**bgr(8, 2))
            with shmring.Reader(self.counted, timeout=10) as reader:
                writer.send("publish", count)
                for i in range(count):
                    reader.read_array(out if i & 1 else None)
            writer.answer()
            writer.close()

        self.check_no_leak(run)

    def test_writing(self):
        image = np.zeros((2, 8, 3), "u1")

        def run(count):
            with shmring.Writer(self.counted, 8, 2, framerate=30) as writer, \
                    shmring.Reader(self.counted) as reader:
                for _ in range(count // 4):
                    writer.write(image)
                    writer.write(image[::-1])
                    with writer.loan() as frame:
                        frame.array[...] = 0
                    try:
                        writer.write(image[..., :2])
                    except ValueError:
                        pass
                    try:
                        with writer.loan() as frame:
                            raise KeyError
                    except KeyError:
                        pass
                    for _ in range(3):
                        reader.read()

        self.check_no_leak(run)

    def test_an_array_frees_its_frame_without_the_collector(self):
        writer = self.start_writer()
        gc.disable()
        self.addCleanup(gc.enable)
        with shmring.Reader(self.name, timeout=10) as reader:
            writer.publish()
            array = reader.read().array
            alive = weakref.ref(array)
            self.assertEqual(reader.stats.held, 1)
            del array
            self.assertIsNone(alive())
            self.assertEqual(reader.stats.held, 0)


if __name__ == "__main__":
    unittest.main()
