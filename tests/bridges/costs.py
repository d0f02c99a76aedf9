# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each way beyond the machine costs here: `./dev shell python3 tests/bridges/costs.py [SECONDS]`.

A camera of 1080p30 goes over loopback to a second ring. Latency: from being published in the first
to being published in the second. CPU: of all processes between, a frame that arrived. Then 640x360 over
a cable of 5 ms that loses 1 %, and that is cut for 5 s: frames that were lost by that, and seconds from
the cable's repair to the first new picture.
"""

import os
import sys
import time
from typing import NamedTuple

import numpy as np

import shmring
from beside import HERE, ROUTER, SRT_EXAMPLE, Process, free_port, python_with_zenoh
from camera import EPOCH_NS, STEP_NS, number_in
from hosts import Hosts

TICK = os.sysconf("SC_CLK_TCK")


class Link(NamedTuple):
    """From the ring NAME on a host with the address NEAR to the ring SEEN on the one with FAR."""

    name: str
    seen: str
    near: str
    far: str
    size: tuple
    zenoh: str


def shmring_command(*arguments, python=sys.executable):
    return [python, "-B", "-m", "shmring", *arguments]


def rtsp(link, transport="tcp"):
    yield "near", shmring_command("serve", link.name, "--address", link.near, "--port", "8599")
    yield "far", shmring_command("ingest", f"rtsp://{link.near}:8599/{link.name}", link.seen,
                                 "--latency", "50", "--silence", "2", "--transport", transport)


def rtsp_udp(link):
    return rtsp(link, "udp")


def srt(link):
    python = [sys.executable, "-B", SRT_EXAMPLE]
    yield "near", [*python, "send", link.name, f"srt://{link.near}:7099?mode=listener"]
    yield "far", [*python, "receive", link.seen, f"srt://{link.near}:7099?mode=caller"]


def rtp(link):
    width, height = link.size
    caps = ("application/x-rtp,media=video,clock-rate=90000,encoding-name=RAW,sampling=BGR,"
            f"depth=(string)8,width=(string){width},height=(string){height},"
            "colorimetry=SMPTE240M,payload=96")
    mtu = 60000 if link.near == link.far else 1400
    yield "far", ["gst-launch-1.0", "-q", "udpsrc", "port=7098", "buffer-size=50000000",
                  f"caps={caps}", "!", "rtpjitterbuffer", "latency=50", "!", "rtpvrawdepay", "!",
                  "shmringsink", f"name={link.seen}", "async=false"]
    yield "near", ["gst-launch-1.0", "-q", "shmringsrc", f"ring-name={link.name}",
                   "leaky-type=downstream", "on-disconnect=wait", "!", "rtpvrawpay", f"mtu={mtu}",
                   "!", "udpsink", f"host={link.far}", "port=7098", "buffer-size=50000000"]


def mirror(link):
    there = link.near != link.far
    if there:
        yield "near", [link.zenoh, "-c", ROUTER, "7447", link.near]
    way = ["--connect", f"tcp/{link.near}:7447"] if there else []
    yield "far", shmring_command("mirror", "--from", f"zenoh:{link.name}", link.seen, "--address",
                                 link.far, *way, python=link.zenoh)
    yield "near", shmring_command("mirror", link.name, "--to", f"zenoh:{link.name}", "--address",
                                  link.near, *way, python=link.zenoh)


WAYS = {"serve and ingest (H.264)": rtsp, "serve and ingest, UDP": rtsp_udp, "SRT (H.264)": srt,
        "RTP raw (RFC 4175)": rtp, "mirror (zenoh, raw)": mirror}


def cpu_s(process):
    """Of the process and its child, which `ip netns exec` becomes."""
    with open(f"/proc/{process.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def published(name):
    return shmring.query(name).published


class Ends:
    """Numbers of frames and when each was published, in both rings."""

    def __init__(self, name, seen):
        self.first = shmring.Reader(name, "latest", depth=4, timeout=60, on_disconnect="wait")
        self.second = shmring.Reader(seen, "latest", depth=4, timeout=60, on_disconnect="wait")
        self.forget()

    def forget(self):
        self.sent, self.came = {}, {}

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for frame in self.there_now(self.first):
                self.sent[(frame.timestamp_ns - EPOCH_NS) // STEP_NS] = frame.publish_ns
            for frame in self.there_now(self.second):
                self.came.setdefault(number_in(np.asarray(frame.array)), frame.publish_ns)
            time.sleep(0.002)

    @staticmethod
    def there_now(reader):
        """No more than the ring holds: others come while these are looked at."""
        for _ in range(8):
            if frame := reader.try_read():
                yield frame

    def close(self):
        self.first.close()
        self.second.close()

    def latencies_ms(self):
        return sorted((self.came[n] - self.sent[n]) / 1e6 for n in self.came if n in self.sent)


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def measure(way, size, seconds, zenoh, hosts=None):
    name = f"costs-{os.getpid()}-{way.__name__.replace('_', '-')}"
    near, far = (hosts.near, hosts.far) if hosts else ("127.0.0.1", "127.0.0.1")
    link = Link(name, f"{name}-seen", near, far, size, zenoh)
    camera = Process(sys.executable, "-B", HERE / "camera.py", name, "100", "x".join(map(str, size)),
                     "30")
    bridges = [Process(*(hosts.on(side) if hosts else []), *command)
               for side, command in way(link)]
    ends = Ends(name, link.seen)
    try:
        ends.second.read(timeout=60)
        ends.watch(2)
        ends.forget()
        before = [published(name), published(link.seen), sum(map(cpu_s, bridges))]
        ends.watch(seconds)
        after = [published(name), published(link.seen), sum(map(cpu_s, bridges))]
        sent, came, cpu = (a - b for a, b in zip(after, before))
        values = ends.latencies_ms()
        return sent, came, values, cpu, *(cut(ends, hosts) if hosts else ())
    finally:
        ends.close()
        for process in [*bridges, camera]:
            process.stop()


def cut(ends, hosts):
    """The cable is cut for 5 s. Frames that were lost, and seconds from its repair to the first new one."""
    hosts.cut = True
    ends.watch(0.5)  # what was under way
    last = max(ends.came, default=0)
    ends.watch(4.5)
    hosts.cut = False
    newest, repaired = max(ends.sent, default=0), time.monotonic()
    while not (fresh := [n for n in ends.came if newest - 30 < n < newest + 2000]) \
            and time.monotonic() < repaired + 60:
        ends.watch(0.1)
    back = time.monotonic() - repaired
    came = sum(1 for number in ends.came if last < number <= max(fresh, default=newest))
    return max(fresh, default=newest) - last - came, back


def head(title, hosts=False):
    print(f"{title:<26} {'frames':>6} {'lost':>6} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}"
          + (f" {'cut':>6} {'back s':>7}" if hosts else ""), flush=True)


def show(title, sent, came, values, cpu, gone=None, back=None):
    lost = max(0, sent - came)
    after = "" if back is None else f" {gone:>6} {back:>7.1f}"
    print(f"{title:<26} {sent:>6} {lost:>6} {percentile(values, .5):>8.1f} "
          f"{percentile(values, .99):>8.1f} {1000 * cpu / max(1, came):>8.1f}{after}", flush=True)


def web(rings, seconds):
    """CPU of the page's server with so many rings of 1080p30, all of them looked at."""
    import asyncio

    import aiohttp

    names = [f"costs-{os.getpid()}-{i}" for i in range(rings)]
    writers = [shmring.Writer(name, 1920, 1080, framerate=30) for name in names]
    server = Process(*shmring_command("web", *names, "--port", free_port()))

    async def look():
        came, due = 0, time.monotonic()
        async with aiohttp.ClientSession() as session, \
                session.ws_connect(server.line("http") + "live") as socket:
            began, until, before = False, None, 0
            while until is None or time.monotonic() < until:
                for writer in writers:
                    with writer.loan():
                        pass
                due += 1 / 30
                while (left := due - time.monotonic()) > 0:
                    try:
                        message = await socket.receive(timeout=left)
                    except asyncio.TimeoutError:
                        break
                    came += message.type == aiohttp.WSMsgType.BINARY
                    if message.type == aiohttp.WSMsgType.TEXT and not began:
                        await socket.send_json(names)
                    began = began or came > 0
                if began and until is None:
                    until, before, came = time.monotonic() + seconds, cpu_s(server), 0
        return came, cpu_s(server) - before

    try:
        came, cpu = asyncio.run(look())
    finally:
        server.stop()
        for writer in writers:
            writer.close()
    print(f"\nweb: {rings} rings of 1080p30, {came / seconds / rings:.1f} pictures/s each: "
          f"{cpu / seconds:.2f} cores, {1000 * cpu / max(1, came):.1f} ms a picture")


def load():
    with open("/proc/loadavg") as file:
        return f"load {file.read().split()[0]} on {os.cpu_count()} cores"


def main(seconds=10):
    zenoh = python_with_zenoh()
    ways = {title: way for title, way in WAYS.items() if way is not mirror or zenoh}
    print(f"{load()} before, which is not of this")
    head("1080p30, loopback")
    for title, way in ways.items():
        show(title, *measure(way, (1920, 1080), seconds, zenoh))
    print()
    head("640x360, 5 ms, 1 % lost", hosts=True)
    for title, way in ways.items():
        with Hosts(delay_s=0.005, loss=0.01) as hosts:
            show(title, *measure(way, (640, 360), seconds, zenoh, hosts))
    web(8, seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
