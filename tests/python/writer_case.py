# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test with a Writer and a Reader in this process."""

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

    def pair(self, *args, **options):
        return self.writer(*args, **options), self.reader()
