#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a frame is on its way to Python: shmring.Reader beside `shmringsrc ! appsink`.

Both read the same ring in turn, every frame, from a writer that copies a picture into each at a
steady rate. A frame's time runs from the moment its last byte is written, just before it is
published, until Python has looked at its first and last bytes.
"""

import functools
import statistics
import time

import shmring

import bench

WARM_UP = 0.1  # of the frames, which are not counted
WAIT_S = 20

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError):
    Gst = None


def reader_latencies(name, size, frames):
    """Milliseconds that each of FRAMES frames took."""
    with shmring.Reader(name, mode="all", timeout=WAIT_S) as reader:
        for _ in range(frames):
            sent = bench.read_stamp(reader.read().array, size)[1]
            yield (time.monotonic_ns() - sent) / 1e6


def pull(sink, bus):
    sample = sink.emit("try-pull-sample", WAIT_S * Gst.SECOND)
    error = bus.pop_filtered(Gst.MessageType.ERROR)
    if not sample or error:
        raise bench.BenchError("the pipeline gave no frame: "
                               + (error.parse_error().gerror.message if error else "timeout"))
    return sample


def appsink_latencies(name, size, frames):
    pipeline = Gst.parse_launch(f"shmringsrc ring-name={name} ! appsink name=sink sync=false")
    sink, bus = pipeline.get_by_name("sink"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    try:
        for _ in range(frames):
            buffer = pull(sink, bus).get_buffer()
            with buffer.map(Gst.MapFlags.READ) as mapping:
                sent = bench.read_stamp(mapping.data, size)[1]
            yield (time.monotonic_ns() - sent) / 1e6
    finally:
        pipeline.set_state(Gst.State.NULL)


def percentiles(latencies, frames):
    """p50 and p99."""
    counted = list(latencies)[int(WARM_UP * frames) :]
    cuts = statistics.quantiles(counted, n=100, method="inclusive")
    return cuts[49], cuts[98]


def show(title, results):
    for name, which in (("p50", 0), ("p99", 1)):
        print(f"{title:22} {name} ms", bench.spread([result[which] for result in results], 3))


def measurements(options, name):
    width, height = options.size
    frames = int(options.seconds * options.fps)
    ways = {"reader": reader_latencies}
    if Gst:
        Gst.init(None)
        ways["appsink"] = appsink_latencies
    return {key: functools.partial(lambda way: percentiles(
        way(name, width * height * 3, frames), frames), way) for key, way in ways.items()}


def main():
    parser = bench.parser(__doc__)
    parser.add_argument("--fps", type=bench.at_least(1), default=60, help="(60)")
    parser.add_argument("--seconds", type=float, default=10, help="of each run (10)")
    options = parser.parse_args()
    name = bench.unique_name("latency")
    with bench.writer("bench-ring-writer", name, *options.size, 0, options.fps, "fill"):
        results = bench.in_turn(options.runs, **measurements(options, name))
    bench.title(options, f"{options.fps} fps, {options.seconds:g} s a run")
    show("shmring.Reader", results["reader"])
    if "appsink" not in results:
        print("shmringsrc ! appsink   skipped: no python3-gi or gir1.2-gstreamer-1.0")
        return
    show("shmringsrc ! appsink", results["appsink"])
    middles = [[p50 for p50, _ in results[key]] for key in ("appsink", "reader")]
    print("p50 of appsink / Reader:", bench.ratio(*middles))


if __name__ == "__main__":
    bench.run(main)
