# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring metrics` is what Prometheus reads, and what the writer counts."""

import os
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import numpy as np
import shmring
from case import COMMAND, CommandTest

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None


@unittest.skipIf(text_string_to_metric_families is None, "python3-prometheus-client is not installed")
class MetricsTest(CommandTest):
    def samples(self, text):
        """(name, labels but the ring's): value, of this test's ring."""
        return {(sample.name.removeprefix("shmring_"), tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(text) for sample in family.samples
                if sample.labels.pop("ring", None) == self.name}

    def start(self):
        writer = shmring.Writer(self.name, 64, 4, "GRAY8", slots=8, patience=0.001)
        self.addCleanup(writer.close)
        return writer, np.zeros((4, 64), np.uint8)

    def test_counters_are_those_of_the_writer(self):
        writer, frame = self.start()
        with shmring.Reader(self.name, lease=1, timeout=10) as stuck, \
                shmring.Reader(self.name, "latest", lease=1, timeout=10) as latest:
            stuck.try_read()
            latest.try_read()
            for _ in range(12):
                writer.write(frame)
            latest.read()
            told, stats = self.samples(self.shmring("metrics")), writer.stats
            readers = {reader.port: reader for reader in shmring.query(self.name).readers}
        for name in "published", "dropped", "revoked", "withdrawn", "flushed":
            self.assertEqual(told[f"{name}_frames_total", ()], getattr(stats, name), name)
        self.assertEqual(told["published_bytes_total", ()], stats.bytes)
        self.assertEqual(told["waits_total", ()], stats.waits)
        self.assertAlmostEqual(told["wait_seconds_total", ()], stats.wait_ns / 1e9)
        self.assertTrue(stats.revoked and stats.withdrawn and stats.waits)
        self.assertEqual(len(readers), 2)
        for port, reader in readers.items():
            labels = (("pid", str(os.getpid())), ("port", str(port)), ("process", reader.process))
            for what in "lag", "held", "offered":
                self.assertEqual(told[f"reader_{what}_frames", labels], getattr(reader, what))
            for what in "received", "dropped", "withdrawn":
                self.assertEqual(told[f"reader_{what}_frames_total", labels], getattr(reader, what))

    def test_dead_rings_are_told(self):
        self.start_writer().kill()
        self.assertEqual(self.samples(self.shmring("metrics"))["live", ()], 0)

    def test_into_a_file(self):
        self.start_writer().publish()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "shmring.prom")
            self.shmring("metrics", "-o", path)
            self.assertEqual(os.listdir(folder), ["shmring.prom"])
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(self.samples(file.read())["published_frames_total", ()], 1)

    def test_by_http(self):
        self.start_writer().publish()
        server = subprocess.Popen([*COMMAND, "metrics", "--listen", "127.0.0.1:0"], text=True,
                                  stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        url = server.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=60) as answer:
            self.assertIn("text/plain; version=0.0.4", answer.headers["Content-Type"])
            self.assertEqual(self.samples(answer.read().decode())["live", ()], 1)
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{url}-not", timeout=60)
        raised.exception.close()
        self.assertEqual(raised.exception.code, 404)

    def test_wrong_address(self):
        self.assert_fails(2, "is not HOST:PORT", "metrics", "--listen", "here")


if __name__ == "__main__":
    unittest.main()
