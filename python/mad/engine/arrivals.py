"""Data on its way, for which ticks wait: batches that are being received, and sources that lag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from time import monotonic

#: Seconds for which a batch that arrives slowly delays ticks.
ARRIVING_SECONDS = 30.0
#: Seconds for which a source that lags or cannot be reached delays ticks.
EXPECTED_SECONDS = 3_600.0


class Arrivals:
    """Since when data is on its way. Any thread may use it."""

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time = time
        self._arriving: dict[int, float] = {}
        self._expected: dict[str, float] = {}

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """Ticks wait while the block receives a batch, for at most `ARRIVING_SECONDS`."""
        mine = object()
        self._arriving[id(mine)] = self._time()
        try:
            yield
        finally:
            del self._arriving[id(mine)]

    def expect(self, source: str) -> None:
        """Ticks wait from now on, because a source lags or cannot be reached: for at most
        `EXPECTED_SECONDS`."""
        self._expected.setdefault(source, self._time())

    def caught_up(self, source: str) -> None:
        """Ticks no longer wait for a source."""
        self._expected.pop(source, None)

    def are_awaited(self) -> bool:
        """Whether ticks have to wait now."""
        now = self._time()
        return any(
            now - began < most
            for waits, most in (
                (self._arriving, ARRIVING_SECONDS),
                (self._expected, EXPECTED_SECONDS),
            )
            for began in list(waits.values())
        )
