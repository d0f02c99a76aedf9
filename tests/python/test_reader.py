# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reader's way through a stream: order, modes, waiting, ends."""

import signal
import threading
import unittest

import numpy as np

import shmring
from support import RingTest, bgr, frame_bytes, run_python

READ_UNTIL_INTERRUPTED = """
import signal, sys, shmring
signal.signal(signal.SIGINT, signal.default_int_handler)
reader = shmring.Reader(sys.argv[1])
try:
    print("waiting", flush=True)
    reader.read()
except KeyboardInterrupt:
    print("interrupted")
"""


class ReaderTest(RingTest):
    def reader(self, **options):
        reader = shmring.Reader(self.name, **{"timeout": 10, **options})
        self.addCleanup(reader.close)
        return reader

    def test_every_frame_in_order_until_the_end(self):
        writer = self.start_writer()
        with self.reader() as reader:
            writer.send("publish", 100)
            writer.send("end")
            self.assertEqual([frame.seq for frame in reader], list(range(1, 101)))
            self.assertEqual(list(reader), [])
        self.assertEqual(writer.answer(), "published 100")

    def test_read_after_the_end(self):
        writer = self.start_writer()
        reader = self.reader()
        writer.ask("end")
        for _ in range(2):
            with self.assertRaisesRegex(shmring.EndOfStream, self.name):
                reader.read()
        with self.assertRaises(shmring.EndOfStream):
            reader.try_read()

    def test_a_ring_that_comes_later(self):
        reader = self.reader()
        self.assertIsNone(reader.try_read())
        seen = []
        thread = threading.Thread(target=lambda: seen.append(reader.read().seq))
        thread.start()
        writer = self.start_writer()
        writer.ask("wait-reader")
        writer.publish()
        thread.join()
        self.assertEqual(len(seen), 1)

    def test_other_threads_run_while_it_waits(self):
        writer = self.start_writer()
        reader = self.reader(timeout=None)
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(frame.seq for frame in reader))
        thread.start()
        for _ in range(20):  # the GIL held in the wait would stop this thread for ever
            writer.publish()
        writer.ask("end")
        thread.join()
        self.assertEqual(seen, list(range(1, 21)))

    def test_two_threads_share_the_frames(self):
        writer = self.start_writer()
        reader = self.reader(lease=4)
        seen = [[], []]
        threads = [threading.Thread(target=lambda s=s: s.extend(f.seq for f in reader))
                   for s in seen]
        for thread in threads:
            thread.start()
        writer.publish(200)
        writer.ask("end")
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(seen[0] + seen[1]), list(range(1, 201)))

    def test_closing_wakes_a_read(self):
        self.start_writer()
        reader = self.reader(timeout=None)
        problems, started = [], threading.Event()

        def read():
            started.set()
            try:
                reader.read()
            except ValueError as error:
                problems.append(str(error))

        thread = threading.Thread(target=read)
        thread.start()
        started.wait()
        reader.close()
        thread.join()
        self.assertEqual(len(problems), 1)
        self.assertIn("closed", problems[0])

    def check_interrupt(self):
        process = run_python(READ_UNTIL_INTERRUPTED, self.name)
        with process:
            self.assertEqual(process.stdout.readline(), "waiting\n")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.stdout.read(), "interrupted\n")
        self.assertEqual(process.returncode, 0)

    def test_ctrl_c_while_waiting_for_a_frame(self):
        self.start_writer()
        self.check_interrupt()

    def test_ctrl_c_while_waiting_for_the_ring(self):
        self.check_interrupt()

    def test_latest_gets_the_newest(self):
        writer = self.start_writer()
        reader = self.reader(mode="latest")
        writer.publish(20)
        frame = reader.read()
        self.assertEqual((frame.seq, frame.dropped), (20, 19))
        np.testing.assert_array_equal(np.asarray(frame).reshape(-1), frame_bytes(20, 192 * 4))
        self.assertEqual((reader.stats.received, reader.stats.dropped), (1, 19))

    def test_latest_begins_with_the_newest_that_was_there(self):
        writer = self.start_writer()
        writer.publish(5)
        reader = self.reader(mode="latest")
        self.assertEqual(reader.read(timeout=0).seq, 5)
        self.assertIsNone(reader.try_read())
        writer.publish(2)
        frame = reader.read()
        self.assertEqual((frame.seq, frame.dropped), (7, 1))
        stats = reader.stats
        self.assertEqual((stats.early, stats.received, stats.dropped), (1, 1, 1))

    def test_latest_of_depth_three(self):
        writer = self.start_writer()
        reader = self.reader(mode="latest", depth=3)
        writer.publish(5)
        self.assertEqual(reader.read().seq, 5)
        self.assertIsNone(reader.try_read())
        writer.publish(20)
        self.assertEqual([reader.read().seq for _ in range(3)], [23, 24, 25])
        self.assertIsNone(reader.try_read())

    def test_stats_and_info(self):
        writer = self.start_writer(**bgr(64, 4, slots=6, max_readers=3))
        with self.reader() as reader:
            writer.publish(3)
            frame = reader.read()
            stats = reader.stats
            self.assertEqual((stats.received, stats.held, stats.lag, stats.lease), (1, 1, 2, 2))
            info = reader.info
            self.assertEqual((info.name, info.slots, info.max_readers), (self.name, 6, 3))
            self.assertEqual((info.writer_pid, info.writer_process),
                             (writer.process.pid, "ring-writer"))
            self.assertEqual(len(info.instance), 32)
            frame.release()
        self.assertEqual(reader.stats.received, 1)
        self.assertTrue(reader.closed)

    def test_a_larger_frame_needs_a_new_segment(self):
        writer = self.start_writer(size=1000)
        reader = self.reader()
        writer.publish(2)
        self.assertEqual(writer.ask("resize", 100000), "done 100000")
        writer.send("publish", 2)
        self.assertEqual([reader.read().size for _ in range(4)], [1000, 1000, 100000, 100000])
        self.assertEqual(writer.answer(), "published 4")

    def test_a_flushed_frame_never_comes(self):
        writer = self.start_writer()
        reader = self.reader()
        writer.publish(2)
        writer.ask("flush")
        writer.publish()
        self.assertEqual(reader.read().seq, 3)
        self.assertEqual(reader.stats.flushed, 2)

    def test_stopping_the_writer_ends_the_iteration(self):
        writer = self.start_writer()
        reader = self.reader()
        writer.publish(2)
        writer.close()
        self.assertEqual(len(list(reader)), 2)

    def test_on_disconnect_error(self):
        writer = self.start_writer()
        reader = self.reader(on_disconnect="error")
        writer.close()
        with self.assertRaisesRegex(shmring.WriterLost, "stopped without ending"):
            next(reader)

    def test_a_killed_writer_is_lost(self):
        writer = self.start_writer()
        reader = self.reader()
        writer.publish(2)
        writer.kill()
        self.assertEqual([reader.read().seq, reader.read().seq], [1, 2])
        for _ in range(2):
            with self.assertRaisesRegex(shmring.WriterLost, self.name):
                next(reader)

    def test_on_disconnect_end(self):
        writer = self.start_writer()
        reader = self.reader(on_disconnect="end")
        writer.kill()
        self.assertEqual(list(reader), [])

    def check_next_writer(self, stop):
        first = self.start_writer()
        reader = self.reader(on_disconnect="wait")
        first.publish()
        self.assertEqual(reader.read().seq, 1)
        stop(first)
        self.assertIsNone(reader.try_read())
        second = self.start_writer(**bgr(32, 2))
        thread = threading.Thread(target=lambda: (second.ask("wait-reader"), second.publish()))
        thread.start()
        self.assertEqual(reader.read().width, 32)
        thread.join()

    def test_waiting_for_the_next_writer(self):
        self.check_next_writer(lambda writer: writer.close())

    def test_waiting_for_the_next_writer_of_a_killed_one(self):
        self.check_next_writer(lambda writer: writer.kill())

    def test_more_than_four_gigabytes(self):
        writer = self.start_writer(**bgr(1920, 1080))
        reader = self.reader()
        frames = (1 << 32) // (1920 * 1080 * 3) + 10
        writer.send("publish", frames)
        writer.send("end")
        count = total = 0
        for frame in reader:
            count += 1
            total += frame.size
            first, last = frame.array[0, 0, 0], frame.array[-1, -1, -1]
            self.assertEqual(first, (31 * count) & 255)
            self.assertEqual(last, (31 * count + frame.size - 1) & 255)
        self.assertEqual(count, frames)
        self.assertGreater(total, 1 << 32)
        self.assertEqual(writer.answer(), f"published {frames}")


class TimerTest(RingTest):
    """Of the program's own: its handler runs, and no wait is shorter or longer for it."""

    def test_every_50_us(self):
        ticks = []
        self.addCleanup(signal.signal, signal.SIGALRM,
                        signal.signal(signal.SIGALRM, lambda *_: ticks.append(1)))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        with shmring.Writer(self.name, 8, 8, "GRAY8", slots=4) as writer, \
                shmring.Reader(self.name, timeout=60) as reader:
            thread = threading.Thread(target=lambda: [
                writer.write(np.full((8, 8), value, "u1")) for value in range(200)])
            signal.setitimer(signal.ITIMER_REAL, 5e-5, 5e-5)
            thread.start()
            values = [int(reader.read().array.max()) for _ in range(200)]
            with self.assertRaises(shmring.Timeout):
                reader.read(timeout=0.05)
            signal.setitimer(signal.ITIMER_REAL, 0)
            thread.join()
        self.assertEqual(values, list(range(200)))
        self.assertTrue(ticks)


if __name__ == "__main__":
    unittest.main()
