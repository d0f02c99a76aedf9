# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmarks still work: every row runs, on the shortest laps. How fast anything is, is not
tested; how figures are told from noise is."""

import contextlib
import dataclasses
import functools
import importlib.util
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import bench
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


PAGE = """# By hand
<!-- goals and plots, by ./dev bench --report -->
of the run before
<!-- end -->
Between, by hand
<!-- all rows, by ./dev bench --report -->
of the run before
<!-- end -->
"""


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
            page = pathlib.Path(folder, "page.md")
            page.write_text(PAGE)
            status, out, err = self.run_bench("--quick", "--json", saved, "--report", str(page))
            self.assertEqual(status, 0, err)
            found = json.loads(pathlib.Path(saved).read_text())["rows"]
            for row in rows.all_rows(1, 1):
                with self.subTest(row=row.name):
                    self.assertIn(row.title, out)
                    if row.contenders[0].skipped:
                        self.skipTest(row.contenders[0].skipped)
                    ours = found[row.name]["laps"][row.contenders[0].name]
                    self.assertEqual(len(ours), 1)
                    # The calls of a frame are the difference of two short laps: beside a load, any.
                    self.assertTrue(row.name == "syscalls" or ours[0][row.figures[0]] > 0, ours)
            self.assertIn("| in place, videotestsrc: of shmsink", out)
            self.check_page(page.read_text(), found)
            if importlib.util.find_spec("matplotlib"):
                drawn = pathlib.Path(folder, "performance-elements.svg").read_text()
                self.assertIn("Pipeline to pipeline", drawn)
            else:
                self.assertIn("plots: skipped", out)
            again = self.run_bench("--from", saved, "--ordering", saved)
            self.assertEqual(again[0], 0, again[2])
            self.assertIn("Pipeline to pipeline", again[1])
            self.assertRegex(again[1], r"\| in-place +\| same, of \d")

    def check_page(self, text, found):
        """What was written by hand stays, what was made is made anew."""
        self.assertIn("# By hand", text)
        self.assertIn("Between, by hand", text)
        self.assertNotIn("of the run before", text)
        goals, rest = text.split("Between, by hand")
        self.assertIn("### Goals", goals)
        for row in found.values():
            self.assertIn(f"### {row['title']}", rest)

    def test_without_the_environment_it_says_so(self):
        status, out, err = self.run_bench("ring", env={**os.environ, "PATH": "/nowhere"})
        self.assertEqual(status, 1)
        self.assertIn("run this by ./dev bench", out)
        self.assertIn("failed: ring: ring, reader sleeps", err)

    def test_a_row_that_is_none(self):
        status, _, err = self.run_bench("no-such-row")
        self.assertEqual(status, 1)
        self.assertIn("no row no-such-row; there are ring, ", err)


class OthersTest(unittest.TestCase):
    """What others take of the machine: all that was worked, less what this process and those that
    it started have worked, alive or not."""

    ME, CHILD, GRANDCHILD, OTHER, BUILD, COMPILER = 100, 101, 102, 1, 200, 201

    def machine(self, folder, seconds, stolen=0):
        """A /proc with {pid: (parent, seconds of its own, of children that it outlived)}."""
        ticks = {pid: (parent, int(own * lap.TICKS), int(reaped * lap.TICKS))
                 for pid, (parent, own, reaped) in seconds.items()}
        for pid, (parent, own, reaped) in ticks.items():
            path = pathlib.Path(folder, str(pid))
            path.mkdir()
            (path / "stat").write_text(f"{pid} (a ) b) S {parent} 1 1 0 -1 0 0 0 0 0 "
                                       f"{own} 0 {reaped} 0 20 0 1 0\n")
        pathlib.Path(folder, "stat").write_text(
            f"cpu  1 2 3 4 5 6 7 {int(stolen * lap.TICKS)} 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
        return lap.seconds_of_others(self.ME, folder)

    def passed(self, before, after, stolen=0):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            return self.machine(two, after, stolen) - self.machine(one, before)

    def test_nobody_else(self):
        """Children that work, end and are waited for."""
        before = {self.ME: (self.OTHER, 1, 5), self.CHILD: (self.ME, 0, 0),
                  self.GRANDCHILD: (self.CHILD, 2, 0), self.OTHER: (0, 9, 0)}
        child_has_waited = {self.ME: (self.OTHER, 2, 5), self.CHILD: (self.ME, 1, 4),
                            self.OTHER: (0, 9, 0)}
        all_have_ended = {self.ME: (self.OTHER, 2, 30), self.OTHER: (0, 9, 0)}
        self.assertEqual(self.passed(before, child_has_waited), 0)
        self.assertEqual(self.passed(before, all_have_ended), 0)

    def test_others(self):
        """One that goes on, one that began and ended meanwhile; and the machine's own host."""
        before = {self.ME: (self.OTHER, 1, 5), self.OTHER: (0, 9, 0),
                  self.BUILD: (self.OTHER, 1, 0), self.COMPILER: (self.BUILD, 3, 0)}
        after = {self.ME: (self.OTHER, 7, 9), self.OTHER: (0, 9, 0), self.BUILD: (self.OTHER, 2, 5)}
        self.assertEqual(self.passed(before, after), 3)
        self.assertEqual(self.passed(before, after, stolen=2), 5)

    def test_a_child_counts_as_ours(self):
        """On this machine: it works for a while, alive and when it was waited for."""
        work = "import time\nwhile time.process_time() < 0.2: pass\nprint(), input()"
        with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            alive = lap.processes()
            child.communicate(b"\n")
        mine = lap.processes()[os.getpid()]
        self.assertEqual(alive[child.pid][:2], (os.getpid(), os.getsid(0)))
        self.assertGreaterEqual(alive[child.pid][2], 0.15)
        self.assertGreaterEqual(mine[2] - alive[os.getpid()][2], 0.15)


class LeftoversTest(unittest.TestCase):
    """Peers choose names in /dev/shm themselves."""

    PEER = """if True:
        import mmap, sys, time
        with open(sys.argv[1], "ab+") as file:
            file.truncate(4096)
            memory = mmap.mmap(file.fileno(), 4096)
        print("warm", flush=True)
        time.sleep(1000)
        """

    def setUp(self):
        self.file = pathlib.Path("/dev/shm", f"peer-{os.getpid()}")
        self.addCleanup(self.file.unlink, missing_ok=True)

    def command(self):
        return sys.executable, "-c", self.PEER, str(self.file)

    def look(self, left):
        """A process that hangs is seen with the file, and ended."""
        end = lap.End(self.command(), None, dict(os.environ))
        self.addCleanup(end.kill)
        end.wait_warm(time.monotonic() + 30)
        left.look(lap.pids_of([end]))
        return end

    def test_what_a_peer_left_goes_and_nothing_else(self):
        ours = pathlib.Path("/dev/shm", f"ours-{os.getpid()}")
        self.addCleanup(ours.unlink)
        left = lap.Leftovers()
        ours.write_bytes(b"x")
        self.look(left).kill()
        left.remove()
        self.assertEqual([self.file.exists(), ours.exists()], [False, True])

    def test_a_file_that_was_there_stays(self):
        self.file.write_bytes(b"x")
        left = lap.Leftovers()
        self.look(left).kill()
        left.remove()
        self.assertTrue(self.file.exists())

    def test_a_file_that_is_in_use_stays(self):
        left = lap.Leftovers()
        self.look(left)
        left.remove()
        self.assertTrue(self.file.exists())

    def test_an_interrupted_lap(self):
        """As by Ctrl-C while a peer hangs."""
        peer = contenders.Contender("peer", (contenders.Place(self.command(), None),), ours=False,
                                    ends_within_s=0)
        with unittest.mock.patch.object(lap.End, "go", side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                lap.measure(peer, dict(os.environ), 0)
        self.assertFalse(self.file.exists())


class PatienceTest(unittest.TestCase):
    """One peer that hangs does not keep the others from being measured."""

    def run_rows(self, count, error):
        self.tried = 0
        hangs = contenders.Contender("fails", run=functools.partial(self.fail_by, error),
                                     ours=False)
        works = contenders.Contender("works", run=lambda env: {"rate": 1})
        all_of_them = [rows.Row(f"row {i}", f"title {i}", (works, hangs)) for i in range(count)]
        plan = dataclasses.replace(bench.QUICK, tries=2, gives_up=2)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return bench.measure(all_of_them, plan, None)

    def fail_by(self, error, env):
        self.tried += 1
        raise error

    def test_who_hangs_is_left_out(self):
        found = self.run_rows(4, lap.Hung("was silent"))
        self.assertEqual([row["left_out"]["fails"] for row in found.values()],
                         ["it failed: was silent"] * 2 + ["it hung in row 0 and row 1"] * 2)
        self.assertEqual(self.tried, 2 * 2)
        self.assertEqual([len(row["laps"]["works"]) for row in found.values()], [1] * 4)

    def test_who_fails_at_once_costs_nothing(self):
        found = self.run_rows(3, lap.LapError("cannot do that"))
        self.assertEqual([row["left_out"]["fails"] for row in found.values()],
                         ["it failed: cannot do that"] * 3)

    def test_a_silent_end_hangs(self):
        end = lap.End(["sleep", "1000"], None, dict(os.environ))
        self.addCleanup(end.kill)
        with self.assertRaisesRegex(lap.Hung, "sleep 1000 was silent for too long"):
            end.wait_warm(time.monotonic() + 0.1)


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

    def test_what_is_left_is_divided(self):
        """What each of 7 further readers costs."""
        goal = rows.Goal("x", "row", "8", "rate", 0.5, False, less="1", by=7)
        row = {"laps": {"8": laps([9] * 5), "1": laps([2] * 5)}, "ours": ["8", "1"], "limits": []}
        self.assertEqual(report.judge(goal, row), (1, "**missed**", ""))

    def test_the_share_of_one_part(self):
        row = {"laps": {"all": laps([100] * 3), "a": laps([60] * 3), "b": laps([30] * 3)},
               "ours": ["all"], "figures": ["rate"], "share": ["c", "a", "b"]}
        self.assertEqual(report.share_text(row), "c: 10 frames/s a frame, 10.0% of all.")
        self.assertIn("not told", report.share_text({**row, "laps": {"all": laps([100])}}))

    def test_goals_are_of_rows_that_there_are(self):
        names = {row.name: {c.name for c in row.contenders} for row in rows.all_rows(1, 1)}
        for goal in rows.GOALS:
            wanted = {goal.whom, goal.less, *goal.beside} - {"", "peers"}
            self.assertLessEqual(wanted, names[goal.row], goal.text)

    def test_the_order_of_two_runs(self):
        def run(**rates):
            found = {name: laps([rate]) for name, rate in rates.items()}
            return {"row": {"laps": found, "figures": ["rate"]}}

        now = run(a=3, b=2, c=1)
        self.assertRegex(report.ordering_text(now, run(a=30, b=20, c=10)), "same, of 3 +[|] +[|]")
        self.assertRegex(report.ordering_text(now, run(a=2, b=3, d=9)),
                         "differs, of 2 .* a before b")

    def test_a_page_without_marks(self):
        with self.assertRaisesRegex(lap.LapError, "lacks the line <!-- all rows"):
            report.put("# Page", "all rows", "x")

    def test_the_page_has_its_marks(self):
        page = (HERE.parent / "docs" / "performance.md").read_text()
        for what in ("goals and plots", "all rows"):
            page = report.put(page, what, "made")
        self.assertEqual(page.count("\nmade\n"), 2)
        self.assertIn("## Why goals are missed", page)

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
