# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring doctor` names what stands in the way, and a line that mends it."""

import os
import signal
import tempfile
import unittest

from case import CommandTest


class DoctorTest(CommandTest):
    def found(self, *arguments, code=None, **env):
        done = self.run_command("doctor", *arguments, env={**os.environ, **env})
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, int("\nBAD" in f"\n{done.stdout}"), done.stdout)
        return done.stdout

    def test_dead_rings(self):
        self.start_writer().kill()
        self.assertRegex(self.found(), rf"BAD  writers that died left .*{self.name}.*\n +-> shmring clean")

    def test_who_holds_everybody_up(self):
        writer, reader = self.start_writer(), self.start_reader("stalled-one")
        writer.ask("wait-reader")
        os.kill(reader.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, reader.pid, signal.SIGCONT)
        writer.send("publish", 20)
        self.assertRegex(self.found(), rf"BAD  ring {self.name}: everybody waits for its reader "
                                       rf"stalled-one \(pid {reader.pid}\), .*\n +-> kill {reader.pid}")
        os.kill(reader.pid, signal.SIGCONT)
        writer.answer()

    def test_no_plugin(self):
        with tempfile.TemporaryDirectory() as folder:
            shown = self.found(GST_PLUGIN_PATH=folder, GST_REGISTRY=f"{folder}/registry.bin")
            if "no gst-inspect-1.0" in shown:
                self.skipTest("gstreamer1.0-tools is not installed")
            if "GStreamer finds" in shown:
                self.skipTest("the elements are installed")
            self.assertRegex(shown, rf"BAD  GStreamer does not find shmringsink; it looks in {folder}, /")

    def test_another_python(self):
        with tempfile.TemporaryDirectory() as folder:
            other = f"{folder}/python3"
            with open(other, "w") as file:
                file.write("#!/bin/sh\nexit 1\n")
            os.chmod(other, 0o755)
            shown = self.found(PATH=f"{folder}:{os.environ['PATH']}")
        self.assertIn(f"BAD  python3 is {other}, which has no shmring", shown)

    def test_one_ring(self):
        writer = self.start_writer()
        self.assertIn(f"BAD  ring {self.name} has no frame yet", self.found(self.name))
        writer.publish()
        self.assertIn(f"ok   ring {self.name} has frames", self.found(self.name))
        writer.kill()
        self.assertIn(f"BAD  ring {self.name} is dead", self.found(self.name))

    def test_all_ports_taken(self):
        self.start_writer(size=64, max_readers=1).publish()
        self.start_reader("only-one", "latest").stdout.readline()
        self.assertIn("has all of its 1 readers", self.found(self.name))

    def test_no_ring(self):
        self.assert_fails(3, "there is no ring", "doctor", self.name)


if __name__ == "__main__":
    unittest.main()
