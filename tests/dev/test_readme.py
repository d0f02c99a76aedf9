# SPDX-License-Identifier: LGPL-2.1-or-later
"""What README.md tells people to paste works, and gives what it says."""

import json
import re
import subprocess
import unittest

from built import DEV, TOP, BuiltTest

README = (TOP / "README.md").read_text(encoding="utf-8")
# A block of commands and what it shows, the lines between them included.
BLOCKS = re.findall(r"```sh\n(.*?)```\n(.*?)```text\n(.*?)```", README, re.DOTALL)


GSTREAMER = tuple(int(part) for part in subprocess.run(
    ["pkg-config", "--modversion", "gstreamer-1.0"], stdout=subprocess.PIPE, text=True,
    check=True).stdout.split("."))


def masked(text):
    """TEXT without what differs from run to run: numbers, the folder, the columns' widths."""
    text = re.sub(r"(?<=: )/.*/", "FOLDER/", re.sub(r"\d+", "N", text))
    return re.sub(r" +", " ", text)


class ReadmeTest(BuiltTest):
    def run_block(self, commands):
        """As if pasted; rings are renamed, and the program in the background must do well too."""
        commands = re.sub(r"\bcam(\d)\b", rf"{self.word}-\1", commands)
        result = subprocess.run(["sh", "-e"], input=f"{commands}\nwait $!\n", cwd=TOP, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.replace(f"{self.word}-", "cam")

    def assert_shown(self, shown, out):
        out = masked(out).splitlines()
        for line in masked(shown).splitlines():
            if line != "...":
                self.assertIn(line, out)

    def test_three_uses(self):
        uses = [block for block in BLOCKS if "shmringsink" in block[0]]
        self.assertEqual(len(uses), 3)
        for commands, _, shown in uses:
            with self.subTest(commands.splitlines()[0]):
                if "new_from_caps" in commands and GSTREAMER < (1, 20):
                    self.skipTest("GstVideo.VideoInfo.new_from_caps is new in GStreamer 1.20")
                self.assert_shown(shown, self.run_block(commands))

    def test_demo(self):
        commands, _, shown = BLOCKS[0]
        self.assertEqual(commands, "./dev demo\n")
        demo = TOP / "tools" / "demo" / "demo.py"
        picture = self.folder / "demo.png"
        out = self.run_block(
            f"'{DEV}' shell python3 '{demo}' --ring cam0 --seconds 1 --png '{picture}' & wait $!"
        )
        self.assert_shown(shown, out)

    def test_every_block_of_commands_is_one_of_those(self):
        self.assertEqual(README.count("```sh\n"), len(BLOCKS))
        self.assertEqual(README.count("```sh\n"), 4)


class PropertiesTest(BuiltTest):
    def test_tables_name_every_property_and_its_default(self):
        command = [DEV, "shell", "python3", TOP / "tests" / "dev" / "properties.py"]
        elements = ("shmringsink", "shmringsrc")
        out = subprocess.run([*command, *elements], stdout=subprocess.PIPE, check=True).stdout
        for element, properties in json.loads(out).items():
            table = re.search(rf"Of `{element}`.*?\n\n(\|.*?)\n\n", README, re.DOTALL)[1]
            rows = dict(re.findall(r"(?m)^\| `([a-z-]+)` \| ([^|]+) \|", table))
            documented = {name: default.strip(" `") for name, default in rows.items()}
            self.assertEqual(documented, properties)


if __name__ == "__main__":
    unittest.main()
