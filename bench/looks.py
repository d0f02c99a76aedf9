#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an observer sees beside a writer that nobody paces.

Looks for the next new frame with shmring.raw, again and again, while a writer publishes as fast as
it can. A try is lost when the writer came back to the slot while it was copied: how many a look
needed is counted. With --beside, the same with another build, in turn.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

import bench

FRAMES = 10**12
LOOK_S = 1


def look(name, size, seconds):
    """What the build in PYTHONPATH sees, for a process of its own."""
    import shmring
    from shmring import raw

    class CountingReader(raw.RawReader):
        tries = 0

        def _copy(self, *args):
            self.tries += 1
            return super()._copy(*args)

    with shmring.Reader(name, mode="latest", timeout=10) as reader:
        reader.read()  # the writer begins when it has had a reader
    seqs, needed, nothing = [], collections.Counter(), 0
    out = bytearray(size)
    with CountingReader(name) as reader:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            reader.tries = 0
            try:
                frame = reader.latest(timeout=LOOK_S, out=out)
            except raw.Timeout:
                nothing += 1
                continue
            bench.read_stamp(frame.data, size)
            seqs.append(frame.seq)
            needed[reader.tries] += 1
        took = time.perf_counter() - began
    json.dump({"looks": len(seqs) / took, "frames": (seqs[-1] - seqs[0]) / took if seqs else 0,
               "first": needed[1] / max(len(seqs), 1), "most": max(needed, default=0),
               "nothing": nothing}, sys.stdout)


def measure(options, build):
    """One run with BUILD's writer and package; None: those in the environment."""
    name, (width, height) = bench.unique_name("looks"), options.size
    program, env = "bench-ring-writer", dict(os.environ)
    if build:
        program = str(build / "bench" / program)
        env["PYTHONPATH"] = str(build / "python-bindings")
    with bench.writer(program, name, width, height, FRAMES, 0, options.writer) as writer:
        done = subprocess.run([sys.executable, "-B", __file__, "--look", name,
                               str(3 * width * height), str(options.seconds)],
                              env=env, text=True, capture_output=True)
        writer.kill()
    if done.returncode:
        raise bench.BenchError(f"the observer failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def show(label, runs):
    each = {key: [run[key] for run in runs] for key in runs[0]}
    print(f"{label:<6} looks/s           ", bench.spread(each["looks"]))
    print(f"{label:<6} of frames/s       ", bench.spread(each["frames"]))
    print(f"{label:<6} at the first try %", bench.spread([100 * part for part in each["first"]]))
    print(f"{label:<6} tries for a look: at most {max(each['most'])}; looks without a frame in "
          f"{LOOK_S} s: {sum(each['nothing'])}")


def main():
    if sys.argv[1:2] == ["--look"]:
        return look(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    parser = bench.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of a run (3)")
    parser.add_argument("--writer", choices=("stamp", "fill"), default="fill")
    parser.add_argument("--beside", type=pathlib.Path, metavar="BUILD", help="another build folder")
    options = parser.parse_args()
    builds = {"this": None, **({"other": options.beside} if options.beside else {})}
    results = bench.in_turn(options.runs, **{
        label: lambda build=build: measure(options, build) for label, build in builds.items()})
    bench.title(options, f"writer: {options.writer}, {options.seconds:g} s a run")
    for label, runs in results.items():
        show(label, runs)
    if options.beside:
        print("looks/s this / other:", bench.ratio(*([run["looks"] for run in results[label]]
                                                     for label in ("this", "other"))))


if __name__ == "__main__":
    bench.run(main)
