"""Sends records to mad in the background: bounded, in batches, without ever blocking the app.

sender = Sender("http://127.0.0.1:8000")
sender.send("metrics", {"timestamp": now, "service": "shop", "metric": "cpu", "value": 40.0})
sender.close()
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mad.adapters import ending
from mad.adapters.post import DeliveryError, Post

KINDS = ("changes", "requests", "metrics", "logs", "spans")
"""The kinds of records in the order of a batch. Judged kinds come first, so that the other kinds
cannot make them late."""
HELD_BYTES, BODY_BYTES = 32 << 20, 4 << 20
"""Most bytes in the queue, and most bytes of one batch."""
LAST_SECONDS = 2.0
"""Longest time in seconds that the end of a program or of a request waits for the queue."""
_FROZEN = ("AWS_LAMBDA_FUNCTION_NAME",)
"""Environment variables of platforms that stop a process between two requests."""
_log = logging.getLogger("mad")


@dataclass
class SenderStats:
    """Numbers of records by their outcome."""

    sent: int = 0
    """Acknowledged by the server: accepted or rejected."""
    accepted: int = 0
    rejected: int = 0
    dropped: int = 0
    """Never delivered: the queue was full, the server refused or did not answer in time, or the
    record was not JSON."""
    retried: int = 0
    """Batches that were sent again."""
    waiting: int = 0
    problem: str = ""
    """The reason why the last dropped batch was dropped."""


class Sender:
    """A queue, and a thread that sends its records to the server at `url`.

    At most `capacity` records of 32 MiB are queued; further ones are dropped. A batch is sent after
    `interval` seconds or with `batch` records, and again with the same idempotency key until it is
    acknowledged, for at most `patience` seconds.

    `send` never raises and never waits. The thread starts with the first record, also after a fork.

    At the end of the program, of a child of `multiprocessing` and at SIGTERM the queue is sent for
    at most two seconds. The handler of SIGTERM is set only where the program has none, and ends the
    program as before; `sigterm=False` sets none. With `flush_each` the middleware waits for the
    queue at the end of each request, because the platform stops the process until the next one;
    None means in AWS Lambda. Records that were dropped are reported with the next batch.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        capacity: int = 10_000,
        batch: int = 1_000,
        interval: float = 1.0,
        patience: float = 300.0,
        timeout: float = 10.0,
        compress: bool = False,
        sigterm: bool = True,
        flush_each: bool | None = None,
    ) -> None:
        if not (capacity >= 1 and batch >= 1 and interval > 0.0):
            raise ValueError("capacity and batch must be 1 or more, interval above 0 seconds")

        def post() -> Post:
            return Post(url, token, timeout=timeout, patience=patience, compress=compress)

        self._make = post
        self._capacity, self._batch, self._interval = capacity, batch, interval
        self._flush_each = any(map(os.environ.get, _FROZEN)) if flush_each is None else flush_each
        self.restart()
        ending.register(self, sigterm=sigterm)

    def restart(self) -> None:
        """Starts with an empty queue, as in a forked process: it has no threads, and the queue
        belongs to the parent."""
        self._post = self._make()
        self._queue: deque[tuple[str, bytes]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stats = SenderStats()
        self._asked = self._closed = False
        self._held = self._under_way = self._reported = 0
        self._name, self._number = uuid.uuid4().hex, 0

    def send(self, kind: str, record: Mapping[str, Any]) -> None:
        """Queues a record of requests, spans, logs, metrics or changes."""
        line = _line(record)
        with self._changed:
            is_full = len(self._queue) >= self._capacity or self._held + len(line) > HELD_BYTES
            if self._closed or is_full or kind not in KINDS or not line:
                self._stats.dropped += 1
                return
            self._queue.append((kind, line))
            self._held += len(line)
            if len(self._queue) in (1, self._batch):
                self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mad-sender", daemon=True)
                ending.in_child()
                try:
                    self._thread.start()
                except RuntimeError:  # no more threads can start, or the program is ending
                    self._thread = None

    def flush(self, timeout: float = 5.0) -> bool:
        """Sends the queue. Returns whether every record was acknowledged or dropped within
        `timeout` seconds."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
            try:
                return self._changed.wait_for(
                    lambda: not self._queue and not self._under_way, timeout
                )
            finally:
                self._asked = False

    def after_request(self) -> None:
        """Waits until the queue was sent where the process is stopped between two requests."""
        if self._flush_each:
            self.flush(LAST_SECONDS)

    def close(self, timeout: float = 5.0) -> None:
        """Sends the queue for at most `timeout` seconds, drops the rest and ends the thread."""
        until = time.monotonic() + timeout
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout)
        with self._changed:
            self._stats.dropped += len(self._queue)
            self._queue.clear()
            self._held = 0
            self._changed.notify_all()
        self._post.stop.set()
        if thread is not None:
            thread.join(max(until + 1.0 - time.monotonic(), 0.0))

    @property
    def is_running(self) -> bool:
        """Whether the thread is running."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stats(self) -> SenderStats:
        """Numbers of records by their outcome so far."""
        with self._changed:
            stats = SenderStats(**vars(self._stats))
            stats.retried = self._post.retried
            stats.waiting = len(self._queue) + self._under_way
        return stats

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                self._changed.wait_for(
                    lambda: self._asked or self._closed or len(self._queue) >= self._batch,
                    self._interval,
                )
                batch = self._take()
                if not batch and self._closed:
                    break
            for kind in KINDS:
                if lines := [line for one, line in batch if one == kind]:
                    self._deliver(kind, lines)
            with self._changed:
                self._changed.notify_all()
        self._post.close()

    def _take(self) -> list[tuple[str, bytes]]:
        """The next batch; the caller holds the lock."""
        batch: list[tuple[str, bytes]] = []
        size = 0
        while self._queue and len(batch) < self._batch and size < BODY_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1][1])
        self._held -= size
        self._under_way = len(batch)
        return batch

    def _deliver(self, kind: str, lines: list[bytes]) -> None:
        self._number += 1
        problem, accepted, rejected = "", 0, 0
        unreported = self._stats.dropped - self._reported
        try:
            key = f"{self._name}-{self._number}"
            answer = self._post.send(kind, b"".join(lines), key, len(lines), unreported)
            accepted, rejected = answer.accepted, answer.rejected
            self._reported += unreported
        except DeliveryError as error:
            problem = str(error)
        except Exception as error:  # no error may end the thread
            problem = f"{kind}: {type(error).__name__}: {error}"
        with self._changed:
            stats, sent = self._stats, 0 if problem else len(lines)
            stats.sent += sent
            stats.accepted += accepted
            stats.rejected += rejected
            stats.dropped += len(lines) - sent
            self._under_way -= len(lines)
            is_new = bool(problem) and not stats.problem
            stats.problem = problem or stats.problem
        if is_new:
            _log.warning("records for mad are dropped: %s", problem)


def _line(record: Mapping[str, Any]) -> bytes:
    """The record as a line of JSON; empty when that is not possible."""
    try:
        return json.dumps(record, default=str, allow_nan=False).encode() + b"\n"
    except Exception:  # A value may raise any error, which must not reach the app.
        return b""
