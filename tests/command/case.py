# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the command share: it is run as a user does, beside real rings."""

import json
import subprocess
import sys

from support import RingTest

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-B", "-m", "shmring"]


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


class CommandTest(RingTest):
    def shmring(self, *arguments, **options):
        """What it prints; it must do well."""
        done = run(*arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def shmring_json(self, *arguments):
        return json.loads(self.shmring(*arguments, "--json"))

    def assert_fails(self, code, text, *arguments, **options):
        done = run(*arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (code, ""))
        self.assertIn(text, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
