# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmarks still work: every row runs, on the shortest laps. How fast anything is, is not
tested; how figures are told from noise is."""

import importlib.util
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import compare
import contenders
import figures
import lap
import measure
import peers
import report
import rows

HERE = pathlib.Path(__file__).resolve().parent
WITHIN_S = 500


class RunTest(unittest.TestCase):
    def run_bench(self, *args, env=None):
        """(status, what it prints, what it complains of)"""
        process = subprocess.Popen([sys.executable, "-B", str(HERE / "bench.py"), *args], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        try:
            out, err = process.communicate(timeout=WITHIN_S)
        finally:
            process.kill()
        left = [name for name in os.listdir("/dev/shm") if f"bench-{process.pid}-" in name]
        self.assertEqual(left, [])
        return process.returncode, out, err

    def test_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = os.path.join(folder, "figures.json")
            status, out, err = self.run_bench("--quick", "--json", saved, "--plots", folder)
            self.assertEqual(status, 0, err)
            found = json.loads(pathlib.Path(saved).read_text())["rows"]
            for row in rows.all_rows(1, 1):
                with self.subTest(row=row.name):
                    self.assertIn(row.title, out)
                    if row.contenders[0].skipped:
                        self.skipTest(row.contenders[0].skipped)
                    ours = found[row.name]["laps"][row.contenders[0].name]
                    self.assertEqual(len(ours), 1)
                    self.assertGreater(ours[0][row.figures[0]], 0)
            self.assertIn("| in place, videotestsrc: of shmsink", out)
            if importlib.util.find_spec("matplotlib"):
                drawn = pathlib.Path(folder, "performance-elements.svg").read_text()
                self.assertIn("Pipeline to pipeline", drawn)
            else:
                self.assertIn("plots: skipped", out)
            again = self.run_bench("--from", saved)
            self.assertEqual(again[0], 0, again[2])
            self.assertIn("Pipeline to pipeline", again[1])

    def test_without_the_environment_it_says_so(self):
        status, out, err = self.run_bench("ring", env={**os.environ, "PATH": "/nowhere"})
        self.assertEqual(status, 1)
        self.assertIn("run this by ./dev bench", out)
        self.assertIn("failed: ring: ring, reader sleeps", err)

    def test_a_row_that_is_none(self):
        status, _, err = self.run_bench("no-such-row")
        self.assertEqual(status, 1)
        self.assertIn("no row no-such-row; there are ring, ", err)


class FrameTest(unittest.TestCase):
    """What makes a lap fail."""

    def frame(self, number, number_at_end):
        memory = memoryview(bytearray(100))
        measure.STAMP.pack_into(memory, 0, number, 1, measure.WARM)
        measure.STAMP.pack_into(memory, 76, number_at_end, 1, measure.WARM)
        return memory

    def test_a_torn_frame(self):
        eye = measure.Eye({})
        self.assertTrue(eye.look(self.frame(7, 7)))
        with self.assertRaisesRegex(SystemExit, "frame 8 is torn"):
            eye.look(self.frame(8, 7))

    def test_a_missing_frame(self):
        eye = measure.Eye({})
        for number in (3, 4, 6):
            eye.look(self.frame(number, number))
        self.assertEqual(eye.missed, 1)
        lossless = contenders.Contender("x")
        read = {"role": "read", "missed": 1, "first": 0, "frames": 3, "seconds": 1}
        with self.assertRaisesRegex(lap.LapError, "x: 1 frames are missing"):
            lap.check_lossless(lossless, [{**read, "role": "write", "missed": 0}, read])

    def test_a_byte_ring_beyond_4_gib(self):
        """Its indices wrap, and a message that is split is whole again."""
        head, capacity = 2**32 - 10, 64
        memory = bytearray(16 + capacity)
        message = struct.pack("<I", 20) + bytes(range(20))
        for i, byte in enumerate(message):
            memory[16 + (head + i) % capacity] = byte
        struct.pack_into("<IIII", memory, 0, (head + 24) % 2**32, head, capacity, 0)
        ring = peers.ByteRing(memory)
        self.assertEqual(ring.try_read(), bytes(range(20)))
        self.assertIsNone(ring.try_read())


def laps(rates, others=0.0):
    return [{"rate": rate, "others": others} for rate in rates]


class FiguresTest(unittest.TestCase):
    def test_ratios_go_pair_by_pair(self):
        """A machine that becomes slower in the middle changes both."""
        found = figures.ratios(laps([200, 100, 50]), laps([100, 50, 25]), "rate")
        self.assertEqual(found, [2, 2, 2])
        self.assertEqual(figures.too_noisy(found, laps([200, 100, 50]), laps([100, 50, 25])), "")

    def test_no_ratio_when_others_took_the_machine(self):
        calm, busy = laps([100] * 5), laps([100] * 5, others=0.5)
        self.assertIn("others took 50%", figures.too_noisy([1] * 5, busy, busy))
        self.assertEqual(figures.too_noisy([1] * 5, calm, calm), "")

    def test_no_ratio_when_the_pairs_lie_far_apart(self):
        calm = laps([1] * 5)
        self.assertIn("half of the pairs", figures.too_noisy([0.5, 0.6, 1, 1.6, 2], calm))

    def goal(self, ours, peer, **changes):
        goal = rows.Goal("x", "row", "ours", "rate", 1.2, beside=("peers",), **changes)
        row = {"laps": {"ours": laps(ours), "peer": laps(peer), "limit": laps([1000] * 5)},
               "ours": ["ours"], "limits": ["limit"]}
        return report.judge(goal, row)

    def test_a_goal_is_met_or_missed(self):
        self.assertEqual(self.goal([130] * 5, [100] * 5), (1.3, "met", "peer"))
        self.assertEqual(self.goal([110] * 5, [100] * 5), (1.1, "**missed**", "peer"))

    def test_a_goal_that_cannot_be_told(self):
        value, verdict, _ = self.goal([50, 60, 100, 160, 200], [100] * 5)
        self.assertIn("too noisy", verdict)

    def test_another_commit_takes_part_with_what_is_ours(self):
        row = rows.Row("x", "x", (contenders.ring_alone("ours"),
                                  contenders.Contender("peer", ours=False)))
        other = compare.Other("abc", {"A": "1"}, has_program=False)
        here, there = compare.entrants(row, other)
        self.assertEqual((here.name, there.name), ("ours", "ours @abc"))
        self.assertEqual(there.env, {"A": "1"})
        self.assertIn("another C API", there.contender.skipped)


if __name__ == "__main__":
    unittest.main()
