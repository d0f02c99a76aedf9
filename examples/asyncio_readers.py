#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads several rings in one event loop. Something to read:

    gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! shmringsink name=cam0
"""

import argparse
import asyncio
import contextlib
import sys

import shmring


async def watch(ring, frames):
    """Prints the mean of each frame; others run while it waits."""
    count = 0
    with shmring.Reader(ring, "latest") as reader:
        async for frame in reader:
            print(f"{ring}: frame {frame.seq}, mean {frame.array.mean():.2f}")
            count += 1
            if count == frames:
                break


async def watch_all(rings, frames, seconds):
    readers = asyncio.gather(*(watch(ring, frames) for ring in rings))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(readers, seconds)


def main():
    parser = argparse.ArgumentParser(description="Prints the mean of each frame of some rings.")
    parser.add_argument("rings", nargs="+", help="the rings' names")
    parser.add_argument("--frames", type=int, help="stop after so many of each")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    args = parser.parse_args()
    asyncio.run(watch_all(args.rings, args.frames, args.seconds))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except shmring.Error as error:
        sys.exit(str(error))
