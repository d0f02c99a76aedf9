# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts on one machine: network namespaces, and between them a cable that can delay, lose and be
cut. The cable is a thread between two tun devices, since not every kernel has netem."""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
import unittest

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MOST_WAITING = 2000  # packets in the cable


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, text=True)


def _tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return fd


class Hosts:
    """`near` and `far`: commands that run on a host begin with on(host). A context manager."""

    def __init__(self, delay_s=0.0, loss=0.0, seed=1):
        self.delay_s, self.loss, self.cut = delay_s, loss, False
        self.passed = self.lost = 0
        self._random = random.Random(seed)
        self._names = [f"shmring-{os.getpid()}-{side}" for side in ("near", "far")]
        self.near, self.far = "10.213.77.1", "10.213.77.2"
        self._fds = []
        self._ending, self._end = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self):
        try:
            for i, (name, address) in enumerate(zip(self._names, (self.near, self.far))):
                device = f"shmr{os.getpid() % 100000}{'nf'[i]}"
                _ip("netns", "add", name)
                self._fds.append(_tun(device))
                _ip("link", "set", device, "netns", name)
                other = self.far if i == 0 else self.near
                _ip("-n", name, "addr", "add", address, "peer", other, "dev", device)
                _ip("-n", name, "link", "set", "lo", "up")
                _ip("-n", name, "link", "set", device, "multicast", "on", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            raise unittest.SkipTest(f"no network namespaces and tun devices here: {error}")
        self._thread.start()
        return self

    def __exit__(self, *exception):
        os.write(self._end, b".")
        self._thread.join()
        self._remove()

    def _remove(self):
        for fd in self._fds:
            os.close(fd)
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def on(self, side):
        return ["ip", "netns", "exec", self._names[("near", "far").index(side)]]

    def _carry(self):
        """Whatever comes out of one device goes into the other, later or never."""
        under_way = []
        others = dict(zip(self._fds, reversed(self._fds)))
        while True:
            left = max(0, under_way[0][0] - time.monotonic()) if under_way else None
            ready, _, _ = select.select([*self._fds, self._ending], [], [], left)
            if self._ending in ready:
                return
            for fd in ready:
                self._take(fd, others[fd], under_way)
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(under_way)
                self._give(to, packet)

    def _take(self, fd, to, under_way):
        for _ in range(64):
            try:
                packet = os.read(fd, 65536)
            except BlockingIOError:
                return
            self.passed += 1
            if self.cut or len(under_way) >= _MOST_WAITING or self._random.random() < self.loss:
                self.lost += 1
            else:
                heapq.heappush(under_way, (time.monotonic() + self.delay_s, self.passed, to, packet))

    @staticmethod
    def _give(to, packet):
        try:
            os.write(to, packet)
        except OSError:  # its queue is full, or the packet is none that it takes
            pass
