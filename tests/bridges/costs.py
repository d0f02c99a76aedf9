# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each way beyond the machine costs here: `./dev shell python3 tests/bridges/costs.py [SECONDS]`.

A camera of 1080p30 goes over loopback to a second ring. Latency: from being published in the first
to being published in the second. CPU: of all processes between, a frame that arrived. Then the same
in H.264 or JPEG over a cable of 5 ms that loses 1 %, and that is cut for 5 s.
"""

import os
import sys
import time

import numpy as np

import shmring
from camera import EPOCH_NS, STEP_NS, number_in
from case import HERE, Process, free_port
from hosts import Hosts
from test_mirror import ROUTER, python_with_zenoh

TICK = os.sysconf("SC_CLK_TCK")
SRT = HERE.parent.parent / "examples/srt.py"
RAW = ("application/x-rtp,media=video,clock-rate=90000,encoding-name=RAW,sampling=BGR,"
       "depth=(string)8,width=(string)1920,height=(string)1080,colorimetry=SMPTE240M,payload=96")


def shmring_command(*arguments, python=sys.executable):
    return [python, "-B", "-m", "shmring", *arguments]


def rtsp(name, seen, near, far, zenoh):
    yield "near", shmring_command("serve", name, "--address", near, "--port", "8599")
    yield "far", shmring_command("ingest", f"rtsp://{near}:8599/{name}", seen, "--latency", "50",
                                 "--silence", "2")


def srt(name, seen, near, far, zenoh):
    yield "near", [sys.executable, "-B", SRT, "send", name, f"srt://{near}:7099?mode=listener"]
    yield "far", [sys.executable, "-B", SRT, "receive", seen, f"srt://{near}:7099?mode=caller"]


def rtp(name, seen, near, far, zenoh):
    yield "far", ["gst-launch-1.0", "-q", "udpsrc", "port=7098", "buffer-size=50000000",
                  f"caps={RAW}", "!", "rtpjitterbuffer", "latency=50", "!", "rtpvrawdepay", "!",
                  "shmringsink", f"name={seen}", "async=false"]
    yield "near", ["gst-launch-1.0", "-q", "shmringsrc", f"ring-name={name}",
                   "leaky-type=downstream", "on-disconnect=wait", "!", "rtpvrawpay", "mtu=60000",
                   "!", "udpsink", f"host={far}", "port=7098", "buffer-size=50000000"]


def mirror(name, seen, near, far, zenoh):
    if near != far:
        yield "near", [zenoh, "-c", ROUTER, "7447", near]
    way = [] if near == far else ["--connect", f"tcp/{near}:7447"]
    yield "far", shmring_command("mirror", "--from", f"zenoh:{name}", seen, "--address", far, *way,
                                 python=zenoh)
    yield "near", shmring_command("mirror", name, "--to", f"zenoh:{name}", "--address", near, *way,
                                  python=zenoh)


WAYS = {"serve and ingest (H.264)": rtsp, "SRT (H.264)": srt, "RTP raw (RFC 4175)": rtp,
        "mirror (zenoh, raw)": mirror}
LOSSY = {"serve and ingest (H.264)": rtsp, "SRT (H.264)": srt}


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
    name = f"costs-{os.getpid()}-{way.__name__}"
    seen = f"{name}-seen"
    near, far = (hosts.near, hosts.far) if hosts else ("127.0.0.1", "127.0.0.1")
    camera = Process(sys.executable, "-B", HERE / "camera.py", name, "100", size, "30")
    bridges = [Process(*(hosts.on(side) if hosts else []), *command)
               for side, command in way(name, seen, near, far, zenoh)]
    ends = Ends(name, seen)
    try:
        ends.second.read(timeout=60)
        ends.watch(2)
        ends.sent.clear(), ends.came.clear()
        before = [published(name), published(seen), sum(map(cpu_s, bridges))]
        ends.watch(seconds)
        after = [published(name), published(seen), sum(map(cpu_s, bridges))]
        sent, came, cpu = (a - b for a, b in zip(after, before))
        values = ends.latencies_ms()
        back = cut(ends, hosts) if hosts else None
        return sent, came, values, cpu, back
    finally:
        ends.close()
        for process in [*bridges, camera]:
            process.stop()


def cut(ends, hosts):
    """Seconds from the cable's repair to the first new picture."""
    hosts.cut = True
    ends.watch(5)
    hosts.cut = False
    ends.came.clear()
    newest, repaired = max(ends.sent, default=0), time.monotonic()
    while not any(number > newest - 30 for number in ends.came) and time.monotonic() < repaired + 30:
        ends.watch(0.1)
    return time.monotonic() - repaired


def show(title, sent, came, values, cpu, back=None):
    lost = max(0, sent - came)
    after = "" if back is None else f"  {back:5.1f}"
    print(f"{title:<26} {sent:>6} {lost:>6} {percentile(values, .5):>8.1f} {percentile(values, .99):>8.1f} "
          f"{1000 * cpu / max(1, came):>8.1f}{after}", flush=True)


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


def main(seconds=10):
    zenoh = python_with_zenoh()
    print(f"{'1080p30, loopback':<26} {'frames':>6} {'lost':>6} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}")
    for title, way in WAYS.items():
        if way is not mirror or zenoh:
            show(title, *measure(way, "1920x1080", seconds, zenoh)[:4])
    print(f"\n{'640x360, 5 ms, 1 % lost':<26} {'frames':>6} {'lost':>6} {'p50 ms':>8} {'p99 ms':>8} "
          f"{'CPU ms':>8}  back s")
    for title, way in {**LOSSY, **({"mirror (zenoh, raw)": mirror} if zenoh else {})}.items():
        with Hosts(delay_s=0.005, loss=0.01) as hosts:
            show(title, *measure(way, "640x360", seconds, zenoh, hosts))
    web(8, seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
