#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a ring through a pipeline of gst-python. Something to read:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0
"""

import argparse
import sys

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402


def mean_of(sample):
    """Of the picture alone: rows may be padded, and the meta says how they lie."""
    buffer = sample.get_buffer()
    info = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
    meta = GstVideo.buffer_get_video_meta(buffer) or info
    shape = (info.height, info.width * info.finfo.pixel_stride[0])
    with buffer.map(Gst.MapFlags.READ) as mapping:
        # The array is valid inside this block only: what is to stay must be copied.
        rows = np.ndarray(shape, np.uint8, mapping.data, meta.offset[0], (meta.stride[0], 1))
        return rows.mean()


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
                print(f"{sample.get_buffer().pts / Gst.SECOND:.3f} s: mean {mean_of(sample):.2f}")
            error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
            if error:
                return error.parse_error().gerror.message
    except KeyboardInterrupt:
        pass
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    sys.exit(main())
