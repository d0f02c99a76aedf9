# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where another release of Debian cannot be tested that is said, and is no failure; and the table of
what was tested."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
RUN = TOP / "tests" / "distributions" / "run"
sys.path.insert(0, str(RUN.parent))
import table  # noqa: E402
from test_setup import Machine  # noqa: E402

UNREACHED = "E: Failed getting release file http://mirror/dists/trixie/Release"

STUBS = {
    "id": 'echo "${TEST_UID-0}"',
    "debootstrap": 'echo "$TEST_DEBOOTSTRAP"; exit 1',
    # Runs what it is given here, but the probe of what may be mounted.
    "unshare": """
        for word; do
            case $word in
            sh) exit "${TEST_MOUNTS-0}" ;;
            */run) exec "$@" ;;
            *) shift ;;
            esac
        done""",
    "setpriv": 'shift 2; exec "$@"',
}


class DistributionsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="shmring-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def stub(self, path, text):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run_on(self, without=(), **env):
        """Through PATHs of stubs; those of `without` are nowhere."""
        stubs = self.folder / "bin"
        for name, text in STUBS.items():
            self.stub(stubs / name, text)
        for tool in ("apt-get", "dirname", "flock", "grep", "mkdir", "mv", "rm", "sed", "tail"):
            (stubs / tool).symlink_to(shutil.which(tool) or "/nonexistent")
        for name in without:
            (stubs / name).unlink()
        return subprocess.run(
            ["/bin/sh", RUN, "trixie:amd64"], capture_output=True, text=True, timeout=60,
            env={"PATH": str(stubs), "SHMRING_ROOTS": str(self.folder / "roots"), **env})

    def check_skipped(self, result, told):
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertRegex(result.stderr, f"trixie:amd64 is not tested: .*{told}")

    def test_takes_root(self):
        self.check_skipped(self.run_on(TEST_UID="1000"), "only root")

    def test_takes_debootstrap(self):
        self.check_skipped(self.run_on(without=["debootstrap"]), "no debootstrap")

    def test_takes_mounts(self):
        self.check_skipped(self.run_on(TEST_MOUNTS="1"), "nothing can be mounted")

    def test_takes_a_mirror(self):
        self.check_skipped(self.run_on(TEST_DEBOOTSTRAP=UNREACHED), "does not answer")

    def test_debootstrap_fails(self):
        result = self.run_on(TEST_DEBOOTSTRAP="E: No such script")
        self.assertEqual(result.returncode, 1)
        self.assertIn("debootstrap failed", result.stderr)

    def run_ci(self, status):
        shutil.copytree(TOP / ".ci", self.folder / ".ci")
        self.stub(self.folder / "dev", "echo tested here")
        self.stub(self.folder / "tests" / "distributions" / "run",
                  f'echo "$1"; [ "$1" = trixie ] || exit {status}')
        return subprocess.run([self.folder / ".ci" / "run"], stdout=subprocess.PIPE, text=True,
                              env=os.environ, timeout=60)

    def test_ci_passes_without_them(self):
        result = self.run_ci(77)
        self.assertEqual(result.returncode, 0)
        for told in ("tested here", "trixie", "bookworm:i386"):
            self.assertIn(told, result.stdout)

    def test_ci_fails_with_them(self):
        result = self.run_ci(1)
        self.assertEqual(result.returncode, 1)
        self.assertIn("failed on bookworm:i386", result.stdout)


class EverywhereTest(unittest.TestCase):
    """./dev test --everywhere, of stubs: each system ends with what TEST_... says."""

    SAID = '''
        case $1 in
        trixie | sid | bookworm:i386 | bullseye) status=$TEST_RUN ;;
        *) status=$TEST_CROSS ;;
        esac
        echo "on $1" >&2
        exit "$status"'''

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="shmring ")
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name).resolve()
        self.machine = Machine(self.top)
        for tool in ("flock", "mv", "stat", "touch"):
            (self.machine.bin / tool).symlink_to(shutil.which(tool))
        for name in ("cc", "gst-launch-1.0", "meson", "ninja", "pkg-config", "python3"):
            self.machine.stub(name, "")
        shutil.copy(TOP / "dev", self.top)
        build = self.top / "build"
        for place in (build / "tools", self.top / "docs", self.top / "tests" / "distributions"):
            place.mkdir(parents=True)
        (build / "configured-for").write_text(f"{self.top}\n")
        self.stub(build / "tools" / "python3", 'printf "%s|" "$@"')
        for name in ("run", "cross"):
            self.stub(self.top / "tests" / "distributions" / name, self.SAID)

    def stub(self, path, text):
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def everywhere(self, run, cross):
        result = subprocess.run(
            ["/bin/sh", self.top / "dev", "test", "--everywhere"], text=True, timeout=60,
            env={**self.machine.env, "MESON": "meson", "TEST_RUN": str(run),
                 "TEST_CROSS": str(cross)},
            stdin=subprocess.DEVNULL, capture_output=True)
        for name in ("trixie", "sid", "bookworm:i386", "bullseye", "arm64", "armhf"):
            self.assertIn(f"on {name}\n", result.stderr)
        return result.returncode, result.stderr, (self.top / "docs" / "platforms.md").read_text()

    def test_what_cannot_be_tested_is_no_failure(self):
        status, err, told = self.everywhere(run=77, cross=0)
        self.assertEqual(status, 0, err)
        self.assertIn("it cannot be here: trixie sid bookworm:i386 bullseye\n", err)
        self.assertIn("|--untested| trixie sid bookworm:i386 bullseye|--failed||", told)

    def test_what_failed_is(self):
        status, err, told = self.everywhere(run=0, cross=1)
        self.assertEqual(status, 1, err)
        self.assertIn("failed: arm64 armhf\n", err)
        self.assertIn("|--untested||--failed| arm64 armhf|", told)


class TableTest(unittest.TestCase):
    """What docs/platforms.md says was left out."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="shmring-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def build(self, name, left_out="", **logs):
        build = self.folder / name
        (build / "meson-logs").mkdir(parents=True)
        (build / "meson-logs" / "testlog.json").write_text("".join(
            json.dumps({"name": test, "result": "OK", "stderr": text}) + "\n"
            for test, text in logs.items()))
        if left_out:
            (build / "left-out").write_text(left_out)
        return name, build

    def test_names_and_reasons(self):
        first = "test_a (m.Case.test_a) ... skipped 'no camera'\n"
        log = (first + "test_b (m.Case.test_b) ... ok\n"
               "test_c (m.Case.test_c)\nNot in the rain. ... skipped \"it's dry\"\n"
               "test_d (m.Case)\nA word. ... ok\n")
        one, other = self.build("one", web=log), self.build("other", web=first)
        self.assertEqual(list(table.lines_left_out([one, other])),
                         ["- web: test_a (no camera): one, other", "- web: test_c (it's dry): one"])

    def test_parts_of_tests_and_those_without_a_name(self):
        log = ("test_a (m.Case.test_a) ... \n"
               "  test_a (m.Case.test_a) [play] (n=1) ... skipped 'no player'\n\nOK (skipped=1)\n")
        build = self.build("one", web=log, cam="OK (skipped=1)", room="skipped: small, no room\n")
        self.assertEqual(list(table.lines_left_out([build])),
                         ["- web: test_a (no player): one",
                          "- cam: 1 of its tests (it does not say which and why): one",
                          "- room: small (no room): one"])

    def test_many_are_one_line(self):
        log = "".join(f"test_{i} (m.Case) ... skipped 'no camera'\n" for i in range(4))
        self.assertEqual(list(table.lines_left_out([self.build("one", web=log)])),
                         ["- web: 4 tests (no camera): one"])

    def test_what_was_never_run(self):
        build = self.build("one", left_out="web: no camera\n")
        self.assertEqual(list(table.lines_left_out([build])), ["- web (no camera): one"])

    def test_what_skipped_itself(self):
        name, build = self.build("one")
        (build / "meson-logs" / "testlog.json").write_text(json.dumps(
            {"name": "web", "result": "SKIP", "stdout": "looked\nno camera\n", "stderr": None}))
        self.assertEqual(list(table.lines_left_out([(name, build)])), ["- web (no camera): one"])

    def test_results_of_an_earlier_time_are_none(self):
        _, old = self.build("old-amd64/src/shmring/build", web="")
        for build in (old, self.build("here", web="")[1]):
            (build / "meson-info").mkdir()
            (build / "meson-info" / "intro-dependencies.json").write_text("[]")
            (build / "meson-logs" / "meson-log.txt").touch()
        os.utime(old / "meson-logs" / "testlog.json", (1, 1))
        (self.folder / "since").touch()
        os.utime(self.folder / "since", (2, 2))
        command = [sys.executable, RUN.parent / "table.py", self.folder / "here"]
        env = {**os.environ, "SHMRING_ROOTS": str(self.folder)}
        self.assertIn("| old | amd64 |", subprocess.check_output(command, text=True, env=env))
        command += ["--since", self.folder / "since", "--failed= sid", "--untested= trixie"]
        told = subprocess.check_output(command, text=True, env=env)
        self.assertNotIn("| old | amd64 |", told)
        self.assertRegex(told, "before their tests began: sid\n\nNot tested, .*: trixie\n")


if __name__ == "__main__":
    unittest.main()
