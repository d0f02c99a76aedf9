# SPDX-License-Identifier: LGPL-2.1-or-later
"""./dev setup asks dpkg and apt-get for the right things, in the right order, and no more."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

DEV = Path(__file__).resolve().parents[2] / "dev"

# Knows the package in $INSTALLED only; apt-get adds to that file, so a second look finds them.
DPKG_QUERY = """
for package; do
    case $package in -*|*'{'*) continue ;; esac
    if grep -qx "$package" "$INSTALLED"; then echo "$package installed"; else missing=1; fi
done
exit ${missing:-0}
"""
APT_CACHE = 'grep -qx "$2" "$LISTS" || grep -qx all "$LISTS"'
APT_GET = """
echo "apt-get $*" >>"$LOG"
case " $* " in
*' update '*)
    if [ -e "$LOCKED" ]; then
        rm "$LOCKED"
        echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812' >&2
        exit 100
    fi
    [ ! -e "$OFFLINE" ] || { echo 'E: The repository has gone' >&2; exit 100; }
    echo all >"$LISTS"
    rm -f "$STALE"
    ;;
*' install '*)
    [ ! -e "$STALE" ] || { echo 'E: Failed to fetch: 404 Not Found' >&2; exit 100; }
    for word; do echo "$word" >>"$INSTALLED"; done
    ;;
esac
"""


class Machine:
    """A PATH of stubs over the few programs a script needs, and the files the stubs look at."""

    TOOLS = ("cat", "dirname", "env", "grep", "rm", "sed", "tr")

    def __init__(self, top, uid=0):
        self.top = Path(top)
        self.bin = self.top / "bin"
        self.bin.mkdir()
        self.env = {"PATH": str(self.bin), "SHMRING_BUILD": str(self.top / "build")}
        for name in ("log", "installed", "lists", "locked", "offline", "stale"):
            self.env[name.upper()] = str(self.top / name)
        for name in ("log", "installed", "lists"):
            (self.top / name).touch()
        for tool in self.TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.stub("id", f"echo {uid}")
        self.stub("sleep", 'echo "sleep $*" >>"$LOG"')

    def stub(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def debian(self, installed=(), lists="all"):
        self.stub("dpkg-query", DPKG_QUERY)
        self.stub("apt-cache", APT_CACHE)
        self.stub("apt-get", APT_GET)
        (self.top / "installed").write_text("".join(f"{name}\n" for name in installed))
        (self.top / "lists").write_text(f"{lists}\n")

    def setup(self):
        return subprocess.run(["/bin/sh", DEV, "setup"], env=self.env, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=60)

    def calls(self):
        """The verbs apt-get was given, and the waits, in order."""
        words = (line.split() for line in (self.top / "log").read_text().splitlines())
        verbs = ("update", "install", "sleep")
        return [next(word for word in line if word in verbs) for line in words]


def packages():
    text = DEV.read_text()
    return [word for name in ("packages", "extras")
            for word in text.split(f"\n{name}='")[1].split("'")[0].split()]


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = folder.name

    def test_nothing_missing_calls_no_apt(self):
        machine = Machine(self.top)
        machine.debian(installed=packages())
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (0, []), result.stderr)

    def test_installs_only_what_is_missing(self):
        machine = Machine(self.top)
        machine.debian(installed=set(packages()) - {"meson", "check"})
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (0, ["install"]), result.stderr)
        line = (machine.top / "log").read_text()
        self.assertIn("-o DPkg::Lock::Timeout=600", line)
        self.assertTrue(line.endswith(" install --no-install-recommends meson check\n"), line)

    def test_unknown_package_updates_first(self):
        machine = Machine(self.top)
        machine.debian(lists="meson")
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (0, ["update", "install"]))

    def test_what_a_release_lacks_is_said_and_left_out(self):
        machine = Machine(self.top)
        machine.debian(lists="\n".join(set(packages()) - {"python3-typeshed"}))
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (0, ["install"]), result.stderr)
        self.assertIn("no python3-typeshed: what needs it is skipped", result.stderr)
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (0, ["install"]), result.stderr)
        self.assertIn("no python3-typeshed", result.stderr)

    def test_an_old_meson_is_replaced_by_pip(self):
        machine = Machine(self.top)
        machine.debian(installed=packages())
        machine.env["MESON"] = "meson"
        machine.stub("meson", "echo 0.56.2")
        machine.stub("python3", 'echo "python3 install $*" >>"$LOG"; exit 7')
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (1, ["install"]))
        self.assertIn("Meson is too old here", result.stderr)

    def test_stale_lists_are_updated_and_tried_again(self):
        machine = Machine(self.top)
        machine.debian()
        (machine.top / "stale").touch()
        result = machine.setup()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(machine.calls(), ["install", "update", "install"])

    def test_waits_for_the_lock_on_the_lists(self):
        machine = Machine(self.top)
        machine.debian(lists="")
        (machine.top / "locked").touch()
        result = machine.setup()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(machine.calls(), ["update", "sleep", "update", "install"])
        self.assertIn("waiting for another apt-get", result.stderr)

    def test_failed_update_says_why(self):
        machine = Machine(self.top)
        machine.debian(lists="")
        (machine.top / "offline").touch()
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (1, ["update"]))
        self.assertIn("apt-get update failed: E: The repository has gone", result.stderr)

    def test_failed_install_says_why(self):
        machine = Machine(self.top)
        machine.debian()
        machine.stub("apt-get", 'echo "E: no space"; exit 100')
        result = machine.setup()
        self.assertEqual(result.returncode, 1)
        self.assertIn("E: no space", result.stderr)

    def test_user_without_sudo_is_told_what_root_should_run(self):
        machine = Machine(self.top, uid=1000)
        machine.debian(installed=set(packages()) - {"meson"})
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (1, []))
        self.assertIn("apt-get install --no-install-recommends meson", result.stderr)

    def test_user_with_sudo(self):
        machine = Machine(self.top, uid=1000)
        machine.debian(installed=set(packages()) - {"meson"})
        machine.stub("sudo", 'echo "sudo install" >>"$LOG"; exec "$@"')
        result = machine.setup()
        self.assertEqual((result.returncode, machine.calls()), (0, ["install", "install"]))

    def test_what_was_configured_before_is_configured_again(self):
        machine = Machine(self.top)
        machine.debian(installed=set(packages()) - {"meson"})
        mark = machine.top / "build" / "configured-for"
        mark.parent.mkdir()
        mark.touch()
        machine.setup()
        self.assertFalse(mark.exists())

    def test_elsewhere_names_what_is_missing(self):
        machine = Machine(self.top)
        machine.stub("cc", "")
        machine.stub("pkg-config", '[ "$2" = check ]')
        machine.stub("python3", '[ "$2" = "import gi" ]')
        result = machine.setup()
        self.assertEqual(result.returncode, 1)
        missing = result.stderr.split("try again:")[1].split()
        self.assertEqual(missing, [
            "meson", "ninja", "gst-launch-1.0",
            "gstreamer-1.0.pc", "gstreamer-video-1.0.pc", "gstreamer-check-1.0.pc",
            "python3:numpy"])

    def test_elsewhere_with_everything(self):
        machine = Machine(self.top)
        for program in "cc meson ninja pkg-config gst-launch-1.0 python3".split():
            machine.stub(program, "")
        self.assertEqual(machine.setup().returncode, 0)


if __name__ == "__main__":
    unittest.main()
