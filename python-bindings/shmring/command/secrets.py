# SPDX-License-Identifier: LGPL-2.1-or-later
"""Passwords, from where no other user sees them: never from a command line."""

from __future__ import annotations

import os
import stat

from ..errors import Error


def _read_private(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Error(f"{path} can be read by others: chmod 600 {path}")
        return file.read()


def _login(line: str, place: str) -> tuple[str, str]:
    name, colon, password = line.partition(":")
    if not name or not colon or not password:
        raise Error(f"{place}: a login is NAME:PASSWORD, and one of them is not")
    return name, password


def logins(path: str | None, variable: str) -> dict[str, str]:
    """Passwords by name: of the lines in the file PATH, or of the words in the environment's
    VARIABLE. Empty: neither is there."""
    if path is not None:
        lines, place = _read_private(path).splitlines(), path
    else:
        lines, place = os.environ.get(variable, "").split(), variable
    found = dict(_login(line.strip(), place) for line in lines if line.strip())
    if path is not None and not found:
        raise Error(f"{path} has no login in it: a line is NAME:PASSWORD")
    return found
