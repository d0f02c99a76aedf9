# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo's figures and its PNG, with numbers to be checked by hand."""

import contextlib
import io
import json
import struct
import sys
import unittest
import zlib
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "demo"))

import display  # noqa: E402
import meter  # noqa: E402
import png  # noqa: E402

MS = 1_000_000


class MeterTest(unittest.TestCase):
    def test_percentiles(self):
        counted = meter.Meter()
        for number in range(1, 101):
            counted.add(number, number * MS)
        self.assertEqual(counted.percentile_ms(50), 50.0)
        self.assertEqual(counted.percentile_ms(99), 99.0)
        self.assertEqual(counted.percentile_ms(100), 100.0)

    def test_one_slow_frame_of_ten_is_the_p99(self):
        counted = meter.Meter()
        for number in range(10):
            counted.add(number, 20 * MS if number == 4 else MS)
        self.assertEqual((counted.percentile_ms(50), counted.percentile_ms(99)), (1.0, 20.0))

    def test_gaps_are_drops(self):
        counted = meter.Meter()
        for seq in (7, 8, 11, 12):
            counted.add(seq, 0)
        self.assertEqual((counted.frames, counted.dropped), (4, 2))

    def test_report_is_a_line_of_json(self):
        counted = meter.Meter()
        counted.add(1, 3 * MS)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            counted.report()
        expected = {"frames": 1, "fps": 0.0, "p50_ms": 3.0, "p99_ms": 3.0, "dropped": 0}
        self.assertEqual(json.loads(out.getvalue()), expected)


class PngTest(unittest.TestCase):
    def chunks(self, data):
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        at = 8
        while at < len(data):
            length, kind = struct.unpack_from(">I4s", data, at)
            body = data[at + 8 : at + 8 + length]
            (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
            self.assertEqual(checksum, zlib.crc32(kind + body))
            yield kind, body
            at += 12 + length

    def decode(self, array):
        parts = dict(self.chunks(png.encode(array)))
        self.assertEqual(list(parts), [b"IHDR", b"IDAT", b"IEND"])
        return parts[b"IHDR"], zlib.decompress(parts[b"IDAT"])

    def test_bgr_becomes_rgb(self):
        padded = numpy.zeros((2, 4, 3), numpy.uint8)
        padded[0, 0] = 1, 2, 3
        padded[1, 2] = 4, 5, 6
        header, rows = self.decode(padded[:, :3])
        self.assertEqual(struct.unpack(">IIBBBBB", header), (3, 2, 8, 2, 0, 0, 0))
        self.assertEqual(rows, bytes([0, 3, 2, 1] + [0] * 6 + [0] + [0] * 6 + [6, 5, 4]))

    def test_grey(self):
        header, rows = self.decode(numpy.array([[1, 2], [3, 4]], numpy.uint8))
        self.assertEqual(struct.unpack(">IIBBBBB", header), (2, 2, 8, 0, 0, 0, 0))
        self.assertEqual(rows, bytes([0, 1, 2, 0, 3, 4]))


class Part:
    title = "python"
    report = {"frames": 150, "fps": 29.97, "p50_ms": 1.5, "p99_ms": 12.25, "dropped": 3}


class DisplayTest(unittest.TestCase):
    def test_table(self):
        self.assertEqual(display.table([Part]), (
            "             frames      fps   p50 ms   p99 ms  dropped\n"
            "python          150     30.0     1.50    12.25        3"))

    def test_log_line(self):
        one = "python 150 30.0 1.50 12.25 3"
        self.assertEqual(display.log_line([Part, Part]), f"{one}; {one}")


if __name__ == "__main__":
    unittest.main()
