# SPDX-License-Identifier: LGPL-2.1-or-later
"""./dev demo's program: its figures, its picture, its errors and its ends."""

import os
import re
import signal
import struct
import subprocess
import sys
import unittest
import zlib

from built import DEV, TOP, BuiltTest, has_ended, processes_with

DEMO = TOP / "tools" / "demo" / "demo.py"
sys.path.insert(0, str(DEMO.parent))

import demo  # noqa: E402
import part  # noqa: E402

SIZE = (320, 180)
# The upper bars of the test picture as RGB, left to right.
BARS = {"white": (255, 255, 255), "yellow": (255, 255, 0), "cyan": (0, 255, 255),
        "green": (0, 255, 0), "magenta": (255, 0, 255), "red": (255, 0, 0),
        "blue": (0, 0, 255)}


def pixel(path, x, y):
    """Of an RGB PNG whose rows are unfiltered, as the demo writes them."""
    data = path.read_bytes()
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    assert (width, height, depth, color) == (*SIZE, 8, 2)
    (length,) = struct.unpack_from(">I", data, 33)
    rows = zlib.decompress(data[41 : 41 + length])
    at = y * (1 + 3 * width) + 1 + 3 * x
    return tuple(rows[at : at + 3])


class DemoTest(BuiltTest):
    def setUp(self):
        super().setUp()
        self.png = self.folder / "a frame.png"

    def start(self, *arguments):
        size = "x".join(map(str, SIZE))
        command = [DEV, "shell", "python3", DEMO, "--ring", self.word, "--png", self.png.name,
                   "--size", size, *arguments]
        return subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run_demo(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def assert_nothing_runs(self):
        self.assertEqual(list(processes_with(self.word)), [])

    def test_both_readers_get_every_frame_in_the_right_colours(self):
        status, out, err = self.run_demo("--seconds", "1")
        self.assertEqual(status, 0, err)
        for reader in ("python", "pipeline"):
            summary = re.findall(rf"(?m)^{reader} +(\d+) +[\d.]+ +[\d.]+ +[\d.]+ +(\d+)$", out)
            frames, dropped = map(int, summary[-1])
            self.assertGreater(frames, 0, out)
            self.assertEqual(dropped, 0, out)
        self.assertIn(f"{self.png}\n", out)
        for number, (name, color) in enumerate(BARS.items()):
            seen = pixel(self.png, int(SIZE[0] * (number + 0.5) / 7), SIZE[1] // 4)
            self.assertEqual(seen, color, name)
        self.assert_nothing_runs()

    def test_terminal_shows_one_table_that_is_updated(self):
        command = f"'{DEV}' shell python3 '{DEMO}' --ring {self.word} --size 320x180 --seconds 1"
        result = subprocess.run(["script", "-qec", command, "/dev/null"], cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                check=True, timeout=120)
        self.assertEqual(result.stdout.count("p99 ms"), 1)
        self.assertGreater(result.stdout.count("\x1b[2A"), 1)
        rows = result.stdout.rpartition("\x1b[2A")[2].splitlines()
        self.assertRegex(rows[0], r"^\x1b\[Kpython +\d+ ")
        self.assertRegex(rows[1], r"^\x1b\[Kpipeline +\d+ ")

    def test_file_that_ends_early(self):
        movie = self.folder / "a movie.avi"
        subprocess.run(["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=90", "!",
                        "jpegenc", "!", "avimux", "!", "filesink", f"location={movie}"],
                       check=True)
        status, out, err = self.run_demo("--file", movie.name, "--seconds", "60")
        self.assertEqual(status, 0, err)
        # The writer waits for the first of the two, whichever that is, and no frame is lost to it.
        frames = [int(count) for count in re.findall(r"(?m)^(?:python|pipeline) +(\d+) ", out)]
        # The videorate of GStreamer 1.28 may show the last one twice.
        self.assertIn(max(frames[-2:]), (90, 91), out)
        self.assertGreater(min(frames[-2:]), 0, out)

    def test_errors_are_the_parts_own_words(self):
        status, out, err = self.run_demo("--file", "missing.avi")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"(?s)demo: writer: .*No such file \"missing.avi\"")
        self.assertEqual(err.count("No such file"), 1, err)
        status, out, err = self.run_demo("--camera", "/dev/no camera")
        self.assertEqual(status, 1)
        self.assertIn("/dev/no camera", err)
        self.assert_nothing_runs()

    def test_ring_in_use(self):
        first = self.start("--seconds", "60")
        self.read_until_running(first)
        status, out, err = self.run_demo()
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
        self.assertEqual((status, first.returncode), (1, 130))
        self.assertIn(f"'{self.word}' is in use by gst-launch", err)

    def read_until_running(self, process):
        for line in process.stdout:
            if line.startswith("python ") and "pipeline " in line and "waits" not in line:
                return
        self.fail(process.stderr.read())

    def test_interrupt_ends_in_order(self):
        process = self.start("--seconds", "60")
        self.read_until_running(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, ""))
        self.assertRegex(out, r"(?m)^pipeline +\d+ ")
        self.assertTrue(self.png.exists())
        self.assert_nothing_runs()

    def test_interrupt_before_the_first_frame(self):
        """The writer hangs as it opens its file: it must not take the demo along."""
        os.mkfifo(self.folder / "never")
        process = self.start("--file", "never", "--seconds", "60")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, ""))
        self.assertNotIn("The last frame", out)
        self.assert_nothing_runs()

    def test_killed_demo_leaves_nothing_behind(self):
        process = self.start("--seconds", "60")
        self.read_until_running(process)
        process.kill()
        process.communicate(timeout=60)
        for pid in processes_with(self.word):
            self.assertTrue(has_ended(pid, within_s=60))

    def test_arguments_that_cannot_be(self):
        for arguments in (["--size", "big"], ["--seconds", "0"], ["--seconds", "x"],
                          ["--file", "a", "--camera", "b"]):
            status, out, err = self.run_demo(*arguments)
            self.assertEqual(status, 2, err)
            self.assertIn("./dev demo: error:", err)


class PartTest(unittest.IsolatedAsyncioTestCase):
    async def test_dying_of_our_interrupt_is_an_end(self):
        sleeper = await part.Part.start("writer", "sleep", "60")
        sleeper.interrupt()
        await sleeper.task
        self.assertTrue(sleeper.ended)
        self.assertFalse(sleeper.failed)

    async def test_dying_of_a_strangers_is_a_failure(self):
        sleeper = await part.Part.start("writer", "sleep", "60")
        sleeper.process.send_signal(signal.SIGINT)
        await sleeper.task
        self.assertTrue(sleeper.failed)
        self.assertEqual(sleeper.failure(), "writer: ended with exit status -2")

    async def test_a_writer_that_is_ending_is_not_disturbed(self):
        writer = await part.Part.start("writer", "sleep", "1")
        reader = await part.Part.start("python", "true")
        await reader.task
        await demo.finish([writer, reader])
        self.assertEqual(writer.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
