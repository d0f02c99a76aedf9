# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the plugin shows to the program that loads it: GStreamer's two entries, nothing of the ring."""

import subprocess
import sys
import unittest


class Symbols(unittest.TestCase):
    def test_exported(self):
        listed = subprocess.run(
            ["nm", "-D", "--defined-only", "--format=posix", sys.argv[1]],
            check=True, capture_output=True, text=True).stdout
        names = sorted(line.split()[0] for line in listed.splitlines())
        self.assertEqual(names, ["gst_plugin_shmring_get_desc", "gst_plugin_shmring_register"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
