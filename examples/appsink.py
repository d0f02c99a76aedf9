#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a ring through a pipeline of gst-python. Something to read:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

from shmring.gst import sample_as_array  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Prints the mean of each BGR or GRAY8 frame.")
    parser.add_argument("ring", help="the ring's name: shmringsink's name or ring-name")
    args = parser.parse_args()

    Gst.init(None)
    pipeline = Gst.parse_launch("shmringsrc name=source ! appsink name=sink max-buffers=1")
    pipeline.get_by_name("source").props.ring_name = args.ring
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    try:
        # Each pull waits a little only, so that Ctrl-C is seen.
        while not sink.props.eos:
            sample = sink.emit("try-pull-sample", Gst.SECOND // 10)
            if sample:
                picture = sample_as_array(sample)  # a read-only view, without the rows' padding
                print(f"{sample.get_buffer().pts / Gst.SECOND:.3f} s: mean {picture.mean():.2f}")
            error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
            if error:
                return error.parse_error().gerror.message
    except KeyboardInterrupt:
        pass
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    sys.exit(main())
