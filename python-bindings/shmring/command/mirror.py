# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring mirror: a ring as it is, on another host, over zenoh."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import secrets
import signal
import socket
import threading
import time
from typing import Any

import shmring

from ..errors import EndOfStream, Error, RingBusy, Timeout, WriterLost
from ..records import RingState
from . import gstreamer, headers, mapping, options

EXAMPLES = """\
  shmring mirror cam0 --to zenoh:site/cam0             on one host, and on another, or more:
  shmring mirror --from zenoh:site/cam0 cam0
  shmring mirror cam0 --to zenoh:site/cam0 --mode all --connect tcp/router.local:7447
"""
_SCHEME = "zenoh:"
_SLICE_S = 0.5
_CLOCK_EVERY_S = 10.0
_PINGS = 8
# A receiver that stands still makes a lossless sender wait as long, before the link is given up.
_PATIENCE_US = 60_000_000
_ALONE_S = 5.0  # after which it is said that nobody is at the other end
_STOP_S = 1.0
_SOURCE_LINES = re.compile(r"\.? at /\S+\.rs:\d+")  # of zenoh, in its errors
_WAY = re.compile(r"[a-z0-9-]+/.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_name(parser)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--to", metavar="zenoh:KEY", help="send it there")
    way.add_argument("--from", metavar="zenoh:KEY", dest="from_", help="make it from what comes there")
    parser.add_argument("--mode", choices=("latest", "all"), default="latest",
                        help="latest: only the newest frames go, nobody waits; all: every frame, "
                             "and the writer waits for the slowest (latest)")
    parser.add_argument("--slots", type=options.count, default=8, help="of the ring that is made (8)")
    parser.add_argument("--address", default="127.0.0.1",
                        help="to listen at, and to find others from (127.0.0.1: this host only)")
    parser.add_argument("--connect", metavar="tcp/HOST:PORT", action="append", default=[],
                        help="a router or peer")
    parser.add_argument("--config", metavar="FILE",
                        help="zenoh's, as for TLS, users and access control; then nothing of the "
                             "three before counts")


def _zenoh() -> Any:
    try:
        import zenoh
    except ImportError:
        raise Error("zenoh is missing: pip install eclipse-zenoh") from None
    return zenoh


def _key(text: str) -> str:
    key = text.removeprefix(_SCHEME)
    if not text.startswith(_SCHEME) or not key or set(key) & set("*$?#@") or "//" in key \
            or key.strip("/") != key:
        raise ValueError(f"'{text}' is no place to mirror: zenoh:KEY, and KEY is words with / between")
    return key


def _why(error: Exception) -> str:
    return _SOURCE_LINES.sub("", str(error)).strip()


def _config(zenoh: Any, arguments: argparse.Namespace) -> Any:
    if arguments.config:
        return zenoh.Config.from_file(arguments.config)
    for way in arguments.connect:
        if not _WAY.match(way):
            raise ValueError(f"'{way}' is no way to a router or peer: tcp/HOST:PORT")
    local = arguments.address.startswith("127.")
    host = f"[{arguments.address}]" if ":" in arguments.address else arguments.address
    said = {
        "mode": "peer", "listen/endpoints": [f"tcp/{host}:0"],
        "scouting/multicast/interface": "lo" if local else "auto",
        "connect/endpoints": arguments.connect, "connect/timeout_ms": -1,
        "connect/exit_on_failure": False,
        "transport/shared_memory/enabled": False,  # /dev/shm is for rings, and who is killed leaves it
    }
    if arguments.mode == "all":
        said["transport/link/tx/queue/congestion_control/block/wait_before_close"] = _PATIENCE_US
    config = zenoh.Config()
    for path, value in said.items():
        config.insert_json5(path, json.dumps(value))
    return config


class _Alone:
    """Says once, after a while, that nobody is at the other end of KEY."""

    def __init__(self, does: str, key: str) -> None:
        self._text = (f"nobody {does} zenoh:{key} yet, or there is no way or no right to it: "
                      "waiting")
        self._at = time.monotonic() + _ALONE_S

    def is_over(self) -> None:
        self._at = math.inf

    def look(self) -> None:
        if time.monotonic() >= self._at:
            self.is_over()
            gstreamer.say("mirror", self._text)


class _Sender:
    """The one of a key. Its reader leaves the ring while a lossless one has nobody to send to."""

    def __init__(self, zenoh: Any, session: Any, arguments: argparse.Namespace, key: str) -> None:
        self._session, self._key, self._name = session, key, arguments.name
        self._all = arguments.mode == "all"
        self._id = secrets.randbits(64)
        self._me = f"{socket.gethostname()}:{os.getpid()}:{self._id:016x}"
        self._token: Any = None
        self._count = self._frames = 0
        self._alone = _Alone("receives", key)
        self._reader: shmring.Reader | None = None
        self._publisher = session.declare_publisher(
            key, reliability=zenoh.Reliability.RELIABLE,
            congestion_control=(zenoh.CongestionControl.BLOCK if self._all
                                else zenoh.CongestionControl.DROP))
        self._clock = session.declare_queryable(f"{key}/@clock", self._tell_clock)

    def _tell_clock(self, query: Any) -> None:
        query.reply(f"{self._key}/@clock", mapping.CLOCK.pack(time.time_ns(), time.monotonic_ns()))

    def _others(self) -> list[str]:
        replies = self._session.liveliness().get(f"{self._key}/@sender/*", timeout=1.0)
        found = [str(reply.ok.key_expr).rsplit("/", 1)[1] for reply in replies if reply.ok]
        return [who for who in found if who != self._me]

    def _claim(self) -> None:
        """Of two that begin at once, one goes on."""
        time.sleep(0.3)  # peers find each other
        others = self._others()
        if not others:
            self._token = self._session.liveliness().declare_token(f"{self._key}/@sender/{self._me}")
            time.sleep(0.3)
            others = [who for who in self._others() if who[-16:] < self._me[-16:]]
        if others:
            host, pid, _ = others[0].rsplit(":", 2)
            raise RingBusy(f"zenoh:{self._key} is sent by pid {pid} on {host} already: take another "
                           "key, or stop that one")

    def run(self) -> None:
        self._claim()
        if not headers.is_there(self._name):
            gstreamer.say("mirror", f"there is no ring '{self._name}' yet: waiting for it")
        while True:
            self._step()

    def _step(self) -> None:
        """A frame, an end, or a while without."""
        received = self._publisher.matching_status.matching
        if received:
            self._alone.is_over()
        else:
            self._alone.look()
        if self._all and not received:
            self._leave()
            time.sleep(0.1)
            return
        self._reader = self._reader or self._new_reader()
        try:
            self._send(self._reader.read(timeout=_SLICE_S))
        except EndOfStream:
            self._end(mapping.ENDED)
        except WriterLost:
            self._end(self._how_it_went())
        except Timeout:
            pass

    def _new_reader(self) -> shmring.Reader:
        return shmring.Reader(self._name, "all" if self._all else "latest", depth=2, lease=1,
                              on_disconnect="error")

    def _leave(self) -> None:
        if self._reader:
            self._reader.close()
            gstreamer.say("mirror", f"nobody receives zenoh:{self._key}: ring '{self._name}' is "
                                    "left alone until somebody does")
        self._reader = None

    def _how_it_went(self) -> int:
        try:
            dead = shmring.query(self._name).state is RingState.DEAD
        except shmring.Error:
            dead = False
        return mapping.LOST if dead else mapping.CLOSED

    def _head(self, kind: int) -> mapping.Head:
        self._count += 1
        return mapping.Head(kind, self._id, self._count, time.monotonic_ns())

    def _send(self, frame: shmring.Frame) -> None:
        with frame:
            data, planes, metas = frame._as_it_is()
            attachment = mapping.pack(self._head(mapping.FRAME), frame, planes, metas)
        self._publisher.put(data, attachment=attachment)
        self._frames += 1

    def _end(self, kind: int) -> None:
        self._publisher.put(b"", attachment=mapping.pack_end(self._head(kind)))
        assert self._reader
        self._reader.resume()

    def close(self) -> None:
        if self._reader:
            self._reader.close()
        gstreamer.say("mirror", f"{self._frames} frames sent")


class _Receiver:
    """Makes the ring from what one sender sends."""

    def __init__(self, zenoh: Any, session: Any, arguments: argparse.Namespace, key: str) -> None:
        self._session, self._key, self._arguments = session, key, arguments
        everything = arguments.mode == "all"
        channel = zenoh.handlers.FifoChannel(4) if everything else zenoh.handlers.RingChannel(1)
        self._all = everything
        self._drop = zenoh.CongestionControl.DROP
        self._senders: dict[str, str] = {}  # hosts, by id
        self._alive = session.liveliness().declare_subscriber(
            f"{key}/@sender/*", self._on_sender, history=True)
        self._frames = session.declare_subscriber(key, channel)
        self._writer: shmring.Writer | None = None
        self._from = self._count = self._seq = self._stretch = 0
        self._received = self._lost = 0
        self._refused = ""
        self._offset_ns: int | None = None
        self._clock_due = 0.0
        self._alone = _Alone("sends", key)

    def _on_sender(self, sample: Any) -> None:
        host, pid, who = str(sample.key_expr).rsplit("/", 1)[1].rsplit(":", 2)
        if "PUT" in str(sample.kind):
            self._senders[who] = f"pid {pid} on {host}"
            gstreamer.say("mirror", f"zenoh:{self._key} is sent by {self._senders[who]}")
        else:
            left = self._senders.pop(who, "somebody")
            gstreamer.say("mirror", f"zenoh:{self._key}: {left} is gone, or the way to it")
        self._clock_due = 0.0

    def run(self) -> None:
        self._new_writer()  # who reads may attach before the first frame comes
        while True:
            if time.monotonic() >= self._clock_due:
                if not self._senders:
                    self._alone.look()
                self._measure_clock()
            sample = self._frames.try_recv() or self._wait()
            if sample is not None:
                self._take(sample)

    def _wait(self) -> Any:
        """zenoh's own wait has no end, and knows no Ctrl-C."""
        end, pause = time.monotonic() + _SLICE_S, 0.0002
        while time.monotonic() < end:
            if (sample := self._frames.try_recv()) is not None:
                return sample
            time.sleep(pause)
            pause = min(2 * pause, 0.002)
        return None

    def _measure_clock(self) -> None:
        """The quickest answer of a few tells best how far the sender's clocks are from ours."""
        best: tuple[int, int, int] | None = None
        for _ in range(_PINGS if self._senders else 0):
            asked = time.monotonic_ns()
            for reply in self._session.get(f"{self._key}/@clock", timeout=1.0,
                                           congestion_control=self._drop):
                came = time.monotonic_ns()
                if reply.ok and (best is None or came - asked < best[0]):
                    real, monotonic = mapping.CLOCK.unpack(reply.ok.payload.to_bytes())
                    middle = (asked + came) // 2
                    here = time.time_ns() - time.monotonic_ns() + middle
                    best = came - asked, monotonic - middle, real - here
        self._clock_due = time.monotonic() + (_CLOCK_EVERY_S if best else 1.0)
        if best and (self._offset_ns is None or abs(best[1] - self._offset_ns) > best[0]):
            self._offset_ns = best[1]
            gstreamer.say("mirror", f"the sender's clock is {best[2] / 1e6:+.3f} ms from this host's, "
                                    f"as far as ±{best[0] / 2e6:.3f} ms tell")

    def _take(self, sample: Any) -> None:
        data = sample.attachment.to_bytes() if sample.attachment else b""
        try:
            head = mapping.unpack_head(data)
            if not self._is_ours(head):
                return
            lost = self._count and head.number - self._count - 1
            self._count = head.number
            if head.kind == mapping.FRAME:
                payload = sample.payload.to_bytes()
                self._write(mapping.unpack_frame(data, len(payload)), payload, head, lost)
            else:
                self._end(head.kind)
        except (ValueError, Error) as error:
            self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        if why != self._refused:
            self._refused = why
            gstreamer.say("mirror", f"zenoh:{self._key}: left out: {why}")

    def _is_ours(self, head: mapping.Head) -> bool:
        """One sender at a time; the next once that is gone."""
        if head.sender == self._from:
            return head.number > self._count
        if f"{self._from:016x}" in self._senders:
            self._refuse("another sender's frames: one was here before it")
            return False
        self._from, self._count, self._seq = head.sender, 0, 0
        return True

    def _write(self, frame: mapping.Received, data: bytes, head: mapping.Head, lost: int) -> None:
        if self._offset_ns is None:  # not told yet: as if it had taken no time
            offset = head.sent_ns - time.monotonic_ns()
        else:
            offset = self._offset_ns
        missing = self._seq and frame.seq != self._seq + 1
        self._lost += max(0, lost)
        writer = self._writer or self._new_writer()
        size = len(data)
        writer._make_room(size if frame.said[0] else 1 << max(0, size - 1).bit_length())
        begins = bool(self._seq) and frame.stretch != self._stretch
        writer._write_as_it_is(data, mapping.moved(frame, offset, bool(missing)), begins)
        self._seq, self._stretch = frame.seq, frame.stretch
        self._received += 1

    def _new_writer(self) -> shmring.Writer:
        self._writer = shmring.Writer(self._arguments.name, caps="application/octet-stream",
                                      slots=self._arguments.slots,
                                      patience=None if self._all else 1)
        return self._writer

    def _end(self, kind: int) -> None:
        """A writer that died is one that stopped, here: this process lives."""
        writer, self._seq = self._writer, 0
        if writer and kind == mapping.ENDED:
            writer.end()
        elif writer:
            writer.close()
            self._writer = None

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        gstreamer.say("mirror", f"{self._received} frames received, {self._lost} lost on the way")


def _ends_in_time(bridge: _Sender | _Receiver) -> threading.Event:
    """zenoh's put() waits for a receiver that stands still, and knows no Ctrl-C: where the event is
    not set soon after one, the process ends from within it."""
    ended = threading.Event()
    come, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)

    def wait() -> None:
        os.read(come, 1)
        if not ended.wait(_STOP_S):
            bridge.close()
            os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
    return ended


def run(arguments: argparse.Namespace) -> int:
    key = _key(arguments.to or arguments.from_)
    zenoh = _zenoh()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        session = zenoh.open(_config(zenoh, arguments))
    except zenoh.ZError as error:
        how = f"with {arguments.config}" if arguments.config else f"at {arguments.address}"
        raise Error(f"zenoh cannot start {how}: {_why(error)}") from None
    bridge: _Sender | _Receiver
    if arguments.to:
        bridge = _Sender(zenoh, session, arguments, key)
    else:
        bridge = _Receiver(zenoh, session, arguments, key)
    ended = _ends_in_time(bridge)
    try:
        bridge.run()
    except KeyboardInterrupt:
        return 0
    finally:
        bridge.close()
        ended.set()
        # zenoh waits 10 s for who stands still, and raises then.
        closing = threading.Thread(target=session.close, daemon=True)
        closing.start()
        closing.join(_STOP_S)
    return 0
