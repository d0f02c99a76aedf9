#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A picture of a command in a terminal: screenshot.py FILE.png COLUMNSxLINES SECONDS COMMAND...

Needs python3-pyte, python3-pil and fonts-dejavu-core; for the pictures in docs/ only.
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono{}.ttf"
POINTS = 15
GROUND, INK = "1c1c1c", "d8d8d8"
NAMED = {"default": None, "black": "000000", "red": "cd3131", "green": "0dbc79", "brown": "e5e510",
         "blue": "2472c8", "magenta": "bc3fbc", "cyan": "11a8cd", "white": "e5e5e5"}


def run(command, columns, lines, seconds):
    """What its terminal shows after so long."""
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                               env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
    end, data = time.monotonic() + seconds, b""
    while time.monotonic() < end and process.poll() is None:
        if select.select([master], [], [], 0.1)[0]:
            data += os.read(master, 65536)
    process.terminate()
    process.wait()
    stream.feed(data[: data.rindex(b"\x1b[?2026l")] if b"\x1b[?2026l" in data else data)
    return screen


def colour(name, default):
    return f"#{NAMED.get(name, name) or default}"


def draw(screen):
    fonts = [ImageFont.truetype(FONT.format(kind), POINTS) for kind in ("", "-Bold")]
    width, height = round(fonts[0].getlength("M")), POINTS + 4
    picture = Image.new("RGB", (screen.columns * width, screen.lines * height), f"#{GROUND}")
    pen = ImageDraw.Draw(picture)
    for y in range(screen.lines):
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            ink, ground = colour(cell.fg, INK), colour(cell.bg, GROUND)
            if cell.reverse:
                ink, ground = ground, ink
            left, top = x * width, y * height
            pen.rectangle((left, top, left + width - 1, top + height - 1), ground)
            if cell.data == "▀":
                pen.rectangle((left, top, left + width - 1, top + height // 2 - 1), ink)
            elif cell.data.strip():
                pen.text((left, top + 1), cell.data, ink, fonts[cell.bold])
    return picture


def main(path, size, seconds, *command):
    columns, lines = map(int, size.split("x"))
    draw(run(command, columns, lines, float(seconds))).save(path, optimize=True)


main(*sys.argv[1:])
