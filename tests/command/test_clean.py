# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring clean` removes what is dead, and never anything that lives."""

import contextlib
import io
import os
import unittest

import shmring
from case import CommandTest
from shmring.command import main
from support import run_python

CLEANS = 1000

# Rings are made, left behind by a death, taken over and closed, again and again, all of one name.
RESTLESS = """
import os, sys
import numpy as np
import shmring

def write(name):
    writer = shmring.Writer(name, 16, 16, "GRAY8")
    writer.write(np.zeros((16, 16), np.uint8))
    was = os.stat(f"/dev/shm/{name}").st_ino
    for _ in range(20):
        writer.write(np.zeros((16, 16), np.uint8))
    assert os.stat(f"/dev/shm/{name}").st_ino == was
    assert writer.stats.names_lost == 0
    return writer

while sys.stdin.readline():
    pid = os.fork()
    if pid == 0:
        try:
            write(sys.argv[1])
            os._exit(0)  # no end, no close: as if killed
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    write(sys.argv[1]).close()
    print("done", flush=True)
"""


class CleanTest(CommandTest):
    def exists(self, suffix=""):
        return os.path.exists(f"/dev/shm/{self.name}{suffix}")

    def test_a_dead_ring(self):
        self.start_writer().kill()
        self.assertRegex(self.shmring("clean", "--dry-run", self.name), "^would remove ")
        self.assertTrue(self.exists())
        self.assertRegex(self.shmring("clean", self.name), f"^removed {self.name}, ")
        self.assertFalse(self.exists() or self.exists(".ctl"))

    def test_leftovers(self):
        temporary = f".{'0' * 32}.new"
        for suffix in temporary, ".ctl":
            with open(f"/dev/shm/{self.name}{suffix}", "xb") as file:
                file.write(b"SHMRCTL\0")
        self.assertIn(f"would remove {self.name}, 8.2k", self.shmring("clean", "--dry-run"))
        self.shmring("clean", self.name)
        self.assertFalse(self.exists(temporary) or self.exists(".ctl"))

    def test_a_live_ring_stays(self):
        self.start_writer()
        done = self.run_command("clean", self.name)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, f"^kept {self.name}, .*: .* in use by ring-writer")
        self.assertEqual(shmring.query(self.name).state, shmring.RingState.LIVE)

    def test_a_dead_ring_with_a_reader_stays(self):
        writer, reader = self.start_writer(), self.start_reader("waits-for-next")
        writer.ask("wait-reader")
        os.kill(reader.pid, 19)
        writer.kill()
        self.assertIn("readers", self.run_command("clean", self.name).stdout)
        reader.kill()
        reader.wait()
        self.shmring("clean", self.name)
        self.assertFalse(self.exists())

    def test_no_such_ring(self):
        for arguments in ["clean"], ["clean", "--dry-run"]:
            self.assert_fails(3, f"there is no ring '{self.name}'", *arguments, self.name)

    def test_1000_cleans_beside_writers_that_come_and_go(self):
        restless = run_python(RESTLESS, self.name, stdin=-1)
        self.addCleanup(restless.stdout.close)
        self.addCleanup(restless.wait)
        self.addCleanup(restless.stdin.close)
        with contextlib.redirect_stdout(io.StringIO()) as said, \
                contextlib.redirect_stderr(io.StringIO()):
            turn = 0
            while turn < CLEANS or "in use by" not in said.getvalue():
                if turn % 50 == 0:
                    if turn:
                        self.assertEqual(restless.stdout.readline(), "done\n")
                    restless.stdin.write("again\n")
                    restless.stdin.flush()
                main(["clean", self.name])
                turn += 1
        self.assertEqual(restless.stdout.readline(), "done\n")


if __name__ == "__main__":
    unittest.main()
