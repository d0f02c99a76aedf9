# SPDX-License-Identifier: LGPL-2.1-or-later
"""One frame at both ends of each way: `./dev shell python3 tests/bridges/frames.py [FILE]`.

Left, the frame as it is in the ring; right, the one of the same number as it arrived. Its number and time
of capture are painted into it. FILE is docs/bridges.png.
"""

import os
import sys
import tempfile
import threading
import time
import urllib.request

import cv2
import numpy as np

import shmring
from beside import HERE, Process, free_port, python_with_zenoh
from camera import captured_ns, number_in, paint
from costs import Link, mirror, rtp, rtsp, shmring_command, srt

WIDTH, HEIGHT = 320, 180
RINGS = {"shmring serve, shmring ingest: H.264": rtsp, "SRT: H.264": srt,
         "raw RTP, RFC 4175": rtp, "shmring mirror: zenoh, raw": mirror}
TITLE = 22


def picture(number):
    """Colours, a circle that goes round, and below camera.py's bars the number in digits."""
    shown = paint(number, 100, WIDTH, HEIGHT)
    lower = shown[HEIGHT // 2:]
    lower[..., 0], lower[..., 2] = np.linspace(0, 255, WIDTH), np.linspace(255, 0, len(lower))[:, None]
    ns = captured_ns(number)
    told = time.strftime("%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns // 10**6 % 1000:03}"
    cv2.circle(lower, (4 * number % WIDTH, 24), 12, (255, 255, 255), -1, cv2.LINE_AA)
    for text, y in (f"frame {number}", 52), (told, 80):
        cv2.putText(lower, text, (8, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2, cv2.LINE_AA)
    return shown


def camera(name):
    with shmring.Writer(name, WIDTH, HEIGHT, framerate=30) as writer:
        number = 0
        while True:
            writer.write(picture(number), timestamp_ns=captured_ns(number))
            number += 1
            time.sleep(1 / 30)


class Near:
    """The ring that all begins with. A thread keeps its frames of the last seconds."""

    def __init__(self):
        self.name = f"frames-{os.getpid()}"
        self._camera = Process(sys.executable, "-B", __file__, "camera", self.name)
        with shmring.Reader(self.name, timeout=60) as reader:  # who serves it now knows its size
            reader.read()
        self._frames = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _keep(self):
        with shmring.Reader(self.name, "all", timeout=60) as reader:
            while not self._ending.is_set():
                frame = np.array(reader.read().array)
                self._frames[number_in(frame)] = frame
                if len(self._frames) > 300:
                    del self._frames[next(iter(self._frames))]

    def pair(self, arrived):
        """The frame as it was, and as it is now; None: it is too old, or none of these."""
        sent = self._frames.get(number_in(arrived))
        return None if sent is None else (sent, arrived)

    def close(self):
        self._ending.set()
        self._thread.join()
        self._camera.stop()


def by_ring(near, way, zenoh):
    link = Link(near.name, f"{near.name}-{way.__name__}", "127.0.0.1", "127.0.0.1",
                (WIDTH, HEIGHT), zenoh)
    bridges = [Process(*command) for _, command in way(link)]
    try:
        with shmring.Reader(link.seen, "latest", timeout=60, on_disconnect="wait") as reader:
            reader.read()
            end = time.monotonic() + 3  # until a codec is at its best
            while True:
                found = near.pair(np.array(reader.read().array)[..., :3])
                if found and time.monotonic() > end:
                    return found
    finally:
        for process in bridges:
            process.stop()


def by_player(near):
    """ffmpeg is the player."""
    server = Process(*shmring_command("serve", near.name, "--port", "0"))
    try:
        url = server.line("rtsp")
        with tempfile.TemporaryDirectory() as folder:
            ffmpeg = Process("ffmpeg", "-v", "error", "-i", url, "-frames:v", "90",
                             f"{folder}/%d.png")
            ffmpeg.process.wait()
            shown = (cv2.imread(f"{folder}/{number}.png") for number in range(90, 0, -1))
            return next(filter(None, map(near.pair, shown)))
    finally:
        server.stop()


def by_browser(near):
    server = Process(*shmring_command("web", near.name, "--port", free_port()))
    try:
        url = server.line("http")
        while near.name not in urllib.request.urlopen(f"{url}rings.json").read().decode():
            time.sleep(0.1)
        shown = (urllib.request.urlopen(f"{url}{near.name}.jpg").read() for _ in range(20))
        shown = (cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in shown)
        return next(filter(None, map(near.pair, shown)))
    finally:
        server.stop()


def titled(title, pair):
    strip = np.full((TITLE, 2 * WIDTH + 4, 3), 255, np.uint8)
    cv2.putText(strip, title, (2, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    gap = np.full((HEIGHT, 4, 3), 255, np.uint8)
    return np.vstack([strip, np.hstack([pair[0], gap, pair[1]])])


def main(path):
    zenoh = python_with_zenoh()
    near = Near()
    try:
        pairs = [("shmring serve, ffmpeg: H.264", by_player(near))]
        pairs += [(title, by_ring(near, way, zenoh)) for title, way in RINGS.items()
                  if way is not mirror or zenoh]
        pairs.append(("shmring web: JPEG", by_browser(near)))
    finally:
        near.close()
    for title, (sent, arrived) in pairs:
        difference = np.abs(sent.astype(int) - arrived)
        print(f"{title}: frame {number_in(sent)}; {difference.mean():.2f} levels apart at the mean")
    shown = [titled(*pair) for pair in pairs]
    gap = np.full((shown[0].shape[0], 16, 3), 255, np.uint8)
    rows = [np.hstack([left, gap, right]) for left, right in zip(shown[::2], shown[1::2])]
    cv2.imwrite(path, np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    if sys.argv[1:2] == ["camera"]:
        try:
            camera(sys.argv[2])
        except KeyboardInterrupt:
            pass
    else:
        main(*sys.argv[1:] or [str(HERE.parent.parent / "docs/bridges.png")])
