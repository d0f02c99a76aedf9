# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the bridges share: rings with numbered pictures, commands that run beside them,
and pipelines whose samples are looked at."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import gi
import numpy as np

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

import shmring  # noqa: E402
from beside import HERE, WAIT_S, Process  # noqa: E402
from shmring.gst import sample_as_array  # noqa: E402
from support import RingTest  # noqa: E402

NTP_EPOCH_NS = 2_208_988_800 * 10**9
# Instead of the machine's own configuration, which may make it an authority's.
CERTIFICATE = """
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = localhost
[extensions]
subjectAltName = IP:127.0.0.1
basicConstraints = critical, CA:FALSE
"""

Gst.init(None)


def needs(*elements):
    """Skips by name what GStreamer does not have here."""
    lacking = [name for name in elements if not Gst.ElementFactory.find(name)]
    return unittest.skipIf(lacking, f"GStreamer has no {', '.join(lacking)}")


def needs_typelib(name):
    try:
        gi.require_version(name, "1.0")
    except ValueError:
        return unittest.skip(f"gi has no {name}")
    return lambda test: test


def needs_serve(test):
    """`shmring serve`, and what plays it."""
    elements = needs("h264parse", "rtph264pay", "rtphdrextntp64", "avdec_h264", "rtspsrc")
    return needs_typelib("GstRtspServer")(elements(test))


class Picture:
    """A sample of grey pictures."""

    def __init__(self, sample):
        buffer = sample.get_buffer()
        self.array = sample_as_array(sample).copy()
        self.arrived = time.monotonic()
        self.pts = buffer.pts
        self.captured_ns = self._captured(buffer)

    @staticmethod
    def _captured(buffer):
        unix = buffer.get_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-unix"))
        ntp = buffer.get_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-ntp"))
        if unix:
            return unix.timestamp
        return ntp.timestamp - NTP_EPOCH_NS if ntp else None


class Player:
    """A pipeline that ends in grey pictures."""

    def __init__(self, text):
        self.pipeline = Gst.parse_launch(f"{text} ! videoconvert ! video/x-raw,format=GRAY8 ! "
                                         "appsink name=frames sync=false max-buffers=200")
        self._frames = self.pipeline.get_by_name("frames")
        self.pipeline.set_state(Gst.State.PLAYING)

    def error(self):
        message = self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.EOS)
        if message is None:
            return None
        return str(message.parse_error() if message.type == Gst.MessageType.ERROR else "EOS")

    def picture(self, timeout=WAIT_S):
        sample = self._frames.emit("try-pull-sample", int(timeout * Gst.SECOND))
        if sample is None:
            raise AssertionError(f"no picture within {timeout} s: {self.error()}")
        return Picture(sample)

    def until(self, wanted, timeout=WAIT_S):
        """The first picture that WANTED likes."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            picture = self.picture(timeout)
            if wanted(picture):
                return picture
        raise AssertionError("no such picture came")

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)


class Packets:
    """A pipeline that ends in bytes."""

    def __init__(self, text):
        self.pipeline = Gst.parse_launch(f"{text} ! appsink name=packets sync=false")
        self._packets = self.pipeline.get_by_name("packets")
        self.pipeline.set_state(Gst.State.PLAYING)

    def pull(self, timeout=WAIT_S):
        sample = self._packets.emit("try-pull-sample", int(timeout * Gst.SECOND))
        if sample is None:
            raise AssertionError(f"nothing came within {timeout} s")
        buffer = sample.get_buffer()
        return buffer.extract_dup(0, buffer.get_size())

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)


class BridgeTest(RingTest):
    def run_beside(self, *command, **options):
        process = Process(*command, **options)
        self.addCleanup(process.stop)
        return process

    def shmring(self, *arguments, **options):
        """The command, running."""
        return self.run_beside(sys.executable, "-B", "-m", "shmring", *arguments, **options)

    def camera(self, name=None, **options):
        options = {"level": 100, "size": "320x192", "fps": 30, "count": 0, **options}
        camera = self.run_beside(sys.executable, "-B", HERE / "camera.py", name or self.name,
                                 *options.values())
        self.addCleanup(self._sweep, name or self.name)
        return camera

    def encoded_camera(self, kind, encoder):
        """White pictures as KIND, h264 or h265, of which there is one."""
        self.addCleanup(self._sweep, self.name)
        camera = self.run_beside(
            "gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "pattern=white", "!",
            "video/x-raw,format=I420,width=320,height=192,framerate=30/1", "!", encoder,
            "tune=zerolatency", "key-int-max=15", "!", f"{kind}parse", "!", "shmringsink",
            f"name={self.name}", "caps=ANY")
        with shmring.Reader(self.name, timeout=WAIT_S) as reader:  # its kind is known from now on
            reader.read()
        return camera

    def assert_disturbs_nobody(self, bridge):
        """While BRIDGE, which begins to read this ring, stands still, nobody waits for it."""
        with shmring.Writer(self.name, 320, 192, "GRAY8", timeout=WAIT_S) as writer, \
                shmring.Reader(self.name, timeout=WAIT_S) as here:
            def send(level):
                writer.write(np.full((192, 320), level, "u1"))
                self.assertEqual(here.read().array[0, 0], level)

            here.try_read()
            while len(writer.readers) < 2:
                send(0)
                time.sleep(0.02)
            bridge.process.send_signal(signal.SIGSTOP)
            self.addCleanup(bridge.process.send_signal, signal.SIGCONT)
            for number in range(200):
                send(number)
            self.assertEqual((writer.stats.waits, here.stats.dropped), (0, 0))

    def certificate(self):
        """Files with a key, and with a certificate of 127.0.0.1 for it."""
        if not shutil.which("openssl"):
            self.skipTest("there is no openssl")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key, certificate = f"{folder.name}/key", f"{folder.name}/certificate"
        config = Path(folder.name, "config")
        config.write_text(CERTIFICATE)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                        "-config", config, "-keyout", key, "-out", certificate], check=True,
                       stderr=subprocess.DEVNULL)
        return key, certificate

    def _sweep(self, name):
        """What a killed camera left."""
        import shmring

        try:
            shmring.Writer(name, 16, 16).close()
        except shmring.RingBusy:  # it lives, and cleans up by itself
            pass

    def packets(self, text):
        packets = Packets(text)
        self.addCleanup(packets.stop)
        return packets

    def play(self, text):
        player = Player(text)
        self.addCleanup(player.stop)
        return player
