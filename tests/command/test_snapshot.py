# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring snapshot` writes the newest frame; `shmring show` draws it in a terminal."""

import importlib.util
import re
import struct
import tempfile
import unittest
import zlib
from pathlib import Path

import numpy as np
import shmring
from case import CommandTest
from shmring.command import show

RED_OVER_BLUE = np.zeros((4, 6, 3), np.uint8)
RED_OVER_BLUE[:2] = (0, 0, 250)  # BGR
RED_OVER_BLUE[2:] = (250, 0, 0)


def read_png(path):
    """Of the kind that is written here: one IDAT, no filters."""
    data = Path(path).read_bytes()
    width, height = struct.unpack(">2I", data[16:24])
    size = struct.unpack(">I", data[33:37])[0]
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8)
    return lines.reshape(height, 1 + 3 * width)[:, 1:].reshape(height, width, 3)


class PictureTest(CommandTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, picture, format="BGR"):
        writer = shmring.Writer(self.name, picture.shape[1], picture.shape[0], format)
        self.addCleanup(writer.close)
        writer.write(picture)
        return writer


class SnapshotTest(PictureTest):
    def test_png(self):
        self.write(RED_OVER_BLUE)
        path = self.folder / "a.png"
        self.assertRegex(self.shmring("snapshot", self.name, path), "a.png: frame 1, 6x4, BGR, ")
        self.assertTrue(np.array_equal(read_png(path), RED_OVER_BLUE[..., ::-1]))

    def test_png_is_the_default(self):
        self.write(RED_OVER_BLUE)
        self.shmring("snapshot", self.name, cwd=self.folder)
        self.assertEqual(read_png(self.folder / f"{self.name}.png").shape, (4, 6, 3))

    def test_planes_that_form_no_array_are_told(self):
        writer = shmring.Writer(self.name, 3, 3, "NV12")
        self.addCleanup(writer.close)
        with writer.loan():
            pass
        self.assert_fails(2, "do not form one array: take .raw", "snapshot", self.name,
                          self.folder / "a.npy")
        self.assertFalse((self.folder / "a.npy").exists())

    def test_npy_and_raw_are_as_in_the_ring(self):
        self.write(RED_OVER_BLUE)
        self.shmring("snapshot", self.name, self.folder / "a.npy")
        self.assertTrue(np.array_equal(np.load(self.folder / "a.npy"), RED_OVER_BLUE))
        self.shmring("snapshot", self.name, self.folder / "a.raw")
        self.assertEqual((self.folder / "a.raw").stat().st_size, 4 * 20)

    @unittest.skipIf(importlib.util.find_spec("PIL") is None, "python3-pil is not installed")
    def test_jpeg_in_and_out(self):
        from PIL import Image

        writer = self.write(np.repeat(np.repeat(RED_OVER_BLUE, 16, 0), 16, 1))
        self.shmring("snapshot", self.name, self.folder / "a.jpg")
        writer.close()
        red = np.asarray(Image.open(self.folder / "a.jpg"))[4, 4]
        self.assertLess(np.abs(red.astype(int) - [250, 0, 0]).max(), 12)
        data = (self.folder / "a.jpg").read_bytes()
        writer = self.start_writer(size=len(data), caps="image/jpeg")
        writer.publish()
        self.assert_fails(1, "cannot identify", "snapshot", self.name, self.folder / "b.png")
        self.shmring("snapshot", self.name, self.folder / "b.jpg")
        self.assertEqual((self.folder / "b.jpg").stat().st_size, len(data))

    def test_what_has_no_pixels_and_what_is_no_picture(self):
        self.start_writer(size=100, caps="video/x-h264").publish()
        path = self.folder / "a.png"
        self.assert_fails(2, "no pixels to show: it is video/x-h264", "snapshot", self.name, path)
        self.assertFalse(path.exists())
        self.assert_fails(2, "does not end in .png", "snapshot", self.name, self.folder / "a.gif")

    def test_no_frame_and_no_ring(self):
        self.assert_fails(3, "there is no ring", "snapshot", self.name, self.folder / "a.png")
        self.start_writer()
        self.assert_fails(4, "no new frame", "snapshot", self.name, self.folder / "a.png", "-t", "0.1")


class ShowTest(PictureTest):
    def test_size(self):
        self.assertEqual(show.fit(1920, 1080, 80, 24), (80, 46))
        self.assertEqual(show.fit(1920, 1080, 200, 24), (85, 48))
        self.assertEqual(show.fit(1080, 1920, 80, 24), (27, 48))
        self.assertEqual(show.fit(1000, 1, 80, 24), (80, 2))

    def test_nearest_of_256(self):
        colours = np.array([[[255, 0, 0], [0, 0, 0], [128, 128, 128], [95, 135, 175]]], np.uint8)
        self.assertEqual(show._nearest_256(colours).tolist(), [[196, 16, 244, 67]])

    def test_a_colour_is_told_where_it_changes(self):
        picture = np.array([[[1, 2, 3]] * 3, [[4, 5, 6]] * 3], np.uint8)
        self.assertEqual(show.draw(picture, True), ["\x1b[38;2;1;2;3;48;2;4;5;6m▀▀▀\x1b[0m"])

    def test_once(self):
        self.write(RED_OVER_BLUE)
        lines = self.shmring("show", self.name, "--once", "--colors", "true").splitlines()
        self.assertEqual(len(lines), 24)
        self.assertTrue(lines[0].startswith("\x1b[38;2;250;0;0;48;2;250;0;0m▀"))
        self.assertTrue(lines[-1].startswith("\x1b[38;2;0;0;250;48;2;0;0;250m▀"))

    def test_live_in_a_terminal(self):
        writer = self.write(RED_OVER_BLUE)
        shown = self.start_terminal("show", self.name, "--colors", "256", "-t", 100, columns=40, lines=10)
        while "frame 1" not in shown.shown:
            shown.read()
            self.assertIsNone(shown.process.poll(), shown.shown)
        writer.write(RED_OVER_BLUE[::-1].copy())
        while "frame 2" not in shown.shown:
            shown.read()
            self.assertIsNone(shown.process.poll(), shown.shown)
        last = shown.shown.split("\x1b[H")[-1]
        self.assertIn("\x1b[38;5;21;48;5;21m▀", last)
        self.assertLessEqual(last.count("\n"), 10)
        self.assertLessEqual(max(len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line))
                                 for line in last.split("\r\n")), 40)
        shown.press("q")
        self.assertEqual(shown.end(), 0)
        self.assertTrue(shown.shown.endswith("\x1b[?1049l"))

    def test_it_ends_with_the_stream(self):
        writer = self.write(RED_OVER_BLUE)
        shown = self.start_terminal("show", self.name)
        while "frame 1" not in shown.shown:
            shown.read()
            self.assertIsNone(shown.process.poll(), shown.shown)
        writer.end()
        self.assertEqual(shown.end(), 1)
        self.assertIn("has ended", shown.shown)


if __name__ == "__main__":
    unittest.main()
