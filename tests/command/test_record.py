# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring record` into a file: from now on, with what was before, and when it is killed."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import warnings
from pathlib import Path

with warnings.catch_warnings():  # gi's importer is of the old kind
    warnings.simplefilter("ignore", ImportWarning)
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

from case import COMMAND, CommandTest

Gst.init(None)
ENCODERS = [name for name in ("x264enc", "openh264enc", "vp8enc", "jpegenc")
            if Gst.ElementFactory.find(name)]
FPS = 30
# The writer numbers its frames by their time: 30 a second.
WRITER = ("videotestsrc is-live=true pattern=ball ! video/x-raw,width={size},framerate={fps}/1 ! {more} "
          "shmringsink ring-name={name} caps=ANY")


def play(path):
    """Times of the frames that come out of a file, in ns. A file that was cut off plays to its end."""
    pipeline = Gst.parse_launch(f'filesrc location="{path}" ! decodebin ! appsink name=out sync=false')
    pipeline.set_state(Gst.State.PLAYING)
    out, times = pipeline.get_by_name("out"), []
    while (sample := out.emit("try-pull-sample", 10 * Gst.SECOND)) is not None:
        times.append(sample.get_buffer().pts)
    pipeline.set_state(Gst.State.NULL)
    return times


@unittest.skipUnless(ENCODERS and Gst.ElementFactory.find("matroskamux"),
                     "gstreamer1.0-plugins-good is not installed")
class RecordTest(CommandTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": folder.name}
        self.path = self.folder / "a.mkv"

    def start_pipeline(self, more="", size=320):
        writer = Gst.parse_launch(WRITER.format(name=self.name, fps=FPS, more=more, size=size))
        writer.set_state(Gst.State.PLAYING)
        self.addCleanup(writer.set_state, Gst.State.NULL)
        while not os.path.exists(f"/dev/shm/{self.name}"):
            time.sleep(0.01)
        return writer

    def start_record(self, *arguments):
        recorder = subprocess.Popen([*COMMAND[:1], "-B", "-m", "shmring", "record", self.name,
                                     str(self.path), *arguments], text=True, env=self.env,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        for stream in recorder.stdin, recorder.stdout, recorder.stderr:
            self.addCleanup(stream.close)
        self.addCleanup(recorder.wait)
        self.addCleanup(recorder.kill)
        return recorder

    def assert_even(self, times, least):
        """No frame is missing: each is a thirtieth after the other, to the file's own precision."""
        self.assertGreaterEqual(len(times), least)
        for before, after in zip(times, times[1:]):
            self.assertAlmostEqual((after - before) / 1e9, 1 / FPS, delta=0.002)

    def assert_ends(self, recorder, code=0):
        out, error = recorder.communicate(timeout=60)
        self.assertEqual((recorder.returncode, error), (code, ""))
        return out

    def test_from_now_for_a_while(self):
        self.start_pipeline()
        out = self.assert_ends(self.start_record("--after", "1"))
        self.assertRegex(out, rf"{self.name}: 320x240 \S+, encoded by ({'|'.join(ENCODERS)})")
        self.assertRegex(out, rf"{self.path}: 30 frames, 1.0 s, ")
        self.assert_even(play(self.path), 30)

    def test_until_ctrl_c(self):
        self.start_pipeline()
        recorder = self.start_record()
        recorder.stdout.readline()
        while not self.path.exists() or not self.path.stat().st_size:
            self.assertIsNone(recorder.poll())
        recorder.send_signal(signal.SIGINT)
        self.assertIn("frames, ", self.assert_ends(recorder))
        self.assert_even(play(self.path), 1)

    def await_memory(self, recorder, seconds):
        """Until it must have so much: what is waited for are frames of the ring."""
        lines = [recorder.stdout.readline(), recorder.stdout.readline()]
        self.assertIn("of memory", lines[1])
        while True:
            info = json.loads(self.shmring("info", self.name, "--json"))
            taken = sum(reader["received"] for reader in info["readers"])
            if taken > seconds * FPS:
                return

    def test_what_was_before(self):
        self.start_pipeline()
        recorder = self.start_record("--before", "1s", "--after", "1s")
        self.await_memory(recorder, 2.5)
        self.assertIn(f"triggered the recorder of {self.name} (pid {recorder.pid})",
                      self.shmring("trigger", self.name, env=self.env))
        before = int(recorder.stdout.readline().split()[1])
        self.assertGreaterEqual(before, FPS)  # a second, and up to the key frame before it
        self.assertIn(f"{self.path}: ", recorder.stdout.readline())
        recorder.stdin.write("\n")
        recorder.stdin.flush()
        self.assertIn("go into ", recorder.stdout.readline())
        self.assertIn("a-2.mkv: ", recorder.stdout.readline())
        recorder.terminate()
        self.assert_ends(recorder)
        times = play(self.path)
        self.assert_even(times, before + FPS - 2)
        self.assert_even(play(self.folder / "a-2.mkv"), 2 * FPS - 2)
        self.assert_fails(3, "nobody records", "trigger", self.name, env=self.env)

    def test_killed_it_leaves_what_plays(self):
        self.start_pipeline()
        recorder = self.start_record()
        while not self.path.exists() or self.path.stat().st_size < 20000:
            self.assertIsNone(recorder.poll())
        recorder.kill()
        recorder.wait()
        self.assert_even(play(self.path), 5)

    def test_encoded_rings_go_as_they_are(self):
        self.start_pipeline("videoconvert ! jpegenc !")
        self.assertIn("jpeg, as it is", self.assert_ends(self.start_record("--after", "1")))
        self.assert_even(play(self.path), 30)

    @unittest.skipUnless("x264enc" in ENCODERS, "gstreamer1.0-plugins-ugly is not installed")
    def test_byte_streams_become_what_a_file_takes(self):
        self.start_pipeline("x264enc tune=zerolatency key-int-max=10 ! "
                            "video/x-h264,stream-format=byte-stream !")
        self.assertIn("h264, as it is", self.assert_ends(self.start_record("--after", "1")))
        self.assert_even(play(self.path), 25)

    def test_odd_sizes(self):
        self.start_pipeline(size=321)
        self.assertIn("30 frames, 1.0 s, ", self.assert_ends(self.start_record("--after", "1")))
        self.assert_even(play(self.path), 30)

    def start_sound(self, more=""):
        writer = Gst.parse_launch(f"audiotestsrc is-live=true samplesperbuffer=441 ! audio/x-raw,"
                                  f"format=S16LE,rate=44100,channels=1 ! {more} "
                                  f"shmringsink ring-name={self.name} caps=ANY")
        writer.set_state(Gst.State.PLAYING)
        self.addCleanup(writer.set_state, Gst.State.NULL)
        while not os.path.exists(f"/dev/shm/{self.name}"):
            time.sleep(0.01)

    def test_sound(self):
        self.start_sound()
        out = self.assert_ends(self.start_record("--after", "1"))
        self.assertIn("audio, as it is", out)
        self.assertIn("100 frames, 1.0 s, ", out)
        self.assertEqual(len(play(self.path)), 100)

    def test_what_no_file_takes(self):
        self.start_sound("audioconvert ! rtpL16pay !")
        recorder = self.start_record("--after", "1")
        _, error = recorder.communicate(timeout=20)
        self.assertEqual(recorder.returncode, 1)
        self.assertIn("a Matroska file takes no application/x-rtp", error)
        self.assertFalse(self.path.exists())

    def test_memory_is_bounded_and_said(self):
        self.start_pipeline("videoconvert ! jpegenc !")
        recorder = self.start_record("--before", "1h", "--memory", "100k")
        self.assertIn("in at most 100k of memory", recorder.stdout.readline() + recorder.stdout.readline())
        self.assertIn("100k of memory do not hold 3600 s", recorder.stdout.readline())
        recorder.terminate()
        self.assert_ends(recorder)

    def test_no_old_file_is_written_over(self):
        self.start_pipeline()
        self.path.write_bytes(b"mine")
        self.assert_fails(1, "a.mkv exists", "record", self.name, self.path)
        self.assertEqual(self.path.read_bytes(), b"mine")

    def test_no_ring(self):
        self.assert_fails(3, "there is no ring", "record", self.name, self.path)


if __name__ == "__main__":
    unittest.main()
