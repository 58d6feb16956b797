"""Times and durations: parses user input and formats output. All times are UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?"
    r"\s?(Z|z|[+-]\d\d:?\d\d)?"
)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_time(text: str) -> datetime:
    """An aware time from RFC 3339 text such as `2026-01-06T10:45:00Z`; seconds are optional.

    Raises ValueError when the text is not a time or has no zone.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 2026-01-06T10:45:00Z")
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    zone = match.group(8)
    if zone is None:
        raise ValueError(f"{text!r} has no time zone: add Z for UTC, or an offset such as +02:00")
    fraction = (match.group(7) or "").ljust(6, "0")[:6]
    found = datetime(
        year, month, day, hour, minute, int(match.group(6) or 0), int(fraction), timezone.utc
    )
    if zone not in "Zz":
        sign = -1 if zone[0] == "-" else 1
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        try:
            found -= sign * offset
        except OverflowError as overflow:
            raise ValueError(f"{text!r} lies outside the years 1 to 9999") from overflow
    return found


def time_or_none(value: object) -> datetime | None:
    """Like `parse_time`, but None for anything that is not a time."""
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `15m`, `2h`, `1h30m` or `1d`.

    Raises ValueError for any other text.
    """
    compact = text.strip().lower()
    parts = list(_DURATION_PART.finditer(compact))
    rest = _DURATION_PART.sub("", compact).strip()
    seconds = sum(float(part.group(1)) * _SECONDS[part.group(2)] for part in parts)
    if not parts or rest or not seconds > 0.0:
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 2h or 1d")
    return seconds


def clock(time: datetime) -> str:
    """`10:45`, or `10:45:30` when the seconds are not zero."""
    return time.strftime("%H:%M:%S" if time.second else "%H:%M")


def day(time: datetime) -> str:
    """`2026-01-06`, on every platform, also for years before 1000."""
    return f"{time.year:04}-{time.month:02}-{time.day:02}"


def moment(time: datetime | None) -> str:
    """`2026-01-06 10:45 UTC`."""
    return "unknown time" if time is None else f"{day(time)} {clock(time)} UTC"


def span(start: datetime | None, end: datetime | None, *, with_day: bool = True) -> str:
    """`2026-01-06 10:45-10:53 UTC`, with both days where they differ."""
    if start is None or end is None:
        return moment(start or end)
    if start.date() != end.date():
        return f"{day(start)} {clock(start)} \u2013 {day(end)} {clock(end)} UTC"
    hours = clock(start) if start == end else f"{clock(start)}\u2013{clock(end)}"
    return f"{day(start)} {hours} UTC" if with_day else f"{hours} UTC"


def length(seconds: float) -> str:
    """`45 s`, `8 min`, `1 h 30 min`, `3 d 4 h`: at most two units."""
    seconds = max(seconds, 0.0)
    if seconds < 60:
        return (
            f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
        )
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left = round(seconds)
    parts: list[str] = []
    for name, size in units:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)
