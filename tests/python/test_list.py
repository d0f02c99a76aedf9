# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring.list() names the rings that live, and no others; shmring.query() tells all of one."""

import os
import sys
import threading
import unittest

import shmring
from shmring import RingState
from support import RingTest, bgr, run_python


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
            (ring,) = self.rings()
            self.assertEqual(ring._replace(readers=None, free_slots=None), reader.info)

    def test_a_ring_that_was_closed_ended_or_lost(self):
        closed, ended, lost = (self.start_writer(f"{self.name}-{s}") for s in ("a", "b", "c"))
        self.assertEqual(len(self.rings()), 3)
        closed.close()
        ended.ask("end")
        lost.kill()
        self.assertTrue(os.path.exists(f"/dev/shm/{lost.name}"))
        self.assertEqual(self.rings(), [])
        self.assertEqual([(ring.name, ring.state) for ring in shmring.list(dead=True)
                          if ring.name.startswith(self.name)],
                         [(ended.name, RingState.ENDED), (lost.name, RingState.DEAD)])

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

    def test_takes_no_name(self):
        with self.assertRaises(TypeError):
            shmring.list(name="cam0")


class QueryTest(RingTest):
    def test_readers(self):
        writer = self.start_writer()
        with shmring.Reader(self.name, timeout=10) as all, \
                shmring.Reader(self.name, "latest", depth=2, timeout=10) as latest:
            for reader in (all, latest):
                writer.publish()
                reader.read()
            held = all.read()
            writer.publish(3)
            self.assertIsNotNone(latest.read())
            ring = shmring.query(self.name)
            self.assertEqual([(r.port, r.pid, r.mode, r.depth) for r in ring.readers],
                             [(0, os.getpid(), "all", 1), (1, os.getpid(), "latest", 2)])
            for said, reader in zip(ring.readers, (all, latest)):
                stats = reader.stats
                self.assertEqual((said.lease, said.held, said.lag, said.received, said.dropped),
                                 (stats.lease, stats.held, stats.lag, stats.received, stats.dropped))
            self.assertEqual(ring.readers[0].offered, 3)
            self.assertGreater(ring.readers[1].dropped, 0)
            self.assertEqual(ring.free_slots, 8 - 4)
            del held
        self.assertEqual(shmring.query(self.name).readers, ())
        self.assertEqual(shmring.query(self.name).free_slots, 8)

    def test_who_is_waited_for_and_then_not_any_more(self):
        with shmring.Writer(self.name, 8, 4, slots=4, patience=0.2) as writer, \
                shmring.Reader(self.name, timeout=10) as reader:
            seen = []
            image = memoryview(bytes(96)).cast("B", (4, 8, 3))
            thread = threading.Thread(target=lambda: [writer.write(image) for _ in range(6)])
            reader.try_read()
            thread.start()
            while thread.is_alive():
                seen += [(r.is_waited_for, r.is_stuck, r.waited_ns > 0)
                         for r in shmring.query(self.name).readers]
            (said,) = shmring.query(self.name).readers
            self.assertIn((True, False, True), seen)
            self.assertEqual((said.is_stuck, said.is_waited_for), (True, False))
            self.assertEqual(said.withdrawn, writer.stats.withdrawn)
            reader.read()
            writer.write(image)
            self.assertFalse(shmring.query(self.name).readers[0].is_stuck)
            writer.end()
            self.assertEqual(shmring.query(self.name).wait_ns, writer.stats.wait_ns)
            self.assertGreater(writer.stats.wait_ns, 10**8)

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_who_may_only_look(self):
        """Read permission on the ring is enough; what only NAME.ctl tells is None."""
        self.start_writer(**bgr(64, 4, perms=0o644))
        script = ("import os, sys; os.setuid(65534); sys.path = eval(sys.argv[2]); import shmring; "
                  "ring = shmring.query(sys.argv[1]); "
                  "print(ring.state.name, ring.slots, ring.readers, ring.free_slots, "
                  "ring.name in [ring.name for ring in shmring.list()])")
        looking = run_python(script, self.name, repr(sys.path))
        self.assertEqual(looking.communicate()[0], "LIVE 8 None None True\n")

    def test_no_ring(self):
        with self.assertRaisesRegex(shmring.RingNotFound, self.name):
            shmring.query(self.name)
        with self.assertRaises(ValueError):
            shmring.query("a/b")


if __name__ == "__main__":
    unittest.main()
