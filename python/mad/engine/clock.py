"""Event time when nothing comes: the newest event, and how long ago that came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

SECOND = 1_000_000_000


@dataclass(slots=True)
class EventClock:
    """Newest event time plus the monotonic time since it arrived, in nanoseconds.

    The host's clock has no part in it: data of last year is judged like data of now.
    """

    lateness: int = 10 * SECOND
    #: Seconds without anything after which time goes on by ticks.
    patience: float = 1.0
    #: Longest pause between ticks, seconds.
    longest: float = 60.0
    #: Seconds that never go back.
    time: Callable[[], float] = monotonic
    _newest: int | None = None
    _arrived: float = field(init=False)
    _ticked: float = 0.0
    _busy: float = field(init=False)

    def __post_init__(self) -> None:
        self._arrived = self._busy = self.time()

    def saw(self, newest: int | None) -> None:
        """Something came, and the newest event time is this now."""
        self._busy = self.time()
        if newest is not None and newest != self._newest:
            self._newest, self._arrived, self._ticked = newest, self._busy, 0.0

    def now(self) -> int | None:
        """Event time now; None before the first event."""
        if self._newest is None:
            return None
        return self._newest + int((self.time() - self._arrived) * SECOND)

    def tick(self) -> int | None:
        """The watermark that a tick brings, when one is due.

        The first comes once nothing came for a while; the longer it is quiet, the further apart.
        """
        idle = self.time() - self._busy
        elapsed = self.time() - self._arrived
        pause = max(self.patience, min(self.longest, elapsed / 10))
        if self._newest is None or idle < self.patience or elapsed - self._ticked < pause:
            return None
        self._ticked = elapsed
        return self._newest + int(elapsed * SECOND) - self.lateness
