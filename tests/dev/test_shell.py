# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `./dev shell` puts on the paths: elements, package, and the Python they were built for."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

from built import DEV, BuiltTest

BUILD = Path(os.environ["SHMRING_BUILD"])


class ShellTest(BuiltTest):
    def shell(self, *command, **env):
        result = subprocess.run([DEV, "shell", *command], cwd=self.folder, text=True, timeout=60,
                                env={**os.environ, **env}, capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_elements_come_from_the_build_folder(self):
        for element in ("shmringsink", "shmringsrc"):
            self.assertIn(str(BUILD / "plugin" / "libgstshmring.so"),
                          self.shell("gst-inspect-1.0", element))

    def test_registry_is_private(self):
        registry = Path(self.shell("sh", "-c", "echo $GST_REGISTRY").strip())
        self.assertIn(BUILD, registry.parents)

    def test_python_is_the_one_it_was_built_for(self):
        elsewhere = self.folder / "python3"
        elsewhere.write_text("#!/bin/sh\necho another python\n")
        elsewhere.chmod(0o755)
        path = f"{self.folder}:{os.environ['PATH']}"
        code = "import os, sys, numpy, gi, shmring; print(shmring.__file__)"
        package = Path(self.shell("python3", "-c", code, PATH=path).strip())
        self.assertIn(BUILD, package.parents)
        code = "import os, sys; print(os.path.realpath(sys.executable))"
        self.assertEqual(self.shell("python3", "-c", code, PATH=path).strip(),
                         os.path.realpath(sys.executable))


if __name__ == "__main__":
    unittest.main()
