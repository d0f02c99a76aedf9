# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring doctor: what stands in the way, and the line that mends it."""

from __future__ import annotations

import argparse
import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from typing import Iterator, NamedTuple

import shmring

from .. import raw
from ..records import Info, ReaderInfo, RingState
from . import headers, leftovers, options, text, watch

EXAMPLES = """\
  shmring doctor
  shmring doctor cam0                also what this ring is about
"""
_DOCKERS_BYTES = 64 << 20
_WATCHED_S = 1.0
_STALE_NS = 5_000_000_000


class Finding(NamedTuple):
    """What was looked at, and what mends it where that is wrong."""

    is_good: bool
    said: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser, nargs="?", help="of a ring to look at closely")


# ---- The machine ---------------------------------------------------------------------------------


def _in_container() -> bool:
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return True
    return "container" in os.environ or "KUBERNETES_SERVICE_HOST" in os.environ


def check_memory() -> Iterator[Finding]:
    if not os.path.isdir(raw.SHM):
        yield Finding(False, f"there is no {raw.SHM}", f"mount -t tmpfs -o mode=1777 shm {raw.SHM}")
        return
    status = os.statvfs(raw.SHM)
    total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    said = f"{raw.SHM} has {text.size(free)} free of {text.size(total)}"
    if total <= _DOCKERS_BYTES:
        yield Finding(False, f"{said}: a ring of 1080p frames takes 50M",
                      "docker run --shm-size=1g … (or: mount -o remount,size=1g /dev/shm)")
    elif free * 10 < total:
        yield Finding(False, said, "shmring list --all (what fills it); shmring clean (what is dead)")
    else:
        yield Finding(True, said)
    if not os.access(raw.SHM, os.W_OK | os.X_OK):
        yield Finding(False, f"this user may not make files in {raw.SHM}", f"chmod 1777 {raw.SHM}")


def check_container() -> Iterator[Finding]:
    if not _in_container():
        return
    alone = not shmring.list()
    said = "this is a container, whose /dev/shm is its own unless it was told otherwise"
    if alone:
        yield Finding(False, f"{said}: it has no live ring",
                      "docker run --ipc=host … for writer and readers, or one volume at /dev/shm in each")
    else:
        yield Finding(True, f"{said}: it has live rings")


def _removes_ipc() -> bool:
    """As logind would: the last line that says so counts."""
    files = ["/etc/systemd/logind.conf", *sorted(glob.glob("/etc/systemd/logind.conf.d/*.conf"))]
    said = "yes"
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                said = (re.findall(r"(?m)^\s*RemoveIPC\s*=\s*(\S+)", file.read()) or [said])[-1]
        except OSError:
            continue
    return said.lower() in ("yes", "true", "1", "on")


def check_logind() -> Iterator[Finding]:
    if not os.path.isdir("/run/systemd/seats") or os.geteuid() < 1000:
        return
    lingers = os.path.exists(f"/var/lib/systemd/linger/{os.environ.get('USER', '')}")
    if lingers or not _removes_ipc():
        yield Finding(True, "logind leaves this user's rings when the last session ends")
    else:
        yield Finding(False, "logind removes this user's rings when the last session ends (RemoveIPC)",
                      "loginctl enable-linger, or RemoveIPC=no in /etc/systemd/logind.conf")


# ---- What uses rings -----------------------------------------------------------------------------


def _inspect(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["gst-inspect-1.0", *arguments], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)


def _where_gstreamer_looks() -> str:
    told = os.environ.get("GST_PLUGIN_PATH_1_0") or os.environ.get("GST_PLUGIN_PATH") or ""
    core = re.search(r"Filename\s+(\S+)/[^/\s]+", _inspect("coreelements").stdout)
    return ", ".join(filter(None, [*told.split(":"), core[1] if core else ""]))


def check_plugin() -> Iterator[Finding]:
    if not shutil.which("gst-inspect-1.0"):
        yield Finding(False, "there is no gst-inspect-1.0 to ask for the elements",
                      "apt install gstreamer1.0-tools")
        return
    found = re.search(r"Filename\s+(\S+)", _inspect("shmringsink").stdout)
    if found:
        yield Finding(True, f"GStreamer finds shmringsink and shmringsrc in {found[1]}")
    elif "libgstshmring.so" in _inspect("--print-blacklist").stdout:
        yield Finding(False, "GStreamer could not load the plugin, and remembers that",
                      "rm ~/.cache/gstreamer-1.0/registry.*.bin; gst-inspect-1.0 shmringsink")
    else:
        yield Finding(False, f"GStreamer does not find shmringsink; it looks in {_where_gstreamer_looks()}",
                      "apt install gstreamer1.0-shmring, or export GST_PLUGIN_PATH=FOLDER of "
                      "libgstshmring.so")


def check_python() -> Iterator[Finding]:
    """Whether `python3` is one that has the package, and what that can do."""
    other = shutil.which("python3")
    if other and os.path.realpath(other) != os.path.realpath(sys.executable):
        asked = subprocess.run([other, "-c", "import shmring, sys; print(sys.version.split()[0])"],
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        if asked.returncode:
            yield Finding(False, f"python3 is {other}, which has no shmring",
                          f"{sys.executable} instead, or in a checkout: {other} -m pip install .")
            return
    version = sys.version.split()[0]
    if importlib.util.find_spec("numpy") is None:
        yield Finding(False, f"Python {version} has shmring, and no numpy: frames are bytes only",
                      "apt install python3-numpy")
    else:
        yield Finding(True, f"Python {version} has shmring {shmring.__version__} and numpy")


# ---- Rings ---------------------------------------------------------------------------------------


def check_leftovers() -> Iterator[Finding]:
    left = leftovers.by_ring()
    if left:
        held, names = sum(left.values()), ", ".join(sorted(left))
        yield Finding(False, f"writers that died left {text.size(held)}: {names}", "shmring clean")
    else:
        yield Finding(True, "no dead ring is left over")


def check_permissions() -> Iterator[Finding]:
    for entry in sorted(os.listdir(raw.SHM)):
        if not raw.NAME.fullmatch(entry) or not os.path.exists(f"{raw.SHM}/{entry}.ctl"):
            continue
        try:
            shmring.query(entry)
        except shmring.RingDenied as error:
            yield Finding(False, str(error), "run as that user, or shmringsink perms=0644 (to look), "
                                             "perms=0666 (to read)")
        except (shmring.Error, ValueError):
            continue


def _about_reader(rates: watch.Rates, reader: ReaderInfo) -> Finding | None:
    who = f"{reader.process} (pid {reader.pid})"
    if reader.is_stuck:
        return Finding(False, f"ring {rates.info.name}: its reader {who} takes no frames, and loses them",
                       f"kill {reader.pid}, or let it read in mode latest")
    if watch.is_held_up(rates, reader):
        return Finding(False, f"ring {rates.info.name}: everybody waits for its reader {who}, which has "
                              f"{reader.offered} frames to take",
                       f"kill {reader.pid}, let it read in mode latest, or shmringsink "
                       "timeout=1000000000 (ns)")
    return None


def check_readers() -> Iterator[Finding]:
    rings = watch.Watch()
    rings.look()
    end = time.monotonic() + _WATCHED_S
    while time.monotonic() < end:
        time.sleep(0.1)
        rings.glance()
    found = [_about_reader(rates, reader) for rates in rings.look()
             for reader in rates.info.readers or ()]
    bad = [finding for finding in found if finding]
    yield from bad or [Finding(True, "no reader holds a writer up")]


# ---- One ring ------------------------------------------------------------------------------------


def _check_frames(info: Info) -> Iterator[Finding]:
    frame = headers.newest_of(info.name)
    if frame is None:
        yield Finding(False, f"ring {info.name} has no frame yet: its source gives none",
                      f"GST_DEBUG=3 for {info.writer_process} (pid {info.writer_pid}) tells why")
    elif time.monotonic_ns() - frame.publish_ns > _STALE_NS:
        yield Finding(False, f"ring {info.name} had its last frame "
                             f"{text.span(time.monotonic_ns() - frame.publish_ns)} ago",
                      f"look at its writer, {info.writer_process} (pid {info.writer_pid})")
    else:
        yield Finding(True, f"ring {info.name} has frames")


def check_ring(name: str) -> Iterator[Finding]:
    info = shmring.query(name)
    if info.state is not RingState.LIVE:
        yield Finding(False, f"ring {info.name} is {info.state.name.lower()}: nobody writes it",
                      f"start its writer again; it was {info.writer_process} (pid {info.writer_pid})")
        return
    yield from _check_frames(info)
    if info.readers is None:
        yield Finding(False, f"ring {info.name} may be looked at, not read, by this user "
                             f"(perms {info.mode:04o})", "shmringsink perms=0666, or run as its user")
    elif len(info.readers) >= info.max_readers:
        yield Finding(False, f"ring {info.name} has all of its {info.max_readers} readers",
                      "shmringsink max-readers=32")


def run(arguments: argparse.Namespace) -> int:
    checks = [check_memory(), check_container(), check_logind(), check_plugin(), check_python(),
              check_leftovers(), check_permissions(), check_readers()]
    if arguments.name:
        checks.insert(0, check_ring(arguments.name))
    bad = 0
    for check in checks:
        for finding in check:
            bad += not finding.is_good
            print(f"{'ok' if finding.is_good else 'BAD':4} {finding.said}", flush=True)
            if finding.mend:
                print(f"       -> {finding.mend}", flush=True)
    return int(bad > 0)
