# SPDX-License-Identifier: LGPL-2.1-or-later
"""Man page and completion say what the parsers take, and docs/operate.md what they understand."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import unittest
from pathlib import Path

from shmring.command import COMMANDS, parser_of

MADE = Path(os.environ["SHMRING_MADE"])
OPERATE = (Path(__file__).resolve().parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")


def options_of(name):
    return [option for action in parser_of(name)._actions for option in action.option_strings]


class ManualTest(unittest.TestCase):
    def test_every_command_and_option(self):
        page = (MADE / "shmring.1").read_text(encoding="utf-8").replace("\\-", "-")
        sections = dict(re.findall(r"(?ms)^\.SS (\S+)\n(.*?)(?=^\.S[SH] )", page))
        self.assertEqual(list(sections), list(COMMANDS))
        for name, text in sections.items():
            for option in options_of(name):
                self.assertIn(f"\\fB{option}\\fR", text)

    @unittest.skipUnless(shutil.which("man"), "man-db is not installed")
    def test_man_reads_it(self):
        done = subprocess.run(["man", "--warnings", "-l", MADE / "shmring.1"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def complete(self, *words):
        script = (f"source '{MADE}/shmring'; COMP_WORDS=({shlex.join(['shmring', *words])}); "
                  f"COMP_CWORD={len(words)}; _shmring; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", script], text=True, stdout=subprocess.PIPE, check=True)
        return done.stdout.split()

    @unittest.skipUnless(shutil.which("bash"), "bash is not installed")
    def test_completion(self):
        self.assertEqual(self.complete("to"), ["top"])
        self.assertEqual(self.complete(""), [*COMMANDS, "--help", "--version"])
        for name in COMMANDS:
            self.assertEqual(self.complete(name, "-"), options_of(name))


class GuideTest(unittest.TestCase):
    def test_its_commands_are_understood(self):
        blocks = re.findall(r"(?s)```sh\n(.*?)```", OPERATE) + re.findall(r"`(shmring [^`]+)`", OPERATE)
        commands = [line.rstrip("& ") for block in blocks
                    for line in block.replace("\n/", " /").splitlines() if line.startswith("shmring ")]
        self.assertGreater(len(commands), 15)
        for command in commands:
            _, name, *arguments = shlex.split(command)
            with self.subTest(command), contextlib.redirect_stderr(io.StringIO()):
                parser_of(name).parse_args(arguments)

    def test_every_command_is_in_it(self):
        for name in set(COMMANDS) - set(ELSEWHERE):
            self.assertIn(f"shmring {name}", OPERATE)


# They have documents of their own.
ELSEWHERE = ("serve", "mirror", "web", "ingest")

if __name__ == "__main__":
    unittest.main()
