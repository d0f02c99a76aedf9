# SPDX-License-Identifier: LGPL-2.1-or-later
"""What both ends in Python do: as measure.h says, in the same words."""

import json
import math
import os
import resource
import select
import struct
import sys
import time

import numpy as np

STAMP = struct.Struct("<QqQ")
WARM, MEASURED, LAST = range(3)
PERCENTS = (50, 90, 99, 100)


def settings(arguments):
    """The KEY=VALUE among the arguments."""
    return dict(text.split("=", 1) for text in arguments)


def say(line):
    # os.write: several ends may share standard output.
    os.write(1, line.encode() + b"\n")


def wait_for_goodbye():
    while os.read(0, 1):
        pass


class Meter:
    """What passes between two moments of this process."""

    def __init__(self):
        self.frames, self.took = 0, []

    def begin(self):
        self.usage, self.began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()

    def end(self):
        now, before = resource.getrusage(resource.RUSAGE_SELF), self.usage
        self.seconds = time.perf_counter() - self.began
        self.cpu = now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime
        self.faults = now.ru_minflt - before.ru_minflt
        self.switches = now.ru_nvcsw + now.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw

    def say(self, role, missed, first, **extra):
        took = sorted(self.took)
        times = {f"p{p}_us": took[(len(took) - 1) * p // 100] / 1000 for p in PERCENTS if took}
        say(json.dumps({"role": role, "pid": os.getpid(), "frames": self.frames,
                        "seconds": self.seconds, "cpu": self.cpu, "faults": self.faults,
                        "switches": self.switches,
                        "missed": missed, "first": first, **times, **extra}))


class Pen:
    """The writing end."""

    def __init__(self, settings):
        self.shape = (int(settings.get("height", 1080)), int(settings.get("width", 1920)), 3)
        self.size = math.prod(self.shape)
        self.fill, self.spin = (bool(int(settings.get(key, 0))) for key in ("fill", "spin"))
        fps = int(settings.get("fps", 0))
        self.interval_ns = 10**9 // fps if fps else 0
        self.run_ns = int(1e9 * float(settings.get("seconds", 1)))
        self.number, self.first, self.due, self.phase = 0, 0, 0, WARM
        self.meter = Meter()

    def next(self):
        """Waits until the next frame is due; False: all are written, and everybody has looked."""
        if self.phase == LAST:
            self.meter.say("write", 0, self.first)
            wait_for_goodbye()
            return False
        if self.interval_ns:
            self.due = (self.due or time.monotonic_ns()) + self.interval_ns
            time.sleep(max(0, self.due - time.monotonic_ns()) / 1e9)
        if self.phase == WARM and select.select([0], [], [], 0)[0]:
            self._begin()
        elif self.phase == MEASURED and time.monotonic_ns() >= self.until:
            self._end()
        return True

    def _begin(self):
        while os.read(0, 1) not in (b"\n", b""):
            pass
        self.phase, self.first = MEASURED, self.number
        self.meter.begin()
        self.until = time.monotonic_ns() + self.run_ns

    def _end(self):
        self.phase, self.meter.frames = LAST, self.number - self.first
        self.meter.end()

    def write(self, memory):
        """What a writer does to a frame."""
        if self.number == 0:
            say("warm")
        if self.fill:
            np.frombuffer(memory, np.uint8)[:] = self.number & 0xFF
        stamp = (self.number, time.monotonic_ns(), self.phase)
        STAMP.pack_into(memory, 0, *stamp)
        STAMP.pack_into(memory, self.size - STAMP.size, *stamp)
        self.number += 1


class Eye:
    """The reading end."""

    def __init__(self, settings):
        self.all = bool(int(settings.get("all", 0)))
        self.timed = bool(int(settings.get("timed", 0)))
        self.may_tear = bool(int(settings.get("may_tear", 0)))
        self.next, self.missed, self.first, self.begun = 0, 0, 0, False
        self.extra = settings.setdefault("extra", {})
        self.meter = Meter()

    def look(self, memory):
        """False: this was the last frame; what was measured is printed."""
        stamp = number, sent, phase = STAMP.unpack_from(memory)
        if stamp != STAMP.unpack_from(memory, memory.nbytes - 24):
            return self._torn(number)
        if number != self.next or not self.begun:
            self._out_of_step(number, phase)
        self.next = number + 1
        if phase == LAST:
            self.meter.end()
            self.meter.say("read", self.missed, self.first, **self.extra)
            return False
        if self.begun:
            if self.timed:
                self.meter.took.append(time.monotonic_ns() - sent)
            self.meter.frames += 1
        if self.all:
            np.bitwise_xor.reduce(np.frombuffer(memory, np.uint64, memory.nbytes // 8))
        return True

    def _torn(self, number):
        if not self.may_tear:
            sys.exit(f"frame {number} is torn")
        self.missed += 1
        return True

    def _out_of_step(self, number, phase):
        if self.next == 0:
            say("warm")
        else:
            self.missed += number - self.next
        if phase != WARM and not self.begun:
            self.begun, self.first, self.missed = True, number, 0
            self.meter.begin()
