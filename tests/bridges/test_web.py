# SPDX-License-Identifier: LGPL-2.1-or-later
"""`shmring web`: pictures and figures of all rings, for browsers."""

import asyncio
import io
import json
import os
import shutil
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import numpy as np
from PIL import Image

import shmring
from beside import WAIT_S
from camera import level_in, number_in
from case import BridgeTest, needs
from shmring.command.web import _Site

try:
    import aiohttp
    import aiohttp.web
except ImportError:
    aiohttp = None


def picture(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)))


@unittest.skipIf(aiohttp is None, "there is no aiohttp")
@needs("jpegenc", "videorate")
class WebCase(BridgeTest):
    def web(self, *arguments):
        self.server = self.shmring("web", "--port", 0, *arguments)
        return self.server.line("http://")

    def get(self, url):
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            return answer.read()

    def ring(self, url, state, name=None):
        """What the page is told of it, once it is in STATE."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            for ring in json.loads(self.get(f"{url}rings.json"))["rings"]:
                if ring["name"] == (name or self.name) and ring["state"] == state:
                    return ring
            time.sleep(0.1)
        self.fail(f"the ring is not told as {state}")


class WebTest(WebCase):
    def test_the_page_and_its_figures(self):
        self.camera()
        url = self.web()
        self.assertIn(b"<title>shmring", self.get(url))
        with shmring.Reader(self.name, "latest") as reader:
            reader.read(timeout=30)
            end = time.monotonic() + WAIT_S
            while not (ring := self.ring(url, "live"))["readers"]:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)
        self.assertEqual((ring["format"], ring["width"], ring["height"], ring["slots"]),
                         ("BGR", 320, 192, 8))
        self.assertEqual([reader["mode"] for reader in ring["readers"]], ["latest"])

    def test_a_picture(self):
        self.camera(level=60, size="1920x1080")
        url = self.web("--width", 320)
        self.ring(url, "live")
        shown = picture(self.get(f"{url}{self.name}.jpg"))
        self.assertEqual(shown.shape[:2], (180, 320))
        self.assertAlmostEqual(level_in(shown), 60, delta=12)

    def test_pages_of_other_sites_see_nothing(self):
        url = self.web()
        own = url.rstrip("/")
        asyncio.run(self.connect(url, Origin=own))
        asyncio.run(self.connect(url, Origin="https://front", **{"X-Forwarded-Host": "front"}))
        with self.assertRaises(aiohttp.WSServerHandshakeError) as caught:
            asyncio.run(self.connect(url, Origin="http://elsewhere"))
        self.assertEqual(caught.exception.status, 403)

    def test_what_a_page_never_says(self):
        url = self.web()
        for said in "5", "{", "null":
            asyncio.run(self.connect(url, said))
        self.server.stop()
        self.assertNotIn("Traceback", self.server.output)

    async def connect(self, url, said=None, **headers):
        """It is told what there is; and is closed when it has SAID nonsense."""
        async with aiohttp.ClientSession() as session, \
                session.ws_connect(f"{url}live", headers=headers) as socket:
            await socket.receive_json(timeout=WAIT_S)
            if said:
                await socket.send_str(said)
                async for _ in socket:
                    pass

    def test_no_such_ring(self):
        url = self.web()
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.get(f"{url}{self.name}.jpg")
        self.assertEqual(caught.exception.code, 404)
        caught.exception.close()

    def test_an_address_that_is_taken(self):
        port = self.web().rstrip("/").rsplit(":", 1)[1]
        second = self.shmring("web", "--port", port)
        second.line(f"cannot listen at 127.0.0.1:{port}: Address already in use")

    def test_mjpeg_for_players(self):
        self.camera()
        url = self.web()
        self.ring(url, "live")
        with urllib.request.urlopen(f"{url}{self.name}.mjpg", timeout=WAIT_S) as answer:
            self.assertIn("multipart/x-mixed-replace", answer.headers["Content-Type"])
            numbers = [self.part(answer) for _ in range(5)]
        self.assertEqual(numbers, sorted(set(numbers)))

    def part(self, answer):
        size = 0
        while (line := answer.readline().strip()) or not size:
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        return number_in(picture(answer.read(size)))

    def test_a_page_shows_all_and_a_ring_that_is_gone_comes_back(self):
        names = [f"{self.name}-{i}" for i in range(8)]
        cameras = [self.camera(name, level=40 + 20 * i) for i, name in enumerate(names)]
        url = self.web()
        for name in names:
            self.ring(url, "live", name)
        asyncio.run(self.watch(url, names, cameras))
        end = time.monotonic() + WAIT_S     # nobody looks any more: it leaves the rings
        while any(shmring.query(name).readers for name in names):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    async def watch(self, url, names, cameras):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}live") as socket:
            await socket.send_str(json.dumps(names))
            asked, seen = time.monotonic(), {}
            while len(seen) < len(names):
                name, shown = await self.next_picture(socket)
                seen.setdefault(name, (time.monotonic() - asked, level_in(shown)))
            print("a picture came within", ", ".join(f"{s:.2f}" for s, _ in seen.values()), "s")
            for i, name in enumerate(names):
                self.assertAlmostEqual(seen[name][1], 40 + 20 * i, delta=12)
            cameras[0].stop()
            await asyncio.to_thread(self.ring, url, "gone", names[0])
            self.camera(names[0], level=220)
            while True:
                name, shown = await asyncio.wait_for(self.next_picture(socket), WAIT_S)
                if name == names[0] and abs(level_in(shown) - 220) < 12:
                    break

    async def next_picture(self, socket):
        while True:
            message = await socket.receive(timeout=WAIT_S)
            if message.type == aiohttp.WSMsgType.BINARY:
                size = message.data[0]
                return message.data[1:1 + size].decode(), picture(message.data[1 + size:])


@unittest.skipIf(aiohttp is None, "there is no aiohttp")
class GoneTest(BridgeTest):
    def test_more_rings_that_are_gone_than_are_kept(self):
        """What went last is shown, whatever its name."""
        names = [f"{self.name}-{i:02}" for i in range(66)]
        site = _Site(aiohttp.web, names, 10, 640)
        for some in names[1:], names[:1]:
            writers = [shmring.Writer(name, 16, 16, slots=4) for name in some]
            asyncio.run(site._look())
            for writer in writers:
                writer.close()
            asyncio.run(site._look())
        told = json.loads(site._told())["rings"]
        self.assertEqual([ring["name"] for ring in told], [names[0], *names[3:]])
        self.assertEqual({ring["state"] for ring in told}, {"gone"})


SHOWN = """JSON.stringify([...document.querySelectorAll("section")].map(place =>
    [place.dataset.name, place.querySelector("canvas").width]))"""


class BrowserTest(WebCase):
    """The page itself, in Chromium without a screen."""

    def setUp(self):
        super().setUp()
        self.chromium = shutil.which("chromium")
        if not self.chromium:
            self.skipTest("there is no chromium")

    def test_a_browser_draws_the_pictures(self):
        names = [f"{self.name}-{i}" for i in range(2)]
        for name in names:
            self.camera(name)
        url = self.web(*names, "--width", 200)
        for name in names:
            self.ring(url, "live", name)
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        browser = self.run_beside(
            self.chromium, "--headless", "--no-sandbox", "--disable-gpu",
            "--remote-debugging-port=0", f"--user-data-dir={folder.name}", url,
            env={**os.environ, "LD_PRELOAD": ""})  # a sanitizer is nothing for a browser
        place = browser.line("DevTools listening on ws://").split("//")[1].split("/")[0]
        asyncio.run(self.until_drawn(place, names))

    async def until_drawn(self, place, names):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{place}/json") as answer:
                pages = await answer.json(content_type=None)
            (page,) = [page for page in pages if page["type"] == "page"]
            async with session.ws_connect(page["webSocketDebuggerUrl"]) as socket:
                end = time.monotonic() + WAIT_S
                while dict(await self.shown(socket)) != dict.fromkeys(names, 200):
                    self.assertLess(time.monotonic(), end)
                    await asyncio.sleep(0.1)

    async def shown(self, socket):
        await socket.send_json({"id": 1, "method": "Runtime.evaluate",
                                "params": {"expression": SHOWN}})
        answer = await socket.receive_json()
        return json.loads(answer["result"]["result"]["value"])


if __name__ == "__main__":
    unittest.main()
