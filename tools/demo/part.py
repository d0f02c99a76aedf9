# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process of the demo: what it last reported, and what it said when it failed."""

import asyncio
import json
import signal


class Part:
    """Started in a process group of its own: a Ctrl-C reaches the demo, which ends it in order."""

    def __init__(self, title, process):
        self.title = title
        self.process = process
        self.report = None
        self.errors = ""
        self.interrupted = False
        self.task = asyncio.ensure_future(self._follow())

    @classmethod
    async def start(cls, title, *command):
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
        return cls(title, process)

    async def _follow(self):
        """Reads reports and errors until the process ends."""
        await asyncio.gather(self._read_reports(), self._read_errors())
        await self.process.wait()

    async def _read_reports(self):
        async for line in self.process.stdout:
            if line.startswith(b"{"):
                self.report = json.loads(line)

    async def _read_errors(self):
        """gst-launch-1.0 says the same up to four times: a line that was said is not kept."""
        lines = (await self.process.stderr.read()).decode(errors="replace").splitlines()
        self.errors = "\n".join(dict.fromkeys(lines))

    @property
    def ended(self):
        return self.task.done()

    @property
    def ended_well(self):
        return self.ended and self.process.returncode == 0

    @property
    def failed(self):
        """gst-launch-1.0 handles an interrupt only between its start and its end: dying of ours
        is an end like another. What was lost by it the readers know, and fail."""
        ends = (0, -signal.SIGINT) if self.interrupted else (0,)
        return self.ended and self.process.returncode not in ends

    def interrupt(self):
        if self.process.returncode is None:
            self.interrupted = True
            self.process.send_signal(signal.SIGINT)

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.task

    def failure(self):
        reason = self.errors or f"ended with exit status {self.process.returncode}"
        return f"{self.title}: {reason}"
