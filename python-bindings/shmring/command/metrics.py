# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring metrics: all rings and readers, as Prometheus reads them."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from typing import Any, Callable, Iterable, NamedTuple

import shmring

from ..records import Info, ReaderInfo, RingState
from . import headers, leftovers

EXAMPLES = """\
  shmring metrics                    to standard output
  shmring metrics -o /var/lib/prometheus/node-exporter/shmring.prom    whole, or not at all
  shmring metrics --listen 127.0.0.1:9779    then: curl http://127.0.0.1:9779/metrics
"""


class _Metric(NamedTuple):
    """What is told of each ring, or of each reader."""

    name: str
    kind: str
    help: str
    value: Callable[[Any], Any]  #: a number; None: not known


_RINGS = [
    _Metric("live", "gauge", "1 while a writer has the ring and its stream goes on",
            lambda info: info.state is RingState.LIVE),
    _Metric("published_frames_total", "counter", "Frames published", lambda info: info.published),
    _Metric("published_bytes_total", "counter", "Bytes published", lambda info: info.bytes),
    _Metric("dropped_frames_total", "counter", "Frames that found no slot", lambda info: info.dropped),
    _Metric("revoked_frames_total", "counter",
            "Offers taken back from readers of the newest frames", lambda info: info.revoked),
    _Metric("withdrawn_frames_total", "counter",
            "Offers taken back from readers that patience ended for", lambda info: info.withdrawn),
    _Metric("flushed_frames_total", "counter", "Offers taken back by seeks", lambda info: info.flushed),
    _Metric("waits_total", "counter", "Times that the writer had to wait for a reader",
            lambda info: info.waits),
    _Metric("wait_seconds_total", "counter", "Time that the writer waited for readers",
            lambda info: info.wait_ns / 1e9),
    _Metric("slots", "gauge", "Frames that the ring holds", lambda info: info.slots),
    _Metric("free_slots", "gauge", "Slots that no reader was offered or holds",
            lambda info: info.free_slots),
    _Metric("memory_bytes", "gauge", "Shared memory of the ring", lambda info: info.total_size),
    _Metric("latency_seconds", "gauge", "Latency of the writing pipeline, as it says",
            lambda info: info.latency_ns / 1e9),
    _Metric("created_timestamp_seconds", "gauge", "When the ring was made",
            lambda info: info.created_ns / 1e9),
    _Metric("readers", "gauge", "Readers attached",
            lambda info: None if info.readers is None else len(info.readers)),
    _Metric("newest_frame_timestamp_seconds", "gauge", "When the newest frame was published",
            lambda info: _published_at(info.name)),
]
_READERS = [
    _Metric("reader_lag_frames", "gauge", "Frames published that the reader did not get to yet",
            lambda reader: reader.lag),
    _Metric("reader_offered_frames", "gauge", "Frames that the reader did not take yet",
            lambda reader: reader.offered),
    _Metric("reader_held_frames", "gauge", "Frames that the reader holds in place",
            lambda reader: reader.held),
    _Metric("reader_received_frames_total", "counter", "Frames that the reader took",
            lambda reader: reader.received),
    _Metric("reader_dropped_frames_total", "counter", "Frames that the reader missed by being slow",
            lambda reader: reader.dropped),
    _Metric("reader_withdrawn_frames_total", "counter",
            "Frames taken back from the reader because patience ended", lambda reader: reader.withdrawn),
    _Metric("reader_waited_for", "gauge", "1 while the writer waits for the reader",
            lambda reader: reader.is_waited_for),
    _Metric("reader_stuck", "gauge", "1 while patience with the reader is over",
            lambda reader: reader.is_stuck),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE",
                       help="into a file, for node_exporter's textfile collector")
    where.add_argument("--listen", metavar="HOST:PORT",
                       help="answer http://HOST:PORT/metrics until Ctrl-C; port 0: a free one")


def _published_at(name: str) -> float | None:
    frame = headers.newest_of(name)
    if frame is None:
        return None
    return (time.time_ns() - time.monotonic_ns() + frame.publish_ns) / 1e9


def _labels(**labels: str) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, (bool, int)) else repr(float(value))


def _family(metric: _Metric, told: Iterable[tuple[str, Any]]) -> list[str]:
    """TOLD: labels, and what the metric is about."""
    lines = [f"# HELP shmring_{metric.name} {metric.help}.", f"# TYPE shmring_{metric.name} {metric.kind}"]
    for labels, thing in told:
        value = metric.value(thing)
        if value is not None:
            lines.append(f"shmring_{metric.name}{{{labels}}} {_number(value)}")
    return lines


def _reader_labels(info: Info, reader: ReaderInfo) -> str:
    return _labels(ring=info.name, port=str(reader.port), process=reader.process, pid=str(reader.pid))


def exposition() -> str:
    """All of it."""
    infos = shmring.list(dead=True)
    rings = [(_labels(ring=info.name), info) for info in infos]
    readers = [(_reader_labels(info, reader), reader) for info in infos for reader in info.readers or ()]
    left = sum(entry.memory for entry in leftovers.find())
    lines = ["# HELP shmring_leftover_bytes Shared memory that killed writers left, of no ring.",
             "# TYPE shmring_leftover_bytes gauge", f"shmring_leftover_bytes {left}"]
    for metric in _RINGS:
        lines += _family(metric, rings)
    for metric in _READERS:
        lines += _family(metric, readers)
    return "\n".join(lines) + "\n"


def _write_whole(path: str) -> None:
    """Who collects it sees the old one or the new one."""
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".shmring-", delete=False) as file:
        file.write(exposition())
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def _serve(where: str) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.split("?")[0] in ("/", "/metrics")
            body = (exposition() if found else "metrics are at /metrics\n").encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: Any) -> None:
            pass

    host, colon, port = where.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"'{where}' is not HOST:PORT")
    with ThreadingHTTPServer((host.strip("[]") or "127.0.0.1", int(port)), Handler) as server:
        print(f"http://{server.server_address[0]!s}:{server.server_address[1]}/metrics", flush=True)
        server.serve_forever()


def run(arguments: argparse.Namespace) -> int:
    if arguments.listen:
        _serve(arguments.listen)
    elif arguments.output:
        _write_whole(arguments.output)
    else:
        sys.stdout.write(exposition())
    return 0
