# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each benchmark on a few small frames: it runs, it looks at what it reads, it prints its figures.
How fast anything is, is not tested."""

import os
import pathlib
import re
import struct
import subprocess
import sys
import unittest

import bench
import byte_ring

HERE = pathlib.Path(__file__).resolve().parent
SMALL = ("--size", "64x48", "--runs", "1")
SPREAD = r" +[\d,.]+  \([\d,.]+ to [\d,.]+\)"
WITHIN_S = 200


class ScriptTest(unittest.TestCase):
    def run_script(self, name, *args):
        """What it prints."""
        process = subprocess.Popen([sys.executable, "-B", str(HERE / name), *args], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=WITHIN_S)
        finally:
            process.kill()
        self.assertEqual((process.returncode, err), (0, ""))
        left = [name for name in os.listdir("/dev/shm") if f"bench-{process.pid}-" in name]
        self.assertEqual(left, [])
        return out

    def check_throughput(self, *args):
        out = self.run_script("throughput.py", *SMALL, "--frames", "500", "--baseline-frames",
                              "100", *args)
        self.assertRegex(out, "byte ring           100 frames, frames/s" + SPREAD)
        self.assertRegex(out, "shmring.Reader      500 frames, frames/s" + SPREAD)
        self.assertRegex(out, r"shmring / byte ring: [\d.]+\n")

    def test_throughput(self):
        self.check_throughput()

    def test_throughput_of_filled_frames_read_whole(self):
        self.check_throughput("--writer", "fill", "--touch", "all")

    def test_views(self):
        out = self.run_script("views.py", *SMALL, "--frames", "500", "--copies", "20")
        addresses = int(re.search(r"(\d+) addresses of arrays, all inside the mapping", out)[1])
        self.assertIn(addresses, range(1, 9))
        self.assertEqual(len(re.findall("us a frame" + SPREAD, out)), 3)

    def test_looks(self):
        build = pathlib.Path(os.environ["PATH"].split(os.pathsep)[0]).parent
        out = self.run_script("looks.py", *SMALL, "--seconds", "0.2", "--beside", str(build))
        self.assertEqual(len(re.findall("looks/s" + SPREAD, out)), 2)
        self.assertEqual(len(re.findall(r"at most \d+; looks without a frame in 1 s: \d+\n", out)), 2)
        self.assertRegex(out, r"looks/s this / other: [\d.]+\n")

    def test_latency(self):
        out = self.run_script("latency.py", *SMALL, "--seconds", "0.2", "--fps", "100")
        self.assertRegex(out, "shmring.Reader         p50 ms" + SPREAD)
        self.assertRegex(out, "(?s)shmringsrc ! appsink .*(p99 ms|skipped: no python3-gi)")

    def test_peers(self):
        out = self.run_script("peers.py", *SMALL, "--frames", "20")
        for way in ("in place", "copied"):
            self.assertIn(f"20 frames, {way}", out)
        figures = re.findall(f"shmringsink/shmringsrc +(?:frames/s{SPREAD}|no figures)", out)
        self.assertEqual(len(figures), 2)
        self.assertRegex(out, "shmsink/shmsrc +(frames/s|no figures|skipped: apt install)")

    def test_without_the_environment_it_says_so(self):
        env = {**os.environ, "PATH": "/nowhere"}
        done = subprocess.run([sys.executable, "-B", str(HERE / "throughput.py")], env=env,
                              text=True, capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("run this by ./dev shell", done.stderr)


class FrameTest(unittest.TestCase):
    """What makes a benchmark fail."""

    def test_a_torn_frame(self):
        frame = bytearray(100)
        bench.STAMP.pack_into(frame, 0, 7, 1)
        bench.STAMP.pack_into(frame, 84, 7, 1)
        self.assertEqual(bench.read_stamp(frame, 100), (7, 1))
        bench.STAMP.pack_into(frame, 84, 6, 1)
        with self.assertRaisesRegex(bench.BenchError, "frame 7 is torn: its end is of frame 6"):
            bench.read_stamp(frame, 100)

    def test_a_missing_frame(self):
        bench.check_next(3, 3)
        with self.assertRaisesRegex(bench.BenchError, "frame 4 came instead of frame 3"):
            bench.check_next(4, 3)

    def test_the_peer_beyond_4_gib(self):
        """Its indices wrap, and a message that is split is whole again."""
        name, head, capacity = bench.unique_name("wrap"), 2**32 - 10, 64
        memory = bytearray(16 + capacity)
        message = struct.pack("<I", 20) + bytes(range(20))
        for i, byte in enumerate(message):
            memory[16 + (head + i) % capacity] = byte
        struct.pack_into("<IIII", memory, 0, (head + 24) % 2**32, head, capacity, 0)
        path = pathlib.Path("/dev/shm", name)
        path.write_bytes(memory)
        self.addCleanup(path.unlink)
        reader = byte_ring.ByteRingReader(name)
        self.assertEqual(reader.read(), bytes(range(20)))
        self.assertIsNone(reader.try_read())


if __name__ == "__main__":
    unittest.main()
