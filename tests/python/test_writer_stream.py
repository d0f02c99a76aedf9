# SPDX-License-Identifier: LGPL-2.1-or-later
"""A writer's stream: its ends, its waits, threads, other processes."""

import os
import signal
import subprocess
import sys
import threading
import unittest

import numpy as np

import shmring
from support import run_python
from writer_case import WriterCase

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
        text = (rf"'{self.name}' has no free slot: it waits for its reader .*pid {os.getpid()}.*\).*"
                r"has 6 to take and holds 0.*waited 0.01 s, and dropped")
        with self.assertRaisesRegex(shmring.Timeout, text):
            writer.write(self.IMAGE)
        frame = reader.read()
        self.assertEqual(frame.flags & DISCONT, 0)
        frame.release()
        self.assertEqual(writer.write(self.IMAGE), 7)
        frames = [reader.read() for _ in range(2)]
        del frame, frames
        rest = [reader.read().flags & DISCONT for _ in range(4)]
        self.assertEqual(rest, [0, 0, 0, DISCONT])

    def test_one_thread_that_writes_another_size_and_reads(self):
        """It would wait for itself: the timeout says so."""
        writer, reader = self.pair(timeout=0.2)
        writer.write(np.zeros((4, 64, 3), "u1"))
        with self.assertRaisesRegex(shmring.Timeout, "slots of another size.*another thread must read"):
            writer.write(np.zeros((8, 128, 3), "u1"))
        self.assertEqual(reader.read().seq, 1)

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
                  "w = shmring.Writer(sys.argv[1], 8, 4, 'GRAY8')\n"
                  "r = shmring.Reader(sys.argv[1])\n"
                  "w.write(memoryview(bytes(range(32))).cast('B', (4, 8)))\n"
                  "with w.loan() as loan: memoryview(loan)[1, 2] = 7\n"
                  "print(bytes(r.read())[31], memoryview(r.read())[1, 2])")
        done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", script, self.name],
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stdout, "31 7\n")


if __name__ == "__main__":
    unittest.main()
