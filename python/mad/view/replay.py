"""A recording that is played: faster or slower, paused, and from any place."""

from __future__ import annotations

from datetime import datetime

from mad.view.local import LocalFeed
from mad.view.records import TimedLines, moment
from mad.view.snapshot import Snapshot

_STEP = 60.0
"""Seconds of event time that a pipeline gets at once."""
_MOST = 5_000


class Replay:
    """Plays the lines of a recording into a pipeline.

    The caller says how much real time has passed, so that a replay depends on no clock.
    """

    def __init__(self, lines: TimedLines, name: str, kind: str = "requests") -> None:
        self._lines, self._name, self._kind = lines, name, kind
        self.speed = 60.0
        self.is_paused = False
        self._begin()

    def _begin(self) -> None:
        self._feed = LocalFeed(self._name)
        self._pieces = self._lines.pieces(_STEP, _MOST)
        self._next = next(self._pieces, None)
        self._at = 0.0

    @property
    def length(self) -> float:
        """Seconds from the first to the last record."""
        return self._lines.times[-1] - self._lines.times[0]

    @property
    def position(self) -> float:
        """Seconds of the recording that were played."""
        return self._at

    @property
    def time(self) -> datetime:
        """The event time that was reached."""
        return moment(self._lines.times[0] + self._at)

    @property
    def has_ended(self) -> bool:
        """Whether all records were played."""
        return self._next is None

    def advance(self, real_seconds: float) -> None:
        """Plays the records that are due after more real time; nothing while it is paused."""
        if not self.is_paused:
            self._play_to(min(self._at + max(real_seconds, 0.0) * self.speed, self.length))

    def seek(self, position: float) -> None:
        """Goes to a place in seconds. Going back judges again from the start, so that the state is
        that of this place."""
        position = min(max(position, 0.0), self.length)
        if position < self._at:
            self._begin()
        self._play_to(position)

    def snapshot(self) -> Snapshot:
        """The state at the present place."""
        return self._feed.snapshot()

    def _play_to(self, position: float) -> None:
        until = self._lines.times[0] + position
        while self._next is not None and self._next[0] <= until:
            _, body, records = self._next
            self._feed.take(body, self._kind, records)
            self._next = next(self._pieces, None)
            if self._next is None:
                self._feed.finish()
        self._at = position
