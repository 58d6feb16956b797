"""Tables of the offsets of a time zone, for the core, which has no database of zones."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_FIRST = datetime(2000, 1, 1, tzinfo=timezone.utc)
_LAST = datetime(2050, 1, 1, tzinfo=timezone.utc)
# Two changes of a zone are further apart than this.
_APART = timedelta(days=7)


@lru_cache(maxsize=16)
def utc_offsets(zone: str) -> tuple[tuple[int, int], ...]:
    """The offsets of a zone from 2000 to 2050: pairs of the time of a change, in seconds since
    1970 UTC, and the offset from then on, in seconds east.

    The table has the same span in every run, so that a run can be repeated. Empty for a name that
    the zone database of this system does not have.

    >>> utc_offsets("UTC")
    ((946684800, 0),)
    >>> utc_offsets("Europe/Berlin")[1]
    (954032400, 7200)
    """
    try:
        known = ZoneInfo(zone)
    # ZoneInfo raises these for names that are no names of files, and for files that are no zones.
    except (KeyError, ValueError, OSError):
        return ()

    def offset(seconds: int) -> int:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
        shift = moment.astimezone(known).utcoffset() or timedelta()
        return int(shift.total_seconds())

    begin, end = int(_FIRST.timestamp()), int(_LAST.timestamp())
    found = [(begin, offset(begin))]
    step = int(_APART.total_seconds())
    for later in range(begin + step, end, step):
        if offset(later) != found[-1][1]:
            # The first second with the later offset, by bisection.
            before, after = later - step, later
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (
                    (middle, after) if offset(middle) == found[-1][1] else (before, middle)
                )
            found.append((after, offset(after)))
    return tuple(found)
