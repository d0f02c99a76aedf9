# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring top`: what it shows, in a terminal and as text, and how it gives the terminal back."""

import os
import re
import signal
import termios
import unittest

import shmring
from case import CommandTest
from shmring.command import watch
from shmring.command.top import ring_line
from support import bgr


class TextTest(CommandTest):
    def lines(self, *arguments):
        return self.shmring("top", "-b", "-n", 1, "-i", "0.1", *arguments).splitlines()

    def test_a_ring_and_its_readers(self):
        writer = self.start_writer(**bgr(64, 4, slots=6))
        reader = self.start_reader("slow-one", "latest")
        writer.ask("wait-reader")
        writer.publish(2)
        reader.stdout.readline()
        summary, _, _, titles, ring, *readers = self.lines(self.name)
        self.assertRegex(summary, r"^shmring  \d\d:\d\d:\d\d  1 rings, 1 readers")
        self.assertEqual(ring.split()[1:6], ["BGR", "64x4", "0.0", "-", "0.0"])
        self.assertRegex(ring, r" \d/6 +0 +0$")
        self.assertEqual(len(readers), 1)
        words = readers[0].split()
        self.assertEqual(titles.split()[:6], ["MODE", "LEASE", "HELD", "OFFERED", "LAG", "DROPPED"])
        self.assertEqual((words[:3], words[-2:]), (["latest", "1", "2"], [str(reader.pid), "slow-one"]))

    def test_it_fits_in_80_columns(self):
        writer = self.start_writer(f"{self.name}-{'x' * 100}", size=4096, caps="application/x-a-very-long-name")
        writer.publish()
        with shmring.Reader(writer.name):
            for line in self.lines():
                self.assertLessEqual(len(line), 80, line)
        racing = watch.Rates(shmring.query(writer.name), None, 1e5, 2.7e9, 1e10, None)
        self.assertLessEqual(len(ring_line(racing)), 80)

    def test_no_such_ring(self):
        self.assert_fails(3, f"there is no ring '{self.name}'", "top", "-b", "-n", 1, self.name)

    def test_wrong_numbers(self):
        for option, value in (("-n", 0), ("-i", 0), ("-i", -1), ("-n", "x")):
            self.assert_fails(2, option, "top", option, value)


class TerminalTest(CommandTest):
    def start_top(self, **options):
        top = self.start_terminal("top", "-i", "0.2", self.name, **options)
        top.wait_for(re.escape(self.name[:17]))
        return top

    def assert_given_back(self, top, code):
        self.assertEqual(top.end(), code)
        self.assertTrue(top.shown.endswith("\x1b[?25h\x1b[?1049l"), top.shown[-200:])
        self.assertEqual(termios.tcgetattr(top.slave), top.modes)
        self.assertNotIn("Traceback", top.shown)

    def test_q_ends_it(self):
        self.start_writer()
        top = self.start_top()
        self.assertTrue(top.shown.startswith("\x1b[?1049h"))
        top.press("q")
        self.assert_given_back(top, 0)

    def test_ctrl_c_and_sigterm_end_it(self):
        self.start_writer()
        top = self.start_top()
        top.press("\x03")
        self.assert_given_back(top, 130)
        top = self.start_top()
        top.process.terminate()
        self.assert_given_back(top, 143)

    def test_it_is_drawn_over_not_cleared(self):
        self.start_writer()
        top = self.start_top()
        top.wait_for("RING")
        self.assertNotIn("\x1b[2J", top.shown)

    def test_it_fits_when_the_terminal_changes(self):
        self.start_writer()
        top = self.start_top(columns=120)
        top.wait_for("WAITS$")
        top.resize(40, 4)
        top.wait_for("^RING.{,36}$")
        self.assertLessEqual(max(map(len, top.picture())), 40)
        top.wait_for("^… and [0-9]+ more lines")
        self.assertLessEqual(len(top.picture()), 4)

    def test_who_holds_the_others_up_is_marked(self):
        writer = self.start_writer()
        stalled, other = self.start_reader("stalled-one"), self.start_reader("other-one")
        while writer.ask("readers") != "readers 2":
            pass
        writer.publish()
        stalled.stdout.readline()
        top = self.start_top()
        self.assertNotIn("holds up", "".join(top.picture()))
        os.kill(stalled.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, stalled.pid, signal.SIGCONT)
        writer.send("publish", 20)
        line = top.wait_for("holds up$")
        self.assertRegex(line, rf"^> all .* {stalled.pid} stalled-one +holds up$")
        top.wait_for(r"(?<!>) all .* other-one$")
        os.kill(stalled.pid, signal.SIGCONT)
        self.assertEqual(writer.answer(), "published 21")
        top.wait_for(r"^  all .* stalled-one$")


if __name__ == "__main__":
    unittest.main()
