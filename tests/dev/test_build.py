# SPDX-License-Identifier: LGPL-2.1-or-later
"""./dev build, shell and install, on a project of three lines in a folder with a space."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

DEV = Path(__file__).resolve().parents[2] / "dev"
OPTIONS = "".join(f"option('{name}', type: 'feature')\n" for name in ("plugin", "python", "tests"))
PROJECT = """project('mini')
install_data('data.txt', install_dir: get_option('datadir'))
meson.add_devenv({'MINI': 'its devenv'})
"""


class Project(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.outside = Path(folder.name).resolve()
        self.top = self.outside / "a project"
        self.top.mkdir()
        shutil.copy(DEV, self.top)
        (self.top / "meson.build").write_text(PROJECT)
        (self.top / "meson_options.txt").write_text(OPTIONS)
        (self.top / "data.txt").write_text("data\n")

    def start(self, *arguments, **env):
        env = {**os.environ, "SHMRING_BUILD": "", **env}
        return subprocess.Popen([self.top / "dev", *arguments], cwd=self.outside,
                                env=env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def dev(self, *arguments, **env):
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


class Build(Project):
    def configured(self, out=""):
        """What a command gives that had to configure first."""
        return 0, out, f"dev: configuring {self.top}/build\n"

    def test_is_quiet(self):
        self.assertEqual(self.dev("build"), self.configured())
        self.assertEqual(self.dev("build"), (0, "", ""))

    def test_shows_what_failed_and_mends_itself(self):
        (self.top / "meson.build").write_text("project('mini')\nerror('no luck')\n")
        status, out, err = self.dev("build")
        self.assertEqual(status, 1)
        self.assertIn("no luck", err)
        (self.top / "meson.build").write_text(PROJECT)
        self.assertEqual(self.dev("build"), self.configured())

    def test_shows_a_failed_compilation(self):
        target = "custom_target('x', output: 'x', command: ['false'], build_by_default: true)\n"
        (self.top / "meson.build").write_text(PROJECT + target)
        status, out, err = self.dev("build")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"FAILED: (\[code=1\] )?x")

    def test_folder_that_was_moved(self):
        self.dev("build")
        moved = self.outside / "elsewhere"
        self.top.rename(moved)
        self.top = moved
        self.assertEqual(self.dev("shell", "true"), self.configured())

    def test_folder_configured_by_hand_is_left_alone(self):
        other = self.outside / "other"
        subprocess.run([os.environ.get("MESON", "meson"), "setup", "-Ddatadir=mine", other, self.top],
                       check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.dev("build", SHMRING_BUILD=str(other)), (0, "", ""))
        self.assertFalse((other / "configured-for").exists())


class Shell(Project):
    def setUp(self):
        super().setUp()
        self.dev("build")

    def test_runs_in_the_callers_folder(self):
        status, out, err = self.dev("shell", "sh", "-c", "pwd; echo $MINI")
        self.assertEqual((status, out, err), (0, f"{self.outside}\nits devenv\n", ""))

    def test_arguments_and_variables_are_kept(self):
        odd = "two words 'quoted' \"twice\" $HOME `no`\n\n*"
        status, out, err = self.dev("shell", "printenv", "ODD", ODD=odd)
        self.assertEqual((status, out, err), (0, odd + "\n", ""))
        status, out, err = self.dev("shell", "printf", "%s|", "a b", "", "*")
        self.assertEqual((status, out, err), (0, "a b||*|", ""))

    def test_exit_status_passes_through(self):
        self.assertEqual(self.dev("shell", "sh", "-c", "exit 7")[0], 7)

    def test_command_is_the_very_process(self):
        """Nothing stands between, that could end it early on a Ctrl-C."""
        process = self.start("shell", "sh", "-c", "echo $$")
        out, _ = process.communicate(timeout=60)
        self.assertEqual(int(out), process.pid)

    def test_without_a_command_starts_the_users_shell(self):
        self.assertEqual(self.dev("shell", SHELL="/bin/pwd"), (0, f"{self.outside}\n", ""))

    def test_bashrc_cannot_hide_our_python(self):
        home = self.outside / "home"
        home.mkdir()
        (home / ".bashrc").write_text("PATH=/hidden:$PATH\nalias x=y\n")
        process = subprocess.run(
            ["script", "-qec", f"'{self.top}/dev' shell", "/dev/null"], text=True,
            env={**os.environ, "HOME": str(home), "SHELL": "/bin/bash", "SHMRING_BUILD": ""},
            input='echo "first=${PATH%%:*}"; alias x; exit 5\n',
            stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(process.returncode, 5, process.stdout)
        self.assertNotIn("first=/hidden", process.stdout)
        self.assertIn("alias x='y'", process.stdout)


class Commands(Project):
    def test_install(self):
        prefix = self.outside / "the prefix"
        status, out, err = self.dev("install", "--prefix", str(prefix))
        self.assertEqual(status, 0, err)
        self.assertTrue((prefix / "share" / "data.txt").exists())
        self.assertEqual(self.dev("install", PREFIX=str(self.outside / "p"))[0], 0)
        self.assertTrue((self.outside / "p" / "share" / "data.txt").exists())

    @unittest.skipIf(os.geteuid(), "only root installs in another user's tree")
    def test_install_by_root_leaves_the_tree_to_its_owner(self):
        self.dev("build")
        for path in (self.top, *self.top.rglob("*")):
            os.chown(path, 65534, 65534)
        status, out, err = self.dev("install", "--prefix", str(self.outside / "the prefix"))
        self.assertEqual(status, 0, err)
        owners = {path: path.lstat().st_uid for path in self.top.rglob("*")}
        self.assertEqual({path: uid for path, uid in owners.items() if uid != 65534}, {})

    def test_install_says_where_the_command_is(self):
        """Unless the shell looks there."""
        (self.top / "shmring").touch()
        (self.top / "meson.build").write_text(
            PROJECT + "install_data('shmring', install_dir: get_option('bindir'))\n")
        programs = self.outside / "the prefix" / "bin"
        status, out, err = self.dev("install", "--prefix", str(programs.parent))
        self.assertEqual(status, 0, err)
        self.assertIn(f"  export PATH='{programs}':\"$PATH\"\n", out)
        path = f"{programs}:{os.environ['PATH']}"
        out = self.dev("install", "--prefix", str(programs.parent), PATH=path)[1]
        # Meson's own, of a Python that it will not take for long.
        self.assertEqual([line for line in out.splitlines() if not line.startswith("NOTICE:")], [])

    def test_install_in_a_relative_folder(self):
        status, out, err = self.dev("install", "--prefix", "out")
        self.assertEqual(status, 0, err)
        self.assertIn(f"installed in {self.outside}/out", err)
        self.assertTrue((self.outside / "out" / "share" / "data.txt").exists())

    def test_install_shows_why_it_cannot(self):
        self.dev("build")
        (self.top / "meson_options.txt").write_text("option('x', type: 'nonsense')\n")
        status, out, err = self.dev("install", "--prefix", "out")
        self.assertEqual(status, 1)
        self.assertIn("nonsense", err)

    def test_uninstall_leaves_what_was_there_before(self):
        prefix = self.outside / "out"
        (prefix / "share").mkdir(parents=True)
        (prefix / "share" / "mine").touch()
        self.dev("install", "--prefix", "out")
        status, out, err = self.dev("uninstall")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(list(prefix.rglob("*")), [prefix / "share", prefix / "share" / "mine"])
        status, out, err = self.dev("uninstall")
        self.assertEqual(status, 1)
        self.assertIn("nothing was installed", err)

    def test_install_refuses_what_it_does_not_know(self):
        status, out, err = self.dev("install", "--perfix=/x")
        self.assertEqual(status, 1)
        self.assertIn("unknown argument '--perfix=/x'", err)

    def test_help_names_every_command(self):
        status, out, err = self.dev("help")
        self.assertEqual((status, err), (0, ""))
        for command in ("setup", "build", "demo", "test", "shell", "install", "uninstall", "help"):
            self.assertRegex(out, rf"(?m)^  {command} ")
        self.assertEqual(self.dev(), (0, out, ""))

    def test_test_knows_two_kinds_of_sanitizers(self):
        status, out, err = self.dev("test", "--sanitize=leak")
        self.assertEqual(status, 1)
        self.assertIn("--sanitize is address", err)

    def test_unknown_command(self):
        status, out, err = self.dev("dmeo")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("unknown command 'dmeo'", err)
        self.assertIn("./dev COMMAND", err)


if __name__ == "__main__":
    unittest.main()
