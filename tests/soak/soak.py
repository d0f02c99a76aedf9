# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything at once, for as long as you like: `soak.py DURATION [--seed N]`, as 90s, 10m or 8h.

A pipeline writes; two pipelines, three Python readers and an observer read. At random some are
killed, stopped for a while, ended and started anew, and pictures change their size. Each part checks
each frame. Those of which `killed` is no stay to the end: what they use of memory, descriptors and
mappings does not grow. In the end nothing is left in /dev/shm. Prints a table.
"""

import argparse
import glob
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

import shmring

PART = pathlib.Path(__file__).with_name("part.py")
SIZES = 4
WARM = 120  # frames, until a process has all that it needs
GROWTH = 24, 0, 12  # MB of memory, descriptors, mappings
UNITS = {"s": 1, "m": 60, "h": 3600}
# Kind, and whether it is killed.
PARTS = [("writer", True), ("source", False), ("leaky-source", True), ("all", True), ("latest", False),
         ("copies", True), ("observer", False)]


class Part:
    def __init__(self, kind, is_killed, ring):
        self.kind, self.is_killed, self.ring = kind, is_killed, ring
        self.starts = self.kills = self.stops = self.frames = 0
        self.first = self.last = (0, 0, 0)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-W", "ignore", PART, self.kind, self.ring],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.starts, self.now = self.starts + 1, 0
        self.first = (0, 0, 0)
        threading.Thread(target=self._hear, args=(self.process,), daemon=True).start()

    def _hear(self, process):
        for line in process.stdout:
            before, self.now = self.now, int(line)
            self.frames += max(self.now - before, 0)

    def look(self, calm=False):
        """What it uses now: MB, descriptors, mappings. Once it is calm, the least counts: who
        follows a ring has two for a moment."""
        folder = f"/proc/{self.process.pid}"
        try:
            kilobytes = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(folder, "status").read_text())[1]
            found = (int(kilobytes) // 1024, len(os.listdir(f"{folder}/fd")),
                     len(pathlib.Path(folder, "maps").read_text().splitlines()))
        except (OSError, TypeError):
            return
        if self.now > WARM:
            self.first = self.first if any(self.first) else found
            self.last = tuple(map(min, self.last, found)) if calm and any(self.last) else found

    def require_alive(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.kind} ended with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()

    def restart(self):
        self.end()
        self.start()

    def stop(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)
        self.stops += 1

    def end(self):
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            sys.exit(f"{self.kind} ended with {self.process.returncode}")

    def is_known(self):
        """What it uses when it is warm, of those that stay."""
        return self.is_killed or any(self.first)

    def grown(self):
        """What grew, of those that stay."""
        if self.is_killed:
            return []
        return [f"{self.kind}: {what} from {before} to {after}" for what, before, after, limit in
                zip(("MB", "descriptors", "mappings"), self.first, self.last, GROWTH)
                if after > before + limit]

    def row(self):
        return (self.kind, "yes" if self.is_killed else "no", self.starts, self.kills, self.stops,
                self.frames, *(f"{a} → {b}" for a, b in zip(self.first, self.last)))


HEAD = ("part", "killed", "starts", "kills", "stops", "frames", "MB", "descriptors", "mappings")


def act(parts, dice):
    """One thing that goes wrong; 1, if it was a change of the pictures' size."""
    part = dice.choice(parts)
    how = dice.random()
    if how < 0.35 and part.is_killed:
        part.kill()
    elif how < 0.55 and part.is_killed:
        part.restart()
    elif how < 0.75:
        part.stop(dice.uniform(0.05, 2))
    else:
        writer = parts[0]
        print(dice.randrange(SIZES), file=writer.process.stdin, flush=True)
        return 1
    return 0


def shake(parts, seconds, dice):
    end, progress, changes = time.monotonic() + seconds, time.monotonic(), 0
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.1, 1.5))
        for part in parts:
            part.require_alive()
            part.look()
        changes += act(parts, dice)
        if sys.stderr.isatty() and time.monotonic() > progress + 5:
            progress = time.monotonic()
            print(f"\r{end - progress:8.0f} s left", end="", file=sys.stderr, flush=True)
    return changes


def require_all_read(parts):
    """Left alone, each gets frames again, and no reader but the living has a port."""
    before = [part.frames for part in parts]
    end = time.monotonic() + 60
    while waited_for := [part.kind for part, had in zip(parts, before)
                         if part.frames <= had + 10 or not part.is_known()]:
        for part in parts:
            part.require_alive()
            part.look(calm=True)
        if time.monotonic() > end:
            sys.exit("no more frames: " + ", ".join(waited_for))
        time.sleep(0.1)
    attached = len(shmring.query(parts[0].ring).readers)
    if attached != len(parts) - 2:
        sys.exit(f"{attached} readers are attached")


def require_all_free(ring):
    """Once its readers are gone, each slot is the writer's again."""
    end = time.monotonic() + 60
    while (info := shmring.query(ring)).free_slots != info.slots:
        if time.monotonic() > end:
            sys.exit(f"{info.free_slots} of {info.slots} slots are free")
        time.sleep(0.1)
    return f"{info.free_slots} of {info.slots} slots free"


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(HEAD))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def left_of(ring):
    return glob.glob(f"/dev/shm/{ring}*")


def seconds_of(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration: 90s, 10m, 8h")
    return float(found[1]) * UNITS[found[2] or "s"]


def main():
    parser = argparse.ArgumentParser(prog="./dev soak")
    parser.add_argument("duration", type=seconds_of)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    args = parser.parse_args()
    ring = f"soak-{os.getpid()}"
    parts = [Part(kind, is_killed, ring) for kind, is_killed in PARTS]
    try:
        changes = shake(parts, args.duration, random.Random(args.seed))
        require_all_read(parts)
        files = len(left_of(ring))
        for part in reversed(parts[1:]):
            part.end()
        free = require_all_free(ring)
        parts[0].end()
    finally:
        for part in parts:
            part.process.kill()
    table([HEAD, *(part.row() for part in parts)])
    grown = [what for part in parts for what in part.grown()]
    left = left_of(ring)
    print(f"seed {args.seed}; {changes} sizes told; at the end {free}; "
          f"{files} files of the ring while it lived, {len(left)} afterwards")
    if grown or left or files != 2:
        sys.exit("\n".join(grown + left) or f"{files} files")


main()
