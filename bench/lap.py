# SPDX-License-Identifier: LGPL-2.1-or-later
"""One lap: the ends of a contender are started, each a process of its own on a processor of its
own, run until they are warm, measured, looked at and ended."""

import contextlib
import glob
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

ENDS_WITHIN_S = 30
PEER_STARTS_WITHIN_S, PEER_ENDS_WITHIN_S = 12, 6  # shmsink locks up now and then
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20

_counter = itertools.count()


class LapError(Exception):
    """Told in one line."""


class Hung(LapError):
    """That took its time."""


def unique_name():
    return f"bench-{os.getpid()}-{next(_counter)}"


# ---- What others do meanwhile ----

def processes(proc="/proc"):
    """{pid: (parent, session, seconds that it and the children that it outlived have worked)}"""
    found = {}
    for path in glob.glob(f"{proc}/[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it is gone
            words = pathlib.Path(path).read_text().rpartition(")")[2].split()
            found[int(path.split("/")[-2])] = (int(words[1]), int(words[3]),
                                               sum(map(int, words[11:15])) / TICKS)
    return found


def seconds_of_others(me, proc="/proc"):
    """That all have worked but ME and whom it started, and that the machine was taken away.

    Summed up process by process, where the kernel counts nanoseconds: /proc/stat takes samples, 250
    a second, and who is woken by a clock of 250 or 500 is in all of them or in none."""
    all_of_them = processes(proc)

    def is_mine(pid):
        while pid in all_of_them and pid != me:
            pid = all_of_them[pid][0]
        return pid == me

    stolen = int(pathlib.Path(proc, "stat").read_text().split(maxsplit=9)[8]) / TICKS
    return stolen + sum(seconds for pid, (_, _, seconds) in all_of_them.items()
                        if not is_mine(pid))


class Others:
    """How much of the machine others take, from now on."""

    def __init__(self):
        self.began, self.before = time.monotonic(), seconds_of_others(os.getpid())

    def share(self):
        seconds = time.monotonic() - self.began
        took = (seconds_of_others(os.getpid()) - self.before) / seconds / os.cpu_count()
        return min(1, max(0, took))


def watch(run, env):
    """What RUN(ENV) returns, and what others took of the machine meanwhile."""
    others = Others()
    figures = run(env)
    return {**figures, "others": others.share()}


# ---- Memory ----

def pids_of(ends):
    """Each end is a session of its own, and so is whom it started."""
    leaders = {end.process.pid for end in ends}
    return [pid for pid, (_, session, _) in processes().items() if session in leaders]


def mappings(pid):
    """(path, inode, where it ends in the file) of each shared memory that is mapped."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            where = line.rstrip("\n").split(maxsplit=5)
            if len(where) == 6 and where[5].startswith(("/dev/shm/", "/memfd:")):
                first, end = (int(part, 16) for part in where[0].split("-"))
                yield where[5], where[4], int(where[2], 16) + end - first


def memory_of(pids):
    """MiB that the processes have of their own, and of shared memory, each page once."""
    own, shared = 0, {}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssFile:")):
                own += int(line.split()[1]) * 1024
        for _, inode, size in mappings(pid):
            shared[inode] = max(shared.get(inode, 0), size)
    return own / MIB, sum(shared.values()) / MIB


class Leftovers:
    """Files in /dev/shm that appeared from now on and that the processes of a lap had mapped: peers
    choose their names themselves, and leave them there when they are killed, or always."""

    def __init__(self):
        self.before, self.ours = set(os.listdir("/dev/shm")), set()

    def look(self, pids):
        self.ours |= {path for pid in pids for path, _, _ in mappings(pid)
                      if os.path.dirname(path) == "/dev/shm"
                      and os.path.basename(path) not in self.before}

    def remove(self):
        """But for what others have come to use."""
        left = {path for path in self.ours if os.path.exists(path)}
        if any("/iox2_" in path for path in self.ours):
            # One file for all of the machine, which nobody maps.
            left |= {path for path in glob.glob("/dev/shm/iox2_*.global_mgmt")
                     if os.path.basename(path) not in self.before}
        if not left:
            return
        pids = filter(str.isdigit, os.listdir("/proc"))
        used = {path for pid in pids for path, _, _ in mappings(pid)}
        iceoryx2 = any("/iox2_" in path for path in used)
        for path in left - used:
            if not (iceoryx2 and path.endswith(".global_mgmt")):
                with contextlib.suppress(OSError):
                    os.unlink(path)


# ---- Processes ----


class End:
    """A process that prints "warm", and later a line of JSON for each of its roles."""

    def __init__(self, command, cpu, env, roles=1):
        self.command, self.roles, self.rest = command, roles, b""
        self.said = tempfile.TemporaryFile()  # no pipe: whom it started may hold that open
        prepared = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=self.said, env=env, preexec_fn=prepared,
                                            start_new_session=True)
        except FileNotFoundError:
            raise LapError(f"no program {command[0]}: run this by ./dev bench") from None

    def failed(self, what, kind=LapError):
        self.said.seek(0)
        said = self.said.read().decode(errors="replace").strip()
        return kind(f"{' '.join(self.command)} {what}" + (f": {said[-400:]}" if said else ""))

    def read_line(self, deadline):
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise self.failed("was silent for too long", Hung)
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise self.failed("ended early")
            self.rest += piece
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace")

    def wait_warm(self, deadline):
        for _ in range(self.roles):
            while self.read_line(deadline) != "warm":
                pass

    def _parse(self, line):
        try:
            return json.loads(line)
        except ValueError:
            raise self.failed(f"said {line}") from None

    def results(self, deadline):
        found = []
        while len(found) < self.roles:
            line = self.read_line(deadline)
            if line.startswith("{"):
                found.append(self._parse(line))
        return found

    def go(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def goodbye(self, seconds):
        """Lets it end by itself, for a while."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def kill(self):
        """With whom it started."""
        for pid in pids_of([self]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.said):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def clean_up(name):
    for path in itertools.chain(glob.glob(f"/dev/shm/{name}*"), glob.glob(f"/tmp/{name}*")):
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(path)


def start_all(contender, name, env, deadline, ends):
    """Each is put into ENDS, so that it is ended if the next one does not start."""
    for place in contender.ends:
        ends.append(End([word.replace("NAME", name) for word in place.command], place.cpu, env,
                        place.roles))
        path = place.path and place.path.replace("NAME", name)
        while path and not os.path.exists(path):
            if ends[-1].process.poll() is not None:
                raise ends[-1].failed("did not start")
            if time.monotonic() > deadline:
                raise ends[-1].failed("did not start for too long", Hung)
            time.sleep(0.005)


def check_lossless(contender, results):
    first = next((r["first"] for r in results if r["role"] == "write"), 0)
    for result in results:
        if result["missed"]:
            raise LapError(f"{contender.name}: {result['missed']} frames are missing")
        if result["role"] == "read" and result["first"] != first:
            raise LapError(f"{contender.name}: a reader came late")


def cpu_of(results):
    """Seconds; of a process that is both ends, once."""
    used = {}
    for result in results:
        used[result["pid"]] = max(used.get(result["pid"], 0), result["cpu"])
    return sum(used.values())


def figures_of(results, others, memory):
    """What is said of a lap, a frame where that makes sense. Of several readers the slowest."""
    writers = [r for r in results if r["role"] == "write"]
    readers = [r for r in results if r["role"] == "read"] or writers
    slowest = min(readers, key=lambda r: r["frames"] / r["seconds"])
    frames = max(1, slowest["frames"])
    written = max(1, writers[0]["frames"])
    figures = {
        "rate": slowest["frames"] / slowest["seconds"],
        "cpu_us": 1e6 * cpu_of(results) / max(frames, written),
        "write_cpu_us": 1e6 * writers[0]["cpu"] / written,
        "read_cpu_us": 1e6 * slowest["cpu"] / frames,
        "faults": sum(r["faults"] for r in results) / max(frames, written),
        "read_faults": slowest["faults"] / frames,
        "switches": sum(r["switches"] for r in results) / max(frames, written),
        "missed": max(r["missed"] for r in results),
        "own_mib": memory[0], "shared_mib": memory[1], "others": others,
    }
    figures.update((key, max(r.get(key, 0) for r in readers)) for key in slowest
                   if key.endswith("_us") or key == "tries")
    return figures


def measure(contender, env, warm_s):
    """{figure: value} of one lap."""
    starts, stops = (ENDS_WITHIN_S,) * 2 if contender.ours else (
        PEER_STARTS_WITHIN_S, PEER_ENDS_WITHIN_S)
    name, ends, left, deadline = unique_name(), [], Leftovers(), time.monotonic() + starts
    try:
        start_all(contender, name, env, deadline, ends)
        for end in ends:
            end.wait_warm(deadline)
        left.look(pids_of(ends))
        time.sleep(warm_s)
        others = Others()
        next(end for end in ends if end.roles).go()
        deadline = time.monotonic() + stops
        results = [result for end in ends for result in end.results(deadline)]
        others = others.share()
        memory = memory_of(pids_of(end for end in ends if end.roles))
        if contender.lossless:
            check_lossless(contender, results)
        figures = figures_of(results, others, memory)
        figures["written"] = results[0]["first"] + results[0]["frames"] + 1
        return figures
    finally:
        left.look(pids_of(ends))
        for end in reversed(ends):
            end.goodbye(contender.ends_within_s if end.roles else 0)
            end.kill()
        clean_up(name)
        left.remove()
