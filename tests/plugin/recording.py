# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every kind of stream, recorded by every muxer and shown in time: as many frames come out as went in,
at the times that they had."""

import itertools
import os
import tempfile
import threading
import time
import unittest
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

SECOND = Gst.SECOND
FPS = 30
FRAME = SECOND / FPS
COUNT = 45
LATE_S = 1.0
LONGEST_WAIT = 60 * SECOND
# What a muxer's clock rounds to: mp4mux and mpegtsmux count in 90 kHz or finer, matroskamux in ms.
ROUNDING = SECOND / 1000
NEEDED = ("x264enc", "h264parse", "avdec_h264", "mp4mux", "matroskamux", "mpegtsmux", "tsdemux")

PICTURE = f"video/x-raw,width=64,height=48,framerate={FPS}/1"
SINK = "shmringsink name=sink ring-name={ring} wait-for-connection=true"
RAW = f"! videoconvert ! {SINK}"
# An encoder that reorders, and one that does not; neither needs many frames before the first.
WITH_B_FRAMES = "x264enc bframes=2 b-adapt=false key-int-max=15 rc-lookahead=0 sync-lookahead=0"
ENCODER = "videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast"
TEST = f"videotestsrc num-buffers={COUNT} ! {PICTURE}"
CAMERA = f"videotestsrc is-live=true num-buffers={COUNT} ! {PICTURE}"

# How a writer's stream comes: its pipeline, how often it is played (by a seek, or by a writer of its
# own), and how the reader takes it.
SOURCES = {
    "film": dict(text=f"filesrc location={{film}} ! matroskademux ! h264parse ! avdec_h264 {RAW}"),
    "test source": dict(text=f"{TEST} {RAW}"),
    "camera": dict(text=f"{CAMERA} {RAW}", live=True),
    "looped film": dict(text=f"filesrc location={{film}} ! matroskademux ! h264parse ! avdec_h264 {RAW}",
                        seeks=2, src="is-live=false on-disconnect=wait"),
    "two writers": dict(text=f"{TEST} {RAW}", writers=2, src="is-live=false on-disconnect=wait"),
    # cv2.VideoWriter: it says 30 and sends 28
    "28 of 30": dict(text=f"appsrc name=app format=time caps={PICTURE},format=BGR {RAW}", sends=28),
    "H.264": dict(text=f"{TEST} ! {WITH_B_FRAMES} ! {SINK} caps=video/x-h264", encoded=True),
    "live H.264, a late reader": dict(
        text=f"{CAMERA} ! {WITH_B_FRAMES} ! {SINK} caps=video/x-h264", encoded=True, late=True),
}
# Where it goes: what takes frames, encoded ones as they are, and how its file is read.
OUTLETS = {
    "mp4mux": dict(mux="mp4mux", demux="qtdemux"),
    "matroskamux": dict(mux="matroskamux", demux="matroskademux"),
    "mpegtsmux": dict(mux="mpegtsmux", demux="tsdemux"),
    "a synced sink": dict(),
}


def launch(text):
    return Gst.parse_launch(text)


class Recorder:
    """A reading pipeline into FILE, or into a sink that keeps time. It notes what came out of the ring:
    running time and duration of each frame."""

    def __init__(self, ring, source, outlet, file):
        coding = "h264parse" if source.get("encoded") else ENCODER
        if "mux" in outlet:
            end = f"{coding} ! {outlet['mux']} ! filesink location={file}"
        else:
            decoder = "h264parse ! avdec_h264" if source.get("encoded") else "videoconvert"
            end = f"{decoder} ! fakesink name=shown sync=true signal-handoffs=true"
        self.pipeline = launch(f"shmringsrc name=src ring-name={ring} {source.get('src', '')} ! {end}")
        self.src = self.pipeline.get_by_name("src")
        self.frames, self.keys, self.segment, self.shown = [], [], None, 0
        if "mux" not in outlet:
            self.pipeline.get_by_name("shown").connect("handoff", self.show)
        self.src.get_static_pad("src").add_probe(
            Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM, self.note)

    def note(self, pad, info):
        if info.type & Gst.PadProbeType.BUFFER:
            buffer = info.get_buffer()
            self.frames.append((self.segment.to_running_time(Gst.Format.TIME, buffer.pts),
                                buffer.duration))
            self.keys.append(not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT))
        elif info.get_event().type == Gst.EventType.SEGMENT:
            self.segment = info.get_event().parse_segment().copy()
        return Gst.PadProbeReturn.OK

    def show(self, sink, buffer, pad):
        self.shown += 1

    def count(self):
        return self.src.props.ring_stats["received"]


class RecordingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Gst.init(None)
        missing = [name for name in NEEDED if Gst.ElementFactory.find(name) is None]
        if missing:
            raise unittest.SkipTest(f"no {', '.join(missing)}")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.film = cls.folder / "film.mkv"
        cls.run_to_end(launch(f"{TEST} ! x264enc ! matroskamux ! filesink location={cls.film}"))

    # ---- Running pipelines ------------------------------------------------------------------------

    @classmethod
    def wait_for_end(cls, pipeline):
        while True:
            message = pipeline.get_bus().timed_pop_filtered(
                LONGEST_WAIT, Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.LATENCY)
            if message is None:
                raise AssertionError("no end came")
            if message.type == Gst.MessageType.ERROR:
                raise AssertionError(message.parse_error())
            if message.type == Gst.MessageType.EOS:
                return
            pipeline.recalculate_latency()

    @classmethod
    def run_to_end(cls, pipeline):
        pipeline.set_state(Gst.State.PLAYING)
        cls.wait_for_end(pipeline)
        pipeline.set_state(Gst.State.NULL)

    def push(self, pipeline, fps):
        """As cv2.VideoWriter does: times by the count, whatever time it is."""
        app, begin = pipeline.get_by_name("app"), time.monotonic()
        for number in range(COUNT):
            buffer = Gst.Buffer.new_allocate(None, 64 * 48 * 3, None)
            buffer.pts, buffer.duration = int(number * FRAME), int(FRAME)
            app.emit("push-buffer", buffer)
            time.sleep(max(0, begin + (number + 1) / fps - time.monotonic()))
        app.emit("end-of-stream")

    def time_arrivals(self, sink):
        """A list that will hold when each frame came to SINK, and when the end did."""
        arrivals = []

        def note(pad, info):
            if info.type & Gst.PadProbeType.BUFFER or info.get_event().type == Gst.EventType.EOS:
                arrivals.append(time.monotonic_ns())
            return Gst.PadProbeReturn.OK

        sink.get_static_pad("sink").add_probe(
            Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM, note)
        return arrivals

    def write(self, ring, source):
        """The number of frames that it published; notes by how much it came later than in real time."""
        published, self.stalled = 0, 0
        for _ in range(source.get("writers", 1)):
            pipeline = launch(source["text"].format(ring=ring, film=self.film))
            sink = pipeline.get_by_name("sink")
            arrivals = self.time_arrivals(sink)
            pipeline.set_state(Gst.State.PLAYING)
            if "sends" in source:
                self.push(pipeline, source["sends"])
            for _ in range(source.get("seeks", 0)):
                self.wait_for_end(pipeline)
                pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)
            self.wait_for_end(pipeline)
            pipeline.set_state(Gst.State.NULL)
            published += sink.props.ring_stats["published"]
            self.stalled += sum(max(0, after - before - FRAME)
                                for before, after in zip(arrivals, arrivals[1:]))
        return published

    def carry(self, ring, source, outlet, file):
        recorder = Recorder(ring, source, outlet, file)
        published = []
        writer = threading.Thread(target=lambda: published.append(self.write(ring, source)))
        if source.get("late"):
            writer.start()
            time.sleep(LATE_S)
        recorder.pipeline.set_state(Gst.State.PLAYING)
        if not source.get("late"):
            writer.start()
        if "on-disconnect=wait" in source.get("src", ""):
            writer.join()
            self.wait_until(lambda: recorder.count() == published[0])
            recorder.pipeline.send_event(Gst.Event.new_eos())
        self.wait_for_end(recorder.pipeline)
        writer.join()
        recorder.pipeline.set_state(Gst.State.NULL)
        self.assertEqual(len(published), 1)
        return recorder, published[0]

    # ---- What came out ----------------------------------------------------------------------------

    def times_in(self, file, demux, decoder):
        pipeline = launch(f"filesrc location={file} ! {demux} ! h264parse ! {decoder} "
                          "appsink name=out sync=false max-buffers=4 drop=false")
        out, times = pipeline.get_by_name("out"), []
        pipeline.set_state(Gst.State.PLAYING)
        while sample := out.emit("pull-sample"):
            times.append(sample.get_segment().to_running_time(Gst.Format.TIME, sample.get_buffer().pts))
        self.wait_for_end(pipeline)
        pipeline.set_state(Gst.State.NULL)
        return times

    def check_file(self, file, outlet, ring_times, source):
        decoded = self.times_in(file, outlet["demux"], "avdec_h264 !")
        self.assertEqual(len(decoded), len(ring_times), "decoded frames")
        self.assertEqual(sorted(set(decoded)), decoded, "times only rise")
        for number, (there, here) in enumerate(zip(decoded, sorted(ring_times))):
            self.assertAlmostEqual(there - decoded[0], here - min(ring_times), delta=ROUNDING,
                                   msg=f"frame {number}")
        if source.get("late") and outlet["demux"] != "tsdemux":
            self.assertAlmostEqual(decoded[0], 0, delta=3 * FRAME, msg="first time")

    def check_times(self, source, frames):
        """Out of the ring."""
        times = sorted(time for time, _ in frames)
        steps = [after - before for before, after in zip(times, times[1:])]
        if source.get("late"):
            # they catch up: in order, and none at the same time
            self.assertGreaterEqual(times[0], 0)
            self.assertLess(times[0], FRAME)
            self.assertGreater(min(steps), 0)
        elif "sends" in source:
            self.assertGreater(min(steps), 0)
            self.assertGreater(times[-1] - times[0], (COUNT - 1) * SECOND / source["sends"] * 0.95)
        elif "is-live=false" in source.get("src", ""):
            self.assertEqual(times[0], 0)
            for number, ((time_, duration), (following, _)) in enumerate(zip(frames, frames[1:]), 1):
                joins = number % COUNT == 0
                self.assertAlmostEqual(following, time_ + duration, delta=1 if joins else ROUNDING)
        else:
            # a film's own; where the machine had no time for it, it goes on from when it came
            late = 0 if source.get("live") else self.stalled
            self.assertGreater(min(steps), FRAME - ROUNDING)
            self.assertLess(max(steps), FRAME + ROUNDING + late)
            self.assertAlmostEqual(sum(steps), len(steps) * FRAME, delta=ROUNDING + late)

    def check(self, source, outlet, file, ring):
        recorder, published = self.carry(ring, source, outlet, file)
        passes = (1 + source.get("seeks", 0)) * source.get("writers", 1)
        self.assertEqual(published, passes * COUNT)
        self.assertEqual(len(recorder.frames), published, "frames out of the ring")
        self.assertTrue(recorder.keys[0])
        self.check_times(source, recorder.frames)
        if "mux" in outlet:
            self.check_file(file, outlet, [time for time, _ in recorder.frames], source)
        else:
            self.assertEqual(recorder.shown, published, "frames shown")


    def wait_until(self, is_so):
        deadline = time.monotonic() + LONGEST_WAIT / SECOND
        while not is_so():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_who_joins_asks_the_encoder(self):
        """Which would make the next frame that stands alone after minutes."""
        ring = f"recording-{os.getpid()}-joins"
        writer = launch(f"videotestsrc is-live=true ! {PICTURE} ! x264enc tune=zerolatency "
                        f"key-int-max=10000 ! shmringsink name=sink ring-name={ring} caps=video/x-h264")
        reader = launch(f"shmringsrc ring-name={ring} ! h264parse ! avdec_h264 ! fakesink name=shown")
        sink, shown = writer.get_by_name("sink"), reader.get_by_name("shown")
        writer.set_state(Gst.State.PLAYING)
        self.wait_until(lambda: sink.props.ring_stats and sink.props.ring_stats["published"] > FPS)
        reader.set_state(Gst.State.PLAYING)
        self.wait_until(lambda: shown.props.stats["rendered"] > FPS)
        for pipeline in (reader, writer):
            pipeline.set_state(Gst.State.NULL)


def add_row(source_name, outlet_name):
    words = f"{source_name}_{outlet_name}".replace(",", "").replace(".", "").replace(" ", "_")

    def test(self):
        ring = f"recording-{os.getpid()}-{words}"
        self.check(SOURCES[source_name], OUTLETS[outlet_name], self.folder / words, ring)

    setattr(RecordingTest, f"test_{words}", test)


for row in itertools.product(SOURCES, OUTLETS):
    add_row(*row)

if __name__ == "__main__":
    unittest.main()
