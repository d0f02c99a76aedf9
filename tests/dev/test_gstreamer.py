# SPDX-License-Identifier: LGPL-2.1-or-later
"""What docs/gstreamer.md shows works, what it says of messages is what the elements say, and the tests
that its table names are there."""

import re
import unittest

from built import TOP, BuiltTest

GUIDE = (TOP / "docs" / "gstreamer.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", GUIDE, re.DOTALL)


def rows(heading):
    table = GUIDE.split(f"## {heading}\n\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def sources():
    """The elements' C, with texts that are written in parts put together."""
    text = "".join(path.read_text(encoding="utf-8") for path in (TOP / "plugin").glob("*.c"))
    return re.sub(r'"\s*\n\s*"', "", text)


class GuideTest(BuiltTest):
    def test_every_command(self):
        self.assertEqual(len(COMMANDS), 8)
        for commands in COMMANDS:
            with self.subTest(commands.splitlines()[0]):
                self.run_to_end(self.as_tested(commands) + "wait $!\n")

    def test_every_program(self):
        self.assertEqual(len(PROGRAMS), GUIDE.count("```python\n"))
        for number, (program, shown) in enumerate(PROGRAMS):
            with self.subTest(program):
                program = re.sub(r"\bbars\b", f"{self.word}-{number}", program)
                out = self.run_to_end(f"./dev shell python3 - <<'EOF'\n{program}EOF\n")
                self.assertEqual(out, shown)

    def test_tests_of_what_crosses(self):
        table = rows("What crosses")
        self.assertGreater(len(table), 20)
        for row in table:
            named = re.findall(r"`(\w+\.c)` (test_\w+)", row[-1])
            self.assertNotEqual(named, [], row[0])
            for file, test in named:
                with self.subTest(row[0]):
                    text = (TOP / "tests" / "plugin" / file).read_text(encoding="utf-8")
                    self.assertRegex(text, rf"tcase_add_\w+\(\w+, {test}\b", test)

    def test_messages(self):
        text = sources()
        for message, _ in rows("When something is wrong"):
            for part in re.findall("`(.*?)`", message):
                with self.subTest(part):
                    self.assertIn(part, text)

    def test_properties(self):
        """Each that is this project's own is told of; the README has the table of all."""
        readme = (TOP / "README.md").read_text(encoding="utf-8")
        for element in ("shmringsink", "shmringsrc"):
            table = re.search(rf"Of `{element}`.*?\n\n(\|.*?)\n\n", readme, re.DOTALL)[1]
            for name in re.findall(r"(?m)^\| `([a-z-]+)`", table):
                if name not in ("slots", "slot-size", "max-readers"):
                    self.assertIn(name, GUIDE)

    def test_links(self):
        for link in re.findall(r"\]\(([^)#]+)\)", GUIDE):
            self.assertTrue((TOP / "docs" / link).exists(), link)


if __name__ == "__main__":
    unittest.main()
