# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every failure is named: its class, the ring, and what to do."""

import os
import pickle
import socket
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np

import shmring
from shmring import raw
from support import RingTest, bgr, run_python


class ErrorTest(RingTest):
    def test_no_framework_takes_them_for_a_client_that_went(self):
        """Web servers drop OSErrors of a handler, ConnectionError and TimeoutError among them."""
        for name in ("Error", "Timeout", "RingNotFound", "RingDenied", "WriterLost", "LayoutError",
                     "EndOfStream"):
            with self.subTest(name=name):
                error = getattr(shmring, name)
                self.assertTrue(issubclass(error, shmring.Error))
                self.assertFalse(issubclass(error, (OSError, ConnectionError)))
                self.assertIs(error, getattr(raw, name))
        self.assertTrue(issubclass(shmring.EndOfStream, EOFError))
        self.assertTrue(issubclass(shmring.RingNotFound, shmring.Timeout))

    def test_everything_public_is_documented(self):
        for name in shmring.__all__:
            if not name.startswith("__"):
                with self.subTest(name=name):
                    self.assertTrue(getattr(shmring, name).__doc__)

    def test_a_ring_that_is_cut_off(self):
        """`> /dev/shm/cam0`, by the same user, ends nobody's process."""
        with shmring.Writer(self.name, 8, 4) as writer, shmring.Reader(self.name) as reader:
            self.assertIsNone(reader.try_read())
            writer.write(np.ones((4, 8, 3), np.uint8))
            frame = reader.read(timeout=5)
            os.truncate(f"/dev/shm/{self.name}", 0)
            self.assertEqual(frame.array.sum(), 0)
            with self.assertRaisesRegex(shmring.LayoutError, "was cut off"):
                reader.read(timeout=5)
            with self.assertRaisesRegex(shmring.LayoutError, "was cut off"):
                writer.write(np.ones((4, 8, 3), np.uint8))

    def test_a_ring_that_is_cut_off_before_a_reader_comes(self):
        for suffix in ("", ".ctl"):
            with self.subTest(suffix), shmring.Writer(self.name, 8, 4) as writer:
                os.truncate(f"/dev/shm/{self.name}{suffix}", 0)
                with self.assertRaisesRegex(shmring.LayoutError, f"'{self.name}' was cut off"):
                    writer.wait_reader(timeout=20)

    def test_names_that_cannot_be(self):
        for name in ("", ".hidden", "a/b", "a b", "x" * 201, "cam.ctl", "a\0b", "kamera\u00e4"):
            with self.subTest(name=name):
                with self.assertRaisesRegex(ValueError, "name"):
                    shmring.Reader(name)

    def test_names_as_people_have_them_at_hand(self):
        self.start_writer()
        for name in (f"/dev/shm/{self.name}", f"shmring://{self.name}", f"shmring://{self.name}/"):
            with shmring.Reader(name) as reader:
                self.assertEqual(reader.name, self.name)
                self.assertEqual(reader.info.name, self.name)
            with raw.RawReader(name) as reader:
                self.assertEqual(reader.name, self.name)
        with shmring.Writer(f"/dev/shm/{self.name}-w", 8, 4) as writer:
            self.assertEqual(writer.name, f"{self.name}-w")

    def test_formats_that_nearly_are_one(self):
        for given, meant in (("bgr8", "BGR"), ("rgb", "RGB"), ("mono8", "GRAY8"), ("gray8", "GRAY8"),
                             ("nv12", "NV12"), ("BGR24", "BGR"), ("mono16", "GRAY16_LE"),
                             ("bayer_rggb8", "rggb"), ("yuyv", "YUY2"), ("RGBA8", "RGBA")):
            with self.subTest(given):
                with self.assertRaisesRegex(ValueError, f"did you mean '{meant}'"):
                    shmring.Writer(self.name, 8, 4, given)

    def test_arguments_that_cannot_be(self):
        for options in (dict(mode="some"), dict(on_disconnect="never"), dict(timeout=-1),
                        dict(timeout=float("nan")), dict(mode="latest", depth=0)):
            with self.subTest(**options):
                with self.assertRaises(ValueError):
                    shmring.Reader(self.name, **options)
        with self.assertRaises(TypeError):
            shmring.Reader(5)
        with self.assertRaises(TypeError):
            shmring.Reader(self.name, timeout="long")
        with self.assertRaises(OverflowError):
            shmring.Reader(self.name, depth=-1)

    def test_no_ring_within_the_timeout(self):
        reader = shmring.Reader(self.name, timeout=0.01)
        for wait in (reader.read, lambda: next(reader), lambda: reader.read(timeout=0)):
            with self.assertRaisesRegex(shmring.RingNotFound, f"no ring '{self.name}' appeared"):
                wait()
        with self.assertRaisesRegex(shmring.RingNotFound, "not attached"):
            reader.info

    def test_no_frame_within_the_timeout(self):
        self.start_writer()
        reader = shmring.Reader(self.name, timeout=0.01)
        with self.assertRaisesRegex(shmring.Timeout, f"no frame .*'{self.name}'.*waited 0.01 s") as caught:
            reader.read()
        self.assertNotIsInstance(caught.exception, shmring.RingNotFound)
        self.assertIsNone(reader.try_read())

    def test_all_ports_taken(self):
        self.start_writer(**bgr(64, 4, max_readers=1))
        with shmring.Reader(self.name):
            with self.assertRaisesRegex(shmring.RingBusy, self.name):
                shmring.Reader(self.name)
        shmring.Reader(self.name).close()

    def test_not_a_ring(self):
        path = f"/dev/shm/{self.name}"
        for suffix in ("", ".ctl"):
            with open(path + suffix, "wb") as file:
                file.write(b"x" * 65536)
            self.addCleanup(os.unlink, path + suffix)
        with self.assertRaisesRegex(shmring.LayoutError, self.name):
            shmring.Reader(self.name)

    def test_beyond_the_lease(self):
        writer = self.start_writer()
        reader = shmring.Reader(self.name, lease=2, views_only=True, timeout=10)
        writer.publish(3)
        held = [reader.read(), reader.read().array]
        text = f"^2 frames still referenced: ring '{self.name}' leases this reader 2"
        with self.assertRaisesRegex(shmring.LeaseError, text):
            reader.read()
        del held[1]
        self.assertEqual(reader.read().seq, 3)

    def test_beyond_the_lease_a_copy_and_one_warning(self):
        writer = self.start_writer()
        reader = shmring.Reader(self.name, lease=1, timeout=10)
        writer.publish(3)
        view = reader.read()
        with self.assertWarnsRegex(RuntimeWarning, "1 frames are still referenced") as caught:
            copy = reader.read()
            another = reader.read()
        self.assertEqual(len(caught.warnings), 1)
        self.assertEqual([f.is_view for f in (view, copy, another)], [True, False, False])
        self.assertEqual(copy.array[0, 0, 0], 62)
        self.assertEqual((reader.stats.held, reader.stats.copied), (1, 2))

    def test_use_after_close(self):
        self.start_writer()
        reader = shmring.Reader(self.name)
        reader.close()
        reader.close()
        for use in (reader.read, reader.try_read, lambda: next(reader), lambda: reader.info,
                    reader.__enter__):
            with self.assertRaisesRegex(ValueError, f"'{self.name}' is closed"):
                use()

    def test_not_picklable(self):
        writer = self.start_writer()
        reader = shmring.Reader(self.name, timeout=10)
        writer.publish()
        with self.assertRaisesRegex(TypeError, "in the other process"):
            pickle.dumps(reader)
        with self.assertRaisesRegex(TypeError, "frame.array.copy"):
            pickle.dumps(reader.read())

    def test_a_link_and_a_socket_are_no_rings(self):
        """Not "Too many levels of symbolic links", of a link that leads to a ring."""
        self.start_writer(f"{self.name}-target")
        path = f"/dev/shm/{self.name}"
        for make in (lambda: os.symlink(f"{self.name}-target", path),
                     lambda: socket.socket(socket.AF_UNIX).bind(path)):
            make()
            self.addCleanup(Path(path).unlink, missing_ok=True)
            for look in (shmring.query, raw.RawReader, lambda name: shmring.Reader(name, timeout=0)):
                with self.assertRaisesRegex(shmring.LayoutError, "is not a ring$"):
                    look(self.name)
            os.unlink(path)

    def test_an_argument_of_another_type_is_named(self):
        for what, value in (("format", 3), ("format", None), ("framerate", []), ("patience", "1")):
            with self.subTest(what=what), self.assertRaisesRegex(TypeError, f"^{what} must be"):
                shmring.Writer(self.name, 8, 4, **{what: value})
        for caps in (3, b"image/jpeg", 0):
            with self.subTest(caps=caps), self.assertRaisesRegex(TypeError, "^caps must be a str"):
                shmring.Writer(self.name, caps=caps)
        for caps in ("", "16", "jpeg", "/jpeg", "image/", "image/, width=(int)8", "width=8/4"):
            with self.subTest(caps=caps), self.assertRaisesRegex(ValueError, "^caps must begin"):
                shmring.Writer(self.name, caps=caps)
        for caps in ("image/jpeg", "audio/x-raw,rate=8000", "video/x-raw(memory:DMABuf), width=(int)8",
                     " application/x-rtp ; text/x-raw"):
            with self.subTest(caps=caps), shmring.Writer(self.name, caps=caps) as writer:
                writer.write(b"frame")
        for framerate in ("a", float("nan"), (1, 0), 0):
            with self.subTest(framerate=framerate), self.assertRaisesRegex(ValueError, "^framerate"):
                shmring.Writer(self.name, 8, 4, framerate=framerate)
        with shmring.Writer(self.name, 8, 4) as writer:
            for said in ({"metas": {}}, {"metas": (), "regions": ("face",)}, {"regions": ("face",)}):
                with self.subTest(said=said), self.assertRaisesRegex(TypeError, "must be a shmring."):
                    writer.write(np.ones((4, 8, 3), np.uint8), **said)

    @unittest.skipUnless(os.getuid() == 0, "needs root to become another user")
    def test_no_permission(self):
        self.start_writer(**bgr(64, 4, perms=0o600))
        pid = os.fork()
        if pid == 0:
            os.setuid(65534)
            try:
                shmring.Reader(self.name)
            except shmring.RingDenied as error:
                os._exit(0 if self.name in str(error) else 1)
            os._exit(2)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)

    @unittest.skipUnless(os.getuid() == 0, "needs root to become another user")
    def test_a_ring_of_another_user(self):
        """Only who says so reads it: its owner may have given it the name of a ring of ours."""
        script = ("import os, sys; os.setuid(65534); sys.path = eval(sys.argv[2]); import shmring; "
                  "writer = shmring.Writer(sys.argv[1], 8, 4, perms=0o666); print('up', flush=True); "
                  "sys.stdin.read(); writer.close()")
        theirs = run_python(script, self.name, repr(sys.path), stdin=subprocess.PIPE)
        self.addCleanup(theirs.communicate)
        self.assertEqual(theirs.stdout.readline(), "up\n")
        with self.assertRaisesRegex(shmring.RingDenied, "nobody"):
            shmring.Reader(self.name)
        with shmring.Reader(self.name, any_owner=True) as reader:
            self.assertEqual(reader.info.owner, 65534)


if __name__ == "__main__":
    unittest.main()
