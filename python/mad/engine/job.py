"""The jobs of the engine's thread: their queue with two lanes, and the reasons for refusal."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from mad.journal import AuditLine, Entry, Journal
from mad.journal.entries import SourcePositions

#: Most jobs that one commit covers, and most bytes of their entries. Larger groups would delay the
#: commands that arrive in the meantime.
GROUP = 64
GROUP_BYTES = 8 * 1024 * 1024
#: Seconds of work that one group of batches may have, for the same reason.
GROUP_SECONDS = 0.05
#: Seconds of work that may wait, so that accepted batches are answered soon, and batches that may
#: wait in any case.
QUEUE_SECONDS, LEAST_BATCHES = 0.05, 8
#: Bytes of a group from which its time shows the pace of the engine, and the weight of one group.
_MEASURED_BYTES, _WEIGHT = 64 * 1024, 0.3


class Busy(Exception):
    """The queue is full; send the batch again after `retry_after` seconds."""

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__("the queue of batches is full")
        self.retry_after = retry_after


class StorageFailed(Exception):
    """The journal could not be written; the batch was not judged."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the journal cannot be written: {error}")
        self.retry_after = 5


class NotJudged(Exception):
    """A batch made the pipeline fail. It was set aside; the pipeline was built again without it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the batch could not be judged and was set aside: {why}")


class KeyReused(Exception):
    """The idempotency key belongs to another batch of the same kind and partition."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"the Idempotency-Key {batch_id!r} belongs to a batch with another body")


@dataclass(slots=True)
class Job:
    """One input or write that waits for the engine, and the future of its caller."""

    entry: Entry | None
    future: Future[Any]
    write: Callable[[Journal], Any] | None = None
    #: A line for the audit trail that is committed with the entry.
    audit: AuditLine | None = None
    #: Positions of sources that are committed with the entry.
    moved: SourcePositions | None = None
    #: The sender of a batch, for the figures of `/health`.
    source: str = ""
    #: The decoded records of the entry.
    records: Any = None
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


class JobQueue:
    """Jobs that wait for the engine's thread, in two lanes.

    Batches and ticks wait in one lane, in their order. Commands and notes wait in the other one.
    The lanes take turns, so that a command waits for one group of batches at most.
    """

    def __init__(self, most_batches: int, most_bytes: int, most_commands: int = 256) -> None:
        self._most_batches, self._most_bytes = most_batches, most_bytes
        self._most_commands = most_commands
        self._batches: deque[Job] = deque()
        self._commands: deque[Job] = deque()
        self._bytes = 0
        #: Bytes of the group at work and when it was taken.
        self._at_work, self._taken_at = 0, 0.0
        #: Seconds that the engine needs for a byte; 0 before the first measurement.
        self._pace = 0.0
        self._commands_first = True
        self._is_closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._batches) + len(self._commands)

    @property
    def is_full(self) -> bool:
        """Whether the lane of batches is full."""
        return self._refuses(0)

    def put_batch(self, job: Job) -> bool:
        """Queues a batch or a tick; False when the lane is full or has too much work for
        `QUEUE_SECONDS`. One batch above the limit of bytes is allowed while no other waits."""
        with self._changed:
            self._check_open()
            if self._refuses(job.size):
                return False
            self._bytes += job.size
            self._batches.append(job)
            self._changed.notify()
            return True

    def put_command(self, job: Job) -> bool:
        """Queues a command or a note; False when the lane is full."""
        with self._changed:
            self._check_open()
            if len(self._commands) >= self._most_commands:
                return False
            self._commands.append(job)
            self._changed.notify()
            return True

    def close(self) -> bool:
        """Refuses further jobs with `StorageFailed`, so that no caller waits for a thread that has
        ended. False while jobs wait."""
        with self._changed:
            self._is_closed = not len(self)
            return self._is_closed

    def take(self, timeout: float) -> list[Job]:
        """The next group of jobs of one lane; empty when none arrives in `timeout` seconds."""
        with self._changed:
            self._measure()
            if not len(self):
                self._changed.wait(timeout)
            is_command = bool(self._commands) and (self._commands_first or not self._batches)
            self._commands_first = not is_command
            lane = self._commands if is_command else self._batches
            jobs: list[Job] = []
            size = 0
            most = min(GROUP_BYTES, GROUP_SECONDS / self._pace) if self._pace else GROUP_BYTES
            while lane and len(jobs) < GROUP and (not jobs or size + lane[0].size <= most):
                jobs.append(lane.popleft())
                size += jobs[-1].size
            if not is_command:
                self._bytes -= size
                self._at_work, self._taken_at = size, monotonic()
            return jobs

    def _check_open(self) -> None:
        if self._is_closed:
            raise StorageFailed(RuntimeError("the server stops"))

    def _refuses(self, size: int) -> bool:
        """Whether a further batch of this size does not fit."""
        if not self._bytes and not self._batches:
            return False
        waiting = self._bytes + size
        if len(self._batches) >= self._most_batches or waiting > self._most_bytes:
            return True
        seconds = (waiting + self._at_work) * self._pace
        return len(self._batches) >= LEAST_BATCHES and seconds > QUEUE_SECONDS

    def _measure(self) -> None:
        """Takes the pace from the group that the engine has just finished."""
        if self._at_work >= _MEASURED_BYTES:
            pace = (monotonic() - self._taken_at) / self._at_work
            known = self._pace or pace
            # A checkpoint may have come between.
            self._pace = known + _WEIGHT * (min(pace, 4 * known) - known)
        self._at_work = 0

    def oldest(self) -> float | None:
        """When the oldest waiting job arrived, on the monotonic clock; None when none waits."""
        with self._changed:
            arrived = [lane[0].arrived for lane in (self._commands, self._batches) if lane]
        return min(arrived, default=None)
