# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test with a Writer and a Reader in this process."""

import threading

import shmring
from support import RingTest


class WriterCase(RingTest):
    def writer(self, width=64, height=4, *args, name=None, **options):
        writer = shmring.Writer(name or self.name, width, height, *args, **options)
        self.addCleanup(writer.close)
        return writer

    def reader(self, name=None, **options):
        reader = shmring.Reader(name or self.name, **{"timeout": 10, **options})
        self.addCleanup(reader.close)
        return reader

    def read_while(self, count, write):
        """The COUNT frames that a reader has of WRITE(), which runs in another thread: a ring of
        another size is written once its readers have followed."""
        with shmring.Reader(self.name, lease=count, timeout=10) as reader:
            thread = threading.Thread(target=write)
            thread.start()
            frames = [reader.read() for _ in range(count)]
            thread.join()
        return frames

    def pair(self, *args, **options):
        return self.writer(*args, **options), self.reader()
