# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python programs in examples/ do what they say."""

import pathlib
import subprocess
import sys
import unittest

from support import RingTest, bgr, frame_bytes

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
PIPELINE = (
    "gst-launch-1.0 -q videotestsrc num-buffers=20 pattern=white ! "
    "video/x-raw,width=641,height=100 ! videoconvert ! shmringsink wait-for-connection=true ring-name="
)


class ExampleTest(RingTest):
    def start(self, *command):
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        return process

    def example(self, name, *args):
        return self.start(sys.executable, str(EXAMPLES / name), *args)

    def finish(self, process):
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, ""))
        return out.splitlines()

    def test_numpy_reader(self):
        writer = self.start_writer(**bgr(64, 4))
        process = self.example("numpy_reader.py", self.name, "--timeout", "10")
        writer.ask("wait-reader")
        writer.publish(3)
        writer.ask("end")
        self.assertEqual(self.finish(process), [
            f"frame {seq}: 4x64x3 BGR, mean {frame_bytes(seq, 768).mean():.2f}"
            for seq in (1, 2, 3)])

    def test_numpy_reader_without_a_ring(self):
        process = self.example("numpy_reader.py", self.name, "--timeout", "0")
        _, err = process.communicate()
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"no ring '{self.name}'", err)

    def test_appsink(self):
        """Odd rows end in padding, which is not white."""
        writer = self.start(*(PIPELINE + self.name).split())
        lines = self.finish(self.example("appsink.py", self.name))
        self.assertEqual([line.split(": ")[1] for line in lines], ["mean 255.00"] * 20)
        self.assertEqual(self.finish(writer), [])


if __name__ == "__main__":
    unittest.main()
