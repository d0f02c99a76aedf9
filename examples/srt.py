#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ring over SRT, as H.264: `srt.py send NAME URI` and `srt.py receive NAME URI`.

    examples/srt.py send cam0 'srt://0.0.0.0:7001?mode=listener'
    examples/srt.py receive cam0-there 'srt://HOST:7001?mode=caller'

The passphrase, of 10 to 79 letters, is in the environment's SHMRING_SRT_PASSPHRASE: on a command
line everybody would see it. Both ends go on by themselves after a cut.
"""

import os
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

SEND = ("shmringsrc ring-name={name} leaky-type=downstream on-disconnect=wait ! videoconvert ! "
        "video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=superfast bitrate=4000 "
        "key-int-max=60 ! mpegtsmux alignment=7 ! srtsink name=srt wait-for-connection=false")
RECEIVE = ("srtsrc name=srt ! tsdemux latency=100 ! h264parse ! avdec_h264 ! videoconvert ! "
           "video/x-raw,format=BGR ! shmringsink ring-name={name} async=false")
AGAIN_S = 1


def run(direction, name, uri):
    """Until it fails; Ctrl-C ends the program."""
    Gst.init(None)
    pipeline = Gst.parse_launch((SEND if direction == "send" else RECEIVE).format(name=name))
    srt = pipeline.get_by_name("srt")
    srt.set_property("uri", uri)
    if passphrase := os.environ.get("SHMRING_SRT_PASSPHRASE"):
        srt.set_property("passphrase", passphrase)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        message = None
        while message is None:  # in slices, for Ctrl-C
            message = pipeline.get_bus().timed_pop_filtered(
                Gst.SECOND // 2, Gst.MessageType.ERROR | Gst.MessageType.EOS)
        why = message.parse_error()[0].message if message.type == Gst.MessageType.ERROR else "end"
        print(f"srt: {why}; again in {AGAIN_S} s", file=sys.stderr, flush=True)
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("send", "receive"):
        sys.exit(__doc__)
    try:
        while True:
            run(*sys.argv[1:])
            GLib.usleep(1_000_000 * AGAIN_S)
    except KeyboardInterrupt:
        pass
