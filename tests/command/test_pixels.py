# SPDX-License-Identifier: LGPL-2.1-or-later
"""Colours of every format of the table, beside those that GStreamer makes of the same bytes."""

import unittest
import warnings

import numpy as np

with warnings.catch_warnings():  # gi's importer is of the old kind
    warnings.simplefilter("ignore", ImportWarning)
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstVideo

from shmring import raw
from shmring.command import pixels
from shmring.gst import sample_as_array, sample_as_planes

Gst.init(None)
WIDTH, HEIGHT = 351, 51
MOSAICS = [name for name in raw.KNOWN if pixels._MOSAIC.fullmatch(name)]
FORMATS = [name for name in raw.KNOWN if name not in MOSAICS]
# Colour bars: edges of a colour lie elsewhere where U and V are filtered, so most pixels count.
MOST, FEW_PERCENT = 8, 10


def convert(format, more="", height=HEIGHT):
    """Planes and caps of a picture in FORMAT, and what GStreamer's converter makes of them."""
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 pattern=smpte75 ! video/x-raw,format=RGB,width={WIDTH},"
        f"height={height} ! videoconvert dither=none ! video/x-raw,format={format}{more} ! tee name=t "
        "t. ! queue ! appsink name=there t. ! queue ! videoconvert dither=none ! "
        "video/x-raw,format=RGB ! appsink name=back")
    pipeline.set_state(Gst.State.PLAYING)
    there, back = (pipeline.get_by_name(name).emit("try-pull-sample", 10 * Gst.SECOND)
                   for name in ("there", "back"))
    planes = [np.array(plane) for plane in sample_as_planes(there)]
    expected = np.array(sample_as_array(back))
    caps = there.get_caps().to_string()
    pipeline.set_state(Gst.State.NULL)
    return planes, caps, expected


class PixelsTest(unittest.TestCase):
    def assert_alike(self, found, expected):
        self.assertEqual(found.shape, expected.shape)
        off = np.abs(found.astype(int) - expected.astype(int)).max(axis=2) > MOST
        self.assertLess(100 * off.mean(), FEW_PERCENT)

    def test_every_format(self):
        known = [name for name in FORMATS
                 if GstVideo.VideoFormat.from_string(name) != GstVideo.VideoFormat.UNKNOWN]
        self.assertGreater(len(known), 60)
        for format in known:
            with self.subTest(format):
                planes, caps, expected = convert(format)
                self.assert_alike(pixels.to_rgb(format, planes, WIDTH, HEIGHT, caps), expected)

    def test_matrix_and_range(self):
        for said in ("bt709", "bt601", "1:4:0:0", "1:3:5:1", "bt2020"):
            for format in ("I420", "AYUV", "P010_10LE"):
                with self.subTest(said, format=format):
                    planes, caps, expected = convert(format, f",colorimetry=(string){said}")
                    self.assert_alike(pixels.to_rgb(format, planes, WIDTH, HEIGHT, caps), expected)

    def test_matrix_by_height(self):
        planes, caps, expected = convert("I420", height=720)
        caps = caps.split(", colorimetry")[0]
        self.assert_alike(pixels.to_rgb("I420", planes, WIDTH, 720, caps), expected)

    def test_mosaics(self):
        colour = {"r": 200, "g": 100, "b": 50}
        for format in MOSAICS:
            with self.subTest(format):
                dtype = raw.KNOWN[format][0]
                shift = int(pixels._MOSAIC.fullmatch(format)[2] or 8) - 8
                plane = np.zeros((5, 7), dtype)
                for i, letter in enumerate(format[:4]):
                    plane[i >> 1::2, i & 1::2] = colour[letter] << shift
                found = pixels.to_rgb(format, [plane], 7, 5)[:4, :6]
                self.assertLessEqual(np.abs(found.astype(int) - [200, 100, 50]).max(), 1)

    def test_some_rows_and_columns(self):
        planes, caps, _ = convert("NV12")
        rows, columns = np.array([0, 7, 50]), np.array([1, 350])
        whole = pixels.to_rgb("NV12", planes, WIDTH, HEIGHT, caps)
        part = pixels.to_rgb("NV12", planes, WIDTH, HEIGHT, caps, rows, columns)
        self.assertTrue(np.array_equal(part, whole[rows][:, columns]))


if __name__ == "__main__":
    unittest.main()
