"""Event time that may pass faster than real time."""

from __future__ import annotations

import math
import threading
import time
from datetime import datetime, timezone

TRACES = 4096
"""Traces whose first moment is remembered."""
HELD = 5.0
"""Seconds of event time for which it is."""
LONGEST = 8.0
"""Seconds of event time by which a record may lie back: less than what mad waits for by default."""


class Clock:
    """Event time is `start` plus `factor` times what has really passed since the clock was made.

    Within one trace time passes as it really does, so that spans keep their durations and stay
    inside each other. Times are seconds since 1970; `start` is such a number or an aware datetime,
    now by default. ValueError for a factor outside of above 0 to 1000.
    """

    def __init__(self, start: float | datetime | None = None, factor: float = 1.0) -> None:
        if not 0.0 < factor <= 1000.0:
            raise ValueError(f"factor is {factor}; expected a number above 0 up to 1000")
        self.factor = factor
        self._real = time.time()
        moment = start.timestamp() if isinstance(start, datetime) else start
        self.start = self._real if moment is None else moment
        if not math.isfinite(self.start):
            raise ValueError(f"start is {self.start}; expected seconds since 1970")
        self._traces: dict[str, float] = {}
        self._lock = threading.Lock()

    def now(self) -> float:
        """Event time now."""
        return self.at(time.time())

    def at(self, real: float, trace: str = "") -> float:
        """Event time of a real moment, seconds since 1970, of a trace that is being served."""
        known = self._known(trace) if trace and self.factor != 1.0 else real
        return self.start + self.factor * (known - self._real) + (real - known)

    def began(self, real: float, trace: str) -> float:
        """The time to record for a request that is over now and began at a real moment: that one,
        or a few seconds ago where it took so long that it would come late."""
        return max(self.at(real, trace), self.now() - LONGEST)

    def seconds(self, event: float) -> float:
        """Real seconds that so many seconds of event time take."""
        return event / self.factor

    def _known(self, trace: str) -> float:
        """The real moment from which a trace's times are counted: when it was first told of, again
        where that is long ago."""
        now = time.time()
        with self._lock:
            known = self._traces.get(trace, -math.inf)
            if not self.factor * (now - known) <= HELD:
                known = self._traces[trace] = now
            if len(self._traces) > TRACES:
                del self._traces[next(iter(self._traces))]
        return known


def rfc3339(seconds: float) -> str:
    """`2026-01-06T10:45:00.000000Z` of seconds since 1970."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
