# SPDX-License-Identifier: LGPL-2.1-or-later
"""shmring serve: every ring in a player."""

from __future__ import annotations

import argparse
from typing import Any, Callable

import shmring

from ..errors import Error
from . import gstreamer, headers, options, secrets
from .streams import ELEMENTS, Stream

_MOST_SESSIONS = 256
_MOST_NAMES = 1024  # that clients asked for

EXAMPLES = """\
  shmring serve                      rtsp://127.0.0.1:8554/NAME for every ring
  shmring serve cam0 --address 0.0.0.0 --users /etc/shmring/users
  SHMRING_USERS=ann:secret shmring serve --tls /etc/shmring/key-and-certificate.pem
  ffplay rtsp://127.0.0.1:8554/cam0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_names(parser, "of the rings; without any: every ring, also those that come")
    parser.add_argument("--address", default="127.0.0.1", help="to listen at (127.0.0.1)")
    parser.add_argument("--port", type=options.port, default=8554, help="8554; 0: any that is free")
    parser.add_argument("--bitrate", type=options.count, default=4000,
                        help="of a ring, in kbit/s (4000)")
    parser.add_argument("--users", metavar="FILE",
                        help="who may watch: a line 'NAME:PASSWORD' each, in a file that only you "
                             "can read; or as the environment's SHMRING_USERS, with spaces between")
    parser.add_argument("--tls", metavar="FILE", help="PEM of key and certificate: rtsps")


def _name_of(url: Any) -> str:
    """rtsp://HOST/NAME, and below it GStreamer's /stream=0."""
    return str(url.abspath).strip("/").split("/")[0]


def _may_be_served(name: str) -> bool:
    """A ring that is not there may come; what cannot be one never does."""
    try:
        headers.is_there(name)
    except (shmring.Error, ValueError) as error:
        gstreamer.say("serve", str(error))
        return False
    return True


def _media_type(gst: Any, server: Any) -> type:
    """What it is made from is known once gi is loaded."""

    class Media(server.RTSPMedia):  # type: ignore[misc]
        """Tells the time of capture; GStreamer would tell that of sending."""

        on_error: Any = None
        on_warning: Any = None

        def do_handle_message(self, message: Any) -> bool:
            if message.type == gst.MessageType.ERROR:
                self.on_error(self, message.parse_error()[0].message)
            elif message.type == gst.MessageType.WARNING:
                self.on_warning(self, message.parse_warning()[0].message)
            return bool(server.RTSPMedia.do_handle_message(self, message))

        def do_setup_rtpbin(self, rtpbin: Any) -> bool:
            rtpbin.connect("element-added", _leave_time)
            return True

    return Media


def _leave_time(rtpbin: Any, element: Any) -> None:
    if element.find_property("update-ntp64-header-ext"):
        element.set_property("update-ntp64-header-ext", False)


def _let_pass(element: Any) -> None:
    if element.get_factory() and element.get_factory().get_name() in ("appsink", "multiudpsink"):
        element.set_property("sync", False)


def _factory_type(glib: Any, gst: Any, server: Any) -> type:
    class Factory(server.RTSPMediaFactory):  # type: ignore[misc]
        """Makes the stream that a path names; all its clients share it."""

        def __init__(self, bitrate: int, on_error: Callable[[Any, str], None]) -> None:
            super().__init__()
            self._bitrate, self._tell_error = bitrate, on_error
            self._streams: dict[Any, Stream] = {}
            self.set_shared(True)
            self.set_media_gtype(_media_type(gst, server))

        def do_create_element(self, url: Any) -> Any:
            try:
                stream = Stream(_name_of(url), self._bitrate)
            except Error as error:
                gstreamer.say("serve", str(error))
                return None
            self._streams[stream.bin] = stream
            return stream.bin

        def do_configure(self, media: Any) -> None:
            server.RTSPMediaFactory.do_configure(self, media)
            media.on_error, media.on_warning = self._on_error, self._on_warning
            media.connect("unprepared", self._on_unprepared)

        def _on_error(self, media: Any, why: str) -> None:
            stream = self._streams.get(media.get_element())
            self._tell_error(media, f"ring '{stream.name}': {why}" if stream else why)

        def _on_warning(self, media: Any, why: str) -> None:
            stream = self._streams.get(media.get_element())
            if stream:
                stream.warn(why)

        def _on_unprepared(self, media: Any) -> None:
            stream = self._streams.pop(media.get_element(), None)
            if stream:
                glib.idle_add(stream.close)  # in the thread of watch()

        def watch(self) -> bool:
            for stream in list(self._streams.values()):
                stream.watch()
            return True

        def on_play(self, client: Any, context: Any) -> None:
            """The sources keep the pace. A sink that did, as each PLAY wants it, would hold a frame for
            the latency of the picture in place of the ring, while the ring's next are left out."""
            context.media.get_element().get_parent().iterate_recurse().foreach(_let_pass)
            stream = self._streams.get(context.media.get_element())
            if stream:
                stream.request_key_frame()

    return Factory


class _Server:
    """Rings by their names, at an address."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.glib, gst, self._gio, self._rtsp, self._lib = gstreamer.load("Gio", "GstRtsp",
                                                                         "GstRtspServer")
        gstreamer.require(gst, ELEMENTS)
        self._names = arguments.names
        self._mounted: dict[str, None] = {}  # in the order in which they were asked for
        self._tls = arguments.tls
        self._server = self._lib.RTSPServer()
        self._server.set_address(arguments.address)
        self._server.set_service(str(arguments.port))
        self._factory = _factory_type(self.glib, gst, self._lib)(arguments.bitrate,
                                                                self._on_error)
        self._protect(secrets.logins(arguments.users, "SHMRING_USERS"))
        self._server.get_session_pool().set_max_sessions(_MOST_SESSIONS)
        self._server.connect("client-connected", self._on_client)
        for name in self._names:
            if not headers.is_there(name):
                gstreamer.say("serve", f"there is no ring '{name}' yet: players see \"no signal\"")
            self._mount(name)

    def start(self) -> int:
        """The port."""
        if not self._server.attach(None):
            address, port = self._server.get_address(), self._server.get_service()
            raise Error(f"cannot listen at {address}:{port}: another program does already "
                        "(--port takes another port), or that is no address of this host")
        self.glib.timeout_add(Stream.WATCH_MS, self._factory.watch)
        self.glib.timeout_add_seconds(10, self._clean)
        return int(self._server.get_bound_port())

    def close(self) -> None:
        self._server.client_filter(lambda *_: self._lib.RTSPFilterResult.REMOVE)

    def _on_error(self, media: Any, why: str) -> None:
        gstreamer.say("serve", f"{why.rstrip('.')}; who looks at it has to come again")
        self.glib.idle_add(self._dismiss, media)

    def _dismiss(self, media: Any) -> None:
        """Its clients would wait for ever, and who comes would get the same."""
        remove, keep = self._lib.RTSPFilterResult.REMOVE, self._lib.RTSPFilterResult.KEEP

        def has_it(client: Any) -> bool:
            return any(found.get_media() == media for session in client.session_filter(None)
                       for found in session.filter(None))

        self._server.client_filter(lambda _, client: remove if has_it(client) else keep)

    def url(self, port: int, name: str) -> str:
        host = self._server.get_address()
        return f"rtsp{'s' if self._tls else ''}://{host}:{port}/{name}"

    def _clean(self) -> bool:
        self._server.get_session_pool().cleanup()
        return True

    def _mount(self, name: str) -> None:
        if not _may_be_served(name):
            return
        points = self._server.get_mount_points()
        if len(self._mounted) >= _MOST_NAMES:  # who plays it plays on
            oldest = next(iter(self._mounted))
            del self._mounted[oldest]
            points.remove_factory(f"/{oldest}")
        self._mounted[name] = None
        points.add_factory(f"/{name}", self._factory)

    def _on_client(self, server: Any, client: Any) -> None:
        client.connect("play-request", self._factory.on_play)
        if not self._names:
            client.connect("pre-describe-request", self._on_describe)

    def _on_describe(self, client: Any, context: Any) -> Any:
        """A name is known once somebody asks for it."""
        name = _name_of(context.uri)
        if name not in self._mounted:
            self._mount(name)
        return self._rtsp.RTSPStatusCode.OK

    def _protect(self, users: dict[str, str]) -> None:
        """Without a default token, who has no login is asked for one."""
        if not users and not self._tls:
            return
        token, permissions = self._lib.RTSPToken(), self._lib.RTSPPermissions()
        token.set_string(self._lib.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
        for what in (self._lib.RTSP_PERM_MEDIA_FACTORY_ACCESS,
                     self._lib.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT):
            permissions.add_permission_for_role("user", what, True)
        self._factory.set_permissions(permissions)
        auth = self._lib.RTSPAuth()
        auth.set_supported_methods(self._rtsp.RTSPAuthMethod.DIGEST)
        for name, password in users.items():
            auth.add_digest(name, password, token)
        if not users:
            auth.set_default_token(token)
        if self._tls:
            auth.set_tls_certificate(self._certificate())
        self._server.set_auth(auth)

    def _certificate(self) -> Any:
        try:
            return self._gio.TlsCertificate.new_from_file(self._tls)
        except self.glib.Error as error:
            raise Error(f"{self._tls} is no PEM of a key and its certificate: "
                        f"{error.message}") from None


def run(arguments: argparse.Namespace) -> int:
    server = _Server(arguments)
    port = server.start()
    names = arguments.names or [ring.name for ring in shmring.list()]
    for name in names or ["NAME"]:
        print(server.url(port, name), flush=True)
    gstreamer.run_loop(server.glib, server.glib.MainLoop(), server.close)
    return 0
