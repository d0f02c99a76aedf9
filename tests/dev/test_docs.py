# SPDX-License-Identifier: LGPL-2.1-or-later
"""The functions that docs/design.md and docs/model.md name are there, in the files that they name."""

import re
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SOURCES = {path.name: path.read_text(encoding="utf-8")
           for folder in ("ring", "plugin") for path in (TOP / folder).glob("*.[ch]")}


def read(name):
    return (TOP / "docs" / name).read_text(encoding="utf-8")


def defines(text, function):
    return re.search(rf"^(?:[a-z].*[ *])?{function} ?\(", text, re.MULTILINE)


class FunctionTest(unittest.TestCase):
    def check(self, function, file=None):
        with self.subTest(function, file=file):
            self.assertTrue(defines(SOURCES[file] if file else "\n".join(SOURCES.values()), function))

    def test_ways(self):
        """A line of a way has functions, and perhaps the file of it and of those that follow."""
        ways = re.findall(r"\n## A frame's way through .*?```\n(.*?)```", read("design.md"), re.DOTALL)
        self.assertEqual(len(ways), 3)
        for line in "".join(ways).splitlines():
            self.assertLessEqual(len(line), 100)
            names = re.match(r" *([a-z_]+(?:, [a-z_]+)*)(?: +(\w+\.c)(?: |$))?", line)
            for name in names[1].split(", ") if names else ():
                self.check(name, names[2])

    def test_invariants(self):
        named = re.findall(r"`(\w+)` in `\w+/(\w+\.c)`", read("design.md"))
        self.assertGreater(len(named), 8)
        for function, file in named:
            self.check(function, file)

    def test_rules_of_the_models(self):
        """The column that says where a rule stands in the code."""
        rows = re.findall(r"^\| [A-Z_0-9=, ]+: [^|]*\|[^|]*\|([^|]*)\|", read("model.md"), re.MULTILINE)
        self.assertGreater(len(rows), 50)
        for where in rows:
            for function in re.findall(r"`([a-z_]+)`", where):
                self.check(function)


if __name__ == "__main__":
    unittest.main()
