#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks every source of a tree: clang-format by each folder's own style, licence lines, tabs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = {".c", ".cpp", ".h", ".py", ".pyi", ".sh"}
TEXTS = SOURCES | {".md", ".toml", ".txt", ".yml", ".build"}
INDENTED_BY_SPACES = SOURCES | {".build"}
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
SPDX_WITHIN_LINES = 3
# Each major version formats some things in its own way.
CLANG_FORMAT = 14
SKIPPED = 77  # to Meson


def is_ours(folder):
    return not folder.startswith(("build", "__pycache__")) and (
        not folder.startswith(".") or folder == ".ci"
    )


def files_of(top):
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(filter(is_ours, folders))
        yield from (Path(folder, name) for name in sorted(names))


def kind(path):
    """The suffix, or .sh for a script without one; a makefile's indentation is tabs."""
    if path.suffix or path.is_symlink():
        return path.suffix
    with path.open("rb") as file:
        first = file.readline()
    return ".sh" if first.startswith(b"#!") and b"make" not in first else ""


def text_problems(path, suffix):
    lines = path.read_text(encoding="utf-8").split("\n")
    if suffix in SOURCES and not any(SPDX in line for line in lines[:SPDX_WITHIN_LINES]):
        yield f"{path}:1: no line '{SPDX}'"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield f"{path}:{number}: white space at the end of the line"
        if suffix in INDENTED_BY_SPACES and "\t" in line:
            yield f"{path}:{number}: a tab"
    if lines[-1]:
        yield f"{path}:{len(lines)}: no newline at the end"


def clang_format():
    """The program of the one major version, or None."""
    for program in (f"clang-format-{CLANG_FORMAT}", "clang-format"):
        if shutil.which(program):
            told = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True).stdout
            if re.search(rf"version {CLANG_FORMAT}\.", told):
                return program
    return None


def style_problems(paths):
    program = clang_format()
    if not paths or not program:
        return
    command = [program, "--style=file", "--dry-run", "-Werror", *map(str, paths)]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        yield result.stderr.rstrip()
        yield "to mend it: clang-format --style=file -i FILE"


def problems_of(top):
    kinds = [(path, kind(path)) for path in files_of(top)]
    for path, suffix in kinds:
        if suffix in TEXTS:
            yield from text_problems(path, suffix)
    yield from style_problems([path for path, suffix in kinds if suffix in (".c", ".cpp", ".h")])


def main():
    problems = list(problems_of(sys.argv[1]))
    print("\n".join(problems) or "every file is in style")
    if not problems and not clang_format():
        print(f"but C's, which clang-format {CLANG_FORMAT} alone can tell: there is none here")
        return SKIPPED
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
