# SPDX-License-Identifier: LGPL-2.1-or-later
"""What docs/python.md shows works, and gives what it says."""

import concurrent.futures
import importlib.util
import re
import shlex
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from shmring import raw
from support import RingTest

TOP = Path(__file__).resolve().parents[2]
GUIDE = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
# What the guide says to start, then a program a block and what it prints, if that is shown.
COMMANDS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", GUIDE, re.DOTALL)
# Blocks that do not attach, or (a live pipeline) do not want what was published before they did.
WANT_A_LIVE_CAMERA = ("raw.RawReader", "shmring.list", "Gst.init")
READ_BARS = "gst-launch-1.0 -q shmringsrc ring-name=bars ! fakesink"


def camera(program, ring):
    """The guide's own, as a process: 30 frames from when the block attaches, for which it is waited
    however slow it is, or frames without end that have begun."""
    command = COMMANDS[0].removeprefix("./dev shell ").replace("cam0", ring)
    if any(word in program for word in WANT_A_LIVE_CAMERA):
        process = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL)
        with raw.RawReader(ring) as reader:
            reader.latest(timeout=60)
        return process
    command = command.replace("is-live=true", "is-live=true num-buffers=30")
    return subprocess.Popen(shlex.split(command + " wait-for-connection=true timeout=-1"),
                            stdout=subprocess.DEVNULL)


class GuideTest(RingTest):
    def run_block(self, number, program):
        ring = f"{self.name}-{number}"
        program_on_ring = re.sub(r"\b(cam0|bars)\b", ring, program)
        if '"bars"' in program:
            beside = subprocess.Popen(shlex.split(READ_BARS.replace("bars", ring)))
        else:
            beside = camera(program, ring)
        try:
            result = subprocess.run([sys.executable, "-c", program_on_ring], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        finally:
            beside.send_signal(signal.SIGINT)
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

    def test_no_appsink_keeps_frames_without_end(self):
        texts = {path.name: path.read_text(encoding="utf-8") for path in
                 (TOP / "README.md", *(TOP / "docs").glob("*.md"), *(TOP / "examples").glob("*.py"))}
        sinks = [(name, line) for name, text in texts.items()
                 for line in re.findall(r"parse_launch\(.*! appsink .*", text)]
        self.assertGreater(len(sinks), 2)
        for name, line in sinks:
            with self.subTest(name):
                self.assertIn("max-buffers=", line)

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
