# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenCV reads shmring:// as it reads any other source, and never waits for ever."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import unittest

try:
    import cv2
except ImportError:
    print("python3-opencv is not installed")
    sys.exit(77)
if cv2.CAP_GSTREAMER not in cv2.videoio_registry.getBackends():
    print("this OpenCV has no GStreamer")
    sys.exit(77)

VERSION = tuple(int(part) for part in cv2.__version__.split(".")[:2])
LONGEST_WAIT_S = 60


def ring_name(test):
    return f"opencv-{os.getpid()}-{test.id().rsplit('.', 1)[-1]}"


def has_ring(name):
    return os.path.exists(f"/dev/shm/{name}")


def is_opened(uri, answer):
    answer.put(cv2.VideoCapture(uri, cv2.CAP_GSTREAMER).isOpened())


class OpenCVTest(unittest.TestCase):
    def write(self, pipeline):
        """Starts the pipeline TEXT before a shmringsink; returns the ring's name once it is there."""
        name = ring_name(self)
        command = ["gst-launch-1.0", "-q", *pipeline.split(), "!", "shmringsink", f"name={name}"]
        writer = subprocess.Popen(command)
        self.addCleanup(writer.wait)
        self.addCleanup(writer.send_signal, signal.SIGINT)  # it closes its ring
        while not has_ring(name):
            self.assertIsNone(writer.poll())
            time.sleep(0.01)
        return name

    @unittest.skipIf(VERSION < (4, 6), "OpenCV before 4.6 takes rows to be packed")
    def test_pixels(self):
        name = self.write(
            "videotestsrc is-live=true pattern=solid-color foreground-color=0xff102030 ! "
            "video/x-raw,width=322,height=241 ! videoconvert"
        )
        capture = cv2.VideoCapture(f"shmring://{name}", cv2.CAP_GSTREAMER)
        self.addCleanup(capture.release)
        self.assertTrue(capture.isOpened())
        for _ in range(10):
            ok, frame = capture.read()
            self.assertTrue(ok)
            self.assertEqual(frame.shape, (241, 322, 3))
            # BGR, and within what YUV in between may change
            self.assertLess(abs(frame.astype(int) - (0x30, 0x20, 0x10)).max(), 8)

    def assert_answers(self, name):
        """In a process of its own, which can be ended if it does not."""
        context = multiprocessing.get_context("spawn")
        answer = context.Queue()
        opener = context.Process(target=is_opened, args=(f"shmring://{name}", answer))
        opener.start()
        self.addCleanup(opener.kill)
        self.assertFalse(answer.get(timeout=LONGEST_WAIT_S))
        opener.join(LONGEST_WAIT_S)
        self.assertEqual(opener.exitcode, 0)

    def test_no_ring(self):
        self.assert_answers(ring_name(self))

    def test_silent_ring(self):
        # caps make the ring, and nothing but gaps follows them
        self.assert_answers(self.write("videotestsrc is-live=true ! videoconvert ! "
                                       "identity drop-probability=1"))


if __name__ == "__main__":
    unittest.main()
