#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saves a picture of what a ring shows now, with Pillow. Something to look at:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0

It looks from outside, as a RawReader: nobody who writes or reads the ring can notice, and read
permission is enough.
"""

import argparse
import sys

from PIL import Image
from shmring import raw


def main():
    parser = argparse.ArgumentParser(description="Saves the newest BGR or GRAY8 frame of a ring.")
    parser.add_argument("ring", help="the ring's name: shmringsink's name or ring-name")
    parser.add_argument("picture", help="where to save it, as out.png")
    parser.add_argument("--timeout", type=float, default=5, help="longest wait in seconds")
    args = parser.parse_args()

    with raw.RawReader(args.ring) as reader:
        frame = reader.latest(timeout=args.timeout)
    picture = frame.array  # a copy already, the caller's own
    if frame.format == "BGR":
        picture = picture[:, :, ::-1]  # Pillow wants RGB
    Image.fromarray(picture).save(args.picture)
    print(f"frame {frame.seq} of {args.ring}: {args.picture}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except raw.Error as error:
        sys.exit(str(error))
