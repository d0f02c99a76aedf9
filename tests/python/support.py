# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests share: a writer in another process, driven by lines, and rings of unique names."""

import glob
import itertools
import os
import signal
import struct
import subprocess
import sys
import unittest

import numpy as np

from shmring import raw

RING_WRITER = os.environ["RING_WRITER"]
FRAME_NS = 40_000_000
EPOCH_NS = 1_700_000_000_000_000_000

_counter = itertools.count()


def unique_name(hint):
    return f"test-{os.getpid()}-{next(_counter)}-{hint}"


def frame_bytes(seq, size):
    """What ring-writer puts into frame SEQ."""
    return ((np.arange(size) + 31 * seq) & 255).astype(np.uint8)


def bgr(width, height, slots=8, **more):
    """A ring of BGR frames with rows as GStreamer pads them."""
    stride = (3 * width + 3) // 4 * 4
    return dict(size=stride * height, width=width, height=height, channels=3, format="BGR",
                planes=1, stride=stride, slots=slots, **more)


def run_python(script, *args, **kwargs):
    """Starts another interpreter of the same kind on SCRIPT."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script, *args]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, **kwargs)


class Writer:
    def __init__(self, name, size, **options):
        self.name = name
        pairs = [key.replace("_", "-").encode() + b"=" + (value if isinstance(value, bytes)
                                                          else str(value).encode())
                 for key, value in options.items()]
        self.process = subprocess.Popen([RING_WRITER, name, str(size), *pairs], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ready = self.answer()

    def send(self, *command):
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, *command):
        self.send(*command)
        return self.answer()

    def publish(self, count=1):
        return self.ask("publish", count)

    def try_publish(self, count=1):
        return self.ask("publish", count, 0)

    def close(self):
        """Stops the writer without end of stream."""
        self.process.stdin.close()
        self.wait()

    def kill(self):
        self.process.kill()
        self.process.stdin.close()
        self.wait()

    def wait(self):
        self.process.stdout.read()  # answers that nobody asked for would break its pipe
        self.process.stdout.close()
        self.process.wait()


def lie(name, **fields):
    """Changes the newest frame's header where it lies, as a writer that lies might."""
    with open(f"/dev/shm/{name}", "r+b", buffering=0) as file:
        h = raw.unpack(raw.HEADER, os.pread(file.fileno(), raw.HEADER_BYTES, 0))
        at = h["ring_offset"] + 8 * ((h["head"] - 1) % h["capacity"])
        (descriptor,) = struct.unpack("<Q", os.pread(file.fileno(), 8, at))
        frame = h["frames_offset"] + (descriptor & 0xFFFF) * h["frame_stride"]
        for field, value in fields.items():
            offset, code = (raw.FRAME_BYTES, "16s") if field == "caps" else raw.FRAME[field]
            values = value if isinstance(value, tuple) else (value,)
            data = struct.pack("<" + code, *values)
            os.pwrite(file.fileno(), data[: len(value)] if field == "caps" else data, frame + offset)


class RingTest(unittest.TestCase):
    """A test with a ring of its own, which must leave nothing behind."""

    def setUp(self):
        self.name = unique_name(self.id().rsplit(".", 1)[-1].replace("_", "-"))
        self.addCleanup(self.check_nothing_left)

    def check_nothing_left(self):
        left = glob.glob(f"/dev/shm/{self.name}*") + glob.glob(f"/dev/shm/.{self.name}*")
        self.assertEqual(left, [])

    def start_writer(self, name=None, **options):
        writer = Writer(name or self.name, **(options or bgr(64, 4)))
        self.assertEqual(writer.ready, "ready 0")
        self.addCleanup(self.stop_writer, writer)
        return writer

    def stop_writer(self, writer):
        if writer.process.returncode is None:
            writer.close()
        if writer.process.returncode != 0:
            Writer(writer.name, 4096).close()  # takes over what a killed writer left, and removes it
        self.assertIn(writer.process.returncode, (0, -signal.SIGKILL))
