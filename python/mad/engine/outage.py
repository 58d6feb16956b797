"""Outages of the network: silence of all senders, and the time in which they resend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

#: Seconds of silence after which it counts as real. Records that are resent sooner are not late.
OUTAGE_SECONDS = 180.0
#: Seconds after an outage in which the senders return. It covers the longest pause of the sender in
#: `mad.adapters`, and a time-out.
CATCH_UP_SECONDS = 20.0
#: Seconds for which batches have to come regularly before their silence is unexpected.
STEADY_SECONDS = 30.0
#: Longest pause between batches that come regularly, in seconds. Where pauses are longer, ticks
#: close the steps between batches.
DENSE_SECONDS = 10.0
#: Shortest pause that counts as an outage, in seconds.
SHORTEST_SECONDS = 3.0
#: Share of the longest pause that is left after a second. It fades with time and not with batches,
#: because hundreds of batches may come between two pauses.
FADING = 0.95


@dataclass(slots=True)
class OutageWatch:
    """Decides whether senders are cut off, by the pauses between batches of all of them.

    When regular batches stop, ticks wait for up to `OUTAGE_SECONDS`. When they come again, the
    watermark is paused for `CATCH_UP_SECONDS`, because each sender resends at its own pace.
    """

    time: Callable[[], float] = monotonic
    _began: float = 0.0
    _last: float | None = None
    #: The longest recent pause, fading.
    _pause: float = 0.0
    #: The end of the time to catch up; None outside of it.
    _until: float | None = None

    def batch(self) -> None:
        """Records that a batch arrived, with which an outage may end."""
        now = self.time()
        last, self._last = self._last, now
        if last is None:
            self._began = now
            return
        pause = now - last
        was_regular = self._is_regular(last)
        # Until batches are regular, their pauses are learnt: many senders may send at the same
        # moments, with several seconds between these.
        if pause <= self._unusual() or (not was_regular and pause <= DENSE_SECONDS):
            self._pause = max(pause, FADING**pause * self._pause)
            return
        self._began, self._pause = now, 0.0
        if was_regular and pause <= OUTAGE_SECONDS:
            self._until = now + CATCH_UP_SECONDS

    def resume(self) -> None:
        """Starts the time to catch up again, after a restart in it."""
        self._until = self.time() + CATCH_UP_SECONDS

    def is_waiting(self) -> bool:
        """Whether ticks wait, because regular batches stopped or senders catch up."""
        if self._until is not None:
            return True
        return (
            self._last is not None
            and self._is_regular(self._last)
            and self.time() - self._last <= OUTAGE_SECONDS
        )

    def is_catching_up(self) -> bool:
        """Whether an outage has ended and `end` was not called."""
        return self._until is not None

    def is_ending(self) -> bool:
        """Whether the time to catch up has passed, and `end` was not called."""
        return self._until is not None and self.time() >= self._until

    def end(self) -> None:
        """Ends the time to catch up."""
        self._until = None

    def _unusual(self) -> float:
        return max(SHORTEST_SECONDS, 4.0 * self._pause)

    def _is_regular(self, last: float) -> bool:
        lasted = last - self._began >= STEADY_SECONDS or self._until is not None
        return lasted and self._pause <= DENSE_SECONDS
