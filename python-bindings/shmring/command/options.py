# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arguments: those of several commands, and what a parser takes for their type."""

from __future__ import annotations

import argparse
import re
from typing import Any

from ..raw import ring_name


def add_name(parser: argparse.ArgumentParser, **more: Any) -> None:
    """NAME; MORE is what add_argument() takes."""
    said: dict[str, Any] = {"metavar": "NAME", "type": ring_name, "help": "of the ring", **more}
    parser.add_argument("name", **said)


def add_names(parser: argparse.ArgumentParser, help: str) -> None:
    """Any number of NAMEs, none too."""
    parser.add_argument("names", metavar="NAME", nargs="*", type=ring_name, help=help)


def add_timeout(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-t", "--timeout", type=seconds, metavar="S", default=10.0,
                        help=f"longest wait for {what}, in seconds (10)")


def count(value: str) -> int:
    """1 and more."""
    if not re.fullmatch(r"[0-9]+", value) or int(value) < 1:
        raise argparse.ArgumentTypeError(f"'{value}' is not a whole number from 1")
    return int(value)


def port(value: str) -> int:
    """0 to 65535."""
    if not re.fullmatch(r"[0-9]+", value) or int(value) > 65535:
        raise argparse.ArgumentTypeError(f"'{value}' is no port, which are 0 to 65535")
    return int(value)


def seconds(value: str) -> float:
    """More than 0, with a unit or without: 1.5, 10s, 500ms, 2m."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)(ms|s|m|h)?", value)
    number = float(found[1]) * {"ms": 1e-3, "m": 60, "h": 3600}.get(found[2], 1) if found else 0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"'{value}' is not a time of more than 0 s, as 1.5, 10s, 2m")
    return number
