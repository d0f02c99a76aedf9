#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the man page and the bash completion of the command, from its own parsers.

usage: generate.py FILE: shmring.1, or the completion, named as the command
"""

import argparse
import sys

import shmring
from shmring.command import COMMANDS, module_of, parser_of

EXITS = ("0", "done"), ("1", "an error"), ("2", "wrong arguments"), ("3", "no such ring"), (
    "4", "nothing came within the timeout")
SUMMARY = "rings of video frames: what there are, who reads them, what is the matter"


def roff(text):
    """TEXT, none of whose lines is taken for a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in escaped.split("\n"))


def options_of(parser):
    return [action for action in parser._actions if action.help is not argparse.SUPPRESS]


def tag_of(action):
    name = ", ".join(f"\\fB{roff(option)}\\fR" for option in action.option_strings)
    value = action.metavar or (f"{{{','.join(action.choices)}}}" if action.choices else "")
    return " ".join(filter(None, [name, f"\\fI{roff(value)}\\fR" if value and action.nargs != 0 else ""]))


def command_lines(name):
    parser = parser_of(name)
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield f".SS {name}\n{roff(parser.description)}\n.PP\n\\fB{roff(usage)}\\fR"
    for action in options_of(parser):
        yield f".TP\n{tag_of(action)}\n{roff(action.help)}"
    yield f".PP\n.nf\n{roff(module_of(name).EXAMPLES.rstrip())}\n.fi"


def man():
    yield f'.TH SHMRING 1 "" "shmring {shmring.__version__}" "User Commands"'
    yield f".SH NAME\nshmring \\- {roff(SUMMARY)}"
    yield ".SH SYNOPSIS\n\\fBshmring\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]"
    yield (".SH DESCRIPTION\nLooks at the rings in /dev/shm. Except \\fBrecord\\fR, which reads every "
           "frame, no command takes a reader's place or writes into a ring: permission to read "
           "/dev/shm/NAME is enough, and what only NAME.ctl tells (the readers) needs permission to "
           "read that.")
    yield ".SH COMMANDS"
    for name in COMMANDS:
        yield from command_lines(name)
    yield ".SH EXIT STATUS"
    for code, what in EXITS:
        yield f".TP\n{code}\n{what}"
    yield ".SH SEE ALSO\ngst\\-launch\\-1.0(1), gst\\-inspect\\-1.0(1); docs/operate.md of shmring"


COMPLETION = """\
# bash completion for shmring; made by tools/command/generate.py
_shmring_rings() {{
    local file
    for file in /dev/shm/*.ctl; do
        file=${{file##*/}}
        [ ! -e "/dev/shm/${{file%.ctl}}" ] || printf '%s\\n' "${{file%.ctl}}"
    done
}}

_shmring() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} options=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '{commands}' -- "$word"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$(_shmring_rings)" -- "$word")) ;;
    esac
}}
complete -o default -F _shmring shmring
"""


def completion():
    cases = "\n".join(
        f"    {name}) options='{' '.join(word for a in options_of(parser_of(name)) for word in a.option_strings)}' ;;"
        for name in COMMANDS)
    yield COMPLETION.format(commands=" ".join([*COMMANDS, "--help", "--version"]), cases=cases).rstrip()


def main(path):
    lines = man() if path.endswith(".1") else completion()
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


main(*sys.argv[1:])
