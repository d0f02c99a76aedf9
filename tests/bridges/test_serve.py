# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring serve`: rings in players, whatever becomes of their writers."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
import unittest
from types import SimpleNamespace
from unittest import mock

import numpy as np

import shmring
from beside import WAIT_S
from camera import captured_ns, level_in, number_in, paint
from case import BridgeTest, needs, needs_serve
from shmring.command import parser_of
from shmring.command.serve import _Server

DECODED = "rtph264depay ! h264parse ! avdec_h264"


@needs_serve
class ServeTest(BridgeTest):
    def serve(self, *arguments, **options):
        """Of its address, what comes before the ring's name."""
        self.server = self.shmring("serve", "--port", 0, *arguments, **options)
        return self.server.line("rtsp").rsplit("/", 1)[0]

    def watch(self, url, transport="tcp"):
        return self.play(f"rtspsrc location={url} latency=0 protocols={transport} ! {DECODED}")

    def test_a_ring_is_played_over_tcp_and_udp(self):
        self.camera(level=60)
        url = f"{self.serve()}/{self.name}"
        for transport in "tcp", "udp":
            picture = self.watch(url, transport).until(lambda p: abs(level_in(p.array) - 60) < 12)
            self.assertEqual(picture.array.shape, (192, 320))

    def test_one_frame_after_the_other_arrives(self):
        """Not each of them where the machine is busy."""
        self.camera()
        url = f"{self.serve()}/{self.name}"
        for transport in "tcp", "udp":
            player = self.watch(url, transport)
            player.until(lambda p: abs(level_in(p.array) - 100) < 12)
            numbers = [number_in(player.picture().array) for _ in range(90)]
            self.assertEqual(statistics.median(np.diff(numbers)), 1, transport)
            player.stop()

    def test_the_writer_is_killed_and_comes_back(self):
        camera = self.camera(level=60)
        player = self.watch(f"{self.serve(self.name)}/{self.name}")
        player.until(lambda p: abs(level_in(p.array) - 60) < 12)
        camera.kill()
        player.until(lambda p: level_in(p.array) < 30)     # the picture that says so
        gone = time.monotonic()
        while time.monotonic() < gone + 10:
            self.assertLess(level_in(player.picture(10).array), 30)
        self.camera(level=140)
        with shmring.Reader(self.name, "latest") as reader:
            reader.read(timeout=30)
        back = time.monotonic()
        picture = player.until(lambda p: abs(level_in(p.array) - 140) < 12)
        print(f"went on {picture.arrived - back:.2f} s after the writer did")
        self.assertIsNone(player.error())

    def test_one_that_stands_still_disturbs_nobody(self):
        self.watch(f"{self.serve(self.name)}/{self.name}").picture()
        self.assert_disturbs_nobody(self.server)

    def test_a_client_before_the_writer(self):
        player = self.watch(f"{self.serve()}/{self.name}")
        self.assertEqual(player.picture().array.shape, (360, 640))
        self.camera(level=140)
        picture = player.until(lambda p: abs(level_in(p.array) - 140) < 12)
        self.assertEqual(picture.array.shape, (192, 320))

    @needs("x264enc")
    def test_a_client_before_a_writer_of_another_kind(self):
        """H.264 is what it was told, of pictures that were to be encoded."""
        self.assert_stays(self.watch(f"{self.serve(self.name)}/{self.name}"))

    @needs("x264enc")
    def test_a_ring_that_comes_back_as_another_kind(self):
        """H.264 is what it was told, of frames that were to be sent as they are."""
        white = self.encoded_camera("h264", "x264enc")
        player = self.watch(f"{self.serve()}/{self.name}")
        player.until(lambda p: level_in(p.array) > 200)
        white.stop()
        self.assert_stays(player)

    def assert_stays(self, player):
        player.picture()
        for level in 60, 140:
            camera = self.camera(level=level)
            player.until(lambda p: abs(level_in(p.array) - level) < 12)
            camera.stop()
            white = self.encoded_camera("h264", "x264enc")
            player.until(lambda p: level_in(p.array) > 200)
            white.stop()
        self.assertIsNone(player.error())

    def test_a_ring_that_cannot_be_shown(self):
        """Who looked at it is sent away, and does not stand in the way of who comes then."""
        first = self.watch(f"{self.serve(self.name)}/{self.name}")
        first.picture()
        writer = shmring.Writer(self.name, caps="video/x-nothing")
        self.addCleanup(writer.close)
        writer.write(b"nothing")
        self.server.line("has to come again")
        writer.close()
        self.camera(level=60)
        with shmring.Reader(self.name, timeout=WAIT_S) as reader:
            reader.read()
        second = self.watch(self.server.line("rtsp"))
        second.until(lambda p: abs(level_in(p.array) - 60) < 12)

    def test_the_time_of_capture_crosses(self):
        player = self.watch(f"{self.serve(self.name)}/{self.name}")
        self.camera(fps=100)
        worst = 0
        for _ in range(1000):
            picture = player.until(lambda p: abs(level_in(p.array) - 100) < 12)
            worst = max(worst, abs(picture.captured_ns - captured_ns(number_in(picture.array))))
        print(f"worst difference of 1000: {worst / 1e6:.6f} ms")
        self.assertLessEqual(worst, 1_000_000)

    @needs("x264enc")
    def test_an_h264_ring_passes_through(self):
        self.assert_passes_through("h264", "x264enc")

    @needs("x265enc", "h265parse", "avdec_h265")
    def test_an_h265_ring_passes_through(self):
        self.assert_passes_through("h265", "x265enc")

    def assert_passes_through(self, kind, encoder):
        self.encoded_camera(kind, encoder)
        url = f"{self.serve()}/{self.name}"
        source = f"rtspsrc location={url} latency=0 protocols=tcp ! rtp{kind}depay"
        shown = self.play(f"{source} ! {kind}parse ! avdec_{kind}")
        shown.until(lambda p: level_in(p.array) > 200 and p.array.shape == (192, 320))
        client = self.packets(f"{source} ! video/x-{kind},stream-format=byte-stream,alignment=au")
        client.pull()
        with shmring.Reader(self.name) as reader:
            sent = {bytes(memoryview(reader.read(timeout=30)))[-40:] for _ in range(30)}
        self.assertTrue(any(client.pull()[-40:] in sent for _ in range(60)))

    def jpeg_camera(self, form):
        """White pictures."""
        self.addCleanup(self._sweep, self.name)
        self.run_beside("gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "pattern=white", "!",
                        f"video/x-raw,format={form},width=320,height=192,framerate=30/1", "!",
                        "jpegenc", "!", "shmringsink", f"name={self.name}", "caps=ANY")
        with shmring.Reader(self.name, timeout=WAIT_S) as reader:  # it is JPEG, from now on
            reader.read()

    def watch_jpeg(self):
        return self.play(f"rtspsrc location={self.serve()}/{self.name} latency=0 protocols=tcp ! "
                         "rtpjpegdepay ! jpegdec")

    @needs("jpegenc", "jpegdec", "rtpjpegpay")
    def test_a_jpeg_ring_passes_through(self):
        self.jpeg_camera("I420")
        self.watch_jpeg().until(lambda p: level_in(p.array) > 200 and p.array.shape == (192, 320))

    @needs("jpegenc", "jpegdec", "rtpjpegpay")
    def test_jpeg_that_rtp_does_not_carry(self):
        self.jpeg_camera("Y444")
        self.watch_jpeg()
        self.server.line(f"ring '{self.name}': Invalid component; RTP carries JPEG of 4:2:0")

    @needs("opusenc", "rtpopuspay", "opusdec")
    def test_sound(self):
        self.run_beside("gst-launch-1.0", "-q", "audiotestsrc", "is-live=true", "volume=1", "!",
                        "audio/x-raw,format=S16LE,rate=48000,channels=2", "!", "shmringsink",
                        f"name={self.name}", "caps=ANY")
        with shmring.Reader(self.name, timeout=WAIT_S) as reader:  # it is sound, from now on
            reader.read()
        client = self.packets(f"rtspsrc location={self.serve()}/{self.name} latency=0 protocols=tcp ! "
                              "rtpopusdepay ! opusdec ! audio/x-raw,format=S16LE")
        for _ in range(200):
            if np.abs(np.frombuffer(client.pull(), np.int16).astype(int)).max() > 10_000:
                return
        self.fail("only silence came")

    def test_ffmpeg_and_gst_play(self):
        self.camera()
        with shmring.Reader(self.name, timeout=WAIT_S) as reader:  # its size is known from now on
            reader.read()
        url = f"{self.serve()}/{self.name}"
        with self.subTest("ffmpeg"):
            if not shutil.which("ffmpeg"):
                self.skipTest("there is no ffmpeg")
            seen = subprocess.run(
                ["ffmpeg", "-v", "error", "-i", url, "-frames:v", "30", "-f", "rawvideo", "-pix_fmt",
                 "gray", "-"], check=True, timeout=WAIT_S, stdout=subprocess.PIPE).stdout
            for shown in np.frombuffer(seen, np.uint8).reshape(30, 192, 320):
                painted = paint(number_in(shown), 100, 320, 192)[..., 1]
                self.assertLess(np.abs(shown.astype(int) - painted).mean(), 8)
        with self.subTest("gst-play-1.0"):
            if not shutil.which("gst-play-1.0"):
                self.skipTest("there is no gst-play-1.0")
            play = self.run_beside("gst-play-1.0", "--no-interactive", "--videosink=fakesink",
                                   "--audiosink=fakesink", url)
            play.line("Now playing")
            with self.assertRaises(AssertionError):
                play.line("ERROR", timeout=3)


@needs_serve
class LeftoversTest(BridgeTest):
    def setUp(self):
        super().setUp()
        self.server = _Server(parser_of("serve").parse_args([self.name, "--port", "0"]))
        self.url = self.server.url(self.server.start(), self.name)
        self.addCleanup(self.server.close)

    def until(self, done):
        context, end = self.server.glib.MainContext.default(), time.monotonic() + WAIT_S
        while not done():
            self.assertLess(time.monotonic(), end)
            context.iteration(False)
            time.sleep(0.001)

    def test_nothing_stays_of_what_nobody_looks_at(self):
        come, gone = [], []

        def on_media(factory, media):
            media.weak_ref(gone.append, "media")
            media.get_element().weak_ref(gone.append, "stream")
            come.append(media.get_element().get_name())

        self.server._factory.connect("media-configure", on_media)
        self.camera()
        client = self.run_beside("gst-launch-1.0", "rtspsrc", f"location={self.url}", "protocols=tcp",
                                 "!", "fakesink", "silent=false", "-v")
        self.until(lambda: "chain" in client.output)
        client.stop()
        self.until(lambda: len(gone) == 2)
        self.assertEqual(len(come), 1)

    @mock.patch("shmring.command.serve._MOST_NAMES", 2)
    def test_names_that_were_asked_for_stand_in_nobodys_way(self):
        names = [self.name, f"{self.name}-2", f"{self.name}-3"]
        for name in names[1:]:
            url = SimpleNamespace(abspath=f"/{name}")
            self.server._on_describe(None, SimpleNamespace(uri=url))
        points = self.server._server.get_mount_points()
        self.assertEqual([bool(points.match(f"/{name}")[0]) for name in names], [False, True, True])


@needs_serve
class ProtectedTest(BridgeTest):
    def private(self, text):
        file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        return file.name

    def key_and_certificate(self):
        texts = []
        for path in self.certificate():
            with open(path) as file:
                texts.append(file.read())
        return self.private("".join(texts))

    def serve(self, *arguments, **environment):
        server = self.shmring("serve", self.name, "--port", 0, *arguments,
                              env={**os.environ, **environment})
        return server.line("rtsp")

    def source(self, url, more=""):
        return f"rtspsrc location={url} protocols=tcp {more} ! {DECODED}"

    def assert_shown(self, url, more):
        self.assertEqual(self.play(self.source(url, more)).picture().array.shape, (360, 640))

    def assert_refused(self, url, more=""):
        player = self.play(self.source(url, more))
        with self.assertRaisesRegex(AssertionError, "401|Unauthorized"):
            player.picture(5)

    def test_users_in_a_file(self):
        url = self.serve("--users", self.private("ann:secret\nbob:hidden\n"))
        self.assert_shown(url, "user-id=bob user-pw=hidden")
        self.assert_refused(url, "user-id=bob user-pw=secret")
        self.assert_refused(url)

    def test_users_in_the_environment(self):
        url = self.serve(SHMRING_USERS="ann:secret")
        self.assert_shown(url, "user-id=ann user-pw=secret")
        self.assert_refused(url)

    def test_tls(self):
        url = self.serve("--tls", self.key_and_certificate())
        self.assertTrue(url.startswith("rtsps://"))
        self.assert_shown(url, "tls-validation-flags=0")

    def test_users_that_others_could_read(self):
        path = self.private("ann:secret\n")
        os.chmod(path, 0o644)
        server = self.shmring("serve", "--users", path)
        server.line(f"{path} can be read by others: chmod 600")

    def test_what_cannot_name_a_ring(self):
        server = self.shmring("serve", "cam/0")
        self.assertEqual(server.process.wait(WAIT_S), 2)
        server.line("'cam/0' cannot name a ring")

    def test_an_address_that_is_taken(self):
        port = self.serve().rsplit(":", 1)[1].split("/")[0]
        server = self.shmring("serve", "--port", port)
        server.line(f"cannot listen at 127.0.0.1:{port}")


if __name__ == "__main__":
    unittest.main()
