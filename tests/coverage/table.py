# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines and branches that ran, a folder, from gcovr's summary: `table.py coverage.json`."""

import collections
import json
import sys

FOLDERS = ("ring", "plugin", "python-bindings", "tools")
COUNTS = ("line_covered", "line_total", "branch_covered", "branch_total")


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main():
    with open(sys.argv[1]) as file:
        files = json.load(file)["files"]
    folders, rows = collections.defaultdict(collections.Counter), []
    for file in files:
        folder = file["filename"].split("/")[0]
        if folder in FOLDERS:
            folders[folder].update({count: file[count] for count in COUNTS})
        if folder == "ring":
            rows.append((file["line_covered"] / max(file["line_total"], 1), file))
    for folder, counts in sorted(folders.items()):
        print(f"{folder:16} lines {percent(counts['line_covered'], counts['line_total']):>8} of "
              f"{counts['line_total']:5}   branches "
              f"{percent(counts['branch_covered'], counts['branch_total']):>8} of "
              f"{counts['branch_total']:5}")
    missed = sum(file["line_total"] - file["line_covered"] for _, file in rows)
    print(f"ring: {missed} lines did not run")
    for share, file in sorted(rows, key=lambda row: row[0]):
        if share < 1:
            print(f"  {file['filename']:22} {file['line_total'] - file['line_covered']:3} lines did not "
                  f"run: {percent(file['line_covered'], file['line_total'])}")


main()
