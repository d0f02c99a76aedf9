# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring hz` and `shmring delay`: what they make of times that are known."""

import threading
import unittest

from case import CommandTest
from shmring.command import delay, hz

MS = 1_000_000


class ArithmeticTest(unittest.TestCase):
    def test_rate_of_even_frames(self):
        shown = hz.line_of({seq: seq * 40 * MS for seq in range(1, 27)})
        self.assertIn("25.00 frames/s, min 25.00, max 25.00; intervals' std 0.00 ms; 26 frames", shown)

    def test_rate_of_uneven_ones(self):
        line, drawn = hz.line_of({1: 0, 2: 10 * MS, 3: 40 * MS, 4: 50 * MS}).splitlines()
        self.assertIn("60.00 frames/s, min 33.33, max 100.00; intervals' std 9.43 ms; 4 frames", line)
        self.assertEqual(len(drawn.strip()), 3)

    def test_frames_that_were_not_seen_count(self):
        self.assertIn("25.00 frames/s, min 25.00", hz.line_of({1: 0, 2: 40 * MS, 11: 400 * MS}))

    def test_frames_far_apart(self):
        self.assertEqual(hz.line_of({7: 0}), "1 frame")
        self.assertEqual(hz.line_of({1: 0, 5: 100 * MS}),
                         "40.00 frames/s; 5 frames, no two in a row of which were seen")

    def test_sparkline(self):
        self.assertEqual(hz.sparkline([1, 8, 1, 4.5], "abc"), "acab")
        self.assertEqual(hz.sparkline([1000, 1001], "abc"), "bb")

    def test_percentiles(self):
        values = list(range(1, 101))
        self.assertEqual([delay.percentile(values, p) for p in (50, 99, 100)], [50, 99, 100])
        self.assertEqual(delay.percentile([7], 50), 7)


class CommandsTest(CommandTest):
    def feed(self, writer):
        """Frames as fast as they are wanted, until the test is over."""
        done = threading.Event()
        thread = threading.Thread(target=lambda: [writer.publish() for _ in iter(done.is_set, True)])
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(done.set)

    def test_hz(self):
        self.feed(self.start_writer())
        self.assertRegex(self.shmring("hz", self.name, "-n", 20),
                         r"^\d+\.\d\d frames/s(, min .*; \d+ frames\n  \S+|; \d+ frames, no two .*)\n$")

    def test_delay(self):
        self.feed(self.start_writer())
        lines = self.shmring("delay", self.name, "-n", 20).splitlines()
        self.assertEqual([line[:18].strip() for line in lines[1:]],
                         ["capture to publish", "publish to seen", "capture to seen"])
        p50, p99, most = map(float, lines[2].split()[-3:])
        self.assertTrue(0 <= p50 <= p99 <= most, lines)

    def test_no_frames_is_a_timeout(self):
        self.start_writer()
        for command in "hz", "delay":
            self.assert_fails(4, "no new frame came", command, self.name, "-t", "0.1")

    def test_frames_from_before_are_no_news(self):
        self.start_writer().publish()
        self.assert_fails(4, "no new frame came", "delay", self.name, "-n", 1, "-t", "0.1")

    def test_no_ring(self):
        for command in "hz", "delay":
            self.assert_fails(3, "there is no ring", command, self.name)


if __name__ == "__main__":
    unittest.main()
