# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring snapshot: the newest frame, as a file."""

from __future__ import annotations

import argparse
import os
import sys
from typing import IO

from .. import raw
from . import headers, images, options, text

EXAMPLES = """\
  shmring snapshot cam0              into cam0.png
  shmring snapshot cam0 now.jpg      takes Pillow
  shmring snapshot cam0 frame.npy    the array as shmring.Reader gives it
  shmring snapshot cam0 - | feh -    PNG to a program
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    parser.add_argument("file", metavar="FILE", nargs="?",
                        help=f"{', '.join(images.SUFFIXES)}; -: standard output (NAME.png)")
    options.add_timeout(parser, "a frame")


def _open(path: str) -> IO[bytes]:
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb") if path == "-" else open(path, "wb")


def _save(frame: raw.RawFrame, path: str, suffix: str) -> None:
    """No file is left that is not whole."""
    try:
        with _open(path) as file:
            images.write(frame, file, suffix)
    except BaseException:
        if path != "-":
            os.unlink(path)
        raise


def run(arguments: argparse.Namespace) -> int:
    headers.require(arguments.name)
    with raw.RawReader(arguments.name) as reader:
        path = arguments.file or f"{reader.name}.png"
        suffix = ".png" if path == "-" else os.path.splitext(path)[1].lower()
        if suffix not in images.SUFFIXES:
            raise ValueError(f"'{path}' does not end in {', '.join(images.SUFFIXES)}")
        frame = reader.latest(timeout=arguments.timeout)
    _save(frame, path, suffix)
    if path != "-":
        size = f"{frame.width}x{frame.height}, " if frame.width else ""
        print(f"{path}: frame {frame.seq}, {size}{headers.kind_of(frame)}, "
              f"{text.size(os.path.getsize(path))} bytes")
    return 0
