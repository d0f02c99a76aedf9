# SPDX-License-Identifier: LGPL-2.1-or-later
"""One process of the soak: `part.py KIND RING`. It says how many frames it had once a second, checks
each of them, and ends with its standard input.

Every byte of a frame is its number's lowest: what is torn, or of another frame, shows."""

import sys
import threading
import time

import numpy as np

import shmring
from shmring import raw

SIZES = ((64, 48), (640, 360), (320, 240), (1280, 720))
RATE = 60

frames = 0
stopping = threading.Event()
size = [0]  # an index into SIZES


def require(true, *words):
    if not true:
        print(*words, file=sys.stderr, flush=True)
        sys.exit(1)


def check(data, number):
    """DATA is an array of all bytes."""
    global frames
    low, high = int(data.min()), int(data.max())
    require(low == high == number % 256, f"frame {number} has bytes from {low} to {high}")
    frames += 1


# ---- In GStreamer --------------------------------------------------------------------------------


def gst():
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    return Gst


def run(Gst, pipeline, until):
    """Plays it; an error of it is this process's."""
    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    while not until():
        message = bus.timed_pop_filtered(100 * Gst.MSECOND, Gst.MessageType.ERROR)
        require(message is None, message and message.parse_error())
    pipeline.set_state(Gst.State.NULL)


def buffer_of(Gst, number, width, height):
    buffer = Gst.Buffer.new_wrapped(bytes([number % 256]) * (width * height))
    buffer.offset = number
    return buffer


def write(ring):
    Gst = gst()
    pipeline = Gst.parse_launch(
        f"appsrc name=src is-live=true do-timestamp=true format=time max-bytes=1 block=true ! "
        f"shmringsink ring-name={ring} slots=10 sync=false")
    src = pipeline.get_by_name("src")

    def push():
        global frames
        told = None
        while not stopping.is_set():
            width, height = SIZES[size[0]]
            if told != size[0]:
                told = size[0]
                src.set_property("caps", Gst.Caps.from_string(
                    f"video/x-raw,format=GRAY8,width={width},height={height},framerate={RATE}/1"))
            frames += 1
            src.emit("push-buffer", buffer_of(Gst, frames, width, height))
            time.sleep(1 / RATE)

    pipeline.set_state(Gst.State.PLAYING)
    threading.Thread(target=push, daemon=True).start()
    run(Gst, pipeline, stopping.is_set)


def read_in_a_pipeline(ring, more):
    Gst = gst()
    pipeline = Gst.parse_launch(f"shmringsrc ring-name={ring} on-disconnect=wait {more} ! "
                                "appsink name=sink max-buffers=2 drop=false sync=false")
    sink = pipeline.get_by_name("sink")

    def pull():
        while not stopping.is_set():
            sample = sink.emit("try-pull-sample", Gst.SECOND // 10)
            if sample is None:
                continue
            buffer = sample.get_buffer()
            is_mapped, mapped = buffer.map(Gst.MapFlags.READ)
            require(is_mapped, "no frame's bytes")
            check(np.frombuffer(mapped.data, np.uint8), buffer.offset)
            buffer.unmap(mapped)

    puller = threading.Thread(target=pull)
    puller.start()
    run(Gst, pipeline, stopping.is_set)
    puller.join()


# ---- In Python -----------------------------------------------------------------------------------


def read_in_python(ring, mode, depth, lease):
    """In one attachment each frame's number follows, but for those it is told of."""
    held = None
    with shmring.Reader(ring, mode, depth=depth, lease=lease, on_disconnect="wait") as reader:
        while not stopping.is_set():
            try:
                frame = reader.read(timeout=0.2)
            except (shmring.Timeout, shmring.EndOfStream):
                continue
            check(frame.contiguous(), frame.frame_number)
            if held is not None:
                require(held.array.max() == held.frame_number % 256, "a frame that was held changed")
                held.release()
            held = frame
        if held is not None:
            held.release()


def observe(ring):
    with raw.RawReader(ring) as reader:
        while not stopping.is_set():
            try:
                frame = reader.latest(timeout=0.2)
            except (raw.Timeout, raw.EndOfStream, raw.WriterLost, raw.LayoutError):
                time.sleep(0.01)
                continue
            check(np.asarray(frame.data), frame.frame_number)


KINDS = {
    "writer": write,
    "source": lambda ring: read_in_a_pipeline(ring, ""),
    "leaky-source": lambda ring: read_in_a_pipeline(ring, "leaky-type=downstream max-buffers=2"),
    "all": lambda ring: read_in_python(ring, "all", 1, 2),
    "latest": lambda ring: read_in_python(ring, "latest", 2, 1),
    "copies": lambda ring: read_in_python(ring, "all", 1, 0),
    "observer": observe,
}


def listen():
    """A line is a size; their end is ours."""
    for line in sys.stdin:
        size[0] = int(line)
    stopping.set()


def say():
    while True:
        print(frames, flush=True)
        time.sleep(1)


def main():
    for job in (listen, say):
        threading.Thread(target=job, daemon=True).start()
    KINDS[sys.argv[1]](sys.argv[2])


main()
