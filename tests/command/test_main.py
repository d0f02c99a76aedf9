# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands are found, help is told, each error has its exit code."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

import shmring
from case import COMMAND, CommandTest, run
from shmring.command import COMMANDS

# What costs time to import, and nobody needs to see what there is.
HEAVY = ["asyncio", "gi", "numpy", "PIL"]
TOP = Path(__file__).resolve().parents[2]
# Brought along by python3-gst-1.0 or gir1.2-gst-rtsp-server-1.0.
DEPENDENCIES = {"python3-gi", "gir1.2-glib-2.0", "gir1.2-gstreamer-1.0",
                "gir1.2-gst-plugins-base-1.0"}


class MainTest(CommandTest):
    def test_help_names_every_command(self):
        shown = self.shmring("--help")
        for name, what in COMMANDS.items():
            self.assertRegex(shown, rf"(?m)^  {name} +{what}$")

    def test_every_command_has_help_with_examples(self):
        for name in COMMANDS:
            shown = self.shmring(name, "--help")
            self.assertIn(f"\n  shmring {name} ", shown)
            self.assertIn("exit codes: 0 done", shown)

    def test_version(self):
        self.assertEqual(self.shmring("--version"), f"shmring {shmring.__version__}\n")

    def test_wrong_arguments(self):
        self.assert_fails(2, "usage: shmring COMMAND")
        self.assert_fails(2, "there is no command 'lst'", "lst")
        self.assert_fails(2, "--no-such-option", "list", "--no-such-option")
        self.assert_fails(2, "cannot name a ring", "info", "../etc/passwd")

    def test_debians_package_suggests_what_is_said_to_be_missing(self):
        package = (TOP / "debian" / "control").read_text(encoding="utf-8").split(
            "Package: shmring-tools\n")[1]
        suggests = package.split("Suggests:")[1].split("Description:")[0]
        suggested = set(re.findall(r"[\w.-]+", suggests))
        folder = TOP / "python-bindings" / "shmring" / "command"
        for path in folder.glob("*.py"):
            named = set(re.findall(r"\b(?:python3-|gir1\.2-|gstreamer1\.0-)[a-z][\w.-]*\w",
                                   path.read_text(encoding="utf-8")))
            self.assertLessEqual(named, suggested | DEPENDENCIES, path)

    def test_no_such_ring(self):
        self.assert_fails(3, f"there is no ring '{self.name}'; shmring list", "info", self.name)

    def test_a_reader_of_its_output_that_has_seen_enough(self):
        self.start_writer()
        command = subprocess.Popen([*COMMAND, "info", self.name], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        command.stdout.close()
        with command.stderr:
            self.assertEqual(command.stderr.read(), b"")
        self.assertNotEqual(command.wait(), 0)

    def test_started_without_standard_streams(self):
        script = ("import os\nfor fd in range(3):\n    os.close(fd)\n"
                  f"os.execv({COMMAND[0]!r}, {[*COMMAND, 'list', '--json']})")
        self.start_writer()
        self.assertEqual(subprocess.run([sys.executable, "-c", script]).returncode, 0)

    def test_what_is_not_needed_is_not_imported(self):
        script = ("import sys\nfrom shmring.command import main\nmain(['list', '--all'])\n"
                  f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)")
        done = subprocess.run([sys.executable, "-c", script], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=True)
        self.assertEqual(done.stderr, "[]\n")


if __name__ == "__main__":
    unittest.main()
