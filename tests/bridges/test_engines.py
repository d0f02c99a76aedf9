# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pipelines of docs/bridges.md: SRT, and RTP with raw video."""

import os
import socket
import sys
import unittest

import numpy as np

import shmring
from beside import SRT_EXAMPLE, free_port
from camera import number_in
from case import BridgeTest, needs

RAW_CAPS = ("application/x-rtp,media=video,clock-rate=90000,encoding-name=RAW,sampling=BGR,"
            "depth=(string)8,width=(string)320,height=(string)192,colorimetry=SMPTE240M,payload=96")


class EnginesTest(BridgeTest):
    def setUp(self):
        super().setUp()
        self.seen = f"{self.name}-seen"

    def assert_crosses(self):
        with shmring.Reader(self.seen, "latest", timeout=60, on_disconnect="wait") as reader:
            numbers = [number_in(np.asarray(reader.read().array)) for _ in range(30)]
        self.assertEqual(numbers, sorted(numbers))
        self.assertGreater(numbers[-1], numbers[0])

    def srt(self, direction, name, mode, port, passphrase):
        return self.run_beside(sys.executable, "-B", SRT_EXAMPLE, direction, name,
                               f"srt://127.0.0.1:{port}?mode={mode}",
                               env={**os.environ, "SHMRING_SRT_PASSPHRASE": passphrase})

    @needs("srtsrc", "srtsink", "x264enc", "mpegtsmux", "tsdemux", "avdec_h264")
    def test_srt_with_a_passphrase(self):
        port = free_port(socket.SOCK_DGRAM)
        self.camera()
        self.srt("send", self.name, "listener", port, "a long secret")
        self.srt("receive", self.seen, "caller", port, "a long secret")
        self.assert_crosses()

    @needs("srtsrc", "srtsink", "x264enc", "mpegtsmux", "tsdemux", "avdec_h264")
    def test_srt_with_another_passphrase(self):
        port = free_port(socket.SOCK_DGRAM)
        self.camera()
        self.srt("send", self.name, "listener", port, "a long secret")
        self.srt("receive", self.seen, "caller", port, "another secret")
        with shmring.Reader(self.seen) as reader, self.assertRaises(shmring.RingNotFound):
            reader.read(timeout=5)

    @needs("rtpvrawpay", "rtpvrawdepay", "udpsrc")
    def test_rtp_raw(self):
        port = free_port(socket.SOCK_DGRAM)
        self.camera()
        self.run_beside("gst-launch-1.0", "-q", "udpsrc", f"port={port}", "address=127.0.0.1",
                        "buffer-size=8000000", f"caps={RAW_CAPS}", "!", "rtpjitterbuffer", "latency=50",
                        "!", "rtpvrawdepay", "!", "shmringsink", f"name={self.seen}")
        self.addCleanup(self._sweep, self.seen)
        self.run_beside("gst-launch-1.0", "-q", "shmringsrc", f"ring-name={self.name}",
                        "leaky-type=downstream", "on-disconnect=wait", "!", "rtpvrawpay", "mtu=1400",
                        "!", "udpsink", "host=127.0.0.1", f"port={port}")
        self.assert_crosses()


if __name__ == "__main__":
    unittest.main()
