# SPDX-License-Identifier: LGPL-2.1-or-later
"""A live writer and three readers in processes of their own: an element, and Python in modes latest
and all. One after the other is stopped (SIGSTOP): the others go on, and it loses its own frames alone,
knows how many, and goes on when it wakes. `stuck.py ROUNDS` for more of them."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

import shmring  # noqa: E402

ROUNDS = 3
FEW = 20  # frames that show that a reader goes on
LONGEST_WAIT_S = 60
WRITER = ("videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=64,height=48,framerate=100/1 ! "
          "shmringsink name={}")


# ---- The readers' side: a line a frame, and one at the end -----------------------------------------

def tell(*words):
    print(*words, flush=True)


def read_in_python(ring, mode):
    """Each frame's number, whether it is DISCONT, and how many were missed before it."""
    reader = shmring.Reader(ring, mode, depth=2)
    while True:
        try:
            with reader.read(timeout=0.2) as frame:
                tell("frame", frame.frame_number, int(shmring.FrameFlags.DISCONT in frame.flags),
                     frame.dropped)
        except shmring.Timeout as error:
            tell("timeout", error)
        except shmring.EndOfStream:
            break
    stats = reader.stats
    tell("end", stats.received, stats.dropped + stats.withdrawn)


def read_in_a_pipeline(ring):
    Gst.init(None)
    pipeline = Gst.parse_launch(f"shmringsrc name=src ring-name={ring} ! "
                                "appsink name=sink max-buffers=1 drop=false sync=false")
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    number = None
    while sample := sink.emit("pull-sample"):
        buffer = sample.get_buffer()
        tell("frame", buffer.offset, int(buffer.has_flags(Gst.BufferFlags.DISCONT)),
             0 if number is None else buffer.offset - number - 1)
        number = buffer.offset
    stats = pipeline.get_by_name("src").props.ring_stats
    tell("end", stats["received"], stats["dropped"])
    pipeline.set_state(Gst.State.NULL)


# ---- This side ------------------------------------------------------------------------------------

class Reader:
    def __init__(self, role, ring):
        self.role, self.frames, self.timeouts, self.end = role, [], [], None
        self.stopped, self.gap = 0, 0.0
        self.progress = queue.Queue()
        self.process = subprocess.Popen([sys.executable, __file__, role, ring], text=True,
                                        stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            word, _, rest = line.rstrip().partition(" ")
            if word == "frame":
                self.frames.append(tuple(map(int, rest.split())))
                self.progress.put(len(self.frames))
            elif word == "timeout":
                self.timeouts.append(rest)
            elif word == "end":
                self.end = tuple(map(int, rest.split()))

    def wait_for_frames(self, count):
        """COUNT more than there are."""
        target, last = len(self.frames) + count, time.monotonic()
        while len(self.frames) < target:
            self.progress.get(timeout=LONGEST_WAIT_S)
            self.gap, last = max(self.gap, time.monotonic() - last), time.monotonic()

    def send(self, number):
        self.process.send_signal(number)


class StuckTest(unittest.TestCase):
    def setUp(self):
        Gst.init(None)
        self.ring = f"stuck-{os.getpid()}"
        self.pipeline = Gst.parse_launch(WRITER.format(self.ring))
        self.sink = self.pipeline.get_by_name(self.ring)
        self.readers = [Reader(role, self.ring) for role in ("element", "latest", "all")]
        self.addCleanup(self.pipeline.set_state, Gst.State.NULL)
        for reader in self.readers:
            self.addCleanup(reader.process.wait)
            self.addCleanup(reader.process.kill)
        self.sink.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self.all_are_there)
        self.pipeline.set_state(Gst.State.PLAYING)

    def all_are_there(self, pad, info):
        """Frames begin when each of them is there, and so each is offered all of them."""
        if self.sink.props.num_readers < len(self.readers):
            return Gst.PadProbeReturn.DROP
        return Gst.PadProbeReturn.REMOVE

    def wait_for_warning(self, pid):
        """That names the reader; any other one is a fault."""
        message = self.pipeline.bus.timed_pop_filtered(LONGEST_WAIT_S * Gst.SECOND,
                                                       Gst.MessageType.WARNING | Gst.MessageType.ERROR)
        self.assertIsNotNone(message)
        self.assertEqual(message.type, Gst.MessageType.WARNING)
        self.assertIn(f"(pid {pid})", message.parse_warning()[0].message)

    def stop_one(self, stuck):
        others = [reader for reader in self.readers if reader is not stuck]
        known = {reader: len(reader.timeouts) for reader in others}
        stuck.send(signal.SIGSTOP)
        stuck.stopped += 1
        for reader in others:
            reader.wait_for_frames(FEW)
            for text in reader.timeouts[known[reader]:]:
                named = re.search(r"pid (\d+)", text)
                self.assertTrue(named and int(named[1]) == stuck.process.pid, text)
        if stuck.role != "latest":
            self.wait_for_warning(stuck.process.pid)
        stuck.send(signal.SIGCONT)
        stuck.wait_for_frames(FEW)

    def end_stream(self):
        self.pipeline.send_event(Gst.Event.new_eos())
        for reader in self.readers:
            self.assertEqual(reader.process.wait(LONGEST_WAIT_S), 0)
            reader.thread.join()
            reader.process.stdout.close()
        return self.sink.props.ring_stats["published"]

    def check(self, reader, published):
        """All counts are exact, each gap is told of, and only who was stopped has any."""
        last, gaps = None, 0
        for number, is_discont, missed in reader.frames:
            self.assertEqual(number, number if last is None else last + 1 + missed)
            gaps += missed > 0
            if reader.role == "element" or last is not None:
                self.assertEqual(is_discont, int(missed > 0 or last is None))
            last = number
        got, missed = reader.end
        self.assertEqual(got, len(reader.frames))
        self.assertEqual(got + missed, published)
        if reader.role != "latest":
            self.assertEqual(last, self.readers[2].frames[-1][0])
            self.assertEqual(gaps, reader.stopped)

    def test_stuck_readers(self):
        for reader in self.readers:
            reader.wait_for_frames(1)
            reader.gap = 0.0
        for number in range(ROUNDS):
            self.stop_one(self.readers[number % len(self.readers)])
        published = self.end_stream()
        for reader in self.readers:
            self.check(reader, published)
        # who waited for a frame meanwhile heard for whom the writer waits
        told = [text for reader in self.readers for text in reader.timeouts if "pid" in text]
        self.assertNotEqual(told, [])
        print(f"{ROUNDS} rounds, {published} frames:", file=sys.stderr)
        for reader in self.readers:
            print(f"  {reader.role}: {reader.end[0]} got, {reader.end[1]} missed, stopped "
                  f"{reader.stopped} times, {len(reader.timeouts)} timeouts, longest wait "
                  f"for a frame {reader.gap:.2f} s", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["element"]:
        read_in_a_pipeline(sys.argv[2])
    elif len(sys.argv) == 3:
        read_in_python(sys.argv[2], sys.argv[1])
    else:
        ROUNDS = int(sys.argv[1]) if len(sys.argv) == 2 else ROUNDS
        unittest.main(argv=sys.argv[:1])
