# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring clean: takes away what writers left that are gone."""

from __future__ import annotations

import argparse

import shmring

from .. import _shmring
from . import leftovers, options, text

EXAMPLES = """\
  shmring clean --dry-run            what would be removed
  shmring clean                      all that is dead, of this user, and read by nobody
  shmring clean cam0                 what is left of this ring
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_names(parser, "only these rings")
    parser.add_argument("--dry-run", action="store_true", help="say it, and remove nothing")


def _clean(name: str, left: dict[str, int], dry_run: bool) -> bool:
    """Says what happens; False: it stays."""
    memory = left.get(name, 0)
    try:
        _shmring.remove(name, dry_run)
    except shmring.RingNotFound:
        if not dry_run or name not in left:
            raise
    except (shmring.Error, OSError) as error:
        print(f"kept {name}, {text.size(memory)}: {error}")
        return False
    print(f"{'would remove' if dry_run else 'removed'} {name}, {text.size(memory)}")
    return True


def run(arguments: argparse.Namespace) -> int:
    left = leftovers.by_ring()
    names = arguments.names or sorted(left)
    done = [_clean(name, left, arguments.dry_run) for name in names]
    if not names:
        print("nothing is left over")
    return 0 if all(done) or not arguments.names else 1
