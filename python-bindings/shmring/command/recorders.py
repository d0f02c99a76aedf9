# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recorders that run, so that `shmring trigger` finds them: a locked file each."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from typing import IO


def _folder() -> str:
    """Of this user alone."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isdir(runtime):
        return os.path.join(runtime, "shmring")
    return os.path.join(tempfile.gettempdir(), f"shmring-{os.geteuid()}")


def register(name: str) -> IO[str]:
    """This process records the ring NAME while the file is open."""
    folder = _folder()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.stat(folder).st_uid != os.geteuid():
        raise PermissionError(f"{folder} is another user's: remove it, or set XDG_RUNTIME_DIR")
    file = open(os.path.join(folder, f"{name}@{os.getpid()}"), "w")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def unregister(file: IO[str]) -> None:
    os.unlink(file.name)
    file.close()


def _lives(path: str) -> bool:
    """Removes what a killed one left."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


def find(name: str | None) -> list[tuple[str, int]]:
    """(ring, process id) of those of the ring NAME, or of all."""
    folder, found = _folder(), []
    for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        parts = re.fullmatch(r"(.+)@([0-9]+)", entry)
        if parts and name in (None, parts[1]) and _lives(os.path.join(folder, entry)):
            found.append((parts[1], int(parts[2])))
    return found
