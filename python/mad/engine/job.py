"""The queue of the engine's thread: jobs, the bytes they hold and the reasons for refusal."""

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
    """The queue is full; send the batch again after `retry_after` seconds."""

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__("the queue of batches is full")
        self.retry_after = retry_after


class StorageFailed(Exception):
    """The journal could not be written; the batch was not judged."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the journal cannot be written: {error}")
        self.retry_after = 5


@dataclass(slots=True)
class Job:
    """One input or write that waits for the engine, and the future of its caller."""

    entry: Entry | None
    future: Future[Any]
    write: Callable[[Journal], Any] | None = None
    arrived: float = field(default_factory=monotonic)
    result: Any = None
    error: BaseException | None = None

    @property
    def size(self) -> int:
        """Bytes of the entry."""
        return len(self.entry.body) if self.entry else 0

    def answer(self) -> None:
        """Sets the result of the future; the caller may have left already."""
        if self.error is not None:
            self.failed(self.error)
        else:
            with contextlib.suppress(InvalidStateError):
                self.future.set_result(self.result)

    def failed(self, error: BaseException) -> None:
        """Sets an exception as the result of the future."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


class ByteBudget:
    """A limit on the bytes of all queued batches, shared by all threads. One batch above the limit
    is allowed while the queue is empty."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()

    def take(self, size: int) -> bool:
        """Reserves `size` bytes; False when they do not fit."""
        with self._lock:
            fits = not self._held or self._held + size <= self._most
            self._held += size if fits else 0
            return fits

    def give(self, size: int) -> None:
        """Releases `size` bytes."""
        with self._lock:
            self._held -= size
