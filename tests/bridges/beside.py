# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that run beside a test or a measurement, and the Python that has zenoh."""

import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).parent
SRT_EXAMPLE = HERE.parent.parent / "examples/srt.py"
WAIT_S = 60  # for what comes soon, also on a machine that is busy
# A shell that runs this in the background ignores it, and what is started here would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)
ROUTER = """if True:
    import sys, time, zenoh
    config = zenoh.Config()
    config.insert_json5("mode", '"router"')
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    config.insert_json5("listen/endpoints", f'["tcp/{host}:{sys.argv[1]}"]')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "false")
    with zenoh.open(config):
        print("routes", flush=True)
        try:
            time.sleep(3600)
        except KeyboardInterrupt:
            pass
"""


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Process:
    """A program beside the test. Its output is kept, and read by a thread."""

    def __init__(self, *command, **options):
        self.lines, self._said_all = [], False
        self._changed = threading.Condition()
        self.process = subprocess.Popen([*map(str, command)], text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._said_all = True
            self._changed.notify_all()

    @property
    def output(self):
        return "\n".join(self.lines)

    def line(self, text, timeout=WAIT_S):
        """The first line with TEXT in it, which may be still to come."""
        def found():
            return next((line for line in self.lines if text in line), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._said_all, timeout)
            if not found():
                raise AssertionError(f"no line with {text!r}{self._how_it_ended()}:\n{self.output}")
            return found()

    def _how_it_ended(self):
        return f" before it ended with {self.process.wait()}" if self._said_all else ""

    def kill(self):
        self.process.kill()
        self.stop()

    def stop(self, timeout=WAIT_S):
        """As Ctrl-C does. Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not stop:\n{self.output}") from None
        self._thread.join()
        self.process.stdout.close()
        return self.process.returncode


def _has_zenoh(python):
    return os.path.exists(python) and subprocess.run(
        [python, "-c", "import zenoh"], stderr=subprocess.DEVNULL).returncode == 0


def python_with_zenoh():
    """This one, or one in a folder of the build that pip gave it; None: pip could not."""
    if _has_zenoh(sys.executable):
        return sys.executable
    build = pathlib.Path(os.environ["BRIDGES_BUILD"])
    # One at a time: who imports a library that another is still writing dies without a word.
    with open(build / "zenoh.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _installed(build / "zenoh")


def _installed(place):
    python = str(place / "bin/python")
    if _has_zenoh(python):
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--system-site-packages", place],
                       check=True)
        subprocess.run([place / "bin/pip", "install", "-q", "eclipse-zenoh"], check=True,
                       timeout=200)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return python
