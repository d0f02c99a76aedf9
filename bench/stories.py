# SPDX-License-Identifier: LGPL-2.1-or-later
"""Laps that are more than a stream of frames from one end to the other: how a ring starts, and a
whole application."""

import atexit
import dataclasses
import functools
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import contenders
import lap

STARTS = 5
FILM = 120  # frames
FRAMES_A_SECOND = 240  # of the application, of each second that others are measured
WITHIN_S = 120
HERE = pathlib.Path(__file__).resolve().parent


# ---- From one writer to the next ----

def start_writer(name, env):
    command = ["bench-ring", "start", name, f"began={time.monotonic_ns()}"]
    return lap.End(command, contenders.WRITER_CPU, env)


def first_frames(count, kill, env):
    """What a reader says that waits for COUNT writers of one ring, one after the other: how long
    from starting a writer's process until the frame is there."""
    name, deadline = lap.unique_name(), time.monotonic() + WITHIN_S
    ends = [lap.End(["bench-ring", "follow", name, f"count={count}"], contenders.READER_CPU, env)]
    try:
        ends[0].wait_warm(deadline)
        for _ in range(count):
            ends.append(start_writer(name, env))
            ends[0].wait_warm(deadline)
            if not kill:
                ends[-1].goodbye(lap.ENDS_WITHIN_S)
            ends[-1].kill()
        return ends[0].results(deadline)[0]
    finally:
        for end in reversed(ends):
            end.kill()
        lap.clean_up(name)


def run_starts(rings, writers, kill, env):
    found = [first_frames(writers, kill, env) for _ in range(rings)]
    return {"p50_us": statistics.median(f["p50_us"] for f in found),
            "p100_us": max(f["p100_us"] for f in found), "missed": 0}


def creates(title):
    """Each writer makes a ring that was not there."""
    return contenders.Contender(title, run=functools.partial(run_starts, STARTS, 1, True))


def starts(title, kill):
    """The first one makes the ring; so does each one after a writer that stopped."""
    return contenders.Contender(title, run=functools.partial(run_starts, 1, STARTS + 1, kill))


# ---- System calls ----

def count_calls(contender, env):
    """(calls, frames) of a lap under strace, from the first frame on and before."""
    with tempfile.TemporaryDirectory() as folder:
        places = [dataclasses.replace(place, command=(
            "strace", "-f", "-c", "-o", f"{folder}/{i}", *place.command))
            for i, place in enumerate(contender.ends)]
        figures = lap.measure(dataclasses.replace(contender, ends=tuple(places), ends_within_s=5),
                              env, 0)
        calls = sum(int(line.split()[3]) for i in range(len(places))
                    for line in pathlib.Path(folder, str(i)).read_text().splitlines()
                    if line.endswith("total"))
        return calls, figures["written"]


def run_calls(short, long, env):
    (few, some), (many, more) = (count_calls(contender, env) for contender in (short, long))
    return {"syscalls": (many - few) / (more - some), "missed": 0}


def calls(make, seconds):
    """System calls a frame of the contender that MAKE(seconds) makes: by the difference between a
    short lap and a longer one."""
    short, long = make(2 * seconds), make(8 * seconds)
    missing = long.skipped or ("" if shutil.which("strace") else "no strace: apt install strace")
    return contenders.Contender(long.name, run=functools.partial(run_calls, short, long),
                                ours=long.ours, skipped=missing)


# ---- A whole application ----

@functools.lru_cache(None)
def film():
    """A file of 1080p MJPEG."""
    folder = tempfile.mkdtemp(prefix="shmring-bench-")
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, "film.avi")
    subprocess.run(["gst-launch-1.0", "-q", *(
        f"videotestsrc num-buffers={FILM} pattern=smpte ! video/x-raw,format=I420,width=1920,"
        f"height=1080,framerate=30/1 ! jpegenc ! avimux ! filesink location={path}").split()],
        check=True)
    return path


def decode():
    return f"filesrc location={film()} ! avidemux ! jpegdec ! videoconvert ! {contenders.CAPS}"


def cpu_of(processes):
    """Seconds of CPU, once all have ended by themselves."""
    used = 0
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise lap.LapError(f"{' '.join(process.args)} failed")
        used += usage.ru_utime + usage.ru_stime
    return used


def run_commands(commands, env):
    name = lap.unique_name()
    processes = []
    try:
        for command in commands:
            text = [word.replace("NAME", name) for word in command]
            processes.append(subprocess.Popen(text, env=env, stdout=subprocess.DEVNULL))
        return cpu_of(processes)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                process.wait()
        lap.clean_up(name)


def run_application(commands, frames, env):
    """Microseconds of CPU a frame, without what starting costs."""
    few = frames // 6
    some, all_of_it = (run_commands(commands(count), env) for count in (few, frames))
    return {"cpu_us": 1e6 * (all_of_it - some) / (frames - few), "missed": 0}


def gst(text):
    return ("gst-launch-1.0", "-q", *text.split())


def detector(way, frames):
    return (contenders.PYTHON, "-B", str(HERE / "detector.py"), way, str(frames))


def through_ring(frames):
    return (gst(f"{decode()} ! identity eos-after={frames} ! shmringsink ring-name=NAME "
                "wait-for-connection=true"),
            (*detector("ring", frames), "NAME"))


def decoded_only(frames):
    return (gst(f"{decode()} ! identity eos-after={frames} ! fakesink"),)


def detected_only(frames):
    return (detector("memory", frames),)


def through_opencv(frames):
    return ((*detector("opencv", frames), f"{decode()} ! appsink sync=false"),)


def application(title, commands, seconds, ours=False):
    frames = min(FILM, 24 + int(FRAMES_A_SECOND * seconds))
    missing = "" if contenders.has_module("cv2") else "no OpenCV: apt install python3-opencv"
    return contenders.Contender(title, run=functools.partial(run_application, commands, frames),
                                ours=ours, skipped=missing)
