# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers give, as the library takes it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import EllipsisType

FOREVER_NS = TIME_NONE = -1
NS_PER_SECOND = 10**9
_LONGEST_NS = 2**63 - 1


def timeout_ns(seconds: float | None | EllipsisType, default: int = FOREVER_NS,
               what: str = "timeout") -> int:
    """None: for ever; ...: DEFAULT."""
    if seconds is None:
        return FOREVER_NS
    if seconds is ...:
        return default
    if not isinstance(seconds, (int, float)) and not hasattr(type(seconds), "__float__"):
        raise TypeError(f"{what} must be None or seconds, not {seconds!r}")
    if not seconds >= 0:
        raise ValueError(f"{what} must be None or 0 and more seconds, not {seconds!r}")
    return int(seconds * NS_PER_SECOND) if seconds < _LONGEST_NS / NS_PER_SECOND else FOREVER_NS


def seconds_of(ns: int) -> float:
    return ns / NS_PER_SECOND


def time_ns(time: int | None, what: str) -> int:
    """None: the library's "no such time"."""
    if time is None:
        return TIME_NONE
    if type(time) is int and 0 <= time <= _LONGEST_NS:
        return time
    number = time.__index__() if hasattr(type(time), "__index__") else None
    if number is None:
        raise TypeError(f"{what} must be None or nanoseconds, not {time!r}")
    if not 0 <= number <= _LONGEST_NS:
        raise ValueError(f"{what} must be None or 0 and more nanoseconds, not {time!r}")
    return number


def count(number: int, what: str, most: int = 2**32 - 1) -> int:
    if type(number) is int and 0 <= number <= most:
        return number
    if not hasattr(type(number), "__index__"):
        raise TypeError(f"{what} must be an int, not {number!r}")
    if not 0 <= number.__index__() <= most:
        raise OverflowError(f"{what} must be 0 to {most}, not {number!r}")
    return number.__index__()


def of_type(value: object, what: str, wanted: type, name: str) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"{what} must be {name}, not {value!r}")


def choice(value: str, what: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        allowed = " or ".join([", ".join(map(repr, choices[:-1])), repr(choices[-1])])
        raise ValueError(f"{what} must be {allowed}, not {value!r}")
    return value


def rate(framerate: float | tuple[int, int] | None) -> tuple[int, int]:
    """Numerator and denominator; (0, 1): not known. The float that a camera says is the nearest
    fraction with a denominator that frame rates have: 29.97002997 is 30000/1001."""
    if framerate is None:
        return 0, 1
    try:
        fraction = Fraction(*framerate) if isinstance(framerate, tuple) else Fraction(framerate)
    except (ValueError, OverflowError, ZeroDivisionError):  # text, NaN, infinity, (1, 0)
        raise ValueError(f"framerate must be more than 0, not {framerate!r}") from None
    except TypeError:
        raise TypeError("framerate must be None, a number or (numerator, denominator), "
                        f"not {framerate!r}") from None
    if isinstance(framerate, float):
        fraction = fraction.limit_denominator(1001)
    for part in fraction.numerator, fraction.denominator:
        if not 0 < part < 2**31:
            raise ValueError(f"framerate must be more than 0 and of 31 bits, not {framerate!r}")
    return fraction.numerator, fraction.denominator
