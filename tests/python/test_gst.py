# SPDX-License-Identifier: LGPL-2.1-or-later
"""Samples of gst-python as arrays: the right pixels, and memory that cannot go away under them."""

import gc
import unittest
import warnings

import numpy as np

with warnings.catch_warnings():  # gi's importer is of the old kind
    warnings.simplefilter("ignore", ImportWarning)
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstVideo

import shmring
from shmring.gst import sample_as_array, sample_as_planes
from support import RingTest, bgr, frame_bytes

Gst.init(None)


def sample_of(data, caps=None, meta=None):
    buffer = Gst.Buffer.new_wrapped(bytes(data))
    if meta:
        format, width, height, offsets, strides = meta
        padding = [0] * (4 - len(offsets))
        GstVideo.buffer_add_video_meta_full(buffer, GstVideo.VideoFrameFlags.NONE, format, width,
                                            height, len(offsets), offsets + padding,
                                            strides + padding)
    return Gst.Sample.new(buffer, Gst.Caps.from_string(caps) if caps else None, None, None)


def ramp(size):
    return np.arange(size, dtype=np.uint32).astype(np.uint8)


class PixelsTest(unittest.TestCase):
    def test_rows_of_the_default_layout(self):
        data = ramp(1924 * 4)
        array = sample_as_array(sample_of(data, "video/x-raw,format=BGR,width=641,height=4"))
        rows = data.reshape(4, 1924)[:, :1923]
        np.testing.assert_array_equal(array, rows.reshape(4, 641, 3))
        self.assertEqual((array.shape, array.strides), ((4, 641, 3), (1924, 3, 1)))

    def test_strides_and_offset_of_the_meta(self):
        data = ramp(100 + 256 * 4)
        sample = sample_of(data, "video/x-raw,format=GRAY8,width=64,height=4",
                           (GstVideo.VideoFormat.GRAY8, 64, 4, [100], [256]))
        np.testing.assert_array_equal(sample_as_array(sample),
                                      data[100:].reshape(4, 256)[:, :64])

    def test_a_meta_beyond_the_buffer(self):
        sample = sample_of(ramp(1000), "video/x-raw,format=GRAY8,width=64,height=4",
                           (GstVideo.VideoFormat.GRAY8, 64, 4, [800], [64]))
        with self.assertRaisesRegex(ValueError, "beyond the frame's bytes"):
            sample_as_array(sample)

    def test_sixteen_bits(self):
        data = ramp(2 * 64 * 4)
        array = sample_as_array(sample_of(data, "video/x-raw,format=GRAY16_BE,width=64,height=4"))
        np.testing.assert_array_equal(array, data.view(">u2").reshape(4, 64))

    def test_planes(self):
        """NV12 is one array as OpenCV has it; I420 of an odd width is three and no one."""
        data = ramp(64 * 6)
        sample = sample_of(data, "video/x-raw,format=NV12,width=64,height=4")
        np.testing.assert_array_equal(sample_as_array(sample), data.reshape(6, 64))
        luma, chroma = sample_as_planes(sample)
        np.testing.assert_array_equal(luma, data[:256].reshape(4, 64))
        np.testing.assert_array_equal(chroma, data[256:].reshape(2, 32, 2))

        sample = sample_of(ramp(64 * 4 + 2 * 32 * 2), "video/x-raw,format=I420,width=61,height=4")
        with self.assertRaisesRegex(ValueError, "sample_as_planes"):
            sample_as_array(sample)
        self.assertEqual([plane.shape for plane in sample_as_planes(sample)],
                         [(4, 61), (2, 31), (2, 31)])

    def test_bayer(self):
        data = ramp(644 * 4)
        sample = sample_of(data, "video/x-bayer,format=rggb,width=641,height=4")
        np.testing.assert_array_equal(sample_as_array(sample), data.reshape(4, 644)[:, :641])

    def test_bytes(self):
        data = ramp(1000)
        for caps in (None, "image/jpeg,width=64,height=4"):
            sample = sample_of(data, caps)
            np.testing.assert_array_equal(sample_as_array(sample), data)
            self.assertEqual(sample_as_planes(sample), ())
        empty = Gst.Sample.new(Gst.Buffer.new(), None, None, None)
        self.assertEqual(sample_as_array(empty).size, 0)

    def test_a_sample_without_a_buffer(self):
        with self.assertRaisesRegex(ValueError, "no buffer"):
            sample_as_array(Gst.Sample.new(None, None, None, None))

    def test_read_only(self):
        array = sample_as_array(sample_of(ramp(256), "video/x-raw,format=GRAY8,width=64,height=4"))
        with self.assertRaisesRegex(ValueError, "read-only"):
            array[0, 0] = 1
        with self.assertRaises(ValueError):
            array.flags.writeable = True

    def test_no_copy(self):
        sample = sample_of(ramp(256))
        with sample.get_buffer().map(Gst.MapFlags.READ) as mapping:
            address = np.frombuffer(mapping.data, np.uint8).ctypes.data
        self.assertEqual(sample_as_array(sample).ctypes.data, address)


class LifetimeTest(RingTest):
    """The sample's memory is a slot of a ring, so a mapping shows as a slot that is not free."""

    SLOTS = 4

    def setUp(self):
        super().setUp()
        self.writer = self.start_writer(**bgr(61, 4, slots=self.SLOTS, lend_limit=1))
        rows = frame_bytes(1, 184 * 4).reshape(4, 184)
        self.picture = rows[:, :183].reshape(4, 61, 3)

    def sample(self):
        """The first frame; the pipeline that read it is gone."""
        pipeline = Gst.parse_launch(f"shmringsrc ring-name={self.name} ! appsink name=sink")
        pipeline.set_state(Gst.State.PLAYING)
        self.writer.ask("wait-reader")
        self.writer.publish()
        sample = pipeline.get_by_name("sink").emit("try-pull-sample", 10 * Gst.SECOND)
        pipeline.set_state(Gst.State.NULL)
        return sample

    def free_slots(self):
        """As many as can be published to a reader that takes none."""
        gc.collect()
        with shmring.Reader(self.name, lease=0):
            count = 0
            while "published" in self.writer.try_publish():
                count += 1
        return count

    def test_an_array_outlives_everything(self):
        array = sample_as_array(self.sample())
        self.assertEqual(self.free_slots(), self.SLOTS - 1)
        np.testing.assert_array_equal(array, self.picture)
        self.writer.close()
        np.testing.assert_array_equal(array, self.picture)

    def test_the_last_view_ends_the_mapping(self):
        views = (lambda array: array[1:3, ::2], lambda array: array.T, memoryview, np.asarray)
        array = sample_as_array(self.sample())
        for view in views:
            array = view(array)
            self.assertEqual(self.free_slots(), self.SLOTS - 1)
        array = None
        self.assertEqual(self.free_slots(), self.SLOTS)

    def test_each_plane_keeps_it(self):
        planes = sample_as_planes(self.sample())
        plane = planes[-1]
        del planes
        self.assertEqual(self.free_slots(), self.SLOTS - 1)
        del plane
        self.assertEqual(self.free_slots(), self.SLOTS)

    def test_no_collector_is_needed(self):
        sample = self.sample()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(1000):
            array = sample_as_array(sample)
        del array
        self.assertEqual([x for x in gc.get_objects() if type(x).__module__ == "shmring.gst"], [])


if __name__ == "__main__":
    unittest.main()
