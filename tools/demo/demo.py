#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sends live video through a ring to a Python script and to a second pipeline at once."""

import argparse
import asyncio
import os
import re
import signal
import sys
import time

from display import Display
from part import Part

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST_FRAME_WITHIN_S = 30
END_WITHIN_S = 15
ABANDON_WITHIN_S = 2


class DemoError(Exception):
    pass


def picture_size(text):
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 1920x1080")
    return match.groups()


def seconds(text):
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a time to run")
    return value


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--camera", metavar="DEVICE", help="show this camera, say /dev/video0")
    source.add_argument("--file", metavar="FILE", help="show this video file, in real time")
    parser.add_argument("--seconds", type=seconds, default=5, help="how long (default: 5)")
    parser.add_argument("--size", type=picture_size, default=("1920", "1080"), metavar="WxH")
    parser.add_argument("--ring", default="cam0", metavar="NAME", help="default: cam0")
    parser.add_argument("--png", default="demo.png", metavar="FILE", help="where the frame goes")
    return parser.parse_args()


def source_elements(options, size):
    """The start of the writing pipeline, as gst-launch-1.0 takes it."""
    adapt = ["!", "decodebin", "!", "videoconvert", "!", "videoscale", "!", "videorate"]
    if options.camera:
        # Cameras give 1080p30 mostly as MJPEG: named first, it is what v4l2src comes closest to.
        wanted = f"image/jpeg,{size},framerate=30/1;image/jpeg;video/x-raw"
        return ["v4l2src", f"device={options.camera}", "!", wanted, *adapt]
    if options.file:
        return ["filesrc", f"location={options.file}", *adapt]
    return ["videotestsrc", "is-live=true"]


def writer_processand(options):
    size = "width={},height={}".format(*options.size)
    caps = f"video/x-raw,format=BGR,{size},framerate=30/1"
    paced = ["sync=true", "wait-for-connection=true"] if options.file else []
    source = source_elements(options, size)
    return ["gst-launch-1.0", "-q", "-e", *source, "!", caps, "!",
            "shmringsink", f"name={options.ring}", *paced]


def commands(options):
    """What runs. The writer is leashed: it ends when the demo does, even by kill -9."""
    reader = [sys.executable, os.path.join(HERE, "python_reader.py"), options.ring, options.png]
    pipeline = [sys.executable, os.path.join(HERE, "pipeline_reader.py"), options.ring]
    return {
        "writer": ["setpriv", "--pdeathsig", "INT", *writer_processand(options)],
        "python": reader,
        "pipeline": pipeline,
    }


def check(parts):
    failures = [part.failure() for part in parts if part.failed]
    if failures:
        raise DemoError("\n".join(failures))


def is_over(readers, started, running_since, options):
    """True when the time is up; an error when there is nothing to time yet for too long."""
    if running_since is not None:
        return time.monotonic() - running_since >= options.seconds
    if time.monotonic() - started > FIRST_FRAME_WITHIN_S:
        silent = " and ".join(part.title for part in readers if not part.report)
        raise DemoError(f"no frame reached {silent} within {FIRST_FRAME_WITHIN_S} s")
    return False


async def watch(parts, display, stop, options):
    """Shows figures until the time is up, the video ends, something fails, or STOP is set."""
    _, *readers = parts
    started, running_since = time.monotonic(), None
    waiting = [asyncio.ensure_future(stop.wait()), *(part.task for part in parts)]
    while not stop.is_set() and not any(part.ended for part in parts):
        await asyncio.wait(waiting, timeout=display.interval_s,
                           return_when=asyncio.FIRST_COMPLETED)
        check(parts)
        if running_since is None and all(part.report for part in readers):
            running_since = time.monotonic()
        if is_over(readers, started, running_since, options):
            break
        display.update()


async def finish(parts):
    """Ends the stream: the readers read what is left, then end by themselves."""
    writer, *readers = parts
    # A reader that has ended saw the stream's end: the writer is ending, and must not be disturbed.
    if not any(reader.ended for reader in readers):
        writer.interrupt()
    await asyncio.wait([part.task for part in parts], timeout=END_WITHIN_S)
    late = " and ".join(part.title for part in parts if not part.ended)
    if late:
        raise DemoError(f"{late} did not end within {END_WITHIN_S} s of the stream's end")
    check(parts)


async def abandon(writer):
    """Interrupted before both readers had a frame: one that waits for a ring sees no end."""
    writer.interrupt()
    await asyncio.wait([writer.task], timeout=ABANDON_WITHIN_S)


def stop_on_signals():
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def run(options):
    stop = stop_on_signals()
    print(f"{' '.join(writer_processand(options))}\n")
    print("Latency: from a frame's capture until the reader has it.", flush=True)
    parts = []
    try:
        for title, command in commands(options).items():
            parts.append(await Part.start(title, *command))
        with Display(parts[1:]) as display:
            await watch(parts, display, stop, options)
            if not stop.is_set() or all(part.report for part in parts[1:]):
                await finish(parts)
            else:
                await abandon(parts[0])
    finally:
        await asyncio.gather(*(part.kill() for part in parts))
    if parts[1].ended_well:
        print(f"\nThe last frame as the Python script had it: {os.path.abspath(options.png)}")
        print("Rings and their readers, live, while they run: ./dev shell shmring top")
    return 130 if stop.is_set() else 0


def watch_children_without_threads():
    """Python 3.12 and later do by themselves. A thread a child would each, as it ends with a killed
    demo, send the writer its signal, and the second one kills gst-launch-1.0."""
    if sys.version_info < (3, 12):
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())


def main():
    watch_children_without_threads()
    try:
        sys.exit(asyncio.run(run(parse_arguments())))
    except DemoError as error:
        sys.exit(f"\ndemo: {error}")


if __name__ == "__main__":
    main()
