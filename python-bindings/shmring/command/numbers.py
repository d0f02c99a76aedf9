# SPDX-License-Identifier: LGPL-2.1-or-later
"""Numbers in arguments: what a parser takes for their type."""

from __future__ import annotations

import argparse
import re


def count(value: str) -> int:
    """1 and more."""
    if not re.fullmatch(r"[0-9]+", value) or int(value) < 1:
        raise argparse.ArgumentTypeError(f"'{value}' is not a whole number from 1")
    return int(value)


def seconds(value: str) -> float:
    """More than 0, with a unit or without: 1.5, 10s, 500ms, 2m."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)(ms|s|m|h)?", value)
    number = float(found[1]) * {"ms": 1e-3, "m": 60, "h": 3600}.get(found[2], 1) if found else 0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"'{value}' is not a time of more than 0 s, as 1.5, 10s, 2m")
    return number
