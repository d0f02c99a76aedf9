# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo's second reader: a GStreamer pipeline on its own clock. Argument: the ring's name."""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402
from meter import Meter  # noqa: E402


def error_text(pipeline):
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    return message.parse_error()[0].message if message else None


def main(name):
    Gst.init(None)
    pipeline = Gst.parse_launch("shmringsrc name=ring ! appsink name=frames sync=false")
    pipeline.get_by_name("ring").set_property("ring-name", name)
    frames = pipeline.get_by_name("frames")
    pipeline.set_state(Gst.State.PLAYING)
    meter = Meter()
    while sample := frames.emit("pull-sample"):
        buffer = sample.get_buffer()
        now = pipeline.get_clock().get_time() - pipeline.get_base_time()
        meter.add(buffer.offset, now - buffer.pts)
    problem = error_text(pipeline)
    pipeline.set_state(Gst.State.NULL)
    if problem or not meter.frames:
        sys.exit(problem or f"ring '{name}' ended without a frame")
    meter.report()


main(*sys.argv[1:])
