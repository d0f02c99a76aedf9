# SPDX-License-Identifier: LGPL-2.1-or-later
"""The format check finds what it is there to find, and nothing else."""

import tempfile
import unittest
from pathlib import Path

import check

STYLE = "BasedOnStyle: LLVM\nIndentWidth: 4\nAllowShortFunctionsOnASingleLine: None\n"
LICENCE = f"/* {check.SPDX} */\n"
WIDE = LICENCE + "int main(void) {\n    return 0;\n}\n"
GNU = LICENCE + "int\nmain (void)\n{\n  return 0;\n}\n"


class FormatCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)
        self.write(".clang-format", STYLE)

    def write(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def problems(self):
        return "\n".join(check.problems_of(self.top)).replace(f"{self.top}/", "")

    def test_clean_tree(self):
        self.write("a.c", WIDE)
        self.write("run", f"#!/bin/sh\n# {check.SPDX}\n")
        self.write("COPYING", "\tthe licence itself")
        self.assertEqual(self.problems(), "")

    @unittest.skipUnless(check.clang_format(), f"no clang-format {check.CLANG_FORMAT}")
    def test_c_style_is_each_folders_own(self):
        self.write("gnu/.clang-format", "BasedOnStyle: GNU\n")
        self.write("gnu/a.c", GNU)
        self.assertEqual(self.problems(), "")
        self.write("b.c", GNU)
        self.assertIn("b.c:2:4: error", self.problems())

    def test_licence_line(self):
        self.write("a.py", "print()\n")
        self.write("run", "#!/bin/sh\n")
        self.assertIn("a.py:1: no line", self.problems())
        self.assertIn("run:1: no line", self.problems())

    def test_white_space(self):
        self.write("a.md", "one \ntwo")
        self.write("b.sh", f"# {check.SPDX}\n\ttrue\n")
        self.assertIn("a.md:1: white space at the end", self.problems())
        self.assertIn("a.md:2: no newline at the end", self.problems())
        self.assertIn("b.sh:2: a tab", self.problems())

    def test_build_folders_are_not_ours(self):
        for folder in ("build", "build-asan", ".git", "a/__pycache__"):
            self.write(f"{folder}/a.c", "x ")
        self.assertEqual(self.problems(), "")


if __name__ == "__main__":
    unittest.main()
