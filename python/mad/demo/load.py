"""A load generator: requests at a steady rate from a pool of threads."""

from __future__ import annotations

import collections
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

TOGETHER = 96
"""Most requests in flight; further ones are skipped and counted."""
TIMEOUT = 15.0
UNANSWERED = 0
"""Status of a request without a response."""


@dataclass(frozen=True)
class Target:
    """One URL and its requests per minute of event time."""

    method: str
    url: str
    per_minute: float


class Load:
    """Sends requests to `targets` until closed; `minute` is the length of a minute of event time
    in real seconds."""

    def __init__(self, targets: Sequence[Target], minute: float, seed: int = 0) -> None:
        self._targets = list(targets)
        self._weights = [target.per_minute for target in targets]
        self._gap = minute / sum(self._weights)
        self._draws = random.Random(seed)
        self._stop = threading.Event()
        self._free = threading.BoundedSemaphore(TOGETHER)
        self._lock = threading.Lock()
        self._statuses: collections.Counter[int] = collections.Counter()
        self._left_out = 0
        self._pool = ThreadPoolExecutor(TOGETHER, thread_name_prefix="mad-load")
        self._thread = threading.Thread(target=self._run, name="mad-load", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops sending and waits for pending responses."""
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    @property
    def statuses(self) -> dict[int, int]:
        """Number of responses by status; 0 for none."""
        with self._lock:
            return dict(self._statuses)

    @property
    def skipped(self) -> int:
        """Requests that were skipped because too many were in flight."""
        return self._left_out

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(due - time.monotonic(), 0.0)):
            # After a pause the rate continues without a burst.
            due = max(due, time.monotonic() - 1.0) + self._gap * self._draws.uniform(0.5, 1.5)
            target = self._draws.choices(self._targets, self._weights)[0]
            if self._free.acquire(blocking=False):
                self._pool.submit(self._ask, target)
            else:
                self._left_out += 1

    def _ask(self, target: Target) -> None:
        try:
            status = _status(target)
        finally:
            self._free.release()
        with self._lock:
            self._statuses[status] += 1


def _status(target: Target) -> int:
    body = b"" if target.method == "POST" else None
    request = urllib.request.Request(target.url, body, method=target.method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return UNANSWERED
