# SPDX-License-Identifier: LGPL-2.1-or-later
"""async for: in order, cancelled without a loss, and nothing that asyncio.run() has to join."""

import asyncio
import gc
import logging
import threading
import unittest

import numpy as np

import shmring
from support import RingTest, run_python

IMAGE = np.zeros((4, 8, 3), "u1")

CANCELLED_PROGRAM = """
import asyncio, sys, shmring

async def main():
    async def read():
        async for frame in shmring.Reader(sys.argv[1]):
            print("a frame")
    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()

asyncio.run(main())
print("done")
"""


class AsyncTest(RingTest):
    def setUp(self):
        super().setUp()
        self.writer = shmring.Writer(self.name, 8, 4)
        self.addCleanup(self.writer.close)
        self.reader = shmring.Reader(self.name, timeout=10)
        self.addCleanup(self.reader.close)

    def publish(self, count=1):
        for _ in range(count):
            self.writer.write(IMAGE)

    async def next(self):
        return await self.reader.__anext__()

    async def waiting(self):
        """A task that waits for a frame in a thread."""
        before = set(threading.enumerate())
        task = asyncio.create_task(self.next())
        while set(threading.enumerate()) <= before and not task.done():
            await asyncio.sleep(0)
        return task

    def run_async(self, coroutine):
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # not of slow steps on a busy machine
        return asyncio.run(coroutine, debug=True)

    def test_every_frame_until_the_end(self):
        async def main():
            return [frame.seq async for frame in self.reader]

        thread = threading.Thread(target=lambda: (self.publish(100), self.writer.end()))
        thread.start()
        self.assertEqual(self.run_async(main()), list(range(1, 101)))
        thread.join()

    def test_other_tasks_run_while_it_waits(self):
        async def main():
            task = await self.waiting()
            self.publish()
            return (await task).seq

        self.assertEqual(self.run_async(main()), 1)

    def test_other_tasks_run_while_there_is_always_a_frame(self):
        async def main():
            others = 0

            async def count():
                nonlocal others
                while True:
                    others += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(count())
            self.publish(5)
            for _ in range(5):
                await self.next()
            task.cancel()
            return others

        self.assertGreaterEqual(self.run_async(main()), 4)

    def test_async_with_awaits_its_reads(self):
        async def main():
            async with self.reader as reader:
                self.publish()
                seen = [(await reader.read(timeout=5)).seq]
                task = asyncio.create_task(reader.read_array())
                await asyncio.sleep(0)
                self.publish(2)
                self.assertEqual((await task).shape, IMAGE.shape)
                seen.append((await reader.read()).seq)
                with self.assertRaises(shmring.Timeout):
                    await reader.read(timeout=0.01)
                with self.assertRaisesRegex(ValueError, "is an array of"):
                    self.publish()
                    await reader.read_array(np.empty((2, 2), "u1"))
                self.publish()
                self.writer.end()
                seen += [frame.seq async for frame in reader]
            self.assertTrue(self.reader.closed)
            return seen

        self.assertEqual(self.run_async(main()), [1, 3, 4, 5])

    def test_two_readers(self):
        async def read(reader):
            return [frame.seq async for frame in reader]

        async def main():
            tasks = asyncio.gather(read(self.reader), read(other))
            await asyncio.sleep(0)
            await asyncio.to_thread(lambda: (self.publish(20), self.writer.end()))
            return await tasks

        with shmring.Reader(self.name, timeout=10) as other:
            self.assertEqual(self.run_async(main()), [list(range(1, 21))] * 2)

    def test_cancelled_while_it_waits(self):
        async def main():
            task = await self.waiting()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.publish(2)
            return [(await self.next()).seq for _ in range(2)]

        self.assertEqual(self.run_async(main()), [1, 2])

    def test_no_frame_is_lost_or_late_for_a_cancellation(self):
        """The frame comes at the moment of the cancellation, before or after."""
        async def main():
            seen = []
            for _ in range(300):
                task = await self.waiting()
                self.publish()
                task.cancel()
                try:
                    seen.append((await task).seq)
                except asyncio.CancelledError:
                    seen.append(self.reader.read().seq)
            return seen

        self.assertEqual(self.run_async(main()), list(range(1, 301)))

    def test_the_same_with_more_frames_behind(self):
        async def main():
            seen = []
            for count in range(3, 303, 3):
                task = await self.waiting()
                await asyncio.sleep(0)
                self.publish(3)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    seen.append(task.result().seq)
                del task
                while len(seen) < count:
                    seen.append(self.reader.read().seq)
            return seen

        self.assertEqual(self.run_async(main()), list(range(1, 301)))

    def test_a_timeout(self):
        async def main():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(self.next(), 0.01)
            self.publish()
            return (await self.next()).seq

        self.assertEqual(self.run_async(main()), 1)

    def test_the_readers_own_timeout(self):
        async def main():
            async for _ in shmring.Reader(self.name, timeout=0.01):
                self.fail("there is no frame")

        with self.assertRaisesRegex(shmring.Timeout, "waited 0.01 s"):
            self.run_async(main())

    def test_a_lost_writer(self):
        async def main():
            reader = shmring.Reader(name, timeout=10)
            writer.kill()
            async for _ in reader:
                self.fail("there is no frame")

        name = self.name + "-lost"
        writer = self.start_writer(name)
        with self.assertRaisesRegex(shmring.WriterLost, name):
            self.run_async(main())

    def test_closing_wakes_it(self):
        async def main():
            task = await self.waiting()
            self.reader.close()
            with self.assertRaisesRegex(ValueError, "closed while it waited"):
                await task
            with self.assertRaisesRegex(ValueError, "is closed"):
                await self.next()

        self.run_async(main())

    def test_the_slot_goes_back_with_the_frame(self):
        async def main():
            task = await self.waiting()
            self.publish()
            frame = await task
            del task
            self.assertEqual(self.reader.stats.held, 1)
            del frame
            await asyncio.sleep(0)  # what woke us refers to the task
            self.assertEqual(self.reader.stats.held, 0)

        gc.disable()
        self.addCleanup(gc.enable)
        self.run_async(main())

    def test_a_loop_that_was_closed_under_it(self):
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(self.waiting())
        loop.close()
        task._log_destroy_pending = False
        self.publish()
        self.assertEqual(self.reader.read().seq, 1)
        del task
        gc.collect()

    def test_the_program_ends(self):
        process = run_python(CANCELLED_PROGRAM, self.name + "-none")
        with process:
            self.assertEqual(process.stdout.read(), "done\n")
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
