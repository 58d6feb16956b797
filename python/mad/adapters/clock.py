"""An event-time clock that can run faster than real time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

TRACES = 4096
"""Most traces whose start time is remembered."""
HELD = 5.0
"""Seconds of event time for which a start time is remembered."""
LONGEST = 8.0
"""Largest age of a record in seconds of event time; less than the default lateness of mad."""


class Clock:
    """Event time is `start` plus `factor` times the real time since the clock was created.

    Within one trace time runs at real speed, so that spans keep their durations and their nesting.
    Times are seconds since 1970. `start` is such a number or an aware datetime; the default is the
    present. `real` returns the real time, by default that of the host.

    Raises ValueError for a factor that is not above 0 and at most 1000.
    """

    def __init__(
        self,
        start: float | datetime | None = None,
        factor: float = 1.0,
        *,
        real: Callable[[], float] | None = None,
    ) -> None:
        if not 0.0 < factor <= 1000.0:
            raise ValueError(f"factor is {factor}; expected a number above 0 up to 1000")
        self.factor = factor
        self._source = real
        self._real = self._real_now()
        moment = start.timestamp() if isinstance(start, datetime) else start
        self.start = self._real if moment is None else moment
        if not math.isfinite(self.start):
            raise ValueError(f"start is {self.start}; expected seconds since 1970")
        self._traces: dict[str, float] = {}
        self._lock = threading.Lock()

    def now(self) -> float:
        """The present event time."""
        return self.at(self._real_now())

    def at(self, real: float, trace: str = "") -> float:
        """The event time of a real time (seconds since 1970) within a trace."""
        known = self._known(trace) if trace and self.factor != 1.0 else real
        return self.start + self.factor * (known - self._real) + (real - known)

    def began(self, real: float, trace: str) -> float:
        """The event time for a request that started at a real time and has just ended: its
        start, or at most `LONGEST` seconds ago, because an older record would be late."""
        return max(self.at(real, trace), self.now() - LONGEST)

    def seconds(self, event: float) -> float:
        """The real seconds that `event` seconds of event time take."""
        return event / self.factor

    def _real_now(self) -> float:
        return time.time() if self._source is None else self._source()

    def _known(self, trace: str) -> float:
        """The real time from which the times of a trace are counted: its first use, or the
        present when the first use is too long ago."""
        now = self._real_now()
        with self._lock:
            known = self._traces.get(trace, -math.inf)
            if not self.factor * (now - known) <= HELD:
                known = self._traces[trace] = now
            if len(self._traces) > TRACES:
                del self._traces[next(iter(self._traces))]
        return known


def rfc3339(seconds: float) -> str:
    """`2026-01-06T10:45:00.000000Z` for seconds since 1970."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
