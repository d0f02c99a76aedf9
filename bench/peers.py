#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""From one gst-launch-1.0 to another: shmringsink and shmringsrc beside shmsink and shmsrc.

Frames per second and CPU time, of both processes, of a video that is as fast as they are; `in
place`: the source writes into the memory the sink offers; `copied`: it has its own, so that the
sink must copy. What a run of a few frames costs is taken off, so that starting does not count. The
source alone, into a fakesink, is what nobody can be faster than.

shmsink locks up for good now and then, when its source holds the whole area: such a run is ended,
counted and tried again.
"""

import functools
import os
import select
import shutil
import statistics
import subprocess
import tempfile
import time

import bench

START_UP_FRAMES = 5
POLL_S = 0.002
LEAST_S = 0.02
WITHIN_S = 60  # ours, besides the frames themselves: a failure
PEER_WITHIN_S = 10  # shmsink: it has locked up
SLOWEST = 50  # frames/s: what is slower is stuck
TRIES = 3
SHM_AREA = 64 * 2**20  # at least: in a small one shmsink locks up at once
SOURCES = {"in place": [], "copied": ["!", "identity", "drop-allocation=true"]}


def caps(options):
    width, height = options.size
    return f"video/x-raw,format=BGR,width={width},height={height},framerate=30/1"


def source(options, way, frames):
    return ["videotestsrc", "pattern=black", f"num-buffers={frames}", "!", caps(options),
            *SOURCES[way]]


def has_element(name):
    if not shutil.which("gst-inspect-1.0"):
        raise bench.BenchError("gst-inspect-1.0 is missing: apt install gstreamer1.0-tools")
    # Not --exists: it asks for GStreamer's own version, too.
    return subprocess.run(["gst-inspect-1.0", name], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def launch(*elements):
    return bench.start(["gst-launch-1.0", "-q", *elements], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)


def wait_for(path, process):
    deadline = time.monotonic() + WITHIN_S
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise bench.BenchError("the writing pipeline did not start: " + process.stderr.read())
        time.sleep(POLL_S)


class Stuck(bench.BenchError):
    """A process did not end."""


def cpu_of(process, within_s):
    """Waits for it: seconds of CPU time."""
    descriptor = os.pidfd_open(process.pid)
    ended = select.select([descriptor], [], [], within_s)[0]
    os.close(descriptor)
    if not ended:
        raise Stuck(f"{' '.join(process.args)} did not end")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def end(process):
    if process.returncode is None:
        process.kill()
        process.wait()
    process.stderr.close()


def run_pair(writer, path, reader, frames, within_s=WITHIN_S):
    """(seconds, CPU seconds) until both have ended. PATH appears when the writer is there."""
    processes = []
    began = time.perf_counter()
    try:
        processes.append(launch(*writer))
        wait_for(path, processes[0])
        # fakesink ends with the last frame: a frame that is lost is noticed.
        processes.append(launch(*reader, "!", "fakesink", "sync=false", f"num-buffers={frames}"))
        within_s += frames / SLOWEST
        used = cpu_of(processes[1], within_s) + cpu_of(processes[0], within_s)
        if processes[1].returncode != 0:
            raise bench.BenchError("the reading pipeline failed: " + processes[1].stderr.read())
        return time.perf_counter() - began, used
    finally:
        for process in processes:
            end(process)


def run_ring(options, way, frames):
    name = bench.unique_name("peers")
    writer = [*source(options, way, frames), "!", "shmringsink", f"ring-name={name}",
              "wait-for-connection=true"]
    reader = ["shmringsrc", f"ring-name={name}", "!", caps(options)]
    return run_pair(writer, f"/dev/shm/{name}", reader, frames)


def run_shm_once(options, way, frames):
    """With room for as many frames as a ring has slots by default, and one."""
    width, height = options.size
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        area = max(SHM_AREA, 9 * (width * height * 3 + 4096))
        writer = [*source(options, way, frames), "!", "shmsink", f"socket-path={path}",
                  "wait-for-connection=true", "sync=false", f"shm-size={area}"]
        reader = ["shmsrc", f"socket-path={path}", "!", caps(options)]
        return run_pair(writer, path, reader, frames, PEER_WITHIN_S)


def run_shm(options, way, frames):
    """None: it locked up each time. Its exit status says nothing: it ends with an error always."""
    for _ in range(TRIES):
        try:
            return run_shm_once(options, way, frames)
        except Stuck:
            options.stuck += 1
    return None


def run_alone(options, way, frames):
    began = time.perf_counter()
    process = launch(*source(options, way, frames), "!", "fakesink")
    try:
        used = cpu_of(process, WITHIN_S + frames / SLOWEST)
        return time.perf_counter() - began, used
    finally:
        end(process)


def measure(run, options, way):
    """(frames/s, ms of CPU a frame) without what starting costs; None: there is no telling."""
    few = run(options, way, START_UP_FRAMES)
    many = few and run(options, way, START_UP_FRAMES + options.frames)
    if not many:
        return None
    seconds, used = (m - f for m, f in zip(many, few))
    if min(seconds, used) < LEAST_S:
        return None
    return options.frames / seconds, 1000 * used / options.frames


def show(title, results):
    if None in results:
        print(f"{title:24} no figures: it locked up, or the frames were too few")
        return
    rates, used = zip(*results)
    print(f"{title:24} frames/s {bench.spread(rates)}   CPU ms a frame "
          f"{statistics.median(used):.2f}")


def show_ratios(ring, shm):
    if None not in ring + shm:
        rates, used = ([[result[i] for result in results] for results in (ring, shm)]
                       for i in (0, 1))
        print("shmring / shm: frames/s", bench.ratio(*rates), " CPU", bench.ratio(*used))


def compare(options, way, runs):
    results = bench.in_turn(options.runs, **{
        name: functools.partial(measure, run, options, way) for name, run in runs.items()})
    bench.title(options, f"{options.frames} frames, {way}")
    show("source alone", results["alone"])
    show("shmringsink/shmringsrc", results["ring"])
    if "shm" not in results:
        print("shmsink/shmsrc           skipped: apt install gstreamer1.0-plugins-bad")
        return
    show("shmsink/shmsrc", results["shm"])
    show_ratios(results["ring"], results["shm"])
    if options.stuck:
        print(f"shmsink locked up {options.stuck} times so far")


def main():
    parser = bench.parser(__doc__)
    parser.add_argument("--frames", type=bench.at_least(1), default=2000, help="(2000)")
    options = parser.parse_args()
    if not has_element("shmringsink"):
        raise bench.BenchError("no element shmringsink: run this by ./dev shell bench/peers.py")
    options.stuck = 0
    runs = {"alone": run_alone, "ring": run_ring}
    if has_element("shmsink"):
        runs["shm"] = run_shm
    for way in SOURCES:
        compare(options, way, runs)


if __name__ == "__main__":
    bench.run(main)
