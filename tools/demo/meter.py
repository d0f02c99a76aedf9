# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a reader of the demo counts, and tells the demo in lines of JSON on its stdout."""

import json
import math
import time
from collections import Counter

BIN_NS = 10_000
REPORT_EVERY_S = 0.2


class Meter:
    """Counts frames, gaps in their numbers, and how long each was on its way."""

    def __init__(self):
        self.frames = 0
        self.dropped = 0
        self._latencies = Counter()  # by bins, so that a long run needs no more memory
        self._seq = None
        self._first = self._last = self._reported = time.monotonic()

    def add(self, seq, latency_ns):
        """Counts frame number SEQ, and reports when it is time to."""
        self._last = time.monotonic()
        if self._seq is None:
            self._first = self._last
        else:
            self.dropped += seq - self._seq - 1
        self._seq = seq
        self.frames += 1
        self._latencies[latency_ns // BIN_NS] += 1
        if self._last - self._reported >= REPORT_EVERY_S:
            self.report()

    def fps(self):
        elapsed = self._last - self._first
        return (self.frames - 1) / elapsed if elapsed else 0.0

    def percentile_ms(self, percent):
        """The latency that PERCENT of the frames do not exceed."""
        rank = math.ceil(self.frames * percent / 100)
        for latency in sorted(self._latencies):
            rank -= self._latencies[latency]
            if rank <= 0:
                return latency * BIN_NS / 1e6
        return math.nan

    def report(self):
        self._reported = time.monotonic()
        figures = {
            "frames": self.frames,
            "fps": self.fps(),
            "p50_ms": self.percentile_ms(50),
            "p99_ms": self.percentile_ms(99),
            "dropped": self.dropped,
        }
        print(json.dumps(figures), flush=True)
