# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writer: what goes in comes out, whatever its strides, and what is wrong is named."""

import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest

import numpy as np

import shmring
from support import RingTest, run_python

DISCONT = 1

EXIT_WITH_A_WRITER = """
import sys, numpy as np, shmring
writer = shmring.Writer(sys.argv[1], 8, 4)
image = np.zeros((4, 8, 3), "u1")
writer.write(image)
loan = writer.loan()
cycle = [loan.array, writer]
cycle.append(cycle)
print("done", flush=True)
"""

WRITE_UNTIL_INTERRUPTED = """
import signal, sys, numpy as np, shmring
signal.signal(signal.SIGINT, signal.default_int_handler)
writer = shmring.Writer(sys.argv[1], 8, 4)
reader = shmring.Reader(sys.argv[1])
try:
    while True:
        if writer.write(np.zeros((4, 8, 3), "u1")) == 6:
            print("nearly full", flush=True)
except KeyboardInterrupt:
    print("interrupted")
"""


def counting(shape, dtype="u1"):
    return (np.arange(np.prod(shape)) * 7 % 65521).astype(dtype).reshape(shape)


class WriterCase(RingTest):
    def writer(self, width=64, height=4, *args, name=None, **options):
        writer = shmring.Writer(name or self.name, width, height, *args, **options)
        self.addCleanup(writer.close)
        return writer

    def reader(self, name=None, **options):
        reader = shmring.Reader(name or self.name, **{"timeout": 10, **options})
        self.addCleanup(reader.close)
        return reader

    def pair(self, *args, **options):
        return self.writer(*args, **options), self.reader()


class ArrayTest(WriterCase):
    def test_any_strides(self):
        writer, reader = self.pair(61, 5)
        image = counting((5, 61, 3))
        wide = counting((10, 122, 4))
        for hint, array in (
                ("plain", image), ("upside down", image[::-1]), ("mirrored", image[:, ::-1]),
                ("RGB for BGR", image[..., ::-1]), ("all backwards", image[::-1, ::-1, ::-1]),
                ("columns first", np.asfortranarray(image)), ("a part", wide[3:8, 40:101, :3]),
                ("every second", wide[::2, ::2, 1:]), ("one pixel", np.broadcast_to(image[:1, :1], image.shape)),
                ("transposed", counting((61, 5, 3)).transpose(1, 0, 2)),
                ("odd rows", np.lib.stride_tricks.as_strided(wide, image.shape, (187, 3, 1))),
                ("read-only", memoryview(image).toreadonly())):
            with self.subTest(hint):
                self.assertIsNone(reader.try_read())
                writer.write(array)
                np.testing.assert_array_equal(reader.read().array, array)

    def test_rows_are_padded_as_gstreamer_has_them(self):
        for width, stride in ((641, 1924), (642, 1928), (643, 1932), (640, 1920)):
            with self.subTest(width=width):
                name = f"{self.name}-{width}"
                writer, reader = self.writer(width, 2, name=name), self.reader(name)
                writer.write(np.zeros((2, width, 3), "u1"))
                frame = reader.read()
                self.assertEqual((frame.strides, frame.size), ((stride,), 2 * stride))

    def check_format(self, format, shape, dtype="u1", width=62, height=4):
        writer = self.writer(width, height, format, name=f"{self.name}-{format}-{width}")
        reader = self.reader(writer.name)
        for array in (counting(shape, dtype), counting(shape, dtype)[::-1, ::-1]):
            writer.write(array)
            frame = reader.read()
            self.assertEqual((frame.format, frame.width, frame.height), (format, width, height))
            self.assertEqual(frame.array.dtype, np.dtype(dtype))
            np.testing.assert_array_equal(frame.array, array)
        return frame

    def test_formats(self):
        for format, shape, dtype, channels in (
                ("BGR", (4, 62, 3), "u1", 3), ("GRAY8", (4, 62), "u1", 1),
                ("BGRx", (4, 62, 4), "u1", 3), ("RGBA", (4, 62, 4), "u1", 4),
                ("GRAY16_LE", (4, 62), "<u2", 1), ("GRAY16_BE", (4, 62), ">u2", 1),
                ("YUY2", (4, 62, 2), "u1", 3), ("NV12", (6, 62), "u1", 3),
                ("I420", (6, 62), "u1", 3), ("Y444", (3, 4, 62), "u1", 3),
                ("ARGB64", (4, 62, 4), "u2", 4), ("Y410", (4, 62), "u4", 4),
                ("P010_10LE", (6, 62), "u2", 3)):
            with self.subTest(format):
                self.assertEqual(self.check_format(format, shape, dtype).channels, channels)

    def test_i420_is_padded_where_that_leaves_one_array(self):
        self.assertEqual(self.check_format("I420", (6, 64), width=64).strides, (64, 32, 32))
        self.assertEqual(self.check_format("I420", (6, 62), width=62).strides, (62, 31, 31))

    def test_planes(self):
        writer, reader = self.pair(61, 3, "I420")
        planes = counting((3, 61)), counting((2, 31))[::-1], counting((2, 31))[:, ::-1]
        writer.write(planes)
        for want, have in zip(planes, reader.read().planes):
            np.testing.assert_array_equal(have, want)
        with self.assertRaisesRegex(TypeError, "61x3 I420 frame has no one array"):
            writer.write(np.zeros((5, 61), "u1"))
        with self.assertRaisesRegex(ValueError, "I420 has 3 planes, not 2"):
            writer.write(planes[:2])
        with self.assertRaisesRegex(ValueError, r"array of uint8 \(2, 31\), not of uint8 \(1, 31\)"):
            writer.write((planes[0], planes[1], planes[2][:1]))

    def test_a_frame_of_another_ring(self):
        writer, reader = self.pair(61, 3)
        relay = self.writer(61, 3, name=self.name + "-relay")
        end = self.reader(relay.name)
        writer.write(counting((3, 61, 3)))
        with reader.read() as frame:
            relay.write(frame)
            relay.write(frame.planes)
        for _ in range(2):
            np.testing.assert_array_equal(end.read().array, counting((3, 61, 3)))

    def test_what_does_not_fit(self):
        writer, reader = self.pair()
        for array, error, text in (
                (np.zeros((4, 63, 3), "u1"), ValueError,
                 r"64x4 BGR frame is an array of uint8 \(4, 64, 3\), not of uint8 \(4, 63, 3\)"),
                (np.zeros((64, 4, 3), "u1"), ValueError, r"not of uint8 \(64, 4, 3\)"),
                (np.zeros((4, 64), "u1"), ValueError, r"not of uint8 \(4, 64\)"),
                (np.zeros((4, 64, 3)), TypeError, r"not of float64 \(4, 64, 3\)"),
                (np.zeros((4, 64, 3), "i1"), TypeError, r"not of int8"),
                (np.zeros((4, 64, 3), "?"), TypeError, r"not of bool"),
                (np.zeros((4, 64, 3), ">u2"), TypeError, r"not of big-endian uint16"),
                (np.zeros((4, 64, 3), "u1,u1"), TypeError, r"not of another type"),
                (bytes(4 * 64 * 3), ValueError, r"not of uint8 \(768,\)"),
                ([[1]], TypeError, "buffer protocol.*not <class 'list'>"), (None, TypeError, "NoneType")):
            with self.subTest(text):
                with self.assertRaisesRegex(error, text):
                    writer.write(array)
        self.assertIsNone(reader.try_read())
        self.assertEqual(writer.write(np.zeros((4, 64, 3), "u1")), 1)

    def test_byte_orders_are_apart(self):
        writer = self.writer(64, 4, "GRAY16_BE")
        with self.assertRaisesRegex(TypeError, "big-endian uint16 .*, not of uint16"):
            writer.write(np.zeros((4, 64), "<u2"))


class ArgumentTest(WriterCase):
    def test_what_cannot_be(self):
        for options, error in (
                (dict(width=0), ValueError), (dict(height=0), ValueError),
                (dict(width=1 << 25), ValueError), (dict(width=-1), OverflowError),
                (dict(format="BRG"), ValueError), (dict(format="v210"), ValueError),
                (dict(format="a name that is much too long"), ValueError),
                (dict(slots=3), ValueError), (dict(slots=257), ValueError),
                (dict(perms=0o400), ValueError), (dict(perms=0o777), ValueError),
                (dict(framerate=0), ValueError), (dict(framerate=-1), ValueError),
                (dict(framerate=float("nan")), ValueError), (dict(framerate="fast"), ValueError),
                (dict(framerate=(1, 2, 3)), TypeError), (dict(framerate=1 << 40), ValueError),
                (dict(timeout=-1), ValueError), (dict(width="wide"), TypeError),
                (dict(name="a/b"), ValueError), (dict(name="a\0b"), ValueError)):
            with self.subTest(**options):
                with self.assertRaises(error):
                    shmring.Writer(**{"name": self.name, "width": 8, "height": 4, **options})

    def test_more_than_there_is(self):
        with self.assertRaisesRegex(shmring.Error, f"'{self.name}' needs .* MB"):
            shmring.Writer(self.name, 30000, 30000, slots=256)

    def test_a_name_in_use(self):
        self.writer()
        with self.assertRaisesRegex(shmring.RingBusy, rf"'{self.name}' is in use by .*{os.getpid()}"):
            shmring.Writer(self.name, 64, 4)

    def test_something_else_has_the_name(self):
        path = f"/dev/shm/{self.name}"
        with open(path, "wb") as file:
            file.write(b"mine")
        self.addCleanup(os.unlink, path)
        with self.assertRaisesRegex(shmring.LayoutError, "is not a ring"):
            shmring.Writer(self.name, 64, 4)

    def test_perms_are_exact(self):
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        self.writer(perms=0o664)
        modes = [stat.S_IMODE(os.stat(f"/dev/shm/{self.name}{suffix}").st_mode)
                 for suffix in ("", ".ctl")]
        self.assertEqual(modes, [0o644, 0o660])

    def test_perms_are_private_by_default(self):
        self.writer()
        self.assertEqual(stat.S_IMODE(os.stat(f"/dev/shm/{self.name}").st_mode), 0o600)

    def test_slots(self):
        self.writer(slots=5)
        self.assertEqual(self.reader().info.slots, 5)

    def test_the_smallest_ring_has_a_view(self):
        writer = self.writer(slots=4)
        reader = self.reader(lease=1)
        writer.write(np.zeros((4, 64, 3), "u1"))
        self.assertTrue(reader.read().is_view)

    def test_not_picklable(self):
        with self.assertRaisesRegex(TypeError, "a Writer cannot be pickled"):
            pickle.dumps(self.writer())


class TimeTest(WriterCase):
    IMAGE = np.zeros((4, 64, 3), "u1")

    def frames(self, count=3, times=({},) * 3, **options):
        writer, reader = self.pair(**options)
        frames = []
        for i in range(count):
            writer.write(self.IMAGE, **times[i])
            frames.append(reader.read())
            frames[-1].release()
        return frames

    def test_pts_from_the_framerate(self):
        for rate, pair in ((25, (25, 1)), ((30000, 1001), (30000, 1001)), (30000 / 1001, (30000, 1001)),
                           (29.97, (2997, 100)), (12.5, (25, 2)), (60.0, (60, 1))):
            with self.subTest(rate=rate):
                self.name += "-"
                frames = self.frames(framerate=rate)
                self.assertEqual([f.pts_ns for f in frames],
                                 [i * 10**9 * pair[1] // pair[0] for i in range(3)])
                self.assertEqual({f.framerate for f in frames}, {pair})
                self.assertEqual({f.duration_ns for f in frames}, {10**9 * pair[1] // pair[0]})
                self.assertEqual([f.frame_number for f in frames], [0, 1, 2])

    def test_pts_from_the_clock(self):
        before = time.monotonic_ns()
        writer, reader = self.pair()
        opened = time.monotonic_ns()
        writer.write(self.IMAGE)
        frame = reader.read()
        self.assertTrue(0 <= frame.pts_ns <= time.monotonic_ns() - before)
        self.assertTrue(before <= frame.clock_ns - frame.pts_ns <= opened)
        self.assertEqual((frame.framerate, frame.duration_ns, frame.dts_ns), (None, None, None))

    def test_given_times(self):
        frames = self.frames(times=({}, dict(pts_ns=5 * 10**9, timestamp_ns=123), dict(pts_ns=None)),
                             framerate=10)
        self.assertEqual([f.pts_ns for f in frames], [0, 5 * 10**9, 2 * 10**8])
        self.assertEqual(frames[1].timestamp_ns, 123)

    def test_timestamp_is_now(self):
        before = time.time_ns()
        (frame,) = self.frames(1)
        self.assertTrue(before <= frame.timestamp_ns <= time.time_ns())

    def test_the_clock_keeps_its_distance_from_the_pts(self):
        frames = self.frames(times=[dict(pts_ns=i * 10**9) for i in range(3)])
        self.assertEqual(len({f.clock_ns - f.pts_ns for f in frames}), 1)

    def test_no_frame_is_late_when_it_is_written(self):
        before = time.monotonic_ns()
        frames = self.frames(times=[dict(pts_ns=i) for i in range(3)])
        clocks = [f.clock_ns for f in frames]
        self.assertGreaterEqual(clocks[0], before)
        self.assertTrue(all(f.clock_ns >= f.publish_ns - 10**9 for f in frames))
        self.assertEqual(clocks, sorted(clocks))
        self.assertGreater(clocks[1] - clocks[0], 1)  # not 1 ns later, as its pts says

    def test_a_pts_that_jumps_is_shown_now(self):
        frames = self.frames(times=({}, dict(pts_ns=10**15), dict(pts_ns=10**15 + 1000)))
        self.assertLess(frames[1].clock_ns, time.monotonic_ns())

    def test_times_that_cannot_be(self):
        writer = self.writer()
        for times in (dict(pts_ns=-1), dict(timestamp_ns=-5)):
            with self.assertRaises(ValueError):
                writer.write(self.IMAGE, **times)
        with self.assertRaises(TypeError):
            writer.write(self.IMAGE, pts_ns=0.5)


class StreamTest(WriterCase):
    IMAGE = np.zeros((4, 64, 3), "u1")

    def test_numbers(self):
        writer, reader = self.pair()
        self.assertEqual([writer.write(self.IMAGE) for _ in range(3)], [1, 2, 3])
        self.assertEqual([reader.read().seq for _ in range(3)], [1, 2, 3])

    def test_the_end(self):
        writer, reader = self.pair()
        writer.write(self.IMAGE)
        writer.end()
        self.assertEqual(len(list(reader)), 1)
        writer.end()

    def test_a_write_after_the_end_begins_a_stream(self):
        writer, reader = self.pair()
        writer.end()
        self.assertEqual(list(reader), [])
        writer.write(self.IMAGE)
        with self.reader() as second:
            writer.write(self.IMAGE)
            self.assertEqual(second.read().width, 64)

    def test_a_block_that_ends_is_the_end(self):
        with self.writer() as writer:
            reader = self.reader(on_disconnect="error")
        self.assertTrue(writer.closed)
        self.assertEqual(list(reader), [])

    def test_a_block_that_fails_is_not(self):
        with self.assertRaises(KeyError):
            with self.writer():
                reader = self.reader(on_disconnect="error")
                raise KeyError
        with self.assertRaisesRegex(shmring.WriterLost, "without ending"):
            list(reader)

    def test_close_removes_the_name(self):
        writer = self.writer()
        writer.close()
        writer.close()
        self.check_nothing_left()

    def test_use_after_close(self):
        writer = self.writer()
        loan = writer.loan()
        writer.close()
        for use in (lambda: writer.write(self.IMAGE), writer.loan, writer.end, writer.wait_reader,
                    writer.__enter__, lambda: loan.__exit__(None, None, None)):
            with self.assertRaisesRegex(ValueError, f"writer of ring '{self.name}' is closed"):
                use()
        self.assertIn("closed", repr(writer))

    def test_wait_reader(self):
        writer = self.writer()
        with self.assertRaisesRegex(shmring.Timeout, f"no reader of ring '{self.name}'"):
            writer.wait_reader(timeout=0.01)
        thread = threading.Thread(target=self.reader)
        thread.start()
        writer.wait_reader()
        thread.join()

    def test_a_full_ring_waits_and_then_drops(self):
        writer, reader = self.pair(timeout=0.01, slots=6)
        written = [writer.write(self.IMAGE) for _ in range(6)]
        self.assertEqual(written[-1], 6)
        with self.assertRaisesRegex(shmring.Timeout, rf"'{self.name}' had no free slot within 0.01 s "
                                                     rf"and the frame was dropped: its reader .*"
                                                     rf"pid {os.getpid()}\) holds 0 frames and has "
                                                     rf"not taken 6"):
            writer.write(self.IMAGE)
        frame = reader.read()
        self.assertEqual(frame.flags & DISCONT, 0)
        frame.release()
        self.assertEqual(writer.write(self.IMAGE), 7)
        frames = [reader.read() for _ in range(2)]
        del frame, frames
        rest = [reader.read().flags & DISCONT for _ in range(4)]
        self.assertEqual(rest, [0, 0, 0, DISCONT])

    def test_a_dropped_frame_takes_its_time(self):
        writer, reader = self.pair(timeout=0, slots=4, framerate=10)
        for _ in range(4):
            writer.write(self.IMAGE)
        with self.assertRaises(shmring.Timeout):
            writer.write(self.IMAGE)
        reader.read().release()
        writer.write(self.IMAGE)
        pts = [reader.read().pts_ns for _ in range(4)]
        self.assertEqual(pts[-1], 5 * 10**8)

    def test_a_latest_reader_never_makes_it_wait(self):
        writer = self.writer(timeout=0)
        reader = self.reader(mode="latest")
        for _ in range(100):
            writer.write(self.IMAGE)
        self.assertEqual(reader.read().seq, 100)

    def blocked_write(self, writer):
        """A thread in a write() that waits; its outcome."""
        outcome, filled = [], threading.Event()

        def write():
            try:
                while True:
                    if writer.write(self.IMAGE) == 8:
                        filled.set()
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        filled.wait()
        return thread, outcome

    def test_closing_wakes_a_write(self):
        writer, reader = self.pair()
        thread, outcome = self.blocked_write(writer)
        writer.close()
        thread.join()
        self.assertIsInstance(outcome[0], ValueError)
        self.assertIn("closed", str(outcome[0]))
        del reader

    def test_other_threads_run_while_it_waits(self):
        writer, reader = self.pair()
        thread, _ = self.blocked_write(writer)
        for seq in range(1, 100):  # the GIL held in the wait would stop this thread for ever
            self.assertEqual(reader.read().seq, seq)
        writer.close()
        thread.join()

    def test_four_threads_write(self):
        writer, reader = self.pair(framerate=1000)
        threads = [threading.Thread(target=lambda: [writer.write(self.IMAGE) for _ in range(200)])
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        frames = [(f.seq, f.pts_ns) for f in (reader.read() for _ in range(800))]
        for thread in threads:
            thread.join()
        self.assertEqual(frames, [(i + 1, i * 10**6) for i in range(800)])

    def test_ctrl_c_while_it_waits(self):
        process = run_python(WRITE_UNTIL_INTERRUPTED, self.name)
        with process:
            self.assertEqual(process.stdout.readline(), "nearly full\n")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.stdout.read(), "interrupted\n")
        self.assertEqual(process.returncode, 0)

    def test_exit_with_a_live_writer(self):
        process = run_python(EXIT_WITH_A_WRITER, self.name)
        with process:
            self.assertEqual(process.stdout.read(), "done\n")
        self.assertEqual(process.returncode, 0)

    def test_fork(self):
        writer, reader = self.pair()
        loan = writer.loan()
        pid = os.fork()
        if pid == 0:
            problems = []
            for use in (lambda: writer.write(self.IMAGE), writer.loan,
                        lambda: loan.__exit__(None, None, None), lambda: writer.wait_reader(0)):
                try:
                    use()
                except shmring.Error as error:
                    problems.append("writer of ring" in str(error) and "parent" in str(error))
            writer.close()
            del writer, loan
            os._exit(0 if problems == [True] * 4 else 1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        with loan:
            pass
        self.assertEqual((writer.write(self.IMAGE), reader.read().seq), (2, 1))

    def test_without_numpy(self):
        script = ("import sys; sys.modules['numpy'] = None; import shmring\n"
                  "w = shmring.Writer(sys.argv[1], 8, 4, 'GRAY8'); r = shmring.Reader(sys.argv[1])\n"
                  "w.write(memoryview(bytes(range(32))).cast('B', (4, 8)))\n"
                  "with w.loan() as loan: memoryview(loan)[1, 2] = 7\n"
                  "print(bytes(r.read())[31], memoryview(r.read())[1, 2])")
        done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", script, self.name],
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stdout, "31 7\n")


if __name__ == "__main__":
    unittest.main()
