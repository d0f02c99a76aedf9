# SPDX-License-Identifier: LGPL-2.1-or-later
"""One lap: the ends of a contender are started, each a process of its own on a processor of its
own, run until they are warm, measured, looked at and ended."""

import contextlib
import glob
import itertools
import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import time

ENDS_WITHIN_S = 30
PEER_WITHIN_S = 6  # beyond what is measured: shmsink locks up now and then
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20

_counter = itertools.count()


class LapError(Exception):
    """Told in one line."""


def unique_name():
    return f"bench-{os.getpid()}-{next(_counter)}"


def busy_seconds():
    """That all processors together worked, for anybody, or were taken away."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds():
    """That this process and those that it started worked."""
    return sum(sum(resource.getrusage(who)[:2])
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def watch(run, env):
    """What RUN(ENV) returns, and what others took of the machine meanwhile."""
    began, busy, own = time.monotonic(), busy_seconds(), own_seconds()
    figures = run(env)
    seconds, busy, own = time.monotonic() - began, busy_seconds() - busy, own_seconds() - own
    return {**figures, "others": max(0, busy - own) / seconds / os.cpu_count()}


def descendants(pid):
    yield pid
    for task in glob.glob(f"/proc/{pid}/task/*/children"):
        for child in pathlib.Path(task).read_text().split():
            yield from descendants(int(child))


def memory_of(pids):
    """MiB that the processes have of their own, and of shared memory, each page once."""
    own, shared = 0, {}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssFile:")):
                own += int(line.split()[1]) * 1024
        with open(f"/proc/{pid}/maps") as maps:
            for line in maps:
                where = line.split(maxsplit=5)
                if len(where) == 6 and where[5].startswith(("/dev/shm/", "/memfd:")):
                    first, end = (int(part, 16) for part in where[0].split("-"))
                    key = where[4]
                    shared[key] = max(shared.get(key, 0), int(where[2], 16) + end - first)
    return own / MIB, sum(shared.values()) / MIB


class End:
    """A process that prints "warm", and later a line of JSON for each of its roles."""

    def __init__(self, command, cpu, env, roles=1):
        self.command, self.roles, self.lines, self.rest = command, roles, [], b""
        prepared = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, env=env, preexec_fn=prepared,
                                            start_new_session=True)
        except FileNotFoundError:
            raise LapError(f"no program {command[0]}: run this by ./dev bench") from None

    def _failed(self, what):
        self.process.kill()
        said = self.process.stderr.read().decode(errors="replace").strip()
        return LapError(f"{' '.join(self.command)} {what}" + (f": {said[-400:]}" if said else ""))

    def read_line(self, deadline):
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise self._failed("was silent for too long")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise self._failed("ended early")
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
            raise self._failed(f"said {line}") from None

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
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def clean_up(name):
    for path in itertools.chain(glob.glob(f"/dev/shm/{name}*"), glob.glob(f"/tmp/{name}*")):
        with contextlib.suppress(OSError):
            os.unlink(path)


def start_all(contender, name, env, deadline):
    ends = []
    for place in contender.ends:
        ends.append(End([word.replace("NAME", name) for word in place.command], place.cpu, env,
                        place.roles))
        path = place.path and place.path.replace("NAME", name)
        while path and not os.path.exists(path):
            if time.monotonic() > deadline or ends[-1].process.poll() is not None:
                raise ends[-1]._failed("did not start")
            time.sleep(0.005)
    return ends


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
    name, ends, deadline = unique_name(), [], time.monotonic() + ENDS_WITHIN_S
    try:
        ends = start_all(contender, name, env, deadline)
        for end in ends:
            end.wait_warm(deadline)
        time.sleep(warm_s)
        began, busy = time.monotonic(), busy_seconds()
        ends[0].go()
        deadline = time.monotonic() + (ENDS_WITHIN_S if contender.ours else PEER_WITHIN_S)
        results = [result for end in ends for result in end.results(deadline)]
        seconds, busy = time.monotonic() - began, busy_seconds() - busy
        others = max(0, busy - cpu_of(results)) / seconds / os.cpu_count()
        memory = memory_of([pid for end in ends for pid in descendants(end.process.pid)])
        if contender.lossless:
            check_lossless(contender, results)
        figures = figures_of(results, others, memory)
        figures["written"] = results[0]["first"] + results[0]["frames"] + 1
        return figures
    finally:
        for end in reversed(ends):
            end.goodbye(contender.ends_within_s)
            end.kill()
        clean_up(name)
