# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring list` and `shmring info` say what rings are, with and without a writer."""

import os
import unittest

import shmring
from case import CommandTest
from support import bgr


class ListTest(CommandTest):
    def lines(self, *arguments):
        """The words of each line about this test's rings."""
        return [line.split() for line in self.shmring("list", *arguments).splitlines()
                if line.startswith(self.name)]

    def test_a_line_for_each_live_ring(self):
        for suffix in "ba":
            writer = self.start_writer(f"{self.name}-{suffix}", **bgr(64, 4, slots=5))
            writer.publish()
        with shmring.Reader(f"{self.name}-a", "latest", timeout=10) as reader:
            reader.read()
            first, second = self.lines()
        self.assertEqual(first[:6], [f"{self.name}-a", "BGR", "64x4", "25", "5", "1"])
        self.assertEqual(second[:6], [f"{self.name}-b", "BGR", "64x4", "25", "5", "0"])
        self.assertRegex(first[6], r"^ring-writer\(\d+\)$")
        self.assertEqual((first[-2], second[-2]), ("live", "live"))
        self.assertRegex(first[-1], r"^\d+(\.\d)?k$")

    def test_dead_rings_and_leftovers_with_all(self):
        self.start_writer().kill()
        left = f"/dev/shm/{self.name}.{'0' * 32}.new"
        with open(left, "xb") as file:
            self.addCleanup(os.unlink, left)
            file.write(bytes(8192))
        self.assertEqual(self.lines(), [])
        dead, leftover = self.lines("--all")
        self.assertEqual(dead[-2], "dead")
        self.assertEqual((leftover[0], leftover[-2:]),
                         (os.path.basename(left), ["leftover", "8.2k"]))
        self.doCleanups()

    def test_json(self):
        self.start_writer().publish()
        (facts,) = [facts for facts in self.shmring_json("list") if facts["name"] == self.name]
        info = shmring.query(self.name)
        self.assertEqual((facts["state"], facts["format"], facts["width"], facts["height"]),
                         ("live", "BGR", 64, 4))
        self.assertEqual((facts["memory"], facts["published"], facts["readers"]),
                         (info.total_size, info.published, 0))


class InfoTest(CommandTest):
    def test_everything_for_people(self):
        self.start_writer(caps="video/x-raw, format=(string)BGR", **bgr(64, 4)).publish(3)
        with shmring.Reader(self.name, "latest", depth=2, timeout=10) as reader:
            reader.read()
            shown = self.shmring("info", self.name)
        for line in ("state +live", "size +64x4", "caps +video/x-raw, format=\\(string\\)BGR",
                     "newest frame +3, 768 bytes",
                     "readers +1 of 8", r" +\S+ \(pid \d+\), latest 2, lease 2, holds "):
            self.assertRegex(shown, f"(?m)^{line}")
        self.assertIn(f"gst-launch-1.0 shmringsrc ring-name={self.name} ", shown)

    def test_what_a_ring_says_does_not_speak_to_the_terminal(self):
        for caps in "video/x-\x1b[31m, a=(string)\x1b]0;b\x07", "video/x-raw, a=(string)\x1b[2J\n":
            with shmring.Writer(self.name, caps=caps) as writer:
                writer.write(b"frame")
                shown = self.shmring("info", self.name) + self.shmring("list")
            self.assertIn("video/x-", shown)
            self.assertNotRegex(shown, "[\x1b\x07]")

    def test_json_is_what_python_says(self):
        self.start_writer().publish()
        facts, info = self.shmring_json("info", self.name), shmring.query(self.name)
        self.assertEqual({key: facts[key] for key in ("slots", "slot_size", "instance", "newest")},
                         {"slots": info.slots, "slot_size": info.slot_size,
                          "instance": info.instance, "newest": 1})
        self.assertEqual((facts["state"], facts["readers"], facts["frame"]["seq"]), ("live", [], 1))

    def test_a_dead_ring(self):
        self.start_writer().kill()
        self.assertRegex(self.shmring("info", self.name), "(?m)^state +dead$")


if __name__ == "__main__":
    unittest.main()
