# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring mirror`: a ring and its image over zenoh are the same, and ends, cuts and second senders
are told."""

import json
import os
import signal
import tempfile
import time
import unittest

import numpy as np

import shmring
from beside import ROUTER, free_port, python_with_zenoh
from camera import captured_ns, level_in, number_in
from case import BridgeTest, needs


class MirrorTest(BridgeTest):
    @classmethod
    def setUpClass(cls):
        cls.python = python_with_zenoh()
        if cls.python is None:
            raise unittest.SkipTest("zenoh is not installed, and PyPI cannot be had")

    def setUp(self):
        super().setUp()
        self.image = f"{self.name}-image"
        self.key = f"zenoh:shmring-test/{self.name}"

    def mirror(self, *arguments):
        return self.run_beside(self.python, "-B", "-m", "shmring", "mirror", *arguments)

    def send(self, *arguments):
        return self.mirror(self.name, "--to", self.key, *arguments)

    def receive(self, *arguments):
        return self.mirror("--from", self.key, self.image, *arguments)

    def reader(self, name=None, mode="all", **options):
        reader = shmring.Reader(name or self.image, mode, timeout=60, **options)
        self.addCleanup(reader.close)
        return reader

    def attached(self, **options):
        """A reader of the image, which gets all that is sent from now on."""
        reader = self.reader(**options)
        while not reader.stats.attached:
            self.assertIsNone(reader.try_read())
            time.sleep(0.01)
        return reader

    def pair(self, *arguments):
        """A lossless way, from a writer that waits for it."""
        receiver, sender = self.receive("--mode", "all", *arguments), self.send("--mode", "all", *arguments)
        receiver.line("is sent by")
        receiver.line("clock is")
        return receiver, sender

    def writer(self, *arguments, **options):
        writer = shmring.Writer(self.name, *arguments, patience=60, **options)
        self.addCleanup(writer.close)
        return writer

    def test_every_field_is_the_same(self):
        self.pair()
        image = self.attached()
        metas = shmring.Metas(crop=(1, 2, 3, 4), regions=(shmring.Region("face", 1, 2, 3, 4, 5, -1, ("a=1;",)),))
        writer = self.writer(66, 34, "I420", framerate=(30000, 1001))
        here = self.reader(self.name)
        while len(writer.readers) < 2:
            here.try_read()
            time.sleep(0.02)
        rows = np.arange(66 * 51, dtype=np.uint32).astype(np.uint8).reshape(51, 66)
        writer.write(rows, pts_ns=5, timestamp_ns=captured_ns(7), duration_ns=9, metas=metas,
                     flags=shmring.FrameFlags.CORRUPTED)
        self.assert_same(here.read(), image.read())
        writer.close()
        here.close()

    def assert_same(self, frame, seen):
        for field in ("width", "height", "channels", "format", "strides", "size", "timestamp_ns",
                      "pts_ns", "dts_ns", "duration_ns", "framerate", "caps", "metas",
                      "frame_number", "frame_number_end", "flags"):
            self.assertEqual(getattr(seen, field), getattr(frame, field), field)
        np.testing.assert_array_equal(seen.array, frame.array)
        self.assertLess(abs(seen.clock_ns - frame.clock_ns), 50_000_000)  # one clock, on one host

    def test_nothing_is_lost_and_the_stream_ends(self):
        """JPEG as of 1080p, and as many frames as a minute has but faster."""
        receiver, sender = self.pair()
        image = self.attached()
        writer = self.writer(caps="image/jpeg", framerate=30)
        writer.wait_reader(timeout=60)
        body = os.urandom(300_000)
        for number in range(1000):
            writer.write(number.to_bytes(4, "little") + body)
            if number % 4 == 3:
                came = [int.from_bytes(bytes(memoryview(image.read()))[:4], "little")
                        for _ in range(4)]
                self.assertEqual(came, list(range(number - 3, number + 1)))
        writer.end()
        with self.assertRaises(shmring.EndOfStream):
            image.read()
        receiver.stop()
        self.assertIn("1000 frames received, 0 lost", receiver.output)

    def test_raw_1080p(self):
        self.pair()
        image = self.attached()
        count = int(os.environ.get("BRIDGES_RAW_FRAMES", "100"))
        self.camera(size="1920x1080", count=count)
        for expected in range(count):
            frame = image.read()
            self.assertEqual(number_in(frame.array), expected)
            self.assertEqual(frame.timestamp_ns, captured_ns(expected))
            del frame

    @needs("x264enc", "h264parse", "avdec_h264")
    def test_h264(self):
        self.assert_crosses_encoded("h264", "x264enc")

    @needs("x265enc", "h265parse", "avdec_h265")
    def test_h265(self):
        self.assert_crosses_encoded("h265", "x265enc")

    def assert_crosses_encoded(self, kind, encoder):
        """Frames are the same, and play at the other end."""
        self.pair()
        shown = self.play(f"shmringsrc ring-name={self.image} on-disconnect=wait ! {kind}parse ! "
                          f"avdec_{kind}")
        here, image = self.reader(self.name), self.attached()
        self.encoded_camera(kind, encoder)
        sent, came = (self.told(reader) for reader in (here, image))
        both = set(sent) & set(came)
        self.assertGreater(len(both), 20)
        for pts_ns in both:
            self.assertEqual(came[pts_ns], sent[pts_ns])
        self.assertGreater(level_in(shown.picture().array), 200)

    def told(self, reader):
        """Of the next frames, by their time; but for losses, which are a reader's own."""
        frames = {}
        for _ in range(40):
            with reader.read() as frame:
                frames[frame.pts_ns] = (bytes(memoryview(frame)), frame.caps, frame.dts_ns,
                                        frame.timestamp_ns,
                                        frame.flags & ~shmring.FrameFlags.DISCONT)
        return frames

    def test_a_second_sender(self):
        self.camera()
        first = self.send()
        receiver = self.receive()
        receiver.line("is sent by")
        second = self.send()
        second.line(f"{self.key} is sent by pid {first.process.pid} on ")
        self.assertEqual(second.process.wait(60), 1)

    def test_stopped_and_killed_writers(self):
        receiver, _ = self.pair()
        image = self.attached(on_disconnect="wait")
        for kill in False, True:
            camera = self.camera()
            first = image.read()
            if kill:
                camera.kill()
            else:
                camera.stop()
            del first
        self.camera()
        self.assertTrue(image.read())

    def test_two_receivers_of_the_newest(self):
        self.camera()
        self.send()
        self.receive()
        other = f"{self.image}-2"
        self.mirror("--from", self.key, other)
        for name in self.image, other:
            reader = self.reader(name, "latest")
            numbers = [number_in(reader.read().array) for _ in range(20)]
            self.assertEqual(numbers, sorted(numbers))

    def test_a_router_that_is_killed_and_comes_back(self):
        port = free_port()
        way = ("--connect", f"tcp/127.0.0.1:{port}", "--address", "127.0.0.1")
        router = self.router(port)
        self.camera()
        self.send(*way)
        receiver = self.receive(*way)
        reader = self.reader(mode="latest")
        reader.read()
        router.kill()
        self.router(port)
        before = number_in(reader.read().array)
        for _ in range(30):
            after = number_in(reader.read().array)
        self.assertGreater(after, before)
        self.assertIsNone(receiver.process.poll())

    def router(self, port):
        router = self.run_beside(self.python, "-c", ROUTER, port)
        router.line("routes")
        return router

    def configured(self, transport, **said):
        """A file of zenoh's that only this user can read, as there may be a login in it."""
        file = tempfile.NamedTemporaryFile("w", suffix=".json5")
        self.addCleanup(file.close)
        json.dump({"mode": "peer", "scouting": {"multicast": {"enabled": False}},
                   "transport": {"shared_memory": {"enabled": False}, **transport}, **said}, file)
        file.flush()
        return "--config", file.name

    def listening(self, way, transport, **said):
        """Where others are to go, and the arguments of who waits for them there."""
        place = f"{way}/127.0.0.1:{free_port()}"
        return place, self.configured(transport, listen={"endpoints": [place]}, **said)

    def connecting(self, place, transport):
        return self.configured(transport, listen={"endpoints": []}, connect={
            "endpoints": [place], "exit_on_failure": True, "timeout_ms": 5000})

    def login(self, name, password, **more):
        return {"auth": {"usrpwd": {"user": name, "password": password, **more}}}

    def users(self):
        """What the side that listens says of them."""
        file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(file.close)
        print("ann:secret\nbob:hidden", file=file, flush=True)
        return self.login("camera", "a secret too", dictionary_file=file.name)

    def refused(self, *arguments):
        """Another that would receive."""
        return self.mirror("--from", self.key, f"{self.image}-2", *arguments)

    def assert_cannot_start(self, mirror):
        mirror.line("zenoh cannot start with ")
        self.assertEqual(mirror.process.wait(60), 1)

    def test_who_has_no_login_gets_nothing(self):
        place, config = self.listening("tcp", self.users())
        self.camera()
        self.send(*config)
        self.receive(*self.connecting(place, self.login("ann", "secret")))
        self.assertTrue(self.reader(mode="latest").read())
        self.assert_cannot_start(self.refused(*self.connecting(place, self.login("ann", "guess"))))

    def test_who_has_no_right_gets_nothing(self):
        place, config = self.listening("tcp", self.users(), access_control=self.rights("ann"))
        self.camera()
        self.send(*config)
        refused = self.refused(*self.connecting(place, self.login("bob", "hidden")))
        refused.line(f"nobody sends {self.key} yet")
        self.receive(*self.connecting(place, self.login("ann", "secret")))
        reader = self.reader(mode="latest")
        for _ in range(30):
            self.assertTrue(reader.read())
        self.assertEqual(shmring.query(f"{self.image}-2").published, 0)

    def rights(self, user):
        """As docs/bridges.md has it: USER may receive, others nothing."""
        key = self.key.removeprefix("zenoh:")
        return {
            "enabled": True, "default_permission": "deny",
            "rules": [{
                "id": "receive", "permission": "allow", "flows": ["ingress", "egress"],
                "key_exprs": [key, f"{key}/@sender/*", f"{key}/@clock"],
                "messages": ["put", "declare_subscriber", "query", "reply", "declare_queryable",
                             "liveliness_token", "liveliness_query",
                             "declare_liveliness_subscriber"]}],
            "subjects": [{"id": "receivers", "usernames": [user]}],
            "policies": [{"rules": ["receive"], "subjects": ["receivers"]}]}

    def test_tls(self):
        key, certificate = self.certificate()
        place, config = self.listening("tls", {"link": {"tls": {
            "listen_private_key": key, "listen_certificate": certificate}}})
        self.camera()
        self.send(*config)
        self.receive(*self.connecting(place, self.trusting(certificate)))
        self.assertTrue(self.reader(mode="latest").read())
        _, other = self.certificate()
        self.assert_cannot_start(self.refused(*self.connecting(place, self.trusting(other))))

    def trusting(self, certificate):
        return {"link": {"tls": {"root_ca_certificate": certificate}}}

    def test_nobody_sends(self):
        self.receive().line(f"nobody sends {self.key} yet")

    def test_nobody_receives(self):
        self.send().line(f"nobody receives {self.key} yet")

    def test_both_end_while_the_other_stands_still(self):
        """What zenoh's put() waits for, for a minute."""
        receiver, sender = self.pair()
        camera = self.camera()
        self.reader().read()
        receiver.process.send_signal(signal.SIGSTOP)
        while not shmring.query(self.name).waits:
            time.sleep(0.1)
        self.assertEqual(sender.stop(20), 0)
        self.assertIn("frames sent", sender.output)
        self.assertFalse(shmring.query(self.name).readers)
        camera.stop()
        receiver.process.send_signal(signal.SIGCONT)
        self.assertEqual(receiver.stop(20), 0)
        self.assertNotIn("Traceback", receiver.output)

    def test_one_that_stands_still_disturbs_nobody(self):
        sender = self.send()
        self.receive()
        self.assert_disturbs_nobody(sender)

    def test_a_ring_that_is_not_there_yet(self):
        self.send().line(f"there is no ring '{self.name}' yet")
        self.receive()
        self.camera()
        self.assertTrue(self.reader(mode="latest").read())

    def test_a_ring_that_has_nothing_left_to_lease(self):
        self.camera()
        for _ in range(3):
            self.reader(self.name, "latest", lease=2).read()
        self.send().line(f"shmring: ring '{self.name}': this reader was leased nothing, so")

    def test_what_is_no_way(self):
        wrong = self.receive("--connect", "192.0.2.1:7447")
        self.assertEqual(wrong.process.wait(60), 2)
        wrong.line("'192.0.2.1:7447' is no way to a router")

    def test_what_is_no_place(self):
        for place in "cam0", "zenoh:", "zenoh:a/*":
            wrong = self.mirror(self.name, "--to", place)
            self.assertEqual(wrong.process.wait(60), 2)
            wrong.line("is no place to mirror")


if __name__ == "__main__":
    unittest.main()
