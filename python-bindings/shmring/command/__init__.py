# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command `shmring`: which rings there are, who reads them, and what is the matter.

A command is a module of this package that has its name, and in it

    EXAMPLES: str                      lines that --help ends with
    add_arguments(parser)              what it takes
    run(arguments) -> int              does it; raises what the library raises

main() says every error and chooses the exit code. A module is imported when its command is run, and
imports only what it needs itself: no command starts numpy or GStreamer to tell what it does without.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from typing import Protocol, Sequence

from .. import __version__
from ..errors import Error, RingNotFound, Timeout

# In the order in which --help tells them.
COMMANDS = {
    "list": "the rings there are",
    "info": "all that one ring says of itself, and lines to read it with",
    "top": "rings and their readers, live: how fast, and who holds the others up",
    "hz": "how fast frames come, and how evenly",
    "delay": "how old frames are when they are published, and when somebody sees them",
    "snapshot": "the newest frame, as a file",
    "show": "the picture, in the terminal",
    "record": "a ring into a Matroska file, from now on or with what was before",
    "trigger": "a recorder that waits saves what was before",
    "metrics": "all rings and readers, as Prometheus reads them",
    "doctor": "what stands in the way, and the line that mends it",
    "clean": "removes what dead writers left and nobody reads",
    "serve": "rings over RTSP, for players, also while nobody writes them",
    "ingest": "an IP camera into a ring, which stays while the camera is gone",
    "mirror": "a ring as it is, on another host, over zenoh",
    "web": "a page with every ring: its picture, figures and readers",
}

OK, FAILED, USAGE, NO_RING, TIMEOUT = range(5)
_EXIT_CODES = "exit codes: 0 done, 1 error, 2 wrong arguments, 3 no such ring, 4 timeout"


class Command(Protocol):
    """What the module of a command has."""

    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def module_of(name: str) -> Command:
    module: Command = importlib.import_module(f"{__name__}.{name}")
    return module


def parser_of(name: str) -> argparse.ArgumentParser:
    """Of the command NAME."""
    module = module_of(name)
    parser = argparse.ArgumentParser(
        f"shmring {name}", description=f"{COMMANDS[name][:1].upper()}{COMMANDS[name][1:]}.",
        epilog=f"examples:\n{module.EXAMPLES}\n{_EXIT_CODES}", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return parser


def usage() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items())
    return (f"usage: shmring COMMAND [ARGUMENTS]\n\n{commands}\n\n"
            f"shmring COMMAND --help tells more, with examples; shmring --version.\n{_EXIT_CODES}\n")


def _code_of(error: BaseException) -> int:
    if isinstance(error, RingNotFound):
        return NO_RING
    if isinstance(error, Timeout):
        return TIMEOUT
    return USAGE if isinstance(error, ValueError) else FAILED


def _run(name: str, arguments: Sequence[str]) -> int:
    """The command's own exit code, or its error's, which is said."""
    parsed = parser_of(name).parse_args(arguments)
    try:
        code = module_of(name).run(parsed)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough; nothing is to be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 130
    except (Error, OSError, ValueError, ImportError) as error:
        hint = "; shmring list --all names those there are" if isinstance(error, RingNotFound) else ""
        print(f"shmring {name}: {error}{hint}", file=sys.stderr)
        return _code_of(error)


def _say_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int,
                 line: str | None = None) -> str:
    """Without the line of code that led to it, which is nothing for who runs a command."""
    return f"shmring: {message}\n"


def _open_standard_streams() -> None:
    """Those that who started it closed. Else a file gets their numbers, and then what is printed."""
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command in ARGV, by default that of this process. Its exit code."""
    warnings.formatwarning = _say_warning
    _open_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = arguments[0] if arguments else ""
    if first in COMMANDS:
        return _run(first, arguments[1:])
    if first in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return OK
    if first == "--version":
        print(f"shmring {__version__}")
        return OK
    if first:
        print(f"shmring: there is no command '{first}'", file=sys.stderr)
    sys.stderr.write(usage())
    return USAGE
