# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring ingest`: a camera on the network, cut off and restarted, and its ring that stays. The
camera is `shmring serve`."""

import tempfile
import unittest

import numpy as np

import shmring
from beside import free_port
from camera import captured_ns, level_in, number_in
from case import BridgeTest, Gst, needs_serve


@needs_serve
class IngestTest(BridgeTest):
    def setUp(self):
        super().setUp()
        self.seen = f"{self.name}-seen"
        self.port = free_port()

    def serve(self):
        server = self.shmring("serve", self.name, "--port", self.port)
        server.line("rtsp")
        return server

    def ingest(self, *arguments):
        return self.shmring("ingest", f"rtsp://127.0.0.1:{self.port}/{self.name}", self.seen,
                            *arguments)

    def until(self, reader, wanted):
        for _ in range(2000):
            frame = reader.read(timeout=60)
            if wanted(frame):
                return frame
        self.fail("no such frame came")

    def is_picture(self, frame):
        return abs(level_in(frame.array) - 100) < 12

    @unittest.skipIf(Gst.version() >= (1, 24), "this GStreamer takes the time of sending, which RTCP "
                     "tells, before that of capture, and the camera of this test makes its up")
    def test_pictures_and_their_times_of_capture(self):
        self.camera()
        self.serve()
        self.ingest()
        with shmring.Reader(self.seen, "latest", depth=4, timeout=60) as reader:
            for _ in range(50):
                frame = self.until(reader, self.is_picture)
                expected = captured_ns(number_in(np.asarray(frame.array)))
                self.assertLessEqual(abs(frame.timestamp_ns - expected), 1_000_000)

    def test_as_the_camera_sends_it(self):
        self.camera()
        self.serve()
        self.ingest("--encoded")
        with shmring.Reader(self.seen, "latest", timeout=60) as reader:
            frame = reader.read()
            self.assertTrue(frame.caps.startswith("video/x-h264"), frame.caps)
            self.assertEqual(bytes(memoryview(frame))[:3], b"\0\0\0")

    def test_the_camera_is_killed_and_restarted(self):
        self.camera()
        camera = self.serve()
        ingest = self.ingest("--silence", 2)
        with shmring.Reader(self.seen, "latest", timeout=60, on_disconnect="error") as reader:
            self.until(reader, self.is_picture)
            instance = reader.info.instance
            camera.kill()
            ingest.line("again in")
            self.serve()
            frame = self.until(reader, lambda frame: shmring.FrameFlags.DISCONT in frame.flags)
            self.assertTrue(self.until(reader, self.is_picture))
            self.assertEqual(reader.info.instance, instance)
            self.assertGreater(frame.seq, 1)

    def test_a_camera_that_is_not_there_yet(self):
        ingest = self.ingest()
        ingest.line("again in")
        self.camera()
        self.serve()
        with shmring.Reader(self.seen, "latest", timeout=60) as reader:
            self.until(reader, self.is_picture)

    def test_a_camera_with_a_login(self):
        users = tempfile.NamedTemporaryFile("w")
        self.addCleanup(users.close)
        print("ann:secret", file=users, flush=True)
        self.camera()
        self.shmring("serve", self.name, "--port", self.port, "--users", users.name).line("rtsp")
        refused = self.ingest()
        refused.line("Unauthorized")
        refused.stop()
        self.ingest("--login", users.name)
        with shmring.Reader(self.seen, "latest", timeout=60) as reader:
            self.until(reader, self.is_picture)

    def test_what_is_no_url(self):
        for url, said in (("nonsense", "is no URL"), ("rtsp://", "is no URL"),
                          ("foo://a/b", "nothing here that plays foo://")):
            self.shmring("ingest", url, self.seen).line(said)

    def test_what_is_no_format(self):
        self.ingest("--format", "bgr").line("'bgr' is no format of pictures")

    def test_a_password_in_the_url(self):
        ingest = self.shmring("ingest", "rtsp://ann:secret@127.0.0.1/x", self.seen)
        ingest.line("--login FILE")


if __name__ == "__main__":
    unittest.main()
