# SPDX-License-Identifier: LGPL-2.1-or-later
"""One end in Python: end.py WAY write|read NAME [KEY=VALUE...], with the ways of ways.py and
peers.py. `end.py queue both NAME`, or `shared_memory`, has both ends: what multiprocessing shares
is shared by a parent and its child."""

import multiprocessing
import os
import sys
from multiprocessing.shared_memory import SharedMemory

import numpy as np

import measure
import peers
import ways


def write(writer, pen):
    while pen.next():
        writer.write(pen)
    writer.close()


def read(frames, eye):
    for frame in frames:
        if not eye.look(frame):
            break
    del frame
    frames.close()
    measure.wait_for_goodbye()


class QueueWriter:
    """Pictures through a queue: pickled, sent through a pipe, copied out."""

    def __init__(self, name, pen):
        self.queue = multiprocessing.Queue(peers.MESSAGES)
        self.shape = pen.shape

    def write(self, pen):
        picture = np.zeros(self.shape, np.uint8)
        pen.write(picture)
        self.queue.put(picture)

    def frames(self):
        while True:
            yield self.queue.get()

    def close(self):
        self.queue.cancel_join_thread()


class SharedMemoryWriter:
    """Pictures in one shared memory, their places through a queue, room told by a semaphore."""

    def __init__(self, name, pen):
        self.memory = SharedMemory(name, create=True, size=peers.MESSAGES * pen.size)
        self.places = multiprocessing.Queue()
        self.room = multiprocessing.Semaphore(peers.MESSAGES)
        self.size, self.at = pen.size, 0

    def write(self, pen):
        self.room.acquire()
        pen.write(self.memory.buf[self.at : self.at + self.size])
        self.places.put(self.at)
        self.at = (self.at + self.size) % (peers.MESSAGES * self.size)

    def frames(self):
        while True:
            at = self.places.get()
            yield self.memory.buf[at : at + self.size]
            self.room.release()

    def close(self):
        self.places.cancel_join_thread()
        self.memory.close()
        self.memory.unlink()


BOTH = {"queue": QueueWriter, "shared_memory": SharedMemoryWriter}


def read_as_child(writer, settings):
    os.sched_setaffinity(0, {int(settings["reader_cpu"])} if "reader_cpu" in settings else
                         os.sched_getaffinity(0))
    read(writer.frames(), measure.Eye(settings))


def run_both(way, name, settings):
    pen = measure.Pen(settings)
    writer = BOTH[way](name, pen)
    child = multiprocessing.get_context("fork").Process(target=read_as_child, daemon=True,
                                                        args=(writer, settings))
    child.start()
    write(writer, pen)


def main():
    way, role, name, *rest = sys.argv[1:]
    settings = measure.settings(rest)
    if role == "write":
        pen = measure.Pen(settings)
        write({**ways.WRITERS, **peers.WRITERS}[way](name, pen), pen)
    elif role == "read":
        eye = measure.Eye(settings)
        read({**ways.READERS, **peers.READERS}[way](name, settings), eye)
    else:
        run_both(way, name, settings)
    # Threads of those who carried the frames may hold a plain exit up.
    os._exit(0)


if __name__ == "__main__":
    main()
