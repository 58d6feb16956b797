"""Parsers of argument values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from mad import errors

_SIZES = {"": 1, "k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2, "mib": 1024**2, "kib": 1024}


def duration(text: str) -> float:
    """Seconds from `90s`, `2h`, `1d`."""
    from mad.times import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def time(text: str) -> str:
    """An RFC 3339 time in UTC, as text."""
    from mad.times import parse_time

    try:
        found = parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return found.isoformat().replace("+00:00", "Z")


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`; accepts `10_000` and `10,000`."""

    def read(text: str) -> int:
        try:
            value = int(text.replace(",", ""))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least or (most is not None and value > most):
            upper = f" to {most:,}" if most is not None else " or more"
            raise argparse.ArgumentTypeError(f"{value:,} is outside of {least:,}{upper}")
        return value

    return read


def incidents(specs: list[str] | None) -> list[str] | None:
    """The value of `--incident`: None without the option, an empty list for `none`."""
    if specs is None or "none" not in specs:
        return specs
    if len(specs) > 1:
        raise errors.UsageError("--incident none excludes other incidents")
    return []


def minutes(text: str) -> float:
    """A positive finite number of minutes up to a day."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes") from None
    if not 0.0 < value <= 1440.0:
        raise argparse.ArgumentTypeError(f"{text} is outside of 0 to 1440 minutes")
    return value


def size(text: str) -> int:
    """Bytes from `65536`, `512k` or `2MB`, between 4 kB and 64 MB."""
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text.strip().lower())
    if match is None or match.group(2) not in _SIZES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 65536, 512k or 2MB")
    value = int(match.group(1)) * _SIZES[match.group(2)]
    if not 4096 <= value <= 64 * 1024**2:
        raise argparse.ArgumentTypeError(f"{text} is outside of 4k to 64MB")
    return value
