# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured, and what is to be reached."""

import dataclasses

import contenders as c
import stories
from contenders import Take

SIZES = {"64 KB": (160, 136), "900 KB": (640, 480), "1080p": (1920, 1080), "4K": (3840, 2160),
         "8K": (7680, 4320)}
PACES = (30, 60, 125)


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    contenders: tuple  # the first one is ours
    figures: tuple = ("rate", "cpu_us")
    laps: int = 0  # at most; 0: as many as of other rows
    share: tuple = ()  # what, of the first contender's first figure, is not that of these


@dataclasses.dataclass(frozen=True)
class Goal:
    """FIGURE of WHOM in ROW is at least or at most BOUND times that of each of BESIDE; without
    BESIDE it is BOUND itself. Before that `less` is taken off, and the rest divided by `by`."""

    text: str
    row: str
    whom: str
    figure: str
    bound: float
    at_least: bool = True
    beside: tuple = ()  # contenders' names; "peers": the best of those that are not ours
    less: str = ""
    by: int = 1


# ---- The ring alone ----

def ring_rows(seconds):
    write = {"seconds": seconds}
    paced = {"seconds": 2 * seconds, "fps": 500}
    yield Row("ring", "The ring alone, C to C, frames that nobody touches", (
        c.ring_alone("ring, reader sleeps", write),
        c.ring_alone("ring, reader spins", write, {"spin": 1}),
        c.ring_alone("ring, newest only", write, {"mode": "latest"}, lossless=False),
        c.iceoryx2_crate("iceoryx2, Rust, reader sleeps", write),
        c.iceoryx2_crate("iceoryx2, Rust, reader spins", {**write, "spin": 1}, {"spin": 1}),
        c.bare_pair("two bare frames, futex", {**write, "sleep": 1}, {"sleep": 1}),
        c.bare_pair("two bare frames, spinning", write)), ("rate", "cpu_us", "switches", "missed"))
    yield Row("ring-latency", "The ring alone, from publishing to the pointer, 500 frames/s", (
        c.ring_alone("ring, reader sleeps", paced, {"timed": 1}),
        c.ring_alone("ring, reader spins", paced, {"timed": 1, "spin": 1}),
        c.iceoryx2_crate("iceoryx2, Rust, reader sleeps", paced, {"timed": 1}),
        c.bare_pair("two bare frames, futex", {**paced, "sleep": 1}, {"timed": 1, "sleep": 1})),
        ("p50_us", "p90_us", "p99_us", "p100_us", "cpu_us"))
    yield Row("sizes", "The ring alone, frames of any size that nobody touches", tuple(
        c.ring_alone(title, {**write, "width": width, "height": height, "slots": 4}, {"spin": 1})
        for title, (width, height) in SIZES.items()), ("rate", "cpu_us", "shared_mib"))
    yield Row("readers", "The ring alone, one writer and many readers, 500 frames/s", tuple(
        c.ring_alone(f"{count} {mode}", paced, {"mode": mode, "timed": 1}, count,
                     lossless=mode == "all")
        for mode in ("all", "latest") for count in (1, 2, 4, 8)),
        ("write_cpu_us", "read_cpu_us", "p50_us", "p99_us", "missed"))
    yield Row("slots", "The ring alone, every byte written and read", tuple(
        c.ring_alone(f"{slots} slots", {**write, "fill": 1, "slots": slots}, {"all": 1})
        for slots in (8, 4, 16, 32)) + (
        c.bare_pair("two bare frames, futex", {**write, "fill": 1, "sleep": 1},
                    {"all": 1, "sleep": 1}),), ("rate", "cpu_us", "shared_mib"))


# ---- Elements ----

def element_rows(seconds):
    drop = "identity drop-allocation=true"
    bgrx = "video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR"
    for name, title, take, limit in (
            ("untouched", "nobody touches the frames", Take(seconds), None),
            ("in-place", "every byte written in place", Take(seconds, fill=True), None),
            ("every-byte", "every byte written in place and read", Take(seconds, True, True),
             c.bare_pair("write and read on two cores", {"seconds": seconds, "fill": 1},
                         {"all": 1}))):
        yield Row(name, f"Pipeline to pipeline, {title}", tuple(filter(None, (
            c.ring_elements(take), c.shm_elements(take), c.unixfd_elements(take),
            c.source_alone(take), c.in_process(take), limit))),
            ("rate", "cpu_us", "faults", "switches", "own_mib", "shared_mib"))
    take = Take(seconds, video=True)
    yield Row("videotestsrc", "Pipeline to pipeline, videotestsrc writes in place", (
        c.ring_elements(take), c.shm_elements(take), c.unixfd_elements(take),
        c.source_alone(take)))
    take = Take(seconds, fill=True)
    no_unixfd = c.Contender("unixfdsink", ours=False,
                            skipped="it takes frames in memory of its own only, and copies none")
    yield Row("copied", "Pipeline to pipeline, the source has memory of its own", (
        c.ring_elements(take, drop), c.shm_elements(take, drop), no_unixfd,
        c.source_alone(take, drop), c.alone("memcpy", "limits", "copy", seconds=seconds)))
    plain = Take(seconds)
    yield Row("copied-untouched", "Pipeline to pipeline, copied, nobody else touches the frames", (
        c.ring_elements(plain, drop), c.shm_elements(plain, drop), no_unixfd,
        c.source_alone(plain, drop)))
    yield Row("converted", "BGRx ! videoconvert ! sink, every byte written and converted", (
        c.ring_elements(take, bgrx), c.shm_elements(take, bgrx), c.unixfd_elements(take, bgrx),
        c.source_alone(take, bgrx)))
    for name, title, options in (
            ("queued", "A queue at both sides", {"before": "queue", "after": "queue"}),
            ("four-readers", "Four readers on one processor", {"readers": 4})):
        yield Row(name, title, tuple(make(take, **options) for make in (
            c.ring_elements, c.shm_elements, c.unixfd_elements)))
    yield Row("two-rings", "A tee to two rings, two readers", (c.two_rings(take),))
    encoded = Take(seconds, encoded=40960)
    yield Row("encoded", "40 KB H.264-sized frames, nothing decoded", (
        c.ring_elements(encoded), c.shm_elements(encoded), c.unixfd_elements(encoded)))


def paced_rows(seconds):
    figures = ("p50_us", "p90_us", "p99_us", "p100_us", "cpu_us", "faults", "switches")
    for fps in PACES:
        take = Take(seconds, fill=True, fps=fps)
        yield Row(f"paced-{fps}", f"Pipeline to pipeline, {fps} frames/s, every byte written", (
            c.ring_elements(take), c.shm_elements(take), c.unixfd_elements(take),
            c.pipewire_elements(take)), figures)
    take = Take(seconds, fps=60)
    yield Row("paced-untouched", "Pipeline to pipeline, 60 frames/s that nobody touches", (
        c.ring_elements(take), c.shm_elements(take), c.unixfd_elements(take)), figures)


# ---- Python ----

def python_peers(write, read, spin=False):
    """Those that hand over a view, then those that copy."""
    polling = {"spin": 1} if spin else {}
    yield c.python_peer("iceoryx2", "iceoryx2", write, read, "iceoryx2", "iceoryx2")
    if spin:
        yield c.python_peer("iceoryx2, reader spins", "iceoryx2", {**write, **polling},
                            {**read, **polling}, "iceoryx2", "iceoryx2")
    yield c.python_both("shared_memory + Queue", "shared_memory", write, read)
    yield c.python_peer("zenoh, shared memory", "zenoh", write, read, "zenoh", "eclipse-zenoh")
    yield c.python_peer("eCAL", "ecal", write, read, "ecal", "eclipse-ecal", lossless=False)
    yield c.python_peer("pyzmq ipc", "zmq", write, read, "zmq", "pyzmq")
    yield c.python_both("multiprocessing.Queue", "queue", write, read)
    yield c.predecessor("byte ring", "ring", write, read)


def pipeline_peers(take, read):
    """shmsrc in Python, written by shmsink."""
    base = c.shm_elements(take)
    pipeline = f"shmsrc socket-path=/tmp/NAME.sock ! {c.CAPS}"
    for title, way in (("shmsrc ! appsink", "appsink"), ("VideoCapture(shmsrc)", "opencv")):
        missing = base.skipped or ("" if way == "appsink" or c.has_module("cv2") else
                                   "no OpenCV: apt install python3-opencv")
        yield c.Contender(title, (base.ends[0], c.python_end(
            way, "read", c.READER_CPU, pipeline=pipeline, **read)), ours=False, skipped=missing,
            ends_within_s=0.2)
    inside = {**read, "pipeline": f"{c.source(**take.source)}", "reader_cpu": c.READER_CPU}
    end = c.python_end("appsink", "read", None, **inside)
    yield c.Contender("appsink in the same process", (dataclasses.replace(end, roles=2),),
                      ours=False)


def python_rows(seconds, paced_s):
    write = {"seconds": seconds}
    ring = {"pipeline": "shmringsrc ring-name=NAME"}
    yield Row("python", "Python to Python, frames that nobody fills", (
        c.python_pair("Reader", "ring", "ring", write), *python_peers(write, {}, spin=True)),
        ("rate", "cpu_us", "faults", "switches", "own_mib", "shared_mib"))
    take = Take(seconds)
    yield Row("into-python", "C or GStreamer to Python, frames that nobody fills", (
        c.from_c("Reader", "ring", write),
        c.Contender("Reader, from shmringsink", (c.ring_elements(take).ends[0],
                                                 c.python_end("ring", "read", c.READER_CPU))),
        c.from_c("async Reader", "ring-asyncio", write),
        c.from_c("shmringsrc ! appsink", "appsink", write, ring),
        c.from_c("read_array(out=)", "ring-out", write),
        c.from_c("VideoCapture", "ring-capture", write),
        c.from_c("VideoCapture(shmringsrc)", "opencv", write, ring),
        c.from_c("raw reader, newest only", "ring-raw", write, lossless=False),
        *pipeline_peers(take, {})), ("rate", "cpu_us", "missed"))
    write, read = {**write, "fill": 1}, {"all": 1}
    yield Row("python-bytes", "Python to Python, every byte written and read", (
        c.python_pair("Reader", "ring", "ring", write, read),
        c.python_pair("Reader, the writer copies", "ring-copy", "ring", write, read),
        *python_peers(write, read)))
    write, read = {"seconds": paced_s, "fps": 60, "fill": 1}, {"timed": 1}
    yield Row("python-60", "Python to Python, 60 frames/s, every byte written", (
        c.python_pair("Reader", "ring", "ring", write, read),
        c.python_pair("Reader, newest only", "ring", "ring", write, {**read, "mode": "latest"},
                      lossless=False),
        c.from_c("shmringsrc ! appsink", "appsink", write, {**read, **ring}),
        *python_peers(write, read), *pipeline_peers(Take(paced_s, fill=True, fps=60), read),
        c.predecessor("single frame, may tear", "frame", write, {**read, "may_tear": 1},
                      lossless=False)),
        ("p50_us", "p90_us", "p99_us", "p100_us", "cpu_us", "missed"))


# ---- The rest ----

def story_rows(seconds):
    write = {"seconds": 2 * seconds, "fps": 250, "fill": 1}
    attach = c.program("ring", "attach", "NAME", cpu=c.READER_CPU, mode="latest", count=20)
    read = c.program("ring", "attach", "NAME", cpu=c.READER_CPU, mode="latest", count=20, all=1)
    writer = c.program("ring", "write", "NAME", **write)
    yield Row("start", "Until the first frame", (
        c.Contender("attach", (writer, attach), lossless=False),
        c.Contender("attach, every byte read", (writer, read), lossless=False),
        stories.creates("a new ring, its first writer"),
        stories.starts("a writer that stopped, the next one", False),
        stories.starts("a writer that was killed, the next one", True)),
        ("p50_us", "p100_us", "read_faults"))
    observe = c.program("ring", "observe", "NAME", cpu=c.READER_CPU, seconds=seconds)
    yield Row("observer", "Looks at the newest frame while a writer is as fast as it can", (
        c.Contender("every byte written", (c.program("ring", "write", "NAME", seconds=seconds,
                                                     fill=1), observe), lossless=False),
        c.Contender("nothing written", (c.program("ring", "write", "NAME", seconds=seconds),
                                        observe), lossless=False),
        c.from_c("every byte written, plain Python", "ring-raw", {"seconds": seconds, "fill": 1},
                 lossless=False)), ("rate", "missed", "tries", "p50_us", "p100_us"))
    yield Row("syscalls", "System calls a frame of both ends, 60 frames/s", tuple(
        stories.calls(make, seconds) for make in (
            lambda s: c.ring_elements(Take(s, fps=60)), lambda s: c.shm_elements(Take(s, fps=60)),
            lambda s: c.unixfd_elements(Take(s, fps=60)),
            lambda s: c.ring_alone("C to C", {"seconds": s, "fps": 60}),
            lambda s: c.python_pair("Python to Python", "ring", "ring",
                                    {"seconds": s, "fps": 60}))), ("syscalls",), laps=2)
    yield Row("application", "MJPEG 1080p decoded, thresholded in Python: CPU of all of it", (
        stories.application("through the ring", stories.through_ring, seconds, ours=True),
        stories.application("cv2.VideoCapture, one process", stories.through_opencv, seconds),
        stories.application("decoding alone", stories.decoded_only, seconds),
        stories.application("thresholding alone", stories.detected_only, seconds)), ("cpu_us",),
        laps=3, share=("the hand-over", "decoding alone", "thresholding alone"))


def all_rows(seconds, paced_s):
    for rows in (ring_rows(seconds), element_rows(seconds), paced_rows(paced_s),
                 python_rows(seconds, paced_s), story_rows(seconds)):
        yield from rows


GOALS = (
    *(Goal(f"in place, {what}: of {whom}", row, "shmring", "rate", bound, beside=(whom,))
      for row, what in (("videotestsrc", "videotestsrc"), ("in-place", "at memory's speed"))
      for whom, bound in (("source alone", 0.85), ("shmsink", 1.2))),
    Goal("every byte written and read: of shmsink", "every-byte", "shmring", "rate", 1.5,
         beside=("shmsink",)),
    Goal("every byte written and read: of two cores", "every-byte", "shmring", "rate", 0.95,
         beside=("write and read on two cores",)),
    Goal("copied: of shmsink", "copied", "shmring", "rate", 1.25, beside=("shmsink",)),
    Goal("copied: CPU of a copy", "copied", "shmring", "cpu_us", 1.1, False, ("memcpy",),
         less="source alone"),
    Goal("60 frames/s, p50: of the best peer", "paced-60", "shmring", "p50_us", 1.0, False,
         ("peers",)),
    Goal("60 frames/s, p99: of the best peer", "paced-60", "shmring", "p99_us", 0.5, False,
         ("peers",)),
    *(Goal(f"60 frames/s, {what}, CPU of both: of shmsink", row, "shmring", "cpu_us", 1.0, False,
           ("shmsink",)) for row, what in (("paced-untouched", "untouched"),
                                           ("paced-60", "every byte"))),
    Goal("untouched, through the elements: of shmsink", "untouched", "shmring", "rate", 1.2,
         beside=("shmsink",)),
    Goal("untouched, through the elements", "untouched", "shmring", "rate", 300_000),
    Goal("untouched, into Python", "into-python", "Reader", "rate", 600_000),
    *(Goal(f"{size}: of the same at 1080p", "sizes", size, "rate", 0.8, beside=("1080p",))
      for size in SIZES if size != "1080p"),
    *(Goal(f"a further reader, {mode}: writer's CPU us a frame", "readers", f"8 {mode}",
           "write_cpu_us", 0.5, False, less=f"1 {mode}", by=7) for mode in ("all", "latest")),
    Goal("attach, first frame, us", "start", "attach, every byte read", "p50_us", 3000, False),
    Goal("killed, restarted, first frame, us", "start", "a writer that was killed, the next one",
         "p50_us", 20_000, False),
    Goal("an observer: looks without a frame", "observer", "every byte written", "missed", 0,
         False),
    Goal("an observer in plain Python: most tries", "observer", "every byte written, plain Python",
         "tries", 16, False),
    Goal("Python, untouched: of the best peer", "python", "Reader", "rate", 1.0, beside=("peers",)),
    Goal("into Python, untouched: of the best peer", "into-python", "Reader", "rate", 1.0,
         beside=("peers",)),
    Goal("Python, every byte: of the best peer", "python-bytes", "Reader", "rate", 1.0,
         beside=("peers",)),
    Goal("Python, 60 frames/s, p50: of the best peer", "python-60", "Reader", "p50_us", 1.0, False,
         ("peers",)),
    Goal("Python, 60 frames/s, p99: of the best peer", "python-60", "Reader", "p99_us", 1.0, False,
         ("peers",)),
)
