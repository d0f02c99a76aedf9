# SPDX-License-Identifier: LGPL-2.1-or-later
"""VideoCapture does what OpenCV's does."""

import threading
import time
import unittest

import numpy as np

import shmring
from shmring import capture
from support import RingTest, bgr, frame_bytes, run_python

try:
    import cv2
except ImportError:
    cv2 = None

WITHOUT_CV2 = """
import sys
sys.modules["cv2"] = None
import shmring
images = shmring.VideoCapture(sys.argv[1])
while True:
    ok, image = images.read()
    if not ok:
        break
    print(image.shape, int(image[0, 0, 0]))
"""


class CaptureTest(RingTest):
    def capture(self, **options):
        images = shmring.VideoCapture(self.name, **{"timeout": 10, **options})
        self.addCleanup(images.release)
        return images

    def opened(self, frames, writer=None, **options):
        """Open while FRAMES are published to whoever attaches."""
        writer = writer or self.start_writer()
        writer.send("wait-reader")
        writer.send("publish", frames)
        images = self.capture(**options)
        self.assertTrue(images.isOpened())
        self.assertEqual(writer.answer(), "done 0")
        return writer, images

    def assert_image(self, image, seq, width=64, height=4):
        stride = (3 * width + 3) // 4 * 4
        rows = frame_bytes(seq, stride * height).reshape(height, stride)
        np.testing.assert_array_equal(image, rows[:, :3 * width].reshape(height, width, 3))

    def test_reads_until_the_end(self):
        writer, images = self.opened(6)
        writer.send("end")
        for seq in range(1, 7):
            ok, image = images.read()
            self.assertTrue(ok)
            self.assert_image(image, seq)
        self.assertEqual(images.read(), (False, None))
        self.assertIsInstance(images.error, shmring.EndOfStream)
        images.set(capture.CAP_PROP_READ_TIMEOUT_MSEC, 1)
        self.assertEqual(images.read(), (False, None))
        self.assertRegex(str(images.error), "appeared within 0.001 s.*has ended")
        self.assertTrue(images.isOpened())

    def check_goes_on(self, stop, error, writers=2):
        writer, images = self.opened(1)
        writer.answer()
        images.read()
        stop(writer)
        self.assertEqual(images.read(), (False, None))
        self.assertIsInstance(images.error, error)
        if writers > 1:
            writer = self.start_writer(**bgr(32, 2))
        thread = threading.Thread(target=lambda: (writer.ask("wait-reader"), writer.publish()))
        thread.start()
        self.assertTrue(images.read()[0])
        thread.join()

    def test_after_an_end_it_waits_for_the_next_stream(self):
        self.check_goes_on(lambda writer: writer.ask("end"), shmring.EndOfStream, writers=1)

    def test_after_an_end_it_waits_for_the_next_writer(self):
        self.check_goes_on(lambda writer: writer.close(), shmring.EndOfStream)

    def test_after_a_death_it_waits_for_the_next_writer(self):
        self.check_goes_on(lambda writer: writer.kill(), shmring.WriterLost)

    def test_a_loop_that_ignores_failures_does_not_spin(self):
        writer, images = self.opened(1)
        writer.answer()
        images.read()
        images.set(capture.CAP_PROP_READ_TIMEOUT_MSEC, 0.001)
        closed = shmring.VideoCapture()
        for stop in (lambda: None, lambda: writer.ask("end"), lambda: writer.close()):
            stop()
            for fail in (images.read, images.grab, closed.read, closed.grab):
                began = time.monotonic()
                self.assertIn(fail(), (False, (False, None)))
                self.assertGreaterEqual(time.monotonic() - began, 0.01)

    def test_a_picture_that_is_no_one_array(self):
        writer = self.start_writer(size=64 * 4 + 2 * 32 * 2, width=61, height=3, channels=3,
                                   format="I420", planes=3, stride="64,32,32", offset="0,256,320")
        _, images = self.opened(1, writer)
        self.assertEqual(images.read(), (False, None))
        self.assertRegex(str(images.error), "no one array.*use frame.planes")

    def test_images_are_the_callers(self):
        writer, images = self.opened(5, self.start_writer(**bgr(61, 4)))
        kept = [images.read()[1] for _ in range(5)]
        images.release()
        writer.close()
        for seq, image in enumerate(kept, 1):
            self.assert_image(image, seq, width=61)
            self.assertTrue(image.flags.carray)
            image[:] = 0

    def test_reading_into_an_image(self):
        _, images = self.opened(3)
        image = np.empty((4, 64, 3), np.uint8)
        self.assertIs(images.read(image)[1], image)
        self.assert_image(image, 1)
        for other in (np.empty((4, 64), np.uint8), np.empty((4, 64, 3), np.uint16)):
            ok, new = images.read(other)
            self.assertIsNot(new, other)
            self.assertEqual(new.shape, (4, 64, 3))

    def test_planes_with_padded_rows_are_one_image(self):
        writer = self.start_writer(size=64 * 4 + 2 * 32 * 2, width=60, height=4, channels=3,
                                   format="I420", planes=3, stride="64,32,32", offset="0,256,320")
        _, images = self.opened(1, writer)
        ok, image = images.read()
        self.assertEqual(image.shape, (6, 60))
        luma = frame_bytes(1, 64 * 4).reshape(4, 64)[:, :60]
        np.testing.assert_array_equal(image[:4], luma)

    def test_grab_and_retrieve(self):
        _, images = self.opened(3)
        self.assertEqual(images.retrieve(), (False, None))
        self.assertTrue(images.grab() and images.grab())
        for _ in range(2):
            ok, image = images.retrieve()
            self.assert_image(image, 2)
        images.grab()
        self.assert_image(images.retrieve()[1], 3)

    def test_holds_one_slot_until_the_next_grab(self):
        writer, images = self.opened(4, self.start_writer(**bgr(64, 4, slots=4, lend_limit=1)))
        self.assertEqual(writer.answer(), "published 4")
        images.read()
        self.assertEqual(writer.try_publish(), "full 4")
        images.read()
        self.assertEqual(writer.try_publish(), "published 5")
        self.assertEqual(writer.try_publish(), "full 5")
        images.release()
        self.assertEqual(writer.try_publish(), "published 6")

    def test_holds_none_after_a_grab_that_failed(self):
        writer, images = self.opened(1, self.start_writer(**bgr(64, 4, slots=4, lend_limit=1)))
        self.assertEqual(writer.answer(), "published 1")
        images.read()
        images.set(capture.CAP_PROP_READ_TIMEOUT_MSEC, 1)
        self.assertFalse(images.grab())
        self.assertEqual(writer.try_publish(4), "published 5")

    def test_properties(self):
        writer, images = self.opened(3)
        shown = [capture.CAP_PROP_FRAME_WIDTH, capture.CAP_PROP_FRAME_HEIGHT, capture.CAP_PROP_FPS]
        self.assertEqual([images.get(prop) for prop in shown], [64, 4, 25])
        for seq in (1, 2, 3):
            images.read()
            self.assertEqual(images.get(capture.CAP_PROP_POS_FRAMES), seq)
            self.assertEqual(images.get(capture.CAP_PROP_POS_MSEC), 40 * (seq - 1))
        writer.send("end")
        images.read()
        self.assertEqual([images.get(prop) for prop in shown], [64, 4, 25])
        self.assertEqual(images.get(12345), 0)
        images.release()
        self.assertEqual([images.get(prop) for prop in shown], [0, 0, 0])

    def test_the_picture_is_the_writers(self):
        _, images = self.opened(1)
        self.assertTrue(images.set(capture.CAP_PROP_FRAME_WIDTH, 64))
        self.assertFalse(images.set(capture.CAP_PROP_FRAME_WIDTH, 128))
        self.assertFalse(images.set(12345, 0))
        self.assertEqual(images.read()[1].shape, (4, 64, 3))

    def test_a_buffer_size_gives_the_newest(self):
        writer, images = self.opened(1)
        writer.answer()
        self.assertEqual(images.get(capture.CAP_PROP_BUFFERSIZE), 0)
        self.assertTrue(images.set(capture.CAP_PROP_BUFFERSIZE, 2))
        self.assertFalse(images.set(capture.CAP_PROP_BUFFERSIZE, 0))
        self.assertEqual(images.get(capture.CAP_PROP_BUFFERSIZE), 2)
        self.assertEqual(writer.publish(20), "published 21")
        self.assert_image(images.read()[1], 21)
        self.assertEqual(writer.publish(20), "published 41")
        self.assert_image(images.read()[1], 40)
        self.assert_image(images.read()[1], 41)

    def test_latest_passes_over_what_came_while_opening(self):
        writer, images = self.opened(1, mode="latest")
        writer.answer()
        writer.publish(20)
        self.assert_image(images.read()[1], 21)

    def test_latest_without_a_newer_one(self):
        writer, images = self.opened(1, mode="latest")
        writer.answer()
        writer.ask("end")
        self.assert_image(images.read()[1], 1)
        self.assertEqual(images.read(), (False, None))

    def test_no_ring(self):
        images = self.capture(timeout=0)
        self.assertFalse(images.isOpened())
        self.assertIsInstance(images.error, shmring.RingNotFound)
        self.assertEqual(images.read(), (False, None))
        self.assertFalse(images.grab())

    def test_a_ring_without_frames(self):
        self.start_writer()
        images = self.capture(timeout=0)
        self.assertFalse(images.isOpened())
        self.assertIsInstance(images.error, shmring.Timeout)
        self.assertNotIsInstance(images.error, shmring.RingNotFound)

    def test_a_silent_writer_ends_a_read(self):
        writer, images = self.opened(1)
        images.read()
        self.assertTrue(images.set(capture.CAP_PROP_READ_TIMEOUT_MSEC, 1))
        self.assertEqual(images.read(), (False, None))
        self.assertIsInstance(images.error, shmring.Timeout)
        writer.answer()
        writer.publish()
        self.assert_image(images.read()[1], 2)

    def test_waits_have_an_end_unless_asked_not_to(self):
        images = shmring.VideoCapture()
        for prop in (capture.CAP_PROP_OPEN_TIMEOUT_MSEC, capture.CAP_PROP_READ_TIMEOUT_MSEC):
            self.assertEqual(images.get(prop), 10_000)
            self.assertTrue(images.set(prop, 0))
            self.assertEqual(images.get(prop), 0)
            self.assertFalse(images.set(prop, -1))

    def test_opened_later_and_again(self):
        images = shmring.VideoCapture()
        self.addCleanup(images.release)
        self.assertFalse(images.isOpened())
        writer = self.start_writer()
        for seq in (1, 2):
            writer.send("wait-reader")
            writer.send("publish", 1)
            self.assertTrue(images.open(self.name))
            self.assert_image(images.read()[1], seq)
            images.release()
            self.assertFalse(images.isOpened())
            self.assertEqual(images.read(), (False, None))
            self.assertEqual([writer.answer(), writer.answer()], ["done 0", f"published {seq}"])
            self.assertEqual(writer.ask("readers"), "readers 0")

    def test_a_lost_writer(self):
        writer, images = self.opened(1)
        writer.answer()
        images.read()
        writer.kill()
        self.assertEqual(images.read(), (False, None))
        self.assertIsInstance(images.error, shmring.WriterLost)

    def test_the_next_writer(self):
        writer, images = self.opened(1, on_disconnect="wait")
        writer.answer()
        images.read()
        writer.close()
        second = self.start_writer(**bgr(32, 2))
        second.send("wait-reader")
        second.send("publish", 1)
        self.assertEqual(images.read()[1].shape, (2, 32, 3))

    def test_exceptions_instead(self):
        images = shmring.VideoCapture(timeout=0)
        self.assertFalse(images.getExceptionMode())
        images.setExceptionMode(True)
        with self.assertRaisesRegex(shmring.RingNotFound, self.name):
            images.open(self.name)
        self.assertFalse(images.isOpened())

    def test_a_name_that_cannot_be(self):
        with self.assertRaises(ValueError):
            shmring.VideoCapture("cam/0")
        with self.assertRaises(TypeError):
            shmring.VideoCapture(0)

    def test_release_in_another_thread_ends_a_read(self):
        writer, images = self.opened(1, timeout=None)
        writer.answer()
        images.read()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(images.read()))
        thread.start()
        images.release()
        thread.join()
        self.assertEqual(seen, [(False, None)])

    def test_without_opencv(self):
        writer = self.start_writer()
        writer.send("wait-reader")
        writer.send("publish", 2)
        writer.send("end")
        with run_python(WITHOUT_CV2, self.name) as process:
            self.assertEqual(process.stdout.read(), "(4, 64, 3) 31\n(4, 64, 3) 62\n")
        self.assertEqual(process.returncode, 0)

    @unittest.skipIf(cv2 is None, "python3-opencv is not installed")
    def test_opencv_draws_on_an_image_and_has_the_same_numbers(self):
        _, images = self.opened(1)
        image = images.read()[1]
        cv2.rectangle(image, (0, 0), (63, 3), (1, 2, 3), cv2.FILLED)
        self.assertEqual(image[2, 2].tolist(), [1, 2, 3])
        for name in capture.__all__:
            if name.startswith("CAP_") and hasattr(cv2, name):  # older releases lack the newest
                self.assertEqual(getattr(capture, name), getattr(cv2, name), name)
        missing = {name for name in dir(shmring.VideoCapture) if not name.startswith("_")}
        self.assertLessEqual(missing, set(dir(cv2.VideoCapture)))


if __name__ == "__main__":
    unittest.main()
