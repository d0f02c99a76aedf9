# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether many streams cost as many times one: `./dev shell python3 tests/bridges/scale.py [SECONDS]`.

1, 4 and 8 cameras of 720p30 at once: as JPEG each mirrored to another ring, as H.264 each served to a
client. CPU is that of the bridges, without camera and client.
"""

import collections
import os
import sys
import threading
import time

import gi

import shmring
from beside import Process, python_with_zenoh
from costs import cpu_s, published, shmring_command

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

STREAMS = 1, 4, 8
ENCODERS = {"image/jpeg": "jpegenc",
            "video/x-h264,stream-format=byte-stream,alignment=au":
                "x264enc tune=zerolatency speed-preset=superfast bitrate=4000 key-int-max=30 ! "
                "h264parse config-interval=-1"}
JPEG, H264 = ENCODERS


def encoded(kind):
    """A second of a moving picture: (bytes, whether it needs those before it) of each frame."""
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,width=1280,height=720,"
        f"framerate=30/1 ! {ENCODERS[kind]} ! {kind} ! appsink name=frames sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    frames = []
    while sample := pipeline.get_by_name("frames").emit("pull-sample"):
        buffer = sample.get_buffer()
        frames.append((buffer.extract_dup(0, buffer.get_size()),
                       buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
    pipeline.set_state(Gst.State.NULL)
    return frames


class Cameras:
    """Rings with the same frames, which a thread publishes 30 times a second."""

    def __init__(self, kind, count):
        self.names = [f"scale-{os.getpid()}-{kind[0]}{i}" for i in range(count)]
        self._frames = encoded(kind)
        self._writers = [shmring.Writer(name, caps=f"{kind},width=1280,height=720", framerate=30,
                                        slots=16) for name in self.names]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self):
        due, number = time.monotonic(), 0
        while not self._ending.wait(max(0, due - time.monotonic())):
            data, delta = self._frames[number % len(self._frames)]
            for writer in self._writers:
                writer.write(data, flags=shmring.FrameFlags.DELTA if delta else 0)
            due, number = due + 1 / 30, number + 1

    def close(self):
        self._ending.set()
        self._thread.join()
        for writer in self._writers:
            writer.close()


def row(what, count, came, wanted, cpu, seconds):
    print(f"{what:<28} {count:>7} {100 * came / wanted:>8.0f} {cpu / seconds:>7.2f} "
          f"{1000 * cpu / max(1, came):>7.2f}", flush=True)


def mirrors(count, seconds, zenoh):
    cameras, bridges = Cameras(JPEG, count), []
    try:
        for name in cameras.names:
            for way in ("--from", f"zenoh:{name}", f"{name}-seen"), (name, "--to", f"zenoh:{name}"):
                bridges.append(Process(*shmring_command("mirror", *way, python=zenoh)))
        for name in cameras.names:
            with shmring.Reader(f"{name}-seen", "latest", timeout=60) as reader:
                reader.read()
        before = sum(map(cpu_s, bridges)), sum(published(f"{n}-seen") for n in cameras.names)
        time.sleep(seconds)
        cpu, came = sum(map(cpu_s, bridges)), sum(published(f"{n}-seen") for n in cameras.names)
        row("JPEG, mirror to mirror", count, came - before[1], 30 * seconds * count,
            cpu - before[0], seconds)
    finally:
        for bridge in bridges:
            bridge.stop()
        cameras.close()


def clients(count, seconds):
    cameras, came = Cameras(H264, count), collections.Counter()
    server = Process(*shmring_command("serve", *cameras.names, "--port", "0"))
    players = []

    def on_frame(sink, name):
        sink.emit("pull-sample")
        came[name] += 1
        return Gst.FlowReturn.OK

    try:
        base = server.line("rtsp").rsplit("/", 1)[0]
        for name in cameras.names:
            player = Gst.parse_launch(f"rtspsrc location={base}/{name} protocols=tcp latency=0 ! "
                                      "rtph264depay ! appsink name=end sync=false emit-signals=true")
            player.get_by_name("end").connect("new-sample", on_frame, name)
            player.set_state(Gst.State.PLAYING)
            players.append(player)
        while min(came[name] for name in cameras.names) < 60:  # all of them play
            time.sleep(0.1)
        before = cpu_s(server), sum(came.values())
        time.sleep(seconds)
        row("H.264, one serve", count, sum(came.values()) - before[1], 30 * seconds * count,
            cpu_s(server) - before[0], seconds)
    finally:
        for player in players:
            player.set_state(Gst.State.NULL)
        server.stop()
        cameras.close()


def main(seconds=10):
    Gst.init(None)
    zenoh = python_with_zenoh()
    print(f"{'720p30':<28} {'streams':>7} {'came %':>8} {'cores':>7} {'CPU ms':>7}")
    for count in STREAMS if zenoh else ():
        mirrors(count, seconds, zenoh)
    for count in STREAMS:
        clients(count, seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
