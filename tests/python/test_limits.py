# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is scarce is said: a /dev/shm that is full, small, read-only or without inodes, and the limits
of a process. Whoever cannot have a ring leaves nothing of it."""

import os
import shutil
import subprocess
import sys
import unittest

from support import unique_name

# Tries to make a ring of FRAME bytes; says what came of it, and what is left.
WRITE = """if True:
    import glob, resource, sys
    import shmring
    name, width, limits = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    exec(limits)
    try:
        writer = shmring.Writer(name, width, 64, "GRAY8")
        writer.close()
        print("made")
    except (shmring.Error, MemoryError, OSError, ValueError) as error:
        print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    print(glob.glob(f"/dev/shm/{name}*"))
    """

def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def python(*args):
    return [sys.executable, "-B", "-c", *args]


def may_mount():
    return (os.geteuid() == 0 and shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/dev/shm"],
        capture_output=True).returncode == 0)


class WriteCase(unittest.TestCase):
    def check(self, said, *words):
        for word in words:
            self.assertIn(word, said)
        self.assertTrue(said.endswith("[]\n"), said)


@unittest.skipUnless(may_mount(), "no mount namespace: only root may make one")
class FilesystemTest(WriteCase):
    """Each in a mount namespace with a /dev/shm of its own."""

    def write_on(self, options, width=64, before="true"):
        script = f"mount -t tmpfs -o {options} none /dev/shm && {before} && exec \"$@\""
        return output_of(["unshare", "-m", "sh", "-c", script, "sh",
                          *python(WRITE, unique_name("fs"), str(width), "")])

    def test_as_ever(self):
        self.check(self.write_on("size=8m"), "made")

    def test_small(self):
        self.check(self.write_on("size=64k"), "MB free", "--shm-size=")

    def test_full(self):
        self.check(self.write_on("size=8m", before="head -c 8300000 /dev/zero >/dev/shm/other"),
                   "MB free", "other (8.3 MB)")

    def test_full_of_names_that_are_no_text(self):
        fill = "head -c 8300000 /dev/zero >/dev/shm/$(printf 'other\\377\\033[2J')"
        self.check(self.write_on("size=8m", before=fill), "MB free", "other??[2J (8.3 MB)")

    def test_read_only(self):
        self.check(self.write_on("size=8m", before="mount -o remount,ro /dev/shm"),
                   "Read-only file system")

    def test_without_inodes(self):
        self.check(self.write_on("size=8m,nr_inodes=2", before=": >/dev/shm/other"), "no inode left")


class LimitTest(WriteCase):
    """Of the process."""

    def write_with(self, limits, width=64):
        return output_of(python(WRITE, unique_name("limit"), str(width), limits))

    def test_memory(self):
        limit = ("size = int(open('/proc/self/statm').read().split()[0]) * 4096 + (8 << 20); "
                 "resource.setrlimit(resource.RLIMIT_AS, (size, size)); "
                 "resource.getrlimit(resource.RLIMIT_AS)[0] == size or sys.exit('without effect')")
        said = self.write_with(limit, 65536)
        if said == "without effect\n":
            self.skipTest("no limit of memory can be set here, as in qemu")
        self.check(said, "MemoryError", "Cannot allocate memory")

    def test_descriptors(self):
        self.check(self.write_with("resource.setrlimit(resource.RLIMIT_NOFILE, (3, 1024))"),
                   "Too many open files")

    def test_size_of_files(self):
        self.check(self.write_with("resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"),
                   "ulimit -f")


if __name__ == "__main__":
    unittest.main()
