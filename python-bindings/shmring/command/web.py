# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring web: a page with every ring's picture, figures and readers."""

from __future__ import annotations

import argparse
import asyncio
import importlib.resources
import json
import os
import signal
import time
from typing import Any
from urllib.parse import urlsplit

from ..errors import Error
from ..records import RingState
from . import gstreamer, headers, options, watch
from .pictures import Pictures

EXAMPLES = """\
  shmring web                        http://127.0.0.1:8080/
  shmring web --address 0.0.0.0 --rate 5
  ffplay http://127.0.0.1:8080/cam0.mjpg
"""
_LOOK_S = 1.0
_KEPT_GONE = 64  # rings that were there once, those that went last
_BOUNDARY = "shmring-picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_names(parser, "of the rings; without any: every ring, also those that come")
    parser.add_argument("--address", default="127.0.0.1", help="to listen at (127.0.0.1)")
    parser.add_argument("--port", type=options.port, default=8080, help="8080; 0: any that is free")
    parser.add_argument("--rate", type=options.count, default=10, metavar="N",
                        help="pictures a second, at most (10)")
    parser.add_argument("--width", type=options.count, default=640,
                        help="of a picture, at most (640)")


def _aiohttp() -> Any:
    try:
        from aiohttp import web
    except ImportError:
        raise Error("aiohttp is missing: install it (Debian: python3-aiohttp; "
                    "elsewhere: pip install aiohttp)") from None
    return web


def _facts(rates: watch.Rates) -> dict[str, Any]:
    info, frame = rates.info, rates.frame
    return {
        "name": info.name, "state": info.state.name.lower(),
        "format": headers.kind_of(frame), "width": frame.width if frame else 0,
        "height": frame.height if frame else 0, "fps": rates.fps,
        "bytes_per_second": rates.bytes_per_second, "jitter_ns": rates.jitter_ns,
        "slots": info.slots, "free": info.free_slots, "dropped": info.dropped,
        "waits": info.waits, "writer": info.writer_process, "pid": info.writer_pid,
        "readers": None if info.readers is None else [
            {"mode": reader.mode, "depth": reader.depth, "held": reader.held, "lag": reader.lag,
             "dropped": reader.dropped + reader.withdrawn, "pid": reader.pid,
             "process": reader.process, "holds_up": watch.is_held_up(rates, reader)}
            for reader in info.readers],
    }


class _Site:
    """All rings, for all browsers."""

    def __init__(self, web: Any, names: list[str], rate: int, width: int) -> None:
        self._web, self._rate, self._width = web, rate, width
        self._watch = watch.Watch(names or None)
        self._facts: dict[str, dict[str, Any]] = {}
        self._pictures: dict[str, Pictures] = {}
        self._browsers: set[Any] = set()
        self._looking: asyncio.Task[None] | None = None

    def application(self) -> Any:
        application = self._web.Application()
        application.router.add_get("/", self._page)
        application.router.add_get("/rings.json", self._json)
        application.router.add_get("/live", self._live)
        application.router.add_get("/{name}.mjpg", self._mjpg)
        application.router.add_get("/{name}.jpg", self._jpg)
        application.on_startup.append(self._on_startup)
        application.on_shutdown.append(self._on_shutdown)
        return application

    async def _on_startup(self, application: Any) -> None:
        self._looking = asyncio.create_task(self._keep_looking())

    async def _on_shutdown(self, application: Any) -> None:
        if self._looking:
            self._looking.cancel()
        for browser in set(self._browsers):
            await browser.close()
        for pictures in self._pictures.values():
            pictures.close()

    # ---- What there is ----

    async def _keep_looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> None:
        found = await asyncio.get_running_loop().run_in_executor(None, self._watch.look)
        here = {rates.info.name: _facts(rates) for rates in found
                if rates.info.state is RingState.LIVE}
        gone = {name: {**facts, "state": "gone", "readers": [], "fps": None}
                for name, facts in self._facts.items() if name not in here}
        kept = dict(list(gone.items())[-_KEPT_GONE:])
        self._facts = kept | here  # so that what went first comes first
        for name, pictures in list(self._pictures.items()):
            pictures.look()
            if name not in self._facts and not pictures.watched:
                pictures.close()
                del self._pictures[name]

    def _pictures_of(self, name: str) -> Pictures:
        if name not in self._facts:
            raise self._web.HTTPNotFound(text=f"there is no ring '{name}'\n")
        if name not in self._pictures:
            self._pictures[name] = Pictures(name, self._rate, self._width)
        return self._pictures[name]

    def _told(self) -> str:
        rings = [{**facts, "error": self._pictures[name].error if name in self._pictures else ""}
                 for name, facts in sorted(self._facts.items())]
        return json.dumps({"time": time.strftime("%H:%M:%S"), "rings": rings})

    # ---- What is asked for ----

    async def _page(self, request: Any) -> Any:
        page = importlib.resources.files(__package__).joinpath("web.html").read_text("utf-8")
        return self._web.Response(text=page, content_type="text/html")

    async def _json(self, request: Any) -> Any:
        return self._web.Response(text=self._told(), content_type="application/json")

    async def _jpg(self, request: Any) -> Any:
        pictures, changed = self._pictures_of(request.match_info["name"]), asyncio.Event()
        pictures.watch(changed)
        try:
            _, jpeg = await asyncio.wait_for(pictures.next(changed, 0), 5)
        except asyncio.TimeoutError:
            raise self._web.HTTPServiceUnavailable(text="no picture came within 5 s\n") from None
        finally:
            pictures.unwatch(changed)
        return self._web.Response(body=jpeg, content_type="image/jpeg",
                                  headers={"Cache-Control": "no-store"})

    async def _mjpg(self, request: Any) -> Any:
        """For an <img> of another page, and for players."""
        pictures, changed, number = (self._pictures_of(request.match_info["name"]),
                                     asyncio.Event(), 0)
        response = self._web.StreamResponse(headers={
            "Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
            "Cache-Control": "no-store"})
        pictures.watch(changed)
        try:
            await response.prepare(request)
            while True:
                number, jpeg = await pictures.next(changed, number)
                head = (f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                        f"Content-Length: {len(jpeg)}\r\n\r\n")
                await response.write(head.encode() + jpeg + b"\r\n")
        except ConnectionError:  # it went
            return response
        finally:
            pictures.unwatch(changed)

    async def _live(self, request: Any) -> Any:
        """One connection for all pictures of a page: a browser has only six for a site."""
        self._refuse_other_sites(request)
        browser = self._web.WebSocketResponse(heartbeat=20)
        await browser.prepare(request)
        self._browsers.add(browser)
        wanted: dict[str, int] = {}
        changed = asyncio.Event()
        tasks = [asyncio.create_task(self._send_pictures(browser, wanted, changed)),
                 asyncio.create_task(self._send_facts(browser))]
        try:
            async for message in browser:
                self._choose(json.loads(message.data), wanted, changed)
        except (TypeError, ValueError):  # it speaks something else
            await browser.close()
        finally:
            for task in tasks:
                task.cancel()
            self._browsers.discard(browser)
            self._choose([], wanted, changed)
        return browser

    def _refuse_other_sites(self, request: Any) -> None:
        """A browser lets any page connect, from wherever that is, and says which."""
        origin = urlsplit(request.headers.get("Origin", "")).netloc
        if origin and origin not in (request.host, request.headers.get("X-Forwarded-Host")):
            raise self._web.HTTPForbidden(text=f"a page of {origin} may not look\n")

    def _choose(self, names: Any, wanted: dict[str, int], changed: asyncio.Event) -> None:
        """The rings whose pictures the page shows now."""
        chosen = {name for name in names if isinstance(name, str) and name in self._facts}
        for name in set(wanted) - chosen:
            del wanted[name]
            self._pictures[name].unwatch(changed)
        for name in chosen - set(wanted):
            wanted[name] = 0
            self._pictures_of(name).watch(changed)
        changed.set()

    async def _send_facts(self, browser: Any) -> None:
        try:
            while True:
                await browser.send_str(self._told())
                await asyncio.sleep(_LOOK_S / 2)
        except ConnectionError:
            pass

    async def _send_pictures(self, browser: Any, wanted: dict[str, int],
                             changed: asyncio.Event) -> None:
        """The newest of each, as fast as the browser takes them."""
        try:
            while True:
                await changed.wait()
                changed.clear()
                for name in list(wanted):
                    pictures = self._pictures.get(name)
                    if pictures and pictures.newest and wanted.get(name) != pictures.count:
                        wanted[name] = pictures.count
                        await browser.send_bytes(bytes([len(name)]) + name.encode()
                                                 + pictures.newest)
        except (ConnectionError, RuntimeError):  # it went
            pass


async def _stopped() -> None:
    """By Ctrl-C or SIGTERM."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


async def _listen(web: Any, runner: Any, address: str, port: int) -> None:
    try:
        await web.TCPSite(runner, address, port, shutdown_timeout=1).start()
    except OSError as error:
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror
        raise Error(f"cannot listen at {address}:{port}: {why}") from None


async def _serve(web: Any, arguments: argparse.Namespace) -> None:
    site = _Site(web, arguments.names, arguments.rate, arguments.width)
    runner = web.AppRunner(site.application(), access_log=None, handler_cancellation=True) \
        if "handler_cancellation" in web.AppRunner.__init__.__code__.co_varnames \
        else web.AppRunner(site.application(), access_log=None)
    await runner.setup()
    try:
        await _listen(web, runner, arguments.address, arguments.port)
        host, port = runner.addresses[0][:2]
        print(f"http://{host}:{port}/", flush=True)
        await _stopped()
    finally:
        await runner.cleanup()


def run(arguments: argparse.Namespace) -> int:
    web = _aiohttp()
    gstreamer.load()
    for name in arguments.names:
        if not headers.is_there(name):
            gstreamer.say("web", f"there is no ring '{name}' yet: it is shown once it comes")
    asyncio.run(_serve(web, arguments))
    return 0
