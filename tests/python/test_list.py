# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring.list() names the rings that live, and no others."""

import os
import unittest

import shmring
from support import RingTest, bgr


class ListTest(RingTest):
    def rings(self):
        return [info for info in shmring.list() if info.name.startswith(self.name)]

    def test_living_rings_by_name(self):
        for suffix in ("b", "c", "a"):
            self.start_writer(f"{self.name}-{suffix}", **bgr(64, 4, slots=5))
        rings = self.rings()
        self.assertEqual([info.name for info in rings], [f"{self.name}-{s}" for s in "abc"])
        self.assertEqual([(info.slots, info.slot_size, info.writer_process) for info in rings],
                         [(5, 768, "ring-writer")] * 3)

    def test_the_same_as_a_reader_sees(self):
        self.start_writer()
        with shmring.Reader(self.name) as reader:
            self.assertEqual(self.rings(), [reader.info])

    def test_a_ring_that_was_closed_ended_or_lost(self):
        closed, ended, lost = (self.start_writer(f"{self.name}-{s}") for s in ("a", "b", "c"))
        self.assertEqual(len(self.rings()), 3)
        closed.close()
        ended.ask("end")
        lost.kill()
        self.assertTrue(os.path.exists(f"/dev/shm/{lost.name}"))
        self.assertEqual(self.rings(), [])

    def test_other_files_are_no_rings(self):
        path = f"/dev/shm/{self.name}"
        with open(path, "wb") as file:
            self.addCleanup(os.unlink, path)
            file.write(b"SHMRING\0" * 1024)
        self.assertEqual(self.rings(), [])
        self.doCleanups()

    def test_more_rings_than_room_at_first(self):
        for i in range(20):
            self.start_writer(f"{self.name}-{i:02}")
        self.assertEqual([info.name for info in self.rings()],
                         [f"{self.name}-{i:02}" for i in range(20)])

    def test_takes_no_arguments(self):
        with self.assertRaises(TypeError):
            shmring.list("cam0")


if __name__ == "__main__":
    unittest.main()
