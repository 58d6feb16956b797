"""Sources that ask their peer for the next page, and wait while there is none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic, sleep

from mad.sources.protocol import Batch


class PolledSource(ABC):
    """Asks for pages one after the other."""

    #: When the next page is asked for, on the monotonic clock.
    _due = 0.0

    @abstractmethod
    def _page(self) -> Batch | None:
        """The next page; None when there is none now. Raises `SourceUnavailable`."""

    @abstractmethod
    def _pause(self) -> float:
        """Seconds until the next look after one that gave no page."""

    def read(self, timeout: float) -> Batch | None:
        """The next page."""
        end = monotonic() + timeout
        while True:
            wait = self._due - monotonic()
            if wait <= 0:
                batch = self._page()
                if batch is not None:
                    return batch
                wait = self._pause()
                self._due = monotonic() + wait
            left = end - monotonic()
            if left <= 0:
                return None
            sleep(min(left, wait))
