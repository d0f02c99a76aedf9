#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saves a ring's newest frame as a picture, with the one file raw.py and nothing else: no numpy, no
extension, and nobody notices. Something to look at:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0
"""

import argparse
import sys

from shmring import raw  # or a copy of that file beside this one: `import raw`


def rgb_rows(frame):
    """The rows of a BGR frame as PPM has them: no padding, red first."""
    stride = frame.strides[0]
    for row in range(frame.height):
        start = frame.offsets[0] + row * stride
        pixels = frame.data[start : start + 3 * frame.width]
        pixels[0::3], pixels[2::3] = pixels[2::3], pixels[0::3]
        yield pixels


def save(frame, path):
    with open(path, "wb") as file:
        file.write(b"P6 %d %d 255\n" % (frame.width, frame.height))
        file.writelines(rgb_rows(frame))


def main():
    parser = argparse.ArgumentParser(description="Saves the newest frame of a ring of BGR frames.")
    parser.add_argument("ring", help="the ring's name: shmringsink's name or ring-name")
    parser.add_argument("picture", help="the file to write, as PPM")
    parser.add_argument("--timeout", type=float, help="longest wait in seconds (default: for ever)")
    args = parser.parse_args()

    with raw.RawReader(args.ring) as reader:
        frame = reader.latest(timeout=args.timeout)
    if frame.format != "BGR":
        sys.exit(f"ring '{args.ring}' carries {frame.format or 'data without a format'}, not BGR")
    save(frame, args.picture)
    print(f"frame {frame.seq}, {frame.width}x{frame.height}: {args.picture}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except raw.Error as error:
        sys.exit(str(error))
