# SPDX-License-Identifier: LGPL-2.1-or-later
"""A wheel made with Debian's tools, with and without git, and what is in it works elsewhere."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import zipfile
from pathlib import Path

from support import RingTest

TOP = Path(__file__).resolve().parents[2]
PACKAGE = TOP / "python-bindings" / "shmring"
# One extension for all from 3.11 on; older and free-threaded ones have each their own.
STABLE = sys.version_info >= (3, 11) and not sysconfig.get_config_var("Py_GIL_DISABLED")
SUFFIX = ".abi3.so" if STABLE else sysconfig.get_config_var("EXT_SUFFIX")
OWN = f"cp{sys.version_info[0]}{sys.version_info[1]}"
ABI = "cp311-abi3" if STABLE else f"{OWN}-{OWN}{sys.abiflags}"
TAG = f"{ABI}-linux_{platform.machine()}"
# Debian's name of each tool, and whether it is there.
TOOLS = {
    "python3-build": importlib.util.find_spec("build"),
    "python3-mesonpy": importlib.util.find_spec("mesonpy"),
    "python3-venv": importlib.util.find_spec("ensurepip"),
    "patchelf": shutil.which("patchelf"),
}
MISSING = [name for name, found in TOOLS.items() if not found]

READ_ONE_FRAME = """
import sys, importlib.util, shmring
assert importlib.util.find_spec("numpy") is None
with shmring.Reader(sys.argv[1], timeout=10) as reader:
    frame = reader.read()
    print(shmring.__file__)
    print(frame.seq, memoryview(frame).shape, memoryview(frame)[0, 0, 0])
"""


def is_left_out(folder, names):
    """What building leaves in a tree, and git: the copy is as from an archive."""
    top = Path(folder) == TOP
    return [name for name in names if name == "__pycache__" or top and (
        name in (".git", "dist") or name.startswith(("build", ".mesonpy")))]


def environment():
    """As in a shell: without the package under test, and with the Meson of this Python."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    return env


def run(*command, **options):
    result = subprocess.run(command, env=environment(), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **options)
    if result.returncode:
        raise AssertionError(f"{command} failed:\n{result.stdout}")
    return result.stdout


@unittest.skipIf(MISSING, f"not installed: {' '.join(MISSING)}")
class PackagingTest(RingTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="shmring ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tree = self.folder / "tree"
        shutil.copytree(TOP, self.tree, ignore=is_left_out)

    def build(self, *options):
        """The names of what was built, and the wheel."""
        out = self.folder / "out"
        run(sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", out, self.tree)
        names = sorted(path.name for path in out.iterdir())
        return names, out / names[0]

    def check_contents(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            info = wheel.name.rsplit("-", 3)[0] + ".dist-info"
            modules = {f"shmring/{path.relative_to(PACKAGE)}" for path in PACKAGE.rglob("*")
                       if path.suffix in (".py", ".pyi", ".typed", ".html")}
            self.assertIn("shmring/py.typed", modules)
            about = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
            self.assertEqual(names, modules | about | {f"shmring/_shmring{SUFFIX}",
                                                       "shmring/COPYING"})
            self.assertIn(f"Tag: {TAG}\n", archive.read(f"{info}/WHEEL").decode() + "\n")

    def check_installed(self, wheel):
        venv = self.folder / "venv"
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin" / "pip", "install", "--no-index", "--quiet", wheel)
        writer = self.start_writer()
        writer.send("wait-reader")
        writer.send("publish", 1)
        out = run(venv / "bin" / "python", "-I", "-X", "dev", "-W", "error", "-c", READ_ONE_FRAME,
                  self.name)
        file, shown = out.splitlines()
        self.assertTrue(Path(file).is_relative_to(venv), file)
        self.assertEqual(shown, "1 (4, 64, 3) 31")
        self.assertRegex(run(venv / "bin" / "shmring", "info", self.name), "newest frame +1, ")

    def test_a_wheel_without_git_works_in_a_clean_venv(self):
        self.assertFalse((self.tree / ".git").exists())
        names, wheel = self.build("--wheel")
        self.assertEqual([name.split("-", 2)[2] for name in names], [f"{TAG}.whl"])
        self.check_contents(wheel)
        self.check_installed(wheel)

    @unittest.skipUnless(shutil.which("git"), "git is not installed")
    def test_a_wheel_by_way_of_the_source_archive(self):
        git = ("git", "-C", self.tree, "-c", "user.name=test", "-c", "user.email=test@localhost")
        run(*git, "init", "--quiet")
        run(*git, "add", "--all")
        run(*git, "commit", "--quiet", "--message", "all")
        names, wheel = self.build()
        self.assertEqual([name.rsplit(".", 1)[1] for name in names], ["whl", "gz"])
        self.check_contents(wheel)


if __name__ == "__main__":
    unittest.main()
