"""Whether event time runs at the pace of real time, so that no right sender jumps ahead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

#: Seconds for which event time has to keep pace before it counts as live.
STEADY_SECONDS = 60.0
#: Seconds without progress of the event time after which it may jump.
STOPPED_SECONDS = 60.0
#: Difference of event time and real time that is allowed since the start of the pace, in seconds.
SLACK_SECONDS = 30.0

_SECOND = 1_000_000_000


@dataclass(slots=True)
class LivePace:
    """Compares the progress of the event time with the monotonic clock.

    Live records come at the pace of real time. Files that are loaded, and simulations that run
    faster, do not: there a gap of hours is no fault.
    """

    time: Callable[[], float] = monotonic
    #: Event time and real time at which the pace was taken up.
    _from: tuple[int, float] | None = None
    _newest: int | None = None
    _moved: float = 0.0

    def observe(self, clock: int | None) -> None:
        """Records the event time after a group of batches, in nanoseconds."""
        if clock is None or clock == self._newest:
            return
        now = self.time()
        stopped = now - self._moved > STOPPED_SECONDS
        self._newest, self._moved = clock, now
        if self._from is None or stopped:
            self._from = clock, now
            return
        event, real = self._from
        passed = (clock - event) / _SECOND
        # Delays of the senders may change by the slack.
        if abs(passed - (now - real)) > SLACK_SECONDS:
            self._from = clock, now

    def is_live(self) -> bool:
        """Whether event time has kept pace for `STEADY_SECONDS` and has not stopped since."""
        now = self.time()
        return (
            self._from is not None
            and self._moved - self._from[1] >= STEADY_SECONDS
            and now - self._moved <= STOPPED_SECONDS
        )
