# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs in examples/ do what they say."""

import importlib.util
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import shmring
from support import RingTest, bgr, frame_bytes

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
HAS_CV2 = importlib.util.find_spec("cv2") is not None
HAS_PIL = importlib.util.find_spec("PIL") is not None
PIPELINE = (
    "gst-launch-1.0 -q videotestsrc num-buffers=20 pattern=white ! "
    "video/x-raw,width=641,height=100 ! videoconvert ! shmringsink wait-for-connection=true ring-name="
)


class ExampleTest(RingTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

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

    @unittest.skipUnless(HAS_CV2, "python3-opencv is not installed")
    def test_opencv_draw(self):
        """The picture is the frame's, but for the border that was drawn on the copy."""
        import cv2

        writer = self.start_writer(**bgr(61, 40))
        picture = self.folder / "out.png"
        process = self.example("opencv_draw.py", self.name, str(picture), "--frames", "1")
        writer.ask("wait-reader")
        writer.publish()
        self.assertEqual(self.finish(process), ["frame 1: 61x40"])
        drawn = cv2.imread(str(picture))
        frame = frame_bytes(1, 184 * 40).reshape(40, 184)[:, :183].reshape(40, 61, 3)
        self.assertEqual([drawn[0, 30].tolist(), drawn[39, 30].tolist()], [[0, 0, 255]] * 2)
        np.testing.assert_array_equal(drawn[30:38, 3:58], frame[30:38, 3:58])

    @unittest.skipUnless(HAS_PIL, "python3-pil is not installed")
    def test_pil_snapshot(self):
        from PIL import Image

        writer = self.start_writer(**bgr(61, 4))
        writer.publish(3)
        picture = self.folder / "out.png"
        lines = self.finish(self.example("pil_snapshot.py", self.name, str(picture)))
        self.assertEqual(lines, [f"frame 3 of {self.name}: {picture}"])
        frame = frame_bytes(3, 184 * 4).reshape(4, 184)[:, :183].reshape(4, 61, 3)
        np.testing.assert_array_equal(np.asarray(Image.open(picture))[:, :, ::-1], frame)

    def test_asyncio_readers(self):
        """Two rings in one loop; what is not new any more is left out."""
        names = [f"{self.name}-a", f"{self.name}-b"]
        writers = [self.start_writer(name, **bgr(64, 4)) for name in names]
        process = self.example("asyncio_readers.py", *names)
        for writer in writers:
            writer.ask("wait-reader")
            writer.publish(3)
            writer.ask("end")
        lines = self.finish(process)
        for name in names:
            self.assertIn(f"{name}: frame 3, mean {frame_bytes(3, 768).mean():.2f}", lines)

    def test_detector(self):
        """Bytes above 250 of the ramp: where they are, on the newest of 20 frames."""
        writer = self.start_writer(size=64 * 4, width=64, height=4, channels=1, format="GRAY8",
                                   planes=1, stride=64)
        process = self.example("detector.py", self.name, "--threshold", "250")
        writer.ask("wait-reader")
        writer.publish(20)
        lines = iter(process.stdout.readline, "")  # several, if it was as fast as the writer
        last = next(line for line in lines if line.startswith("frame 20:"))
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process), [])
        rows = frame_bytes(20, 64 * 4).reshape(4, 64)
        columns = np.flatnonzero((rows > 250).any(axis=0))
        row = int(np.flatnonzero((rows > 250).any(axis=1))[0])
        box = (int(columns[0]), row, int(columns[-1]) + 1, row + 1)
        self.assertRegex(last, rf"^frame 20: {re.escape(str(box))}, \d+ dropped, ")

    def test_numpy_writer_to_gstreamer(self):
        """A bar of 80 pixels on 640, 4 further each frame, as GStreamer has it."""
        out = self.folder / "frames.raw"
        reader = self.start("gst-launch-1.0", "-q", "shmringsrc", f"ring-name={self.name}", "!",
                            "filesink", f"location={out}")
        writer = self.example("numpy_writer.py", self.name, "--frames", "12", "--fast")
        self.assertEqual((self.finish(writer), self.finish(reader)), ([], []))
        frames = np.fromfile(out, np.uint8).reshape(12, 480, 640, 3)
        for number, frame in enumerate(frames):
            self.assertEqual(np.flatnonzero(frame[100, :, 1] == 255).tolist(),
                             list(range(4 * number, 4 * number + 80)))
            self.assertEqual(set(np.unique(frame)), {64, 255})

    def test_sigterm_ends_a_writer_in_c(self):
        """In order, and at once, also while it waits for a reader that takes nothing."""
        for is_waited_for in (False, True):
            with self.subTest(is_waited_for=is_waited_for):
                writer = self.start(os.environ["EXAMPLE_WRITE"], self.name)
                with shmring.Reader(self.name, timeout=60) as reader:
                    reader.read()
                    while shmring.query(self.name).readers[0].is_waited_for < is_waited_for:
                        pass
                    writer.terminate()
                    self.assertEqual(self.finish(writer), [])
                    self.assertLess(sum(1 for _ in reader), 290)
                self.check_nothing_left()


if __name__ == "__main__":
    unittest.main()
