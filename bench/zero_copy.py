#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What writing straight into the ring saves: CPU time and page faults of one and the same pipeline.

    ./dev shell python3 bench/zero_copy.py [--frames N]

The second run has a tee before the sink. It keeps the ring's slots from the converter, so that the
sink copies every frame.
"""

import argparse
import os
import subprocess

PIPELINE = (
    "videotestsrc num-buffers={frames} pattern=black ! video/x-raw,format=RGB,width=1920,height=1080 "
    "! videoconvert ! {between} shmringsink name=bench-zero-copy-{pid}"
)


def measure(frames, between):
    command = PIPELINE.format(frames=frames, between=between, pid=os.getpid())
    process = subprocess.Popen(["gst-launch-1.0", "-q", *command.split()])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"gst-launch-1.0 {command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_minflt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300)
    frames = parser.parse_args().frames
    measure(1, "")  # GStreamer looks through its plugins the first time
    print(f"{'':10} {'CPU ms a frame':>15} {'page faults':>12}")
    for name, between in (("in place", ""), ("copied", "tee !")):
        seconds, faults = measure(frames, between)
        print(f"{name:10} {seconds / frames * 1000:15.2f} {faults:12}")


if __name__ == "__main__":
    main()
