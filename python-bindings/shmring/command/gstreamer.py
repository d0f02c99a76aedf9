# SPDX-License-Identifier: LGPL-2.1-or-later
"""GStreamer, for the commands that stand on it."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any, Callable

from ..errors import Error

_PACKAGES = {
    "Gst": "gir1.2-gstreamer-1.0", "GstVideo": "gir1.2-gst-plugins-base-1.0",
    "GstRtp": "gir1.2-gst-plugins-base-1.0",
    "GstRtspServer": "gir1.2-gst-rtsp-server-1.0",
}


def load(*names: str) -> tuple[Any, ...]:
    """Namespaces of gi, GLib and Gst first; that is initialized."""
    modules = []
    for name in ("GLib", "Gst", *names):
        try:
            import gi

            gi.require_version(name, "2.0" if name in ("GLib", "Gio") else "1.0")
            modules.append(importlib.import_module(f"gi.repository.{name}"))
        except (ImportError, ValueError):
            raise Error(f"{name} of gi is missing: install it "
                        f"(Debian: python3-gi {_PACKAGES.get(name, 'gir1.2-glib-2.0')}; a venv sees "
                        "them when it was made with --system-site-packages)") from None
    modules[1].init(None)
    return tuple(modules)


def copy_flags(Gst: Any) -> Any:
    """Gst.BUFFER_COPY_ALL, which gi says is 0."""
    of = Gst.BufferCopyFlags
    return of.FLAGS | of.TIMESTAMPS | of.META | of.MEMORY


def require(Gst: Any, elements: dict[str, str]) -> None:
    """Of each element, by its name, what has it."""
    for name, package in elements.items():
        if not Gst.ElementFactory.find(name):
            raise Error(f"GStreamer has no element {name}: install {package}; "
                        "gst-inspect-1.0 lists what it finds")


SHMRING = "shmring's plugin (./dev install), or let GST_PLUGIN_PATH lead to it"


def encoder(Gst: Any, bitrate: int, key_frames: int) -> str:
    """Text of an H.264 encoder without delay: hardware's if there is one."""
    kind = Gst.ElementFactory.list_get_elements(
        Gst.ELEMENT_FACTORY_TYPE_ENCODER | Gst.ELEMENT_FACTORY_TYPE_MEDIA_VIDEO, Gst.Rank.MARGINAL)
    makes = Gst.ElementFactory.list_filter(kind, Gst.Caps.from_string("video/x-h264"),
                                           Gst.PadDirection.SRC, False)
    hardware = sorted((factory for factory in makes
                       if "Hardware" in factory.get_metadata("klass")),
                      key=lambda factory: -int(factory.get_rank()))
    if hardware:
        return _hardware(Gst, hardware[0].get_name(), bitrate, key_frames)
    if Gst.ElementFactory.find("x264enc"):
        return (f"x264enc tune=zerolatency speed-preset=superfast bitrate={bitrate} "
                f"key-int-max={key_frames}")
    require(Gst, {"openh264enc": "an H.264 encoder (Debian: gstreamer1.0-plugins-ugly)"})
    return (f"openh264enc usage-type=camera complexity=low bitrate={1000 * bitrate} "
            f"gop-size={key_frames}")


def _hardware(Gst: Any, name: str, bitrate: int, key_frames: int) -> str:
    """Makers name the same things differently; all of these count kbit/s."""
    element = Gst.ElementFactory.make(name)
    wanted = {"bitrate": bitrate, "key-int-max": key_frames, "gop-size": key_frames,
              "b-frames": 0, "bframes": 0, "max-bframes": 0, "zerolatency": "true"}
    said = [f"{key}={value}" for key, value in wanted.items() if element.find_property(key)]
    return " ".join([name, *said])


def run_loop(GLib: Any, loop: Any, stop: Callable[[], None]) -> None:
    """Until Ctrl-C, SIGTERM or the loop's quit()."""
    for number in signal.SIGINT, signal.SIGTERM:
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    try:
        loop.run()
    finally:
        stop()


def say(command: str, text: str) -> None:
    print(f"shmring {command}: {text}", file=sys.stderr, flush=True)
