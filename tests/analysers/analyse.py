# SPDX-License-Identifier: LGPL-2.1-or-later
"""What gcc's and clang's analysers say of the sources that are installed; nothing, or it fails.

usage: analyse.py BUILD-FOLDER [gcc] [clang]
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("ring", "plugin", "python-bindings", "tools")
# Findings that are none: the file, a part of what is said, and why it is none.
ARGUED = [
    ("ring/frame.c", "leak of ‘frame’", "its public part comes first: who frees that frees all"),
    ("ring/reader.c", "dereference of NULL", "OK comes with a frame, TIMEOUT and LEASE attached"),
    ("ring/error.h", "dereference of NULL ‘*((struct shmring_reader *)r).at’", "LEASE: it is attached"),
    ("ring/take.c", "ereference of", "without FRAME all up to the limit is given back, not taken"),
    ("python3", "leak of ‘<unknown>’", "Python holds it: PyErr_Format is not known to the analyser"),
    ("python3", "leak of ‘layout’", "its one reference is given back"),
    ("python-bindings/layout.c", "leak of ‘<unknown>’", "as that of ‘layout’"),
    ("python-bindings/layout.c", "garbage", "both tuples were found to have as many numbers"),
    ("plugin/gstshmringframe.c", "Null pointer passed", "a frame that is mapped has all its planes"),
]
TOOLS = {
    "gcc": ["gcc", "-fanalyzer", "-Wno-analyzer-too-complex", "-O1", "-c", "-o", os.devnull],
    "clang": ["clang", "--analyze", "--analyzer-output", "text", "-Xclang",
              "-analyzer-checker=core,deadcode,security.insecureAPI.UncheckedReturn,unix", "-o",
              os.devnull],
}
KEPT = ("-I", "-D", "-std", "-isystem", "-pthread")


def commands(build):
    """Each source once, with what its compilation needs to know."""
    seen = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if source.is_relative_to(TOP) and source.relative_to(TOP).parts[0] in FOLDERS:
            flags = [word for word in shlex.split(entry["command"]) if word.startswith(KEPT)]
            seen.setdefault(source, (flags, entry["directory"]))
    return sorted(seen.items())


def is_argued(line):
    return any(file in line and said in line for file, said, _ in ARGUED)


def analyse(tool, source, flags, folder):
    done = subprocess.run([*TOOLS[tool], *flags, source], cwd=folder, capture_output=True, text=True)
    findings = [line for line in done.stderr.splitlines() if ": warning:" in line or ": error:" in line]
    return [] if all(map(is_argued, findings)) and done.returncode == 0 else [done.stderr]


def run(tool, sources):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(analyse, tool, source, *how) for source, how in sources]
        found = [text for job in jobs for text in job.result()]
    print(f"{tool}: {len(sources)} sources, {len(found)} with findings")
    print("".join(found), end="")
    return bool(found)


def main():
    build, *tools = sys.argv[1:]
    sources = commands(pathlib.Path(build).resolve())
    there = [tool for tool in tools or TOOLS if shutil.which(tool)]
    for tool in set(tools or TOOLS) - set(there):
        print(f"{tool}: skipped, it is not installed")
    sys.exit(any([run(tool, sources) for tool in there]) or not sources)


main()
