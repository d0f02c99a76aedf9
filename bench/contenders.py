# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who takes part: what each starts, and why it may be missing."""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = os.environ.get("SHMRING_BENCH_PYTHON", sys.executable)
# In a smaller one shmsink locks up at once; and where more frames wait than its socket holds.
SHM_AREA, SHM_ENCODED_AREA = 64 * 2**20, 4 * 2**20
WRITER_CPU, READER_CPU = 0, min(1, os.cpu_count() - 1)


@dataclasses.dataclass(frozen=True)
class Place:
    """A process: NAME in its command is the lap's own. The next one starts when PATH is there. It
    is as many ends as it has roles; none: it serves the others."""

    command: tuple
    cpu: int
    path: str = ""
    roles: int = 1


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    ends: tuple = ()
    lossless: bool = True
    skipped: str = ""  # why
    ours: bool = True  # made from this repository: what --compare builds twice
    limit: bool = False  # of the machine, not a way to carry frames
    run: object = None  # instead of ends: a function of the environment that returns figures
    ends_within_s: float = 3

    def shortened(self, seconds):
        """Measured for SECONDS only."""
        return dataclasses.replace(self, ends=tuple(dataclasses.replace(place, command=tuple(
            f"seconds={seconds}" if word.startswith("seconds=") else word
            for word in place.command)) for place in self.ends))

    def named(self, name, **changes):
        return dataclasses.replace(self, name=name, **changes)


@functools.lru_cache(None)
def has_element(name):
    # Not --exists: it asks for GStreamer's own version, too.
    return shutil.which("gst-inspect-1.0") and subprocess.run(
        ["gst-inspect-1.0", name], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0


@functools.lru_cache(None)
def has_module(name):
    return subprocess.run([PYTHON, "-c", f"import {name}"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def words(settings):
    return tuple(f"{key}={value}" for key, value in settings.items())


# ---- C ----

def program(name, *args, cpu=WRITER_CPU, **settings):
    return Place((f"bench-{name}", *args, *words(settings)), cpu)


def ring_alone(title, write=(), read=(), readers=1, lossless=True):
    """From C to C, without GStreamer."""
    ends = [program("ring", "write", "NAME", **dict(write))]
    ends += [program("ring", "read", "NAME", cpu=READER_CPU, **dict(read))] * readers
    return Contender(title, tuple(ends), lossless)


def bare_pair(title, write=(), read=()):
    """Two frames in shared memory, and nothing else."""
    return Contender(title, (program("limits", "write", "NAME", **dict(write)),
                             program("limits", "read", "NAME", cpu=READER_CPU, **dict(read))),
                     ours=False, limit=True)


def iceoryx2_crate(title, write=(), read=()):
    """From Rust to Rust: what it does without Python."""
    path = os.path.join(os.environ.get("SHMRING_BENCH_BUILD", ""), "bench-iceoryx2", "target",
                        "release", "bench-iceoryx2")
    return Contender(title, tuple(
        Place((path, role, "NAME", *words(dict(settings))), cpu)
        for role, settings, cpu in (("write", write, WRITER_CPU), ("read", read, READER_CPU))),
        ours=False, ends_within_s=0.3,
        skipped="" if os.path.exists(path) else "its crate is not built: ./dev bench does, by cargo")


def alone(title, *args, **settings):
    return Contender(title, (program(*args, "NAME", **settings),), ours=False, limit=True)


# ---- GStreamer ----

CAPS = "video/x-raw,format=BGR,width=1920,height=1080,framerate=30/1"


def launch(*parts, cpu=WRITER_CPU, path=""):
    text = " ! ".join(part for part in parts if part)
    return Place(("gst-launch-1.0", "-q", *text.split()), cpu, path)


def source(seconds, fill=False, fps=0, encoded=0, video=False):
    if video:
        return f"videotestsrc pattern=black ! {CAPS} ! benchstamp seconds={seconds}"
    return (f"benchsrc seconds={seconds} fill={str(fill).lower()} fps={fps} "
            f"encoded-size={encoded}")


def sink(all=False, fps=0):
    return f"benchsink all={str(all).lower()} timed={str(fps > 0).lower()}"


ENCODED_CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"


def source_alone(take, before=""):
    return Contender("source alone", (launch(source(**take.source), before, "fakesink"),),
                     ours=False, limit=True)


def in_process(take, before=""):
    """Both ends in one process, on both processors."""
    place = launch(source(**take.source), before,
                   "queue max-size-buffers=4 max-size-bytes=0 max-size-time=0", sink(**take.sink))
    return Contender("one process, queue", (dataclasses.replace(place, cpu=None, roles=2),),
                     ours=False)


@dataclasses.dataclass(frozen=True)
class Take:
    """What is done to the frames: by the source, by the sink, and how fast."""

    seconds: float
    fill: bool = False
    all: bool = False
    fps: int = 0
    encoded: int = 0
    video: bool = False  # by videotestsrc, which is slower than memory

    @property
    def source(self):
        return {"seconds": self.seconds, "fill": self.fill, "fps": self.fps,
                "encoded": self.encoded, "video": self.video}

    @property
    def sink(self):
        return {"all": self.all, "fps": self.fps}


def ring_elements(take, before="", after="", readers=1, name="shmring"):
    caps = "caps=ANY slot-size=1048576" if take.encoded else ""
    reader = launch("shmringsrc ring-name=NAME", after, sink(**take.sink), cpu=READER_CPU)
    return Contender(name, (launch(source(**take.source), before,
                                   f"shmringsink ring-name=NAME {caps}"),) + (reader,) * readers)


def two_rings(take):
    writer = launch(source(**take.source), "tee name=t",
                    "queue", "shmringsink ring-name=NAME-a t.", "queue",
                    "shmringsink ring-name=NAME-b")
    return Contender("shmring, two rings", (writer, *(
        launch(f"shmringsrc ring-name=NAME-{which}", sink(**take.sink), cpu=READER_CPU)
        for which in "ab")))


def shm_elements(take, before="", after="", readers=1):
    """With room for as many frames as a ring has slots by default, and one."""
    path = "/tmp/NAME.sock"
    caps, area = (ENCODED_CAPS, SHM_ENCODED_AREA) if take.encoded else (CAPS, SHM_AREA)
    writer = launch(source(**take.source), before, f"shmsink socket-path={path} sync=false "
                    f"wait-for-connection=true shm-size={area}", path=path)
    reader = launch(f"shmsrc socket-path={path} is-live={str(take.fps > 0).lower()}", caps, after,
                    sink(**take.sink), cpu=READER_CPU)
    return Contender("shmsink", (writer,) + (reader,) * readers, ours=False, ends_within_s=0.2,
                     skipped="" if has_element("shmsink") else
                     "no shmsink: apt install gstreamer1.0-plugins-bad")


def unixfd_elements(take, before="", after="", readers=1):
    path = "/tmp/NAME.sock"
    writer = launch(source(**take.source), before, f"unixfdsink socket-path={path} sync=false",
                    path=path)
    reader = launch(f"unixfdsrc socket-path={path}", after, sink(**take.sink), cpu=READER_CPU)
    return Contender("unixfdsink", (writer,) + (reader,) * readers, ours=False, ends_within_s=0.2,
                     skipped="" if has_element("unixfdsink") else
                     "no unixfdsink: it comes with GStreamer 1.24")


# In a folder of its own, and on a message bus of its own: what of both runs here is not disturbed.
PIPEWIRE = """mkdir -p "$XDG_RUNTIME_DIR" && exec dbus-run-session -- sh -c '
    pipewire & until [ -S "$XDG_RUNTIME_DIR/pipewire-0" ]; do sleep 0.02; done
    wireplumber & until pw-cli ls Client | grep -q WirePlumber; do sleep 0.02; done
    : >"$XDG_RUNTIME_DIR/ready"; wait'"""
AFTER_WRITER = 'until pw-cli ls Node | grep -q "\\"NAME\\""; do sleep 0.02; done; exec "$@"'


def pipewire_elements(take):
    """Only where frames are paced: it passes those that its clock asks for. It copies the frames:
    with buffers of its own pipewiresink 0.3.65 crashes."""
    folder = "/tmp/NAME-run"
    env = ("env", *(f"{key}={folder}" for key in
                    ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME")))
    ends = (Place(("sh", "-c", PIPEWIRE), None, f"{folder}/ready", roles=0),
            launch(source(**take.source), "identity drop-allocation=true", "pipewiresink "
                   "mode=provide stream-properties=props,node.name=NAME"),
            Place(("sh", "-c", AFTER_WRITER, "sh", *launch(
                "pipewiresrc target-object=NAME", CAPS, sink(**take.sink)).command), READER_CPU))
    missing = [what for program, what in (
        ("pipewire", "pipewire"), ("pw-cli", "pipewire-bin"), ("wireplumber", "wireplumber"),
        ("dbus-run-session", "dbus-daemon")) if not shutil.which(program)]
    if not has_element("pipewiresink"):
        missing.append("gstreamer1.0-pipewire")
    return Contender("pipewiresink", tuple(dataclasses.replace(e, command=env + e.command)
                                           for e in ends), lossless=False, ours=False,
                     ends_within_s=0.2,
                     skipped=missing and f"apt install {' '.join(missing)}" or "")


# ---- Python ----

def python_end(way, role, cpu, **settings):
    return Place((PYTHON, "-B", str(HERE / "end.py"), way, role, "NAME", *words(settings)), cpu)


def python_pair(title, write_way, read_way, write=(), read=(), lossless=True):
    return Contender(title, (python_end(write_way, "write", WRITER_CPU, **dict(write)),
                             python_end(read_way, "read", READER_CPU, **dict(read))), lossless)


def from_c(title, read_way, write=(), read=(), lossless=True):
    return Contender(title, (program("ring", "write", "NAME", **dict(write)),
                             python_end(read_way, "read", READER_CPU, **dict(read))), lossless)


def python_peer(title, way, write=(), read=(), module=None, package=None, lossless=True):
    missing = ("" if not module or has_module(module) else
               f"no {package} (pip), or not for this Python")
    return python_pair(title, way, way, write, read, lossless).named(
        title, ours=False, skipped=missing, ends_within_s=0.3)


def python_both(title, way, write=(), read=()):
    settings = {**dict(write), **dict(read), "reader_cpu": READER_CPU}
    end = python_end(way, "both", WRITER_CPU, **settings)
    return Contender(title, (dataclasses.replace(end, roles=2),), ours=False)


def predecessor(title, kind, write=(), read=(), lossless=True):
    """One of the byte ring and the single frame: written by C, read by Python."""
    writer = program("predecessors", kind, "NAME", **dict(write))
    return Contender(title, (dataclasses.replace(writer, path="/dev/shm/NAME"),
                             python_end(f"predecessor-{kind}", "read", READER_CPU, **dict(read))),
                     lossless, ours=False)
