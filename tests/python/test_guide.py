# SPDX-License-Identifier: LGPL-2.1-or-later
"""What docs/python.md shows works, and gives what it says."""

import concurrent.futures
import importlib.util
import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path

from support import RingTest

TOP = Path(__file__).resolve().parents[2]
GUIDE = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
# What the guide says to start, then a program a block and what it prints, if that is shown.
COMMANDS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", GUIDE, re.DOTALL)
READ_BARS = "gst-launch-1.0 -q shmringsrc ring-name=bars ! fakesink"


class GuideTest(RingTest):
    def start_beside(self, program, ring):
        """What the block needs: a second of the camera, or somebody who reads what it writes."""
        if '"bars"' in program:
            command = READ_BARS.replace("bars", ring)
        else:
            command = COMMANDS[0].removeprefix("./dev shell ")
            command = command.replace("is-live=true", "is-live=true num-buffers=30")
            command = command.replace("cam0", ring)
        return subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL)

    def run_block(self, number, program):
        ring = f"{self.name}-{number}"
        program_on_ring = re.sub(r"\b(cam0|bars)\b", ring, program)
        beside = self.start_beside(program, ring)
        try:
            result = subprocess.run([sys.executable, "-c", program_on_ring], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        finally:
            beside.wait()
        return result.returncode, result.stderr, result.stdout.replace(ring, "cam0")

    def test_every_block(self):
        programs = [(number, program, shown) for number, (program, shown) in enumerate(PROGRAMS)
                    if "import cv2" not in program or importlib.util.find_spec("cv2")]
        self.assertEqual(len(programs), GUIDE.count("```python\n"))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(self.run_block, number, program) for number, program, _ in programs]
        for (_, program, shown), run in zip(programs, runs):
            with self.subTest(program):
                returncode, stderr, stdout = run.result()
                self.assertEqual((returncode, stderr), (0, ""))
                self.assertEqual(stdout, shown or stdout)

    def test_links_lead_somewhere(self):
        links = re.findall(r"\]\(([^)#]+)\)", GUIDE)
        self.assertGreater(len(links), 5)
        for link in links:
            self.assertTrue((TOP / "docs" / link).exists(), link)

    def test_every_python_example_is_named(self):
        for path in (TOP / "examples").glob("*.py"):
            self.assertIn(f"(../examples/{path.name})", GUIDE)


if __name__ == "__main__":
    unittest.main()
