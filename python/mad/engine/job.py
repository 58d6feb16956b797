"""What waits for the engine's thread, and how it is refused."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from mad.journal import Entry, Journal


class Busy(Exception):
    """More waits than the queue holds; send it again after so many seconds."""

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__("more batches wait than the queue holds")
        self.retry_after = retry_after


class StorageFailed(Exception):
    """The disk did not take it; nothing of it was judged."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the journal cannot be written: {error}")
        self.retry_after = 5


@dataclass(slots=True)
class Job:
    entry: Entry | None
    future: Future[Any]
    write: Callable[[Journal], Any] | None = None
    came: float = field(default_factory=monotonic)
    result: Any = None
    error: BaseException | None = None

    @property
    def size(self) -> int:
        """Bytes that it holds while it waits."""
        return len(self.entry.body) if self.entry else 0

    def answer(self) -> None:
        """Tells how it went; nobody may be there any more."""
        if self.error is not None:
            self.failed(self.error)
        else:
            with contextlib.suppress(InvalidStateError):
                self.future.set_result(self.result)

    def failed(self, error: BaseException) -> None:
        """Answers that it could not be done."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


class ByteBudget:
    """Bytes that may wait, shared by all threads. One larger than all of it may wait alone."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there is room for so many more."""
        with self._lock:
            fits = not self._held or self._held + size <= self._most
            self._held += size if fits else 0
            return fits

    def give(self, size: int) -> None:
        """So many wait no more."""
        with self._lock:
            self._held -= size
