# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the built whole share: ./dev, and ring names nobody else has."""

import itertools
import os
import select
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

    def tearDown(self):
        self.assertEqual(left_in_shm(self.word), [])
