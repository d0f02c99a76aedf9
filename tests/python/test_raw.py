# SPDX-License-Identifier: LGPL-2.1-or-later
"""The raw reader: one file, no extension, never a torn frame, noticed by nobody."""

import ast
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import numpy as np

import shmring
from shmring import _shmring, raw
from support import EPOCH_NS, FRAME_NS, RingTest, bgr, frame_bytes
from test_layout import FRAME, HEADER, place_fields, read_golden

LONG = 30  # seconds; only a failing test waits so long
STRESS_LOOKS = 1000


class LayoutTest(unittest.TestCase):
    def check_fields(self, struct, fields, size):
        golden, sizes, _ = read_golden()
        for field, (offset, code) in fields.items():
            with self.subTest(struct=struct, field=field):
                self.assertEqual((offset, raw.struct.calcsize("<" + code)),
                                 golden[f"{struct}.{field}"])
        self.assertEqual(size, sizes[struct])

    def test_golden_offsets(self):
        self.check_fields("layout_header", raw.HEADER, raw.HEADER_BYTES)
        self.check_fields("layout_frame", raw.FRAME, raw.FRAME_BYTES)

    def test_golden_constants(self):
        golden = read_golden()[2]
        self.assertEqual(raw.MAGIC.rstrip(b"\0").decode(), golden["LAYOUT_MAGIC"])
        for name, value in (("LAYOUT_VERSION", raw.VERSION), ("LAYOUT_PAGE", raw.PAGE),
                            ("STATE_ACTIVE", raw.STATE_ACTIVE), ("STATE_ENDED", raw.STATE_ENDED),
                            ("STATE_CLOSED", raw.STATE_CLOSED),
                            ("STATE_SUPERSEDED", raw.STATE_SUPERSEDED)):
            with self.subTest(name=name):
                self.assertEqual(value, int(golden[name]))


class FileTest(RingTest):
    """It is one file for any Python from 3.8 on."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = shutil.copy(raw.__file__, folder.name)

    def tree(self, **options):
        with open(self.file) as file:
            return ast.parse(file.read(), **options)

    def test_syntax_of_3_8(self):
        self.tree(feature_version=(3, 8))

    @unittest.skipUnless(hasattr(sys, "stdlib_module_names"), "Python 3.9 does not list them")
    def test_imports_the_standard_library_only(self):
        names = set()
        for node in ast.walk(self.tree()):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                self.assertEqual(node.level, 0)
                names.add(node.module)
        self.assertLessEqual(names - {"numpy"}, sys.stdlib_module_names)

    def look(self, script):
        """What SCRIPT prints in an interpreter that has nothing but this file."""
        writer = self.start_writer(**bgr(64, 4))
        writer.publish(2)
        command = [sys.executable, "-X", "dev", "-W", "error", "-S", "-E", "-B", "-c",
                   f"import sys; sys.path = [{os.path.dirname(self.file)!r}, *sys.path]\n" + script,
                   self.name]
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout

    def test_alone_without_numpy(self):
        out = self.look("""if True:
            import raw
            with raw.RawReader(sys.argv[1]) as reader:
                frame = reader.latest(timeout=0)
            print(frame.seq, bytes(frame.data[:3]))
            try:
                frame.array
            except ModuleNotFoundError as error:
                print(error.name, 'shmring' in sys.modules)
            """)
        self.assertEqual(out, f"2 {frame_bytes(2, 3).tobytes()}\nnumpy False\n")

    def test_without_ctypes(self):
        out = self.look("""if True:
            sys.modules['ctypes'] = None
            import raw, warnings
            if raw.FENCE is None:  # as on other machines than x86, which it says
                warnings.simplefilter('ignore', RuntimeWarning)
            with raw.RawReader(sys.argv[1]) as reader:
                print(reader.latest().seq)
                try:
                    reader.latest(timeout=0.01)
                except raw.Timeout as error:
                    print(error)
            """)
        self.assertRegex(out, r"^2\nno new frame .* its writer lives")

    def test_array_does_not_import_numpy_early(self):
        code = "import sys; from shmring import raw; print('numpy' in sys.modules)"
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        self.assertEqual(out.stdout, b"False\n")


class ExampleTest(RingTest):
    PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "examples" / "raw_reader.py"

    def run_example(self, *args):
        return subprocess.run([sys.executable, self.PROGRAM, self.name, *args], text=True,
                              capture_output=True)

    def test_saves_a_picture(self):
        self.start_writer(**bgr(641, 3)).publish(2)
        with tempfile.NamedTemporaryFile() as picture:
            done = self.run_example(picture.name)
            content = picture.read()
        self.assertEqual((done.stdout, done.stderr), (f"frame 2, 641x3: {picture.name}\n", ""))
        head = b"P6 641 3 255\n"
        self.assertEqual(content[: len(head)], head)
        pixels = np.frombuffer(content[len(head) :], np.uint8).reshape(3, 641, 3)
        wanted = frame_bytes(2, 1924 * 3).reshape(3, 1924)[:, :1923].reshape(3, 641, 3)
        np.testing.assert_array_equal(pixels[:, :, ::-1], wanted)

    def test_what_it_cannot_save(self):
        self.start_writer(size=100).publish()
        done = self.run_example("/dev/null")
        self.assertEqual((done.returncode, "not BGR" in done.stderr), (1, True))

    def test_no_ring(self):
        done = self.run_example("/dev/null", "--timeout", "0")
        self.assertEqual((done.returncode, f"no ring '{self.name}'" in done.stderr), (1, True))


class RawTest(RingTest):
    def observe(self):
        reader = raw.RawReader(self.name)
        self.addCleanup(reader.close)
        return reader

    def in_thread(self, function):
        """Starts it; the answer is a function that waits for its result."""
        results = []
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
        self.addCleanup(thread.join)

        def result():
            thread.join()
            return results[0]

        return result


class LatestTest(RawTest):
    def test_all_that_a_frame_says(self):
        writer = self.start_writer(**bgr(641, 3, caps="video/x-raw", flags=2))
        writer.publish(3)
        frame = self.observe().latest(timeout=0)
        self.assertEqual((frame.seq, frame.frame_number, frame.flags, frame.dropped), (3, 3, 2, 0))
        self.assertEqual((frame.width, frame.height, frame.channels), (641, 3, 3))
        self.assertEqual((frame.format, frame.strides, frame.offsets), ("BGR", (1924,), (0,)))
        self.assertEqual((frame.pts_ns, frame.dts_ns), (2 * FRAME_NS, None))
        self.assertEqual(frame.duration_ns, FRAME_NS)
        self.assertIsInstance(frame.clock_ns, int)
        self.assertEqual(frame.timestamp_ns, EPOCH_NS + 2 * FRAME_NS)
        self.assertLessEqual(frame.publish_ns, time.monotonic_ns())
        self.assertEqual((frame.framerate, frame.caps, frame.metas), ((25, 1), "video/x-raw", None))
        self.assertEqual(frame.data, frame_bytes(3, 1924 * 3))
        self.assertEqual(repr(frame), "<RawFrame 3: 641x3 BGR>")

    def test_the_array_is_ours(self):
        self.start_writer(**bgr(641, 3)).publish()
        array = self.observe().latest(timeout=0).array
        self.assertEqual((array.shape, array.strides), ((3, 641, 3), (1924, 3, 1)))
        array[:] = 0
        again = self.observe().latest(timeout=0)
        np.testing.assert_array_equal(np.ndarray(1924 * 3, np.uint8, again.data),
                                      frame_bytes(1, 1924 * 3))

    def test_only_new_frames(self):
        writer, reader = self.start_writer(), self.observe()
        writer.publish(2)
        self.assertEqual(reader.latest(timeout=0).seq, 2)
        with self.assertRaisesRegex(raw.Timeout, self.name) as caught:
            reader.latest(timeout=0)
        self.assertNotIsInstance(caught.exception, raw.RingNotFound)
        writer.publish(3)
        frame = reader.latest(timeout=0)
        self.assertEqual((frame.seq, frame.dropped), (5, 2))

    def test_newer_than(self):
        writer, reader = self.start_writer(), self.observe()
        writer.publish()
        with self.assertRaises(raw.Timeout):
            reader.latest(timeout=0, newer_than=time.monotonic_ns())
        now = time.monotonic_ns()
        writer.publish()
        self.assertEqual(reader.latest(timeout=0, newer_than=now).seq, 2)

    def test_into_memory_of_the_caller(self):
        self.start_writer(**bgr(64, 4)).publish()
        memory = bytearray(1000)
        frame = self.observe().latest(timeout=0, out=memory)
        self.assertEqual(memory[:768], frame_bytes(1, 768).tobytes())
        self.assertEqual((frame.size, len(frame.data)), (768, 768))
        self.assertEqual(frame.array.__array_interface__["data"][0],
                         np.frombuffer(memory, np.uint8).__array_interface__["data"][0])

    def test_memory_of_the_caller_that_does_not_do(self):
        self.start_writer(**bgr(64, 4)).publish()
        reader = self.observe()
        with self.assertRaisesRegex(ValueError, "767 bytes, frame 1 has 768"):
            reader.latest(timeout=0, out=bytearray(767))
        with self.assertRaises(TypeError):
            reader.latest(timeout=0, out=bytes(768))
        self.assertEqual(reader.latest(timeout=0, out=bytearray(768)).seq, 1)

    def check_waits_for_a_frame(self):
        writer, reader = self.start_writer(), self.observe()
        result = self.in_thread(lambda: [reader.latest(LONG).seq for _ in range(2)])
        writer.publish()
        while not reader._seen:
            time.sleep(0)
        writer.publish()
        self.assertEqual(result(), [1, 2])

    def test_waits_for_a_frame(self):
        self.check_waits_for_a_frame()

    def test_waits_for_a_frame_where_there_is_no_futex(self):
        with mock.patch.object(raw, "map_event", lambda fd: None):
            self.check_waits_for_a_frame()

    def test_sleeps_until_woken(self):
        """By the futex: without a wake-up it would sleep until the deadline, and look no more."""
        writer, reader = self.start_writer(), self.observe()
        asleep, wait = threading.Event(), reader._segment.wait

        def sleep(event, seconds):
            asleep.set()
            wait(event, LONG)

        reader._segment.wait = sleep
        started = time.monotonic()
        result = self.in_thread(lambda: reader.latest(LONG).seq)
        asleep.wait()
        writer.publish()
        self.assertEqual(result(), 1)
        self.assertLess(time.monotonic() - started, LONG)

    def test_waits_for_the_ring(self):
        reader = self.observe()
        with self.assertRaisesRegex(raw.RingNotFound, f"no ring '{self.name}' appeared"):
            reader.latest(timeout=0)
        result = self.in_thread(lambda: reader.latest(LONG).seq)
        self.start_writer().publish()
        self.assertEqual(result(), 1)

    def test_names_that_cannot_be(self):
        for name in ("", ".hidden", "a/b", "a b", "x" * 201, "cam.ctl", "a\0b", "kamera\u00e4"):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, "name"):
                raw.RawReader(name)

    def test_use_after_close(self):
        self.start_writer().publish()
        reader = self.observe()
        descriptors = os.listdir("/proc/self/fd")
        with reader:
            reader.latest(timeout=0)
        reader.close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(descriptors) - 1)
        with self.assertRaisesRegex(ValueError, f"'{self.name}' is closed"):
            reader.latest(timeout=0)


class FormatTest(RawTest):
    """The arrays have the shapes of shmring.Frame's, for every format it knows."""

    def start(self, name, padding):
        dtype, planes = raw.KNOWN[name]
        offset, offsets, strides = 0, [], []
        for items, xshift, yshift in planes:
            stride = (-(-92 >> xshift)) * items * int(dtype[-1]) + padding
            offsets.append(offset)
            strides.append(stride)
            offset += (-(-8 >> yshift)) * stride
        return self.start_writer(size=offset, width=92, height=8, channels=3, format=name,
                                 planes=len(planes), stride=",".join(map(str, strides)),
                                 offset=",".join(map(str, offsets)))

    def arrays(self, frame):
        try:
            whole = [frame.array]
        except BufferError as error:
            self.assertIn("use frame.planes", str(error))
            whole = [None]
        return whole + list(frame.planes)

    def check(self, name, padding):
        writer = self.start(name, padding)
        with shmring.Reader(self.name, timeout=LONG) as attached:
            writer.publish()
            wanted = self.arrays(attached.read())
            got = self.arrays(self.observe().latest(timeout=0))
            self.assertEqual(len(got), len(wanted))
            for ours, theirs in zip(got, wanted):
                if theirs is None:
                    self.assertIsNone(ours)
                    continue
                self.assertEqual((ours.dtype, ours.strides), (theirs.dtype, theirs.strides))
                np.testing.assert_array_equal(ours, theirs)
        writer.close()

    def test_every_format(self):
        for name in raw.KNOWN:
            for padding in (0, 8):
                with self.subTest(format=name, padding=padding):
                    self.check(name, padding)

    def test_opaque_data_is_flat(self):
        self.start_writer(size=500).publish()
        frame = self.observe().latest(timeout=0)
        self.assertEqual((frame.format, frame.planes, frame.array.shape), ("", (), (500,)))

    def test_the_table_is_the_librarys(self):
        for name, (dtype, planes) in raw.KNOWN.items():
            self.assertEqual(_shmring.format(name)[:2], (dtype, planes), name)
        for name in ("v210", "BGRP2", "", "UYVP"):
            self.assertIsNone(_shmring.format(name))


class TornTest(RawTest):
    def stress(self, size, batch, fence=raw.fence):
        """An unpaced writer of few slots, and an attached reader beside: every look is whole. Now
        and then this one is slow at the worst moments, so that the writer laps it."""
        calls = itertools.count(1)

        def slow_fence():
            fence()
            if next(calls) % 7 == 0:
                time.sleep(0.001)

        with mock.patch.object(raw, "fence", slow_fence):
            self.look_at_many(size, batch)
        return next(calls)

    def look_at_many(self, size, batch):
        writer = self.start_writer(size=size, slots=4, lend_limit=2)
        reader, memory = self.observe(), bytearray(size)
        attached = shmring.Reader(self.name, mode="latest", timeout=LONG)
        ramp = np.resize(np.arange(256, dtype=np.uint8), size + 256)
        seq = published = looks = 0
        while looks < STRESS_LOOKS:
            writer.send("publish", batch)
            published += batch
            while seq < published:
                frame = reader.latest(timeout=LONG, out=memory)
                self.assertGreater(frame.seq, seq)
                seq, looks, start = frame.seq, looks + 1, 31 * frame.seq & 255
                self.assertEqual(frame.frame_number, seq)
                if bytes(frame.data) != ramp[start : start + size].tobytes():
                    self.fail(f"frame {seq} is torn")
                attached.try_read()
            self.assertEqual(writer.answer(), f"published {published}")
        attached.close()

    def test_large_frames(self):
        self.stress(600_000, 1000)

    def test_small_frames(self):
        self.stress(4000, 10_000)

    def test_with_membarrier_as_on_other_machines(self):
        if raw.LIBC is None or raw.MACHINE not in raw.SYSCALLS:
            self.skipTest("no system calls here")
        numbers = {"other": raw.SYSCALLS[raw.MACHINE]}
        with mock.patch.object(raw, "SYSCALLS", numbers), mock.patch.object(raw, "MACHINE", "other"):
            chosen = raw.choose_fence("other")
            if chosen is None:
                self.skipTest("this kernel has no membarrier")
            self.assertIs(chosen, raw.membarrier)
            self.assertGreater(self.stress(100_000, 1000, chosen), 3 * STRESS_LOOKS)

    def test_a_machine_without_any_way_warns(self):
        self.assertIsNone(raw.choose_fence("pdp11"))
        with mock.patch.object(raw, "FENCE", None):
            with self.assertWarnsRegex(RuntimeWarning, "may be torn"):
                self.observe()

    def test_a_slot_being_written_is_not_taken(self):
        """Whoever looks while seq is 0, or the descriptor is another's, sees nothing."""
        self.start_writer(**bgr(64, 4)).publish()
        reader = self.observe()
        h, path = reader._segment.header, f"/dev/shm/{self.name}"
        with open(path, "r+b") as file:
            for offset, wrong in ((h["ring_offset"] + 8, 2 << 16), (h["ring_offset"] + 8, 1 << 16 | 65535),
                                  (h["frames_offset"] + self.slot(reader) * h["frame_stride"], 0)):
                right = os.pread(file.fileno(), 8, offset)
                os.pwrite(file.fileno(), wrong.to_bytes(8, "little"), offset)
                with self.subTest(offset=offset), self.assertRaises(raw.Timeout):
                    reader.latest(timeout=0)
                os.pwrite(file.fileno(), right, offset)
        self.assertEqual(reader.latest(timeout=0).seq, 1)

    def test_the_number_that_is_told_is_the_one_that_was_checked(self):
        self.start_writer(**bgr(64, 4)).publish()
        reader = self.observe()
        h, pixels = reader._segment.header, reader._pixels
        at = h["frames_offset"] + self.slot(reader) * h["frame_stride"]
        with open(f"/dev/shm/{self.name}", "r+b") as file:
            os.pwrite(file.fileno(), (7777).to_bytes(8, "little"), at)

            def meanwhile(*arguments):
                os.pwrite(file.fileno(), (1).to_bytes(8, "little"), at)
                return pixels(*arguments)

            with mock.patch.object(reader, "_pixels", meanwhile):
                self.assertEqual(reader.latest(timeout=0).seq, 1)

    def slot(self, reader):
        segment = reader._segment
        return segment.word(segment.header["ring_offset"] + 8) & 0xFFFF


class EndTest(RawTest):
    def check_end(self, how, error, text):
        writer, reader = self.start_writer(), self.observe()
        writer.publish(2)
        how(writer)
        self.assertEqual(reader.latest(timeout=LONG).seq, 2)
        with self.assertRaisesRegex(error, f"'{self.name}'.*{text}") as caught:
            reader.latest(timeout=LONG)
        self.assertIs(type(caught.exception), error)

    def test_ended(self):
        self.check_end(lambda writer: writer.ask("end"), raw.EndOfStream, "has ended")

    def test_ended_and_gone(self):
        self.check_end(lambda writer: (writer.ask("end"), writer.close()), raw.EndOfStream, "ended")

    def test_stopped(self):
        self.check_end(lambda writer: writer.close(), raw.WriterStopped, "stopped without ending")
        self.assertTrue(issubclass(raw.WriterStopped, raw.EndOfStream))

    def test_killed(self):
        self.check_end(lambda writer: writer.kill(), raw.WriterLost, r"ring-writer \(pid \d+\), died")

    def test_killed_and_its_names_removed_by_hand(self):
        def how(writer):
            writer.kill()
            os.unlink(f"/dev/shm/{self.name}")
            os.unlink(f"/dev/shm/{self.name}.ctl")

        self.check_end(how, raw.WriterLost, "died")

    def test_killed_while_it_waits(self):
        writer, reader = self.start_writer(), self.observe()

        def wait():
            try:
                return reader.latest(LONG)
            except raw.Error as error:
                return type(error)

        result = self.in_thread(wait)
        writer.kill()
        self.assertIs(result(), raw.WriterLost)

    def test_the_last_frame_of_a_dead_writer(self):
        writer = self.start_writer()
        writer.publish(3)
        writer.kill()
        reader = self.observe()
        self.assertEqual(reader.latest(timeout=0).seq, 3)
        for _ in range(2):
            with self.assertRaises(raw.WriterLost):
                reader.latest(timeout=0)

    def test_the_next_writer(self):
        """Also where it counts its frames from 1 again."""
        writer, reader = self.start_writer(), self.observe()
        writer.publish(5)
        self.assertEqual(reader.latest(timeout=0).seq, 5)
        writer.close()
        with self.assertRaises(raw.WriterStopped):
            reader.latest(timeout=0)
        with self.assertRaises(raw.RingNotFound):
            reader.latest(timeout=0)
        self.start_writer().publish()
        self.assertEqual(reader.latest(timeout=0).seq, 1)

    def test_a_writer_that_took_over_from_a_dead_one(self):
        writer, reader = self.start_writer(), self.observe()
        writer.publish(5)
        self.assertEqual(reader.latest(timeout=0).seq, 5)
        writer.kill()
        self.start_writer().publish()
        self.assertEqual(reader.latest(timeout=LONG).array[0, 0, 0], 31)

    def test_a_resized_ring(self):
        writer, reader = self.start_writer(), self.observe()
        writer.publish(2)
        self.assertEqual(reader.latest(timeout=0).size, 768)
        writer.ask("resize", 100_000)
        writer.publish(2)
        frame = reader.latest(timeout=LONG)
        self.assertEqual((frame.seq, frame.size, frame.dropped), (4, 100_000, 1))
        self.assertEqual(bytes(frame.data), frame_bytes(4, 100_000).tobytes())

    def test_a_ring_that_is_resized_while_it_waits(self):
        writer, reader = self.start_writer(), self.observe()
        result = self.in_thread(lambda: reader.latest(LONG).seq)
        writer.ask("resize", 100_000)
        writer.publish()
        self.assertEqual(result(), 1)

    def test_resized_and_ended_between_two_looks(self):
        for last, error in ((["end"], raw.EndOfStream), ([], raw.WriterStopped)):
            with self.subTest(last=last):
                writer, reader = self.start_writer(), self.observe()
                writer.publish()
                reader.latest(timeout=0)
                for command in [["resize", 100_000], *([last] if last else [])]:
                    writer.ask(*command)
                writer.close()
                with self.assertRaises(error) as caught:
                    reader.latest(timeout=LONG)
                self.assertIs(type(caught.exception), error)

    def test_a_long_wait_changes_no_descriptors(self):
        """Every segment that was left is closed, those behind errors too."""
        before = len(os.listdir("/proc/self/fd"))
        writer, reader = self.start_writer(), self.observe()
        writers = len(os.listdir("/proc/self/fd")) - before - 1
        for size in range(1000, 20000, 1000):
            writer.ask("resize", size)
            writer.publish()
            self.assertEqual(reader.latest(timeout=LONG).size, size)
            writer.publish()
            with self.assertRaises(ValueError):
                reader.latest(timeout=0, out=bytearray(1))
            reader.latest(timeout=0)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + writers + 1)
        with open("/proc/self/maps") as maps:
            self.assertEqual(sum(self.name in line for line in maps), raw.LIBC is not None)


class HarmlessTest(RawTest):
    def test_nobody_notices(self):
        writer = self.start_writer(**bgr(64, 4, slots=4, max_readers=1, lend_limit=1))
        reader = self.observe()
        with open(f"/dev/shm/{self.name}.ctl", "rb") as ctl:
            before = ctl.read()[raw.PAGE :]  # the ports; the doorbell before them is the writer's
            for _ in range(20):
                self.assertRegex(writer.try_publish(10), "^published")
                reader.latest(timeout=0)
            self.assertEqual(writer.ask("readers"), "readers 0")
            ctl.seek(raw.PAGE)
            self.assertEqual(ctl.read(), before)
        with shmring.Reader(self.name, timeout=LONG) as attached:
            writer.publish()
            self.assertEqual(attached.read().seq, reader.latest(timeout=0).seq)
            self.assertEqual(writer.ask("readers"), "readers 1")

    @unittest.skipIf(raw.LIBC is None, "nothing is mapped where sleepers poll, as in 32 bits")
    def test_the_mapping_cannot_be_written(self):
        self.start_writer().publish()
        self.observe()
        with open("/proc/self/maps") as maps:
            rights = {line.split()[1] for line in maps if self.name in line}
        self.assertEqual(rights, {"r--s"})

    def as_user(self, uid, gid):
        """What another user sees of the ring."""
        script = ("import os, sys; from shmring import raw\n"
                  "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3]))\n"
                  "try:\n"
                  "    print(raw.RawReader(sys.argv[1]).latest(timeout=0).seq)\n"
                  "except raw.RingDenied as error:\n"
                  "    print(error)\n")
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", script, self.name,
                   str(gid), str(uid)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    @unittest.skipUnless(os.getuid() == 0, "needs root to become another user")
    def test_permissions(self):
        stranger, group = (65534, 65534), (65534, os.getgid())
        for perms, user, wanted in (
                (0o600, stranger, "no permission to see ring .* mode 0600"),
                (0o600, group, "no permission to see ring .* mode 0600"),
                (0o640, stranger, "no permission to see ring .* mode 0640"),
                (0o640, group, "^2$"), (0o644, stranger, "^2$")):
            with self.subTest(perms=oct(perms), user=user):
                writer = self.start_writer(**bgr(64, 4, perms=perms))
                writer.publish(2)
                self.assertRegex(self.as_user(*user), wanted)
                writer.close()

    def test_use_in_a_child(self):
        """Nothing is owned, so a fork may go on looking."""
        self.start_writer().publish(2)
        reader = self.observe()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if reader.latest(timeout=0).seq == 2 else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(reader.latest(timeout=0).seq, 2)


class DamagedTest(RawTest):
    """A copy of a live ring's file, with fields overwritten: works, or says what is wrong."""

    FREE = {"reserved", "instance", "created_ns", "state", "waiting", "watching", "stretch", "stream",
            "latency_ns", "writer_pid", "waited_port", "writer_process", "waited_since_ns", "head",
            "key_seq", "event", "published", "bytes", "dropped", "revoked", "withdrawn", "flushed",
            "waits", "wait_ns", "answer"}

    def setUp(self):
        super().setUp()
        writer = self.start_writer(**bgr(64, 4, caps="video/x-raw"))
        writer.publish(3)
        with open(f"/dev/shm/{self.name}", "rb") as file:
            self.whole = file.read()
        writer.close()
        self.fields = place_fields(HEADER)[0]

    def look(self, content, out=None):
        """The frame, or the error."""
        with open(f"/dev/shm/{self.name}", "wb") as file:
            file.write(content)
        try:
            with raw.RawReader(self.name) as reader:
                return reader.latest(timeout=0, out=out)
        except raw.Error as error:
            self.assertIn(self.name, str(error))
            return error
        finally:
            os.unlink(f"/dev/shm/{self.name}")

    def changed(self, offset, value):
        return self.whole[:offset] + value + self.whole[offset + len(value) :]

    def values(self, offset, size):
        old = self.whole[offset : offset + size]
        number = int.from_bytes(old, "little")
        return {bytes(size), b"\xff" * size, b"\xff" * (size - 1) + b"\x7f",
                bytes(byte ^ 0xFF for byte in old),
                *(n.to_bytes(size, "little") for n in (number + 1, number ^ 4096, 2 * number)
                  if n < 256**size)} - {old}

    def test_as_it_was(self):
        self.assertEqual(self.look(self.whole).data, frame_bytes(3, 768))

    def test_every_field_of_the_header(self):
        for field, (offset, code) in self.fields.items():
            for value in self.values(offset, min(raw.struct.calcsize(code), 16)):
                with self.subTest(field=field, value=value.hex()):
                    result = self.look(self.changed(offset, value))
                    if field not in self.FREE | {"base", "slot_size", "max_readers", "lend_limit"}:
                        self.assertIsInstance(result, raw.LayoutError)
                    if isinstance(result, raw.RawFrame):
                        self.assertEqual(result.data, frame_bytes(3, 768))

    def test_every_field_of_the_frame(self):
        at = self.frame_header()
        bad = {"size", "planes", "offset", "caps_size", "metas_size", "channels", "width", "height"}
        for field, (offset, code) in place_fields(FRAME)[0].items():
            for value in self.values(at + offset, raw.struct.calcsize(code)):
                with self.subTest(field=field, value=value.hex()):
                    result = self.look(self.changed(at + offset, value), bytearray(768))
                    huge = field in bad and value[-1] == 0xFF
                    self.assertIsInstance(result, raw.LayoutError if huge else
                                          (raw.RawFrame, raw.Error))
                    self.touch(result)

    def test_caps_that_end_within_a_character(self):
        at, text = self.frame_header(), "é".encode()
        caps, size = at + raw.FRAME_BYTES, at + raw.FRAME["caps_size"][0]
        whole = self.whole[:caps] + text + self.whole[caps + len(text):]
        content = whole[:size] + len(text).to_bytes(4, "little") + whole[size + 4:]
        self.assertRegex(str(self.look(content)), "its caps are not UTF-8 text")

    def frame_header(self):
        h = raw.unpack(raw.HEADER, self.whole)
        (word,) = raw.struct.unpack_from("<Q", self.whole, h["ring_offset"] + 8 * 3)
        return h["frames_offset"] + (word & 0xFFFF) * h["frame_stride"]

    def test_no_frame_reaches_beyond_its_slot(self):
        out, size = bytearray(len(self.whole)), (2**32).to_bytes(8, "little")
        result = self.look(self.changed(self.frame_header() + raw.FRAME["size"][0], size), out)
        self.assertRegex(str(result), "larger than its slot")
        self.assertEqual((bytes(out[:768]), any(out[768:])), (frame_bytes(3, 768).tobytes(), False))

    def touch(self, result):
        """Whatever a frame says of itself, its arrays lie in its own memory."""
        if isinstance(result, raw.RawFrame):
            try:
                total = sum(int(array.sum()) for array in (result.array, *result.planes))
            except (raw.LayoutError, BufferError):
                return
            self.assertGreaterEqual(total, 0)

    def test_a_file_that_is_too_small(self):
        descriptors = len(os.listdir("/proc/self/fd"))
        for size in (0, 1, 8, 100, raw.HEADER_BYTES - 1, raw.HEADER_BYTES, 4096, 8192,
                     len(self.whole) - 1):
            with self.subTest(size=size):
                self.assertIsInstance(self.look(self.whole[:size]), raw.LayoutError)
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)

    def test_what_is_wrong_is_said(self):
        version, _ = self.fields["version"]
        self.assertRegex(str(self.look(self.changed(version, b"\2"))),
                         "layout version 2, this reader knows 1")
        self.assertRegex(str(self.look(b"x" * 65536)), "it is not a ring")
        self.assertRegex(str(self.look(self.whole[:-4096])), f"{len(self.whole) - 4096} bytes")

    def test_what_is_not_a_file(self):
        path = f"/dev/shm/{self.name}"
        for make, remove in ((os.mkdir, os.rmdir), (os.mkfifo, os.unlink),
                             (lambda path: os.symlink("/dev/zero", path), os.unlink)):
            make(path)
            with self.subTest(make=make), self.assertRaisesRegex(raw.LayoutError, self.name):
                raw.RawReader(self.name)
            remove(path)

    def test_random_bytes(self):
        random = np.random.default_rng(4)
        for _ in range(300):
            content = bytearray(self.whole)
            for offset in random.integers(0, 0x6000, 8):
                content[int(offset) % len(content)] = int(random.integers(256))
            self.touch(self.look(bytes(content)))


if __name__ == "__main__":
    unittest.main()
