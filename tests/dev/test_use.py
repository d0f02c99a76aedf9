# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other projects build against the library: installed, by pkg-config and CMake, or as a part."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
USE = TOP / "tests" / "use"
MESON = (os.environ.get("MESON") or shutil.which("meson", path="/usr/bin") or
         shutil.which("meson"))
LIBRARY = ("-Dplugin=disabled", "-Dpython=disabled", "-Dtests=disabled", "-Dlibdir=lib")
TOLD = "nobody-has-this-name"


def run(*command, **env):
    result = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=200, env={**os.environ, **env})
    if result.returncode:
        raise AssertionError(f"{command} failed:\n{result.stdout}")
    return result.stdout


def copy_library(target):
    """What a clone has of it, without the tests."""
    target.mkdir(parents=True)
    for name in ("meson.build", "meson_options.txt", "COPYING"):
        shutil.copy(TOP / name, target)
    for name in ("ring", "tools"):
        shutil.copytree(TOP / name, target / name)


class UseTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="shmring ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def install(self):
        prefix = self.folder / "a prefix"
        copy_library(self.folder / "source")
        run(MESON, "setup", self.folder / "build", self.folder / "source",
            f"--prefix={prefix}", *LIBRARY)
        run(MESON, "install", "-C", self.folder / "build")
        return prefix

    def test_as_a_subproject(self):
        project = self.folder / "use"
        shutil.copytree(USE, project)
        copy_library(project / "subprojects" / "shmring")
        run(MESON, "setup", self.folder / "build", project)
        run("ninja", "-C", self.folder / "build")
        self.assertIn(TOLD, run(self.folder / "build" / "use"))

    def test_installed_by_pkg_config(self):
        prefix = self.install()
        words = run("pkg-config", "--cflags", "--libs", "shmring",
                    PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
        run("sh", "-c", f"cc -Wall -Werror -o '{self.folder}/use' '{USE}/use.c' {words}")
        self.assertIn(TOLD, run(self.folder / "use", LD_LIBRARY_PATH=str(prefix / "lib")))

    @unittest.skipUnless(shutil.which("cmake"), "cmake is not installed")
    def test_installed_by_cmake(self):
        prefix = self.install()
        run("cmake", "-S", USE, "-B", self.folder / "by cmake", f"-DCMAKE_PREFIX_PATH={prefix}")
        run("cmake", "--build", self.folder / "by cmake")
        self.assertIn(TOLD, run(self.folder / "by cmake" / "use"))


if __name__ == "__main__":
    unittest.main()
