# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring trigger: a recorder that waits saves what was."""

from __future__ import annotations

import argparse
import os
import signal

from ..errors import RingNotFound
from . import options, recorders

EXAMPLES = """\
  shmring record cam0 event.mkv --before 10s --after 5s &
  shmring trigger cam0               now: event.mkv has the 10 s before and the 5 s after
  shmring trigger                    all recorders of this user
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser, nargs="?", help="of the ring; none: all")


def run(arguments: argparse.Namespace) -> int:
    name = arguments.name
    found = recorders.find(name)
    if not found:
        raise RingNotFound(f"nobody records {f'ring {name!r}' if name else 'a ring'}: shmring record "
                           f"{name or 'NAME'} FILE --before 10s")
    for ring, pid in found:
        os.kill(pid, signal.SIGUSR1)
        print(f"triggered the recorder of {ring} (pid {pid})")
    return 0
