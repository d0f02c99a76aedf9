# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a Writer makes is what GStreamer expects: sizes, strides, caps, and it plays."""

import contextlib
import os
import queue
import re
import subprocess
import threading
import time
import unittest
import warnings
from enum import EnumMeta
from pathlib import Path

import numpy as np

with warnings.catch_warnings():  # gi's importer is of the old kind
    warnings.simplefilter("ignore", ImportWarning)
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstVideo

import shmring
from support import RingTest

Gst.init(None)


def resident():
    """Bytes of this process that are its own."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) << 10


def formats():
    # Python's own kind of enumeration in newer releases of PyGObject.
    known = GstVideo.VideoFormat
    for value in known if isinstance(known, EnumMeta) else known.__enum_values__.values():
        if value not in (GstVideo.VideoFormat.UNKNOWN, GstVideo.VideoFormat.ENCODED):
            yield GstVideo.VideoFormat.to_string(value)


def video_info(caps):
    if hasattr(GstVideo.VideoInfo, "new_from_caps"):
        return GstVideo.VideoInfo.new_from_caps(caps)
    info = GstVideo.VideoInfo()
    info.from_caps(caps)
    return info


class LayoutTest(RingTest):
    def frame(self, width, height, format):
        name = f"{self.name}-{width}-{height}-{format}"
        with shmring.Writer(name, width, height, format, slots=4, framerate=25) as writer, \
                shmring.Reader(name, lease=1) as reader:
            with writer.loan():
                pass
            with reader.read() as frame:
                return frame, frame.caps

    def check(self, width, height, format):
        frame, caps = self.frame(width, height, format)
        info = video_info(Gst.Caps.from_string(caps))
        self.assertEqual((info.finfo.name, info.width, info.height, info.fps_n, info.fps_d,
                          info.interlace_mode, info.finfo.n_components),
                         (format, width, height, 25, 1, GstVideo.VideoInterlaceMode.PROGRESSIVE,
                          frame.channels))
        return frame, info

    def test_every_format(self):
        seen = 0
        for format in formats():
            try:
                frame, info = self.check(64, 4, format)
            except ValueError as error:
                self.assertIn("no whole bytes", str(error))
                continue
            seen += 1
            self.assertEqual((frame.size, frame.strides),
                             (info.size, tuple(info.stride[:info.finfo.n_planes])), format)
        self.assertGreater(seen, 80)

    def test_odd_sizes(self):
        for format in ("BGR", "RGB", "GRAY8", "GRAY16_LE", "BGRA", "YUY2", "v216", "Y444"):
            for width in range(1, 18):
                frame, info = self.check(width, 3, format)
                self.assertEqual((frame.size, frame.strides),
                                 (info.size, tuple(info.stride[:info.finfo.n_planes])), format)

    def test_odd_planes_that_form_no_array(self):
        for format in ("I420", "YV12", "A420", "YUV9"):
            frame, info = self.check(61, 7, format)
            self.assertEqual((frame.size, frame.strides),
                             (info.size, tuple(info.stride[:info.finfo.n_planes])), format)

    def test_the_colours_are_gstreamers_defaults(self):
        for format, width, height in (("BGR", 64, 48), ("I420", 640, 480), ("I420", 1920, 1080)):
            _, info = self.check(width, height, format)
            usual = GstVideo.VideoInfo.new()
            usual.set_format(GstVideo.VideoFormat.from_string(format), width, height)
            for field in ("matrix", "primaries", "transfer", "range"):
                self.assertEqual(getattr(info.colorimetry, field),
                                 getattr(usual.colorimetry, field))


class PlayTest(RingTest):
    def play(self, images, elements, *args, **options):
        """The bytes that come out of GStreamer."""
        height, width = images[0].shape[:2]
        with shmring.Writer(self.name, width, height, *args, **options) as writer:
            pipeline = f"shmringsrc ring-name={self.name} {elements} ! fdsink fd=1"
            process = subprocess.Popen(["gst-launch-1.0", "-q", *pipeline.split()],
                                       stdout=subprocess.PIPE)
            out = []
            thread = threading.Thread(target=lambda: out.append(process.communicate()[0]))
            thread.start()
            writer.wait_reader(timeout=30)
            for image in images:
                writer.write(image)
            writer.end()
            thread.join()
        self.assertEqual(process.returncode, 0)
        return out[0]

    def images(self, count, width, height):
        return [((np.arange(height * width * 3) + 31 * i) & 255).astype("u1")
                .reshape(height, width, 3) for i in range(count)]

    def test_tight_rows(self):
        images = self.images(12, 64, 4)
        self.assertEqual(self.play(images, ""), b"".join(i.tobytes() for i in images))

    def test_padded_rows(self):
        images = self.images(12, 63, 5)
        out = np.frombuffer(self.play(images, ""), "u1").reshape(12, 5, 192)
        np.testing.assert_array_equal(out[:, :, :189].reshape(12, 5, 63, 3), images)

    def test_converted(self):
        images = self.images(3, 62, 4)
        out = self.play(images, "! videoconvert ! video/x-raw,format=RGBx")
        pixels = np.frombuffer(out, "u1").reshape(3, 4, 62, 4)
        np.testing.assert_array_equal(pixels[..., :3], np.array(images)[..., ::-1])

    def test_live_readers_keep_time(self):
        """A sink with a clock shows 5 frames of 50 frames/s, none of them dropped as late."""
        images = self.images(5, 64, 4)
        out = self.play(images, "is-live=true ! identity sync=true", framerate=50)
        self.assertEqual(out, b"".join(i.tobytes() for i in images))

    @unittest.skipIf("asan" in os.environ.get("LD_PRELOAD", ""), "freed memory is kept for a while")
    def test_an_appsink_that_nobody_pulls_from_keeps_few(self):
        """As README and the guide have it: max-buffers bounds what the program's memory grows by."""
        with shmring.Writer(self.name, 640, 480) as writer:
            pipeline = Gst.parse_launch(f"shmringsrc ring-name={self.name} ! "
                                        "appsink name=frames max-buffers=2 drop=true")
            pipeline.set_state(Gst.State.PLAYING)
            self.addCleanup(pipeline.set_state, Gst.State.NULL)
            writer.wait_reader(timeout=30)
            image = np.zeros((480, 640, 3), "u1")
            for _ in range(20):
                writer.write(image)
            before = resident()
            for _ in range(300):  # 276 MB
                writer.write(image)
            self.assertLess(resident() - before, 60 << 20)

    def test_a_request_for_a_key_frame(self):
        """It comes out of the sink as the event that encoders obey, with its running time."""
        with shmring.Reader(self.name, timeout=30, wait_for_keyframe=False) as reader:
            self.assertFalse(reader.request_keyframe())
            pipeline = Gst.parse_launch(
                "appsrc name=encoder is-live=true format=time do-timestamp=true "
                "caps=video/x-h264,stream-format=byte-stream,alignment=au ! "
                f"shmringsink name={self.name} caps=ANY wait-for-connection=true")
            asked, encoder = queue.Queue(), pipeline.get_by_name("encoder")

            def probe(pad, info):
                event = info.get_event()
                if GstVideo.video_event_is_force_key_unit(event):
                    asked.put(GstVideo.video_event_parse_upstream_force_key_unit(event)[1])
                return Gst.PadProbeReturn.OK

            encoder.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, probe)
            pipeline.set_state(Gst.State.PLAYING)
            self.addCleanup(pipeline.set_state, Gst.State.NULL)
            delta = Gst.Buffer.new_wrapped(b"a delta frame")
            delta.set_flags(Gst.BufferFlags.DELTA_UNIT)
            encoder.emit("push-buffer", delta)
            frame = reader.read()
            running, deadline = Gst.CLOCK_TIME_NONE, time.monotonic() + 30
            while running == Gst.CLOCK_TIME_NONE:  # an attach asks, too, and then they are one
                self.assertLess(time.monotonic(), deadline)
                self.assertTrue(reader.request_keyframe(frame.clock_ns + 5 * 10**9))
                with contextlib.suppress(queue.Empty):
                    running = asked.get(timeout=1)
            self.assertAlmostEqual(running, frame.pts_ns + 5 * 10**9, delta=10**6)


if __name__ == "__main__":
    unittest.main()
