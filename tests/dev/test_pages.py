# SPDX-License-Identifier: LGPL-2.1-or-later
"""What docs/coming-from.md, docs/containers.md and docs/systemd.md show works."""

import os
import re
import shutil
import signal
import subprocess
import unittest

from built import DEV, TOP, BuiltTest

UNSHARE = ["unshare", "--mount", "--ipc", "--pid", "--fork", "--mount-proc", "true"]


def blocks(page, language):
    """Of a page, each with what it shows, if that follows."""
    text = (TOP / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```\n(?:\n```text\n(.*?)```)?", text, re.DOTALL)


def may_unshare():
    return (os.geteuid() == 0 and shutil.which("unshare") is not None and
            subprocess.run(UNSHARE, capture_output=True).returncode == 0)


class PageTest(BuiltTest):
    def test_coming_from(self):
        pasted = blocks("coming-from.md", "sh")
        self.assertEqual(len(pasted), 3)
        for commands, shown in pasted:
            with self.subTest(commands.splitlines()[0]):
                commands = commands.replace('Capture("cam0"', 'Capture("cam0", timeout=60')
                out = self.run_to_end(self.as_tested(commands) + "wait $!\n")
                self.assertEqual(out, shown)

    @unittest.skipUnless(may_unshare(), "no namespaces: only root may make them")
    def test_containers(self):
        """The writer is there first, however slow it is, and as long as it is needed."""
        writer, same, own = [self.as_tested(commands).replace("sudo ", "").replace(
            " num-buffers=90", "") for commands, _ in blocks("containers.md", "sh")]
        same = same.replace("timeout=2", "timeout=60")
        out = self.run_to_end(f"{writer}trap 'kill -INT $! 2>&- || :' EXIT\n{same}"
                              f"if {own.rstrip()} 2>own; then exit 1; fi\nkill -INT $!\nwait $!\n")
        self.assertEqual(out, "(240, 320, 3)\n")
        self.assertIn("RingNotFound: no ring", (self.folder / "own").read_text(encoding="utf-8"))

    def test_a_service_in_python_ends_in_order(self):
        (program, _), = blocks("systemd.md", "python")
        name = f"{self.word}-cam0"
        program = program.replace('"cam0"', f'"{name}"')
        process = subprocess.Popen([DEV, "shell", "python3", "-c", program])
        self.addCleanup(process.kill)
        self.wait_for_ring(name)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)

    def wait_for_ring(self, name):
        subprocess.run([DEV, "shell", "python3", "-c", f"import shmring\nshmring.Reader('{name}', "
                        "'latest').read(timeout=60)"], check=True)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_the_unit(self):
        (unit, _), = blocks("systemd.md", "ini")
        path = self.folder / "cam0.service"
        path.write_text(unit.replace("/usr/bin/gst-launch-1.0", "/bin/true"), encoding="utf-8")
        result = subprocess.run(["systemd-analyze", "verify", path], text=True, timeout=60,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if "Failed to initialize manager" in result.stdout:  # Debian 11's, in a chroot
            self.skipTest("systemd-analyze takes no part here")
        self.assertEqual((result.returncode, result.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
