# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another commit of this repository, built to be measured beside this one."""

import dataclasses
import os
import pathlib
import subprocess

import lap

PROGRAM = "bench-ring"  # what is compiled against the other ring


@dataclasses.dataclass(frozen=True)
class Entrant:
    """A contender in an environment, which decides what build it runs."""

    name: str
    contender: object
    env: dict


@dataclasses.dataclass(frozen=True)
class Other:
    commit: str
    env: dict
    has_program: bool


def run(command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    if done.returncode:
        raise lap.LapError(f"{' '.join(map(str, command))} failed: "
                           + done.stdout.decode(errors="replace")[-800:])
    return done.stdout


def unpack(top, commit, folder):
    folder.mkdir(parents=True, exist_ok=True)
    archive = run(["git", "-C", top, "archive", "--format=tar", commit])
    run(["tar", "-x", "-C", folder], input=archive)


def environment(folder, build):
    env = {**os.environ, "SHMRING_BUILD": str(build)}
    for key in ("GST_PLUGIN_PATH", "PYTHONPATH", "GST_REGISTRY"):
        env.pop(key, None)
    said = subprocess.run([folder / "dev", "shell", "env", "-0"], env=env, capture_output=True)
    if said.returncode:
        raise lap.LapError(f"{folder} does not build: " + said.stderr.decode()[-800:])
    return dict(line.split("=", 1) for line in said.stdout.decode().split("\0") if "=" in line)


def compile_program(top, folder, build, into):
    """Whether our benchmark compiles with that commit's header."""
    into.mkdir(exist_ok=True)
    sources = [top / "bench" / name for name in ("ring.c", "measure.c")]
    return subprocess.run(
        ["cc", "-O2", "-g", "-D_GNU_SOURCE", "-I", folder / "ring", *sources, "-o", into / PROGRAM,
         "-L", build / "ring", "-lshmring", f"-Wl,-rpath,{build / 'ring'}"],
        capture_output=True).returncode == 0


def build(top, commit):
    """Our programs and elements around that commit's ring, plugin and package."""
    commit = run(["git", "-C", top, "rev-parse", "--short", f"{commit}^{{commit}}"])
    commit = commit.decode().strip()
    ours = pathlib.Path(os.environ["SHMRING_BENCH_BUILD"])
    folder = ours / "compared" / commit
    unpack(top, commit, folder)
    build_folder = folder / "build"
    env = environment(folder, build_folder)
    programs = folder / "bench-programs"
    has_program = compile_program(top, folder, build_folder, programs)
    env["PATH"] = f"{programs}:{env['PATH']}"
    env["GST_PLUGIN_PATH"] = f"{env['GST_PLUGIN_PATH']}:{ours / 'bench'}"
    env["GST_REGISTRY"] = str(folder / "registry.bin")
    return Other(commit, env, has_program)


def fits(contender, other):
    return other.has_program or not any(PROGRAM in place.command for place in contender.ends)


def entrants(row, other):
    here = [Entrant(c.name, c, dict(os.environ)) for c in row.contenders]
    if not other:
        return here
    pairs = []
    for entrant in here:
        if entrant.contender.ours and not entrant.contender.skipped:
            contender = entrant.contender if fits(entrant.contender, other) else (
                entrant.contender.named(entrant.name, skipped="that commit has another C API"))
            pairs += [entrant, Entrant(f"{entrant.name} @{other.commit}", contender, other.env)]
    return pairs
