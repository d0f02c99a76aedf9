# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the built whole share: ./dev, and ring names nobody else has."""

import itertools
import os
import re
import select
import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DEV = TOP / "dev"

_counter = itertools.count()


def left_in_shm(word):
    return sorted(name for name in os.listdir("/dev/shm") if word in name)


def processes_with(word):
    """The pids of all processes that have WORD in their arguments."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (entry / "cmdline").read_bytes():
                yield int(entry.name)
        except (FileNotFoundError, ProcessLookupError):
            pass


def has_ended(pid, within_s):
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_s)[0])
    finally:
        os.close(descriptor)


class BuiltTest(unittest.TestCase):
    """A folder to work in, and a word for ring names after which nothing may be left."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="shmring ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.word = f"{type(self).__name__}-{os.getpid()}-{next(_counter)}"

    def as_tested(self, commands):
        """As if pasted; rings are renamed, live streams end and wait for their reader, however slow
        it is, and nobody has a screen."""
        commands = commands.replace("is-live=true", "is-live=true num-buffers=90")
        commands = re.sub(r"shmringsink name=\w+", r"\g<0> wait-for-connection=true", commands)
        commands = re.sub(r"auto(video|audio)sink", "fakesink sync=true", commands)
        return re.sub(r"(name=|\\?\")(cam\d|film|jpeg0|h264|picture|sound)\b",
                      rf"\1{self.word}-\2", commands)

    def run_to_end(self, commands):
        """In a folder whose ./dev is ours."""
        dev = self.folder / "dev"
        dev.write_text(f"#!/bin/sh\nexec '{DEV}' \"$@\"\n", encoding="utf-8")
        dev.chmod(0o755)
        result = subprocess.run(["sh", "-e"], input=commands, cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def tearDown(self):
        self.assertEqual(left_in_shm(self.word), [])
