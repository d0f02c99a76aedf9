# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the package says of itself: types that are true, and words on everything public."""

import ast
import importlib
import importlib.util
import inspect
import pydoc
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import shmring

TOP = Path(__file__).resolve().parents[2]
PACKAGE = Path(shmring.__file__).parent
MODULES = ["shmring", "shmring.capture", "shmring.gst", "shmring.raw"]

# What the types let through, and what they refuse: strict mypy complains of an ignore too many.
PROGRAM = """
from typing import Any, assert_type

import numpy as np
import shmring

with shmring.Reader("cam0", "latest", depth=2, timeout=1.5) as reader:
    for frame in reader:
        assert_type(frame, shmring.Frame)
        assert_type(frame.seq, int)
        assert_type(frame.pts_ns, int | None)
        np.asarray(frame)
    found = reader.try_read()
    found.seq  # type: ignore[union-attr]
    assert_type(reader.read(timeout=None).array, np.ndarray[Any, np.dtype[Any]])
    assert_type(reader.stats.dropped, int)
    mine: np.ndarray[Any, np.dtype[np.uint8]] = np.empty((480, 640, 3), np.uint8)
    assert_type(reader.read_array(mine, timeout=1), np.ndarray[Any, np.dtype[np.uint8]])
    assert_type(reader.read(newer_than=shmring.now()).metas.regions[0].type, str)

async def watch() -> None:
    async for frame in shmring.Reader("cam0"):
        assert_type(frame.contiguous(), np.ndarray[Any, np.dtype[Any]])

with shmring.Writer("cam0", 640, 480, framerate=(30, 1)) as writer:
    assert_type(writer.write(np.zeros((480, 640, 3), np.uint8)), int)
    with writer.loan(pts_ns=0) as loan:
        loan.array[...] = 0
    assert_type(loan.seq, int | None)
assert_type([ring.name for ring in shmring.list(dead=True)], list[str])
for one in shmring.query("cam0").readers or ():
    assert_type((one.pid, one.lag, one.is_stuck), tuple[int, int, bool])
shmring.Reader("cam0", "newest")  # type: ignore[arg-type]
shmring.Reader(0)  # type: ignore[arg-type]
try:
    ok, image = shmring.VideoCapture("cam0").read()
    assert_type(ok, bool)
except shmring.RingNotFound as error:
    too_late: shmring.Timeout = error

async def watch_all() -> None:
    async with shmring.Reader("cam0") as cam:
        assert_type(await cam.read(timeout=1), shmring.Frame)
        async for frame in cam:
            assert_type(frame.flags, shmring.FrameFlags)
"""
# Up to Python 3.11 the buffer protocol shows in a type's slots only.
NOT_AT_RUNTIME = r"shmring\._shmring\..*\.__buffer__"


def names_of(module):
    return [name for name in module.__all__ if not name.startswith("__")]


def is_described(member):
    return callable(member) or inspect.isdatadescriptor(member)


def members_of(thing):
    """The public methods and attributes that a class of ours makes, with their names."""
    for name, member in vars(thing).items():
        if not name.startswith("_") and is_described(member):
            yield f"{thing.__name__}.{name}", member


def import_module(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # gi's importer is of the old kind
        return importlib.import_module(name)


class HelpTest(unittest.TestCase):
    """A text signature that is no Python is a traceback in help() from Python 3.12 on."""

    def callables(self):
        for module in ("shmring._shmring", *MODULES):
            for name, thing in vars(import_module(module)).items():
                if inspect.isclass(thing) and thing.__module__.startswith("shmring"):
                    yield from ((f"{name}.{key}", member) for key, member in vars(thing).items())
                yield name, thing

    def test_text_signatures_are_python(self):
        checked = 0
        for name, thing in self.callables():
            text = getattr(thing, "__text_signature__", None)
            if isinstance(text, str) and inspect.isroutine(thing):
                ast.parse(f"def f{text.replace('$', '').replace('(module, /', '(module')}: pass")
                inspect.signature(thing)
                checked += 1
        self.assertGreater(checked, 5)

    def test_help(self):
        for name in MODULES:
            with self.subTest(name):
                self.assertIn("DESCRIPTION", pydoc.plain(pydoc.render_doc(import_module(name))))


class DocstringTest(unittest.TestCase):
    def undocumented(self, name):
        module = import_module(name)
        if not module.__doc__:
            yield name
        for name in names_of(module):
            thing = getattr(module, name)
            if not callable(thing):
                continue
            if not thing.__doc__:
                yield name
            if inspect.isclass(thing):
                yield from (name for name, member in members_of(thing) if not member.__doc__)

    def test_everything_public_has_one(self):
        for name in MODULES:
            with self.subTest(name):
                self.assertEqual(list(self.undocumented(name)), [])


@unittest.skipIf(importlib.util.find_spec("mypy") is None, "mypy is not installed")
@unittest.skipIf(sys.version_info < (3, 11), "the mypy of its time does not know these types")
class TypesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.config = self.folder / "pyproject.toml"
        self.config.write_text((TOP / "pyproject.toml").read_text()
                               .replace("[tool.mypy]", f"[tool.mypy]\ncache_dir = '{self.folder}'"))

    def check(self, *command):
        result = subprocess.run([sys.executable, "-m", *command], cwd=PACKAGE.parent, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout

    def test_the_package_is_strictly_typed(self):
        self.assertTrue((PACKAGE / "py.typed").exists())
        self.check("mypy", "--config-file", self.config, "-p", "shmring")

    def test_the_stubs_are_what_there_is(self):
        allowed = self.folder / "allowed"
        allowed.write_text(NOT_AT_RUNTIME)
        # An older typeshed has no name for what newer ones want said of a class with C fields.
        options = [option for option in ("--ignore-disjoint-bases",)
                   if option in self.check("mypy.stubtest", "--help")]
        self.check("mypy.stubtest", "--concise", "--mypy-config-file", self.config,
                   "--allowlist", allowed, "--ignore-unused-allowlist", *options,
                   "shmring._shmring")

    def test_a_program_that_uses_them(self):
        program = self.folder / "program.py"
        program.write_text(PROGRAM)
        self.check("mypy", "--config-file", self.config, program)


if __name__ == "__main__":
    unittest.main()
