"""Parsers of argument values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

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


def workers(text: str) -> int:
    """A number of threads, 1 to 64."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)


def format_name(text: str) -> str:
    """The name of a format of files."""
    from mad import _core

    try:
        _core.Inspector(None, text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_json(command: argparse.ArgumentParser) -> None:
    """Adds the argument `--json` of commands that print one document."""
    command.add_argument("--json", action="store_true", help="print one JSON document")


def add_format(command: argparse.ArgumentParser) -> None:
    """Adds the arguments that say how files are written."""
    command.add_argument(
        "--format",
        type=format_name,
        metavar="FORMAT",
        help="the format of the files instead of the detected one, such as nginx or jmeter; "
        "docs/formats.md lists them",
    )
    command.add_argument(
        "--pattern",
        metavar="TEXT",
        help="the layout of log lines: a log_format of nginx, a LogFormat of Apache, or a regular "
        "expression with named groups",
    )


def add_intake(command: argparse.ArgumentParser) -> None:
    """Adds the arguments that say where the fields of records are."""
    command.add_argument(
        "--map",
        action="append",
        default=[],
        type=field_and_column,
        metavar="FIELD=COLUMN",
        help="the column (of JSON the key, with dots between its parts) that holds a field, such "
        "as service=team; may be repeated",
    )
    command.add_argument(
        "--service", metavar="NAME", help="the service of all records of inputs that name none"
    )


def field_and_column(text: str) -> tuple[str, str]:
    """FIELD=COLUMN as a pair."""
    field, equals, column = (part.strip() for part in text.partition("="))
    if not (field and equals and column):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no FIELD=COLUMN; write a field and its column, such as service=team"
        )
    return field, column


def intake_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of `add_intake`, as the section `intake` of the configuration."""
    found: dict[str, Any] = {}
    if args.map:
        found["map"] = dict(args.map)
    if args.service:
        found["service"] = args.service
    return found


def add_ci(command: argparse.ArgumentParser) -> None:
    """Adds the arguments for results in continuous integration."""
    command.add_argument(
        "--junit", metavar="FILE", help="write a JUnit report: a failed test for each incident"
    )
    command.add_argument(
        "--annotations",
        choices=("github", "none"),
        help="github: annotations and a summary of the step (default: in GitHub Actions)",
    )
