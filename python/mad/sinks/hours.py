"""Quiet hours and mute windows of a sink, by the clock of the host."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, timezone, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def zone_of(name: str) -> tzinfo:
    """The zone of a name. Raises ValueError."""
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"zone is {name!r}; expected a zone such as Europe/Berlin") from error


def windows_of(texts: Sequence[str]) -> list[tuple[datetime, datetime]]:
    """Windows of the form FROM/TO. Raises ValueError."""
    windows = []
    for text in texts:
        ends = text.split("/")
        try:
            start, end = (datetime.fromisoformat(one.replace("Z", "+00:00")) for one in ends)
            if start.tzinfo is None or end.tzinfo is None or not start < end:
                raise ValueError
        except ValueError:
            raise ValueError(
                f"mute has {text!r}; expected FROM/TO with zones, such as "
                "2026-12-24T18:00Z/2026-12-27T06:00Z"
            ) from None
        windows.append((start, end))
    return windows


def quiet_until(now: datetime, span: str, days: Sequence[str], zone: tzinfo) -> datetime | None:
    """The end of the quiet hours that contain `now`; None outside of them. `days` are those on
    which they begin."""
    if not span:
        return None
    start, end = (time.fromisoformat(text) for text in span.split("-"))
    local = now.astimezone(zone)
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        if days and DAYS[day.weekday()] not in days:
            continue
        begin = datetime.combine(day, start, zone)
        last = day if start < end else day + timedelta(days=1)
        finish = datetime.combine(last, end, zone)
        if begin <= local < finish:
            return finish
    return None


def is_muted(at: datetime, windows: Sequence[tuple[datetime, datetime]]) -> bool:
    """Whether a time is in one of the windows."""
    return any(start <= at < end for start, end in windows)
