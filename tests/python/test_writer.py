# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writer: what goes in comes out, whatever its strides, and what is wrong is named."""

import os
import pickle
import stat
import sys
import time
import unittest
import warnings

import numpy as np

import shmring
from shmring import formats
from writer_case import WriterCase


def counting(shape, dtype="u1"):
    return (np.arange(np.prod(shape)) * 7 % 65521).astype(dtype).reshape(shape)


class ArrayTest(WriterCase):
    def test_any_strides(self):
        writer, reader = self.pair(61, 5)
        image = counting((5, 61, 3))
        wide = counting((10, 122, 4))
        for hint, array in (
                ("plain", image), ("upside down", image[::-1]), ("mirrored", image[:, ::-1]),
                ("RGB for BGR", image[..., ::-1]), ("all backwards", image[::-1, ::-1, ::-1]),
                ("columns first", np.asfortranarray(image)), ("a part", wide[3:8, 40:101, :3]),
                ("every second", wide[::2, ::2, 1:]),
                ("one pixel", np.broadcast_to(image[:1, :1], image.shape)),
                ("transposed", counting((61, 5, 3)).transpose(1, 0, 2)),
                ("odd rows", np.lib.stride_tricks.as_strided(wide, image.shape, (187, 3, 1))),
                ("read-only", memoryview(image).toreadonly())):
            with self.subTest(hint):
                self.assertIsNone(reader.try_read())
                writer.write(array)
                np.testing.assert_array_equal(reader.read().array, array)

    def test_rows_are_padded_as_gstreamer_has_them(self):
        for width, stride in ((641, 1924), (642, 1928), (643, 1932), (640, 1920)):
            with self.subTest(width=width):
                name = f"{self.name}-{width}"
                writer, reader = self.writer(width, 2, name=name), self.reader(name)
                writer.write(np.zeros((2, width, 3), "u1"))
                frame = reader.read()
                self.assertEqual((frame.strides, frame.size), ((stride,), 2 * stride))

    def check_format(self, format, shape, dtype="u1", width=62, height=4):
        writer = self.writer(width, height, format, name=f"{self.name}-{format}-{width}")
        reader = self.reader(writer.name)
        for array in (counting(shape, dtype), counting(shape, dtype)[::-1, ::-1]):
            writer.write(array)
            frame = reader.read()
            self.assertEqual((frame.format, frame.width, frame.height), (format, width, height))
            self.assertEqual(frame.array.dtype, np.dtype(dtype))
            np.testing.assert_array_equal(frame.array, array)
        return frame

    def test_formats(self):
        for format, shape, dtype, channels in (
                ("BGR", (4, 62, 3), "u1", 3), ("GRAY8", (4, 62), "u1", 1),
                ("BGRx", (4, 62, 4), "u1", 3), ("RGBA", (4, 62, 4), "u1", 4),
                ("GRAY16_LE", (4, 62), "<u2", 1), ("GRAY16_BE", (4, 62), ">u2", 1),
                ("YUY2", (4, 62, 2), "u1", 3), ("NV12", (6, 62), "u1", 3),
                ("I420", (6, 62), "u1", 3), ("Y444", (3, 4, 62), "u1", 3),
                ("ARGB64", (4, 62, 4), "u2", 4), ("Y410", (4, 62), "u4", 4),
                ("P010_10LE", (6, 62), "u2", 3)):
            with self.subTest(format):
                self.assertEqual(self.check_format(format, shape, dtype).channels, channels)

    def test_i420_is_padded_where_that_leaves_one_array(self):
        self.assertEqual(self.check_format("I420", (6, 64), width=64).strides, (64, 32, 32))
        self.assertEqual(self.check_format("I420", (6, 62), width=62).strides, (62, 31, 31))

    def test_planes(self):
        writer, reader = self.pair(61, 3, "I420")
        planes = counting((3, 61)), counting((2, 31))[::-1], counting((2, 31))[:, ::-1]
        writer.write(planes)
        for want, have in zip(planes, reader.read().planes):
            np.testing.assert_array_equal(have, want)
        with self.assertRaisesRegex(TypeError, "61x3 I420 frame has no one array"):
            writer.write(np.zeros((5, 61), "u1"))
        with self.assertRaisesRegex(ValueError, "I420 has 3 planes, not 2"):
            writer.write(planes[:2])
        with self.assertRaisesRegex(ValueError, r"uint8 \(2, 31\), not of uint8 \(1, 31\)"):
            writer.write((planes[0], planes[1], planes[2][:1]))

    def test_a_frame_of_another_ring(self):
        writer, reader = self.pair(61, 3)
        relay = self.writer(61, 3, name=self.name + "-relay")
        end = self.reader(relay.name)
        writer.write(counting((3, 61, 3)))
        with reader.read() as frame:
            relay.write(frame)
            relay.write(frame.planes)
        for _ in range(2):
            np.testing.assert_array_equal(end.read().array, counting((3, 61, 3)))

    def test_what_does_not_fit(self):
        writer, reader = self.pair()
        for array, error, text in (
                (np.zeros((4, 64, 4), "u1"), ValueError,
                 r"64x4 BGR frame is an array of uint8 \(4, 64, 3\), not of uint8 \(4, 64, 4\)"),
                (np.zeros((0, 64, 3), "u1"), ValueError, r"not of uint8 \(0, 64, 3\)"),
                (np.zeros((4, 64), "u1"), ValueError, r"not of uint8 \(4, 64\)"),
                (np.zeros((4, 64, 3)), TypeError, r"not of float64 \(4, 64, 3\)"),
                (np.zeros((4, 64, 3), "i1"), TypeError, r"not of int8"),
                (np.zeros((4, 64, 3), "?"), TypeError, r"not of bool"),
                (np.zeros((4, 64, 3), ">u2"), TypeError, r"not of big-endian uint16"),
                (np.zeros((4, 64, 3), "u1,u1"), TypeError, r"not of another type"),
                (bytes(4 * 64 * 3), ValueError, r"not of uint8 \(768,\)"),
                ([[1]], TypeError, "buffer protocol.*not <class 'list'>"),
                (None, TypeError, "NoneType")):
            with self.subTest(text):
                with self.assertRaisesRegex(error, text):
                    writer.write(array)
        self.assertIsNone(reader.try_read())
        self.assertEqual(writer.write(np.zeros((4, 64, 3), "u1")), 1)

    def test_byte_orders_are_apart(self):
        writer = self.writer(64, 4, "GRAY16_BE")
        with self.assertRaisesRegex(TypeError, "big-endian uint16 .*, not of uint16"):
            writer.write(np.zeros((4, 64), "<u2"))


class SizeTest(WriterCase):
    """An array of another size changes the pictures' size."""

    def check(self, format, *sizes):
        self.name += "-"
        writer, pictures = self.writer(*sizes[0], format), []
        for width, height in sizes:
            planes = formats.choose_planes(format, width, height)
            shape = formats.arrays_of(format, width, height, *planes)[0].shape
            pictures.append(np.arange(np.prod(shape)).astype("u1").reshape(shape))
        frames = self.read_while(
            len(pictures), lambda: [writer.write(picture) for picture in pictures])
        self.assertEqual(len(frames), len(pictures))
        for frame, (width, height), picture in zip(frames, sizes, pictures):
            self.assertEqual((frame.width, frame.height, frame.format), (width, height, format))
            self.assertIn(f"width=(int){width}, height=(int){height},", frame.caps)
            np.testing.assert_array_equal(frame.array, picture)

    def test_larger_and_smaller(self):
        for format in ("BGR", "GRAY8", "NV12", "I420", "Y444"):
            with self.subTest(format):
                self.check(format, (64, 48), (1280, 720), (64, 48), (32, 24), (640, 480))

    def test_planes(self):
        writer = self.writer(61, 3, "I420")
        pictures = [tuple(np.full(shape, value, "u1") for value, shape in enumerate(shapes))
                    for shapes in (((3, 61), (2, 31), (2, 31)), ((7, 121), (4, 61), (4, 61)))]
        frames = self.read_while(
            len(pictures), lambda: [writer.write(picture) for picture in pictures])
        self.assertEqual(len(frames), len(pictures))
        for frame, picture in zip(frames, pictures):
            self.assertEqual(len(frame.planes), len(picture))
            for ours, theirs in zip(frame.planes, picture):
                np.testing.assert_array_equal(ours, theirs)


class OtherTest(WriterCase):
    """What is no picture: bytes with caps."""

    def test_jpeg(self):
        writer = shmring.Writer(self.name, caps="image/jpeg", framerate=25)
        self.addCleanup(writer.close)
        wanted = [bytes(range(256)) * (size // 256) + bytes(size % 256)
                  for size in (10, 100_000, 3, 1_000_000)]
        frames = self.read_while(len(wanted), lambda: [
            writer.write(data, flags=shmring.FrameFlags.MARKER if number else 0)
            for number, data in enumerate(wanted)])
        self.assertEqual(len(frames), len(wanted))
        for number, (frame, data) in enumerate(zip(frames, wanted)):
            self.assertEqual((bytes(frame), frame.caps, frame.format), (data, "image/jpeg", ""))
            self.assertEqual(frame.pts_ns, number * 40_000_000)
            self.assertEqual(shmring.FrameFlags.MARKER in frame.flags, number > 0)

    def test_sound_is_timed_by_its_samples(self):
        caps = "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved"
        with shmring.Writer(self.name, caps=caps) as writer:
            reader = self.reader()
            for count in (480, 960, 48):
                writer.write(np.zeros((count, 2), "<i2"))
            frames = [reader.read() for _ in range(2)]
            self.assertEqual([f.pts_ns for f in frames], [0, 10_000_000])
            self.assertEqual([f.duration_ns for f in frames], [10_000_000, 20_000_000])
            self.assertEqual([(f.frame_number, f.frame_number_end) for f in frames],
                             [(0, 480), (480, 1440)])

    def test_what_it_does_not_take(self):
        for options in (dict(), dict(width=8), dict(width=8, height=4, caps="image/jpeg")):
            with self.assertRaises(TypeError):
                shmring.Writer(self.name, **options)
        with shmring.Writer(self.name, caps="image/jpeg") as writer:
            with self.assertRaises(TypeError):
                writer.loan()
            with self.assertRaises(TypeError):
                writer.write("text")

    def test_metas(self):
        regions = (shmring.Region("face", 1, 2, 3, 4, 7, -1, ("detection, confidence=(double)0.9;",)),
                   shmring.Region("äuge", 5, 6, 7, 8))
        metas = shmring.Metas((1, 2, 30, 2), tuple(map(float, range(16))), (), "taglist, title=(string)x;")
        writer, reader = self.pair()
        image = np.zeros((4, 64, 3), "u1")
        writer.write(image, metas=metas, regions=regions)
        with writer.loan(regions=regions[:1]):
            pass
        self.assertEqual(reader.read().metas, metas._replace(regions=regions))
        self.assertEqual(reader.read().metas, shmring.Metas(regions=regions[:1]))
        for bad in (dict(metas=shmring.Metas(crop=(-1, 0, 1, 1))),
                    dict(regions=[shmring.Region("a\0b", 0, 0, 1, 1)])):
            with self.assertRaises(ValueError):
                writer.write(image, **bad)


class AsItIsTest(WriterCase):
    """A frame of another host's ring."""

    def write(self, writer, size, offset=0, pts_ns=-1, number=2**64 - 1):
        said = ("BGR", 64, 4, 3, 0, ((192,), (offset,), size), 1, pts_ns, -1, -1, -1, number,
                number, 25, 1, None, b"")
        return writer._write_as_it_is(bytes(768), said, False)

    def test_no_count_of_ours_is_told(self):
        writer, reader = self.pair(framerate=25)
        self.assertEqual(self.write(writer, 768), 1)
        self.assertEqual(self.write(writer, 768, pts_ns=5, number=7), 2)
        first, second = reader.read(), reader.read()
        self.assertEqual((first.frame_number, second.frame_number), (None, 7))
        self.assertGreater(first.pts_ns, 0)  # by the clock
        self.assertEqual(second.pts_ns, 5)

    def test_what_cannot_be_is_refused(self):
        writer = self.writer()
        for size, offset, text in ((767, 0, "767 bytes, and 768 came"), (769, 0, "769 bytes"),
                                   (768, 1, "beyond the frame's bytes"),
                                   (768, 769, "starts beyond the frame's bytes")):
            with self.subTest(size=size, offset=offset), self.assertRaisesRegex(ValueError, text):
                self.write(writer, size, offset)
        self.assertEqual(writer.stats.published, 0)


class TogetherTest(WriterCase):
    def test_a_timeline_for_two(self):
        def ahead(timeline):
            """Of the pictures, whose own readers set no pace; the sound's does."""
            self.name += "-"
            picture = self.writer(timeline=timeline)
            sound = shmring.Writer(self.name + "a", timeline=timeline,
                                   caps="audio/x-raw,format=S16LE,rate=48000,channels=1")
            with sound, self.reader(self.name + "a") as listener:
                sound.write(bytes(2), pts_ns=0)
                listener.read()
                picture.write(np.zeros((4, 64, 3), "u1"), pts_ns=10**10)
                frame = self.reader(mode="latest").read()
                return frame.clock_ns - frame.publish_ns

        self.assertGreater(ahead(shmring.Timeline()), 5 * 10**9)
        self.assertLess(ahead(None), 5 * 10**9)
        with self.assertRaisesRegex(TypeError, "Timeline"):
            shmring.Writer(self.name + "-b", 8, 4, timeline=5)

    def test_patience(self):
        """A reader that takes nothing loses its oldest frames, and nobody else."""
        writer = self.writer(patience=0.05, slots=6)
        stuck, other = self.reader(), self.reader()
        image = np.zeros((4, 64, 3), "u1")
        for number in range(1, 20):
            writer.write(image)
            self.assertEqual(other.read().seq, number)
        self.assertEqual((other.stats.withdrawn, other.stats.received), (0, 19))
        frame = stuck.read()
        self.assertGreater(frame.dropped, 0)
        self.assertEqual(frame.seq, frame.dropped + 1)
        self.assertEqual(frame.flags, shmring.FrameFlags.DISCONT)
        self.assertEqual(stuck.stats.withdrawn, frame.dropped)
        self.assertEqual(writer.stats.withdrawn, frame.dropped)
        self.assertEqual([r.pid for r in writer.readers], [os.getpid()] * 2)
        self.assertEqual(len(shmring.query(self.name).readers), 2)

    def test_a_name_that_somebody_removed(self):
        """The ring has it again, and it is said once."""
        writer, deadline = self.writer(), time.monotonic() + 30
        os.unlink(f"/dev/shm/{self.name}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            while not caught and time.monotonic() < deadline:
                writer.write(np.zeros((4, 64, 3), "u1"))
            writer.write(np.zeros((4, 64, 3), "u1"))
        self.assertEqual([warning.category for warning in caught], [RuntimeWarning])
        self.assertRegex(str(caught[0].message), f"removed the ring '{self.name}' from /dev/shm")
        self.assertEqual(caught[0].filename, __file__)
        self.assertTrue(os.path.exists(f"/dev/shm/{self.name}"))


class ArgumentTest(WriterCase):
    def test_what_cannot_be(self):
        for options, error in (
                (dict(width=0), ValueError), (dict(height=0), ValueError),
                (dict(width=1 << 25), ValueError), (dict(width=-1), OverflowError),
                (dict(format="BRG"), ValueError), (dict(format="v210"), ValueError),
                (dict(format="a name that is much too long"), ValueError),
                (dict(slots=3), ValueError), (dict(slots=257), ValueError),
                (dict(perms=0o400), ValueError), (dict(perms=0o777), ValueError),
                (dict(framerate=0), ValueError), (dict(framerate=-1), ValueError),
                (dict(framerate=float("nan")), ValueError), (dict(framerate="fast"), ValueError),
                (dict(framerate=(1, 2, 3)), TypeError), (dict(framerate=1 << 40), ValueError),
                (dict(timeout=-1), ValueError), (dict(width="wide"), TypeError),
                (dict(name="a/b"), ValueError), (dict(name="a\0b"), ValueError)):
            with self.subTest(**options):
                with self.assertRaises(error):
                    shmring.Writer(**{"name": self.name, "width": 8, "height": 4, **options})

    def test_more_than_there_is(self):
        error, told = shmring.Error, "needs .* MB"
        if sys.maxsize < 2**32:
            error, told = ValueError, "cannot be made: it is larger than this process"
        with self.assertRaisesRegex(error, f"'{self.name}' {told}"):
            shmring.Writer(self.name, 30000, 30000, slots=256)

    def test_a_name_in_use(self):
        self.writer()
        text = rf"'{self.name}' is in use by .*{os.getpid()}"
        with self.assertRaisesRegex(shmring.RingBusy, text):
            shmring.Writer(self.name, 64, 4)

    def test_something_else_has_the_name(self):
        path = f"/dev/shm/{self.name}"
        with open(path, "wb") as file:
            file.write(b"mine")
        self.addCleanup(os.unlink, path)
        with self.assertRaisesRegex(shmring.LayoutError, "is not a ring"):
            shmring.Writer(self.name, 64, 4)

    def test_perms_are_exact(self):
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        self.writer(perms=0o664)
        modes = [stat.S_IMODE(os.stat(f"/dev/shm/{self.name}{suffix}").st_mode)
                 for suffix in ("", ".ctl")]
        self.assertEqual(modes, [0o644, 0o660])

    def test_perms_are_private_by_default(self):
        self.writer()
        self.assertEqual(stat.S_IMODE(os.stat(f"/dev/shm/{self.name}").st_mode), 0o600)

    def test_slots(self):
        self.writer(slots=5)
        self.assertEqual(self.reader().info.slots, 5)

    def test_the_smallest_ring_has_a_view(self):
        writer = self.writer(slots=4)
        reader = self.reader(lease=1)
        writer.write(np.zeros((4, 64, 3), "u1"))
        self.assertTrue(reader.read().is_view)

    def test_not_picklable(self):
        with self.assertRaisesRegex(TypeError, "a Writer cannot be pickled"):
            pickle.dumps(self.writer())


class TimeTest(WriterCase):
    IMAGE = np.zeros((4, 64, 3), "u1")

    def frames(self, count=3, times=({},) * 3, mode="all", **options):
        writer, reader = self.writer(**options), self.reader(mode=mode)
        frames = []
        for i in range(count):
            writer.write(self.IMAGE, **times[i])
            frames.append(reader.read())
            frames[-1].release()
        return frames

    def test_pts_from_the_framerate(self):
        for rate, pair in ((25, (25, 1)), ((30000, 1001), (30000, 1001)),
                           (30000 / 1001, (30000, 1001)),
                           (29.97, (2997, 100)), (12.5, (25, 2)), (60.0, (60, 1))):
            with self.subTest(rate=rate):
                self.name += "-"
                frames = self.frames(framerate=rate)
                self.assertEqual([f.pts_ns for f in frames],
                                 [i * 10**9 * pair[1] // pair[0] for i in range(3)])
                self.assertEqual({f.framerate for f in frames}, {pair})
                self.assertEqual({f.duration_ns for f in frames}, {10**9 * pair[1] // pair[0]})
                self.assertEqual([f.frame_number for f in frames], [0, 1, 2])

    def test_pts_from_the_clock(self):
        before = time.monotonic_ns()
        writer, reader = self.pair()
        opened = time.monotonic_ns()
        writer.write(self.IMAGE)
        frame = reader.read()
        self.assertTrue(0 <= frame.pts_ns <= time.monotonic_ns() - before)
        self.assertTrue(before <= frame.clock_ns - frame.pts_ns <= opened)
        self.assertEqual((frame.framerate, frame.duration_ns, frame.dts_ns), (None, None, None))

    def test_given_times(self):
        times = {}, dict(pts_ns=5 * 10**9, timestamp_ns=123), dict(pts_ns=None)
        frames = self.frames(times=times, framerate=10)
        self.assertEqual([f.pts_ns for f in frames], [0, 5 * 10**9, 2 * 10**8])
        self.assertEqual(frames[1].timestamp_ns, 123)

    def test_timestamp_is_now(self):
        before = time.time_ns()
        (frame,) = self.frames(1)
        self.assertTrue(before <= frame.timestamp_ns <= time.time_ns())

    def test_the_clock_keeps_its_distance_from_the_pts(self):
        frames = self.frames(times=[dict(pts_ns=i * 10**9) for i in range(3)])
        self.assertEqual(len({f.clock_ns - f.pts_ns for f in frames}), 1)

    def test_no_frame_is_late_when_it_is_written(self):
        before = time.monotonic_ns()
        frames = self.frames(times=[dict(pts_ns=i) for i in range(3)])
        clocks = [f.clock_ns for f in frames]
        self.assertGreaterEqual(clocks[0], before)
        self.assertTrue(all(f.clock_ns >= f.publish_ns - 10**9 for f in frames))
        self.assertEqual(clocks, sorted(clocks))
        self.assertGreater(clocks[1] - clocks[0], 1)  # not 1 ns later, as its pts says

    def test_a_pts_that_jumps_is_shown_now(self):
        frames = self.frames(times=({}, dict(pts_ns=10**15), dict(pts_ns=10**15 + 1000)),
                             mode="latest")
        self.assertLess(frames[1].clock_ns, time.monotonic_ns())

    def test_times_that_cannot_be(self):
        writer = self.writer()
        for times in (dict(pts_ns=-1), dict(timestamp_ns=-5)):
            with self.assertRaises(ValueError):
                writer.write(self.IMAGE, **times)
        with self.assertRaises(TypeError):
            writer.write(self.IMAGE, pts_ns=0.5)


if __name__ == "__main__":
    unittest.main()
