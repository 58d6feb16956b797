"""The event time of a server, also while no data arrives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

SECOND = 1_000_000_000
#: 2200-01-01, after which the core accepts no time.
LATEST = 7_258_118_400 * SECOND


@dataclass(slots=True)
class EventClock:
    """The newest event time plus the monotonic time since it arrived, in nanoseconds.

    The host's clock is not used, so that old data is judged like new data.
    """

    lateness: int = 10 * SECOND
    #: Seconds without data after which ticks advance the event time.
    patience: float = 1.0
    #: Longest pause between two ticks, in seconds.
    longest: float = 60.0
    #: The source of monotonic time, in seconds.
    time: Callable[[], float] = monotonic
    _newest: int | None = None
    _arrived: float = field(init=False)
    _ticked: float = 0.0
    _busy: float = field(init=False)

    def __post_init__(self) -> None:
        self._arrived = self._busy = self.time()

    def observe(self, newest: int | None) -> None:
        """Records that data arrived and that the newest event time is now `newest`."""
        self._busy = self.time()
        if newest is not None and newest != self._newest:
            self._newest, self._arrived, self._ticked = newest, self._busy, 0.0

    def now(self) -> int | None:
        """The present event time; None before the first event."""
        if self._newest is None:
            return None
        return min(self._newest + int((self.time() - self._arrived) * SECOND), LATEST)

    def tick(self) -> int | None:
        """The watermark of a tick, or None when no tick is due.

        The first tick is due after `patience` seconds without data. The pause between ticks grows
        with the idle time, up to `longest`.
        """
        idle = self.time() - self._busy
        elapsed = self.time() - self._arrived
        pause = max(self.patience, min(self.longest, elapsed / 10))
        if self._newest is None or idle < self.patience or elapsed - self._ticked < pause:
            return None
        self._ticked = elapsed
        return min(self._newest + int(elapsed * SECOND), LATEST) - self.lateness
