# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can go wrong, and how it is said.

No class here is an OSError, hence no ConnectionError, TimeoutError or FileNotFoundError either: web
frameworks take those in a handler for a client that went away and drop them without a word
(Starlette's streaming responses every OSError, werkzeug's server ConnectionError and TimeoutError,
aiohttp ConnectionError). A camera that is gone would end a stream and be in no log.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import Any, NoReturn

from .raw import EndOfStream, Error, LayoutError, RingDenied, RingNotFound, Timeout, WriterLost

__all__ = ["EndOfStream", "Error", "LayoutError", "LeaseError", "RingBusy", "RingDenied",
           "RingNotFound", "Timeout", "WriterLost"]

# As enum shmring_result has them.
TIMEOUT, INTERRUPTED, ENDED, CLOSED, LOST, FULL, LEASE, LIMIT = range(1, 9)


class RingBusy(Error):
    """The ring is in use by another writer, or has as many readers as it takes."""


class LeaseError(Error):
    """A views-only reader already holds all frames its lease allows, or too many loans are out."""


_CLASSES: dict[int, type[Exception]] = {
    errno.ENOENT: RingNotFound, errno.EACCES: RingDenied, errno.EPERM: RingDenied,
    errno.EBUSY: RingBusy, errno.EUSERS: RingBusy, errno.EPROTO: LayoutError,
    errno.EEXIST: LayoutError, errno.EINVAL: ValueError, errno.ENOMEM: MemoryError,
}


def raise_result(result: int, message: str) -> NoReturn:
    """What RESULT, a negative errno of the library, means."""
    raise _CLASSES.get(-result, Error)(message or os.strerror(-result))


def raise_forked(kind: str, name: str) -> NoReturn:
    raise Error(f"this {kind} of ring '{name}' belongs to the parent process: make one after fork()")


def raise_pickled(thing: Any) -> NoReturn:
    """A Reader or Writer belongs to its process."""
    kind = type(thing).__name__
    raise TypeError(f"a {kind} cannot be pickled: make shmring.{kind}('{thing.name}') in the other "
                    "process")


def warn(text: str) -> None:
    """A RuntimeWarning at the line that called into the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("shmring."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)
