# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the command share: it is run as a user does, beside real rings."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

from support import RingTest, run_python

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-B", "-m", "shmring"]


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


class Terminal:
    """A command in a terminal of its own, of COLUMNS x LINES."""

    def __init__(self, *arguments, columns=80, lines=24, **env):
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self.slave)
        self.shown = ""
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, preexec_fn=self._enter,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **env})

    def _enter(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def read(self, seconds=0.1):
        """What comes within SECONDS is added to `shown`."""
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # its other side is closed
                self.shown += os.read(self.master, 65536).decode("utf-8", "replace")

    def picture(self):
        """The lines of the last whole picture, without colours."""
        pictures = self.shown.split("\x1b[H")[1:-1]
        last = pictures[-1] if pictures else ""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).split("\r\n")

    def wait_for(self, pattern, seconds=60):
        """The first line that matches, of any picture from now on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.picture():
                if re.search(pattern, line):
                    return line
            self.read()
        raise AssertionError(f"{pattern} did not appear:\n" + "\n".join(self.picture()))

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self, seconds=60):
        """How it ended, once it has."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self.read()
        return self.process.poll()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


READER = """
import sys, shmring
with open("/proc/self/comm", "w") as file:
    file.write(sys.argv[2])
with shmring.Reader(sys.argv[1], *sys.argv[3:4]) as reader:
    for frame in reader:
        print(frame.seq, flush=True)
"""


class CommandTest(RingTest):
    def shmring(self, *arguments, **options):
        """What it prints; it must do well."""
        done = run(*arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def run_command(self, *arguments, **options):
        """However it ends."""
        return run(*arguments, **options)

    def shmring_json(self, *arguments):
        return json.loads(self.shmring(*arguments, "--json"))

    def assert_fails(self, code, text, *arguments, **options):
        done = run(*arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (code, ""))
        self.assertIn(text, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def start_terminal(self, *arguments, **options):
        terminal = Terminal(*arguments, **options)
        self.addCleanup(terminal.close)
        return terminal

    def start_reader(self, process, *mode):
        """Reads and prints the numbers of frames, in another process of that name."""
        reader = run_python(READER, self.name, process, *mode)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        return reader
