# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rings on two hosts with a bad cable between them: 5 ms, 1 % lost, and cut for a while."""

import sys
import time
import unittest

import numpy as np

import shmring
from beside import ROUTER, SRT_EXAMPLE, python_with_zenoh
from camera import level_in, number_in
from case import BridgeTest, needs, needs_serve
from hosts import Hosts


ECHO = """if True:
    import socket, sys
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((sys.argv[1], 7007))
        print("echoes", flush=True)
        while True:
            one.sendto(*one.recvfrom(100))
"""
ASK = """if True:
    import socket, sys, time
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect((sys.argv[1], 7007))
        one.settimeout(0.2)
        times = []
        for number in range(int(sys.argv[2])):
            sent = time.monotonic()
            one.send(str(number).encode())
            try:
                while one.recv(100) != str(number).encode():
                    pass
                times.append(time.monotonic() - sent)
            except socket.timeout:  # TimeoutError, from Python 3.10 on
                pass
    print("answers:", len(times), min(times, default=0))
"""


class CableTest(BridgeTest):
    """What the others stand on."""

    def ask(self, hosts, count):
        """How many answers came, and the quickest one's time."""
        asks = self.run_beside(*hosts.on("near"), sys.executable, "-c", ASK, hosts.far, count)
        came, quickest = asks.line("answers:").split()[1:]
        return int(came), float(quickest)

    def test_it_delays_loses_and_can_be_cut(self):
        with Hosts(delay_s=0.02, loss=0.3) as hosts:
            echo = self.run_beside(*hosts.on("far"), sys.executable, "-c", ECHO, hosts.far)
            echo.line("echoes")
            came, quickest = self.ask(hosts, 40)
            self.assertGreaterEqual(quickest, 0.04)
            self.assertTrue(0 < came < 40, came)
            hosts.loss, hosts.cut = 0, True
            self.assertEqual(self.ask(hosts, 3)[0], 0)
            hosts.cut = False
            self.assertGreater(self.ask(hosts, 10)[0], 0)


class HostsTest(BridgeTest):
    def setUp(self):
        super().setUp()
        self.hosts = Hosts(delay_s=0.005, loss=0.01)
        self.hosts.__enter__()
        self.addCleanup(self.hosts.__exit__)
        self.far = f"{self.name}-far"

    def on(self, side, *command):
        return self.run_beside(*self.hosts.on(side), *command)

    def command(self, side, *arguments, python=sys.executable):
        return self.on(side, python, "-B", "-m", "shmring", *arguments)

    def assert_survives_a_cut(self, reader, seconds=5):
        """Pictures come, do not while the cable is cut, and come again, newer than before."""
        before = self.picture(reader)
        self.hosts.cut = True
        time.sleep(seconds)
        self.hosts.cut = False
        joined = time.monotonic()
        while (after := self.picture(reader)) < before + 30 * (seconds - 1):
            self.assertLess(time.monotonic(), joined + 60)
        print(f"pictures {time.monotonic() - joined:.1f} s after the cut; of {self.hosts.passed} "
              f"packets {self.hosts.lost} were lost")
        return after

    def picture(self, reader):
        """The number of the next, which is whole."""
        while True:
            frame = reader.read(timeout=60)
            if abs(level_in(np.asarray(frame.array)) - 100) < 12:
                return number_in(np.asarray(frame.array))

    @needs_serve
    def test_rtsp(self):
        self.camera()
        self.command("near", "serve", "--address", self.hosts.near).line("rtsp")
        self.command("far", "ingest", f"rtsp://{self.hosts.near}:8554/{self.name}", self.far,
                     "--silence", 2)
        with shmring.Reader(self.far, "latest", timeout=60, on_disconnect="wait") as reader:
            self.assert_survives_a_cut(reader)

    def test_zenoh(self):
        python = python_with_zenoh()
        if python is None:
            self.skipTest("zenoh is not installed, and PyPI cannot be had")
        self.camera()
        way = ("--address", self.hosts.near)
        self.on("near", python, "-c", ROUTER, 7447, self.hosts.near).line("routes")
        there = ("--connect", f"tcp/{self.hosts.near}:7447")
        self.command("near", "mirror", self.name, "--to", f"zenoh:{self.name}", *way, *there,
                     python=python)
        far = self.command("far", "mirror", "--from", f"zenoh:{self.name}", self.far,
                           "--address", self.hosts.far, *there, python=python)
        far.line("clock is")
        with shmring.Reader(self.far, "latest", timeout=60, on_disconnect="wait") as reader:
            self.assert_survives_a_cut(reader)

    @needs("srtsrc", "srtsink", "x264enc", "mpegtsmux", "tsdemux", "avdec_h264")
    def test_srt(self):
        self.camera()
        self.on("near", sys.executable, "-B", SRT_EXAMPLE, "send",
                self.name, f"srt://{self.hosts.near}:7001?mode=listener")
        self.on("far", sys.executable, "-B", SRT_EXAMPLE, "receive",
                self.far, f"srt://{self.hosts.near}:7001?mode=caller")
        with shmring.Reader(self.far, "latest", timeout=60, on_disconnect="wait") as reader:
            self.assert_survives_a_cut(reader)


if __name__ == "__main__":
    unittest.main()
