"""Sends one batch to an ingest route, with retries until it is acknowledged."""

from __future__ import annotations

import gzip
import http.client
import json
import math
import random
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from mad.deadline import Connection, Deadline, TlsConnection
from mad.errors import reason
from mad.times import time_or_none

FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
"""Seconds before the first and the later retries; each pause is twice the previous one."""
LONGEST_PAUSE = 60.0
"""Longest `Retry-After` in seconds that is followed."""
LONGEST_ANSWER = 1 << 20
_WHOLE = 3.0
"""Timeouts that one attempt may last: a slow line needs more than one for a large batch, and a peer
that sends one byte at a time never exceeds it."""
DROPPED = "Mad-Dropped"
"""The header with the number of records that a sender could not deliver."""
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class DeliveryError(Exception):
    """The server refused a batch or did not acknowledge it in time; `status` 0 means that there
    was no response."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """The response to a batch, and how often the batch was sent again."""

    accepted: int
    rejected: int
    retried: int


class Post:
    """A connection to the server at `url`, for one thread at a time.

    A batch is sent with the same idempotency key until it is acknowledged, for at most `patience`
    seconds; `timeout` limits each pause of one attempt, three times as long the whole attempt, and
    `longest_answer` the bytes of an answer.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        patience: float = 300.0,
        compress: bool = False,
        longest_answer: int = LONGEST_ANSWER,
    ) -> None:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:8000")
        _ = place.port  # raises ValueError for an invalid port
        self._https = place.scheme == "https"
        self._host, self._port = place.hostname, place.port
        self._path = place.path.rstrip("/")
        self._timeout, self._patience, self._compress = timeout, patience, compress
        self._longest = longest_answer
        self._headers = {"Content-Type": "application/x-ndjson", "User-Agent": "mad"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection: Connection | None = None
        self.retried = 0
        self.stop = threading.Event()
        """Once set, nothing is sent again and no pause is waited for."""

    def send(
        self,
        kind: str,
        body: bytes,
        key: str,
        records: int,
        dropped: int = 0,
        media_type: str = "application/x-ndjson",
    ) -> Answer:
        """Sends a batch of JSON Lines, or of another media type, with the number of records that
        were dropped since the last one. Raises `DeliveryError` when it is not acknowledged."""
        headers = self._headers | {"Idempotency-Key": key, "Content-Type": media_type}
        if dropped:
            headers[DROPPED] = str(dropped)
        if self._compress:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        until, pause, retried = time.monotonic() + self._patience, FIRST_PAUSE, 0
        while True:
            if self.stop.is_set():
                raise DeliveryError(f"{kind}: closed before it was sent")
            status, answer, wait = self._try("POST", f"/v1/ingest/{kind}", body, headers)
            # With status 422 all records of the batch were rejected; it was acknowledged all the
            # same.
            if 200 <= status < 300 or (status == 422 and _count(answer, "rejected", 0)):
                return Answer(
                    _count(answer, "accepted", records), _count(answer, "rejected", 0), retried
                )
            message = f"{kind}: {_said(status, answer)}"
            if status not in (0, *_AGAIN):
                raise DeliveryError(message, status)
            wait = max(min(wait, LONGEST_PAUSE), pause * random.uniform(0.5, 1.0))
            if time.monotonic() + wait > until or self.stop.wait(wait):
                raise DeliveryError(message, status)
            pause, retried = min(pause * 2, LAST_PAUSE), retried + 1
            self.retried += 1

    def get(self, path: str) -> Any:
        """The JSON of a route. Raises `DeliveryError` without a response of status 200."""
        was_idle = self._connection is not None
        status, answer, _ = self._try("GET", path, None, self._headers)
        if not status and was_idle:  # the server may have closed the connection
            status, answer, _ = self._try("GET", path, None, self._headers)
        if status != 200:
            raise DeliveryError(f"{path}: {_said(status, answer)}", status)
        return answer

    def order(self, path: str, command: Mapping[str, Any]) -> Any:
        """The JSON that a route returns for a command. Raises `DeliveryError` without a response of
        status 2xx."""
        headers = self._headers | {"Content-Type": "application/json"}
        body = json.dumps(dict(command)).encode()
        status, answer, _ = self._try("POST", path, body, headers)
        if not 200 <= status < 300:
            raise DeliveryError(f"{path}: {_said(status, answer)}", status)
        return answer

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that the server has not closed."""
        return self._connection is not None and not _is_closed(self._connection)

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any, float]:
        """Status, JSON and the seconds to wait; without a response status 0 and the reason."""
        limit, watch = _WHOLE * self._timeout, None
        try:
            if self._connection is not None and _is_closed(self._connection):
                self.close()
            if self._connection is None:
                kind = TlsConnection if self._https else Connection
                self._connection = kind(self._host, self._port, timeout=self._timeout)
            with Deadline(limit, self._connection.socket) as watch:
                self._connection.request(method, self._path + path, body, headers)
                answer = self._connection.getresponse()
                text = answer.read(self._longest + 1)
            if watch.is_over:
                raise TimeoutError
            if answer.will_close or len(text) > self._longest:
                self.close()
            if len(text) > self._longest:
                return 0, f"an answer of more than {self._longest >> 20} MiB", 0.0
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if watch is not None and watch.is_over:
                return 0, f"no whole answer within {limit:g} s", 0.0
            said = reason(error) if isinstance(error, OSError) else str(error)
            return 0, said or type(error).__name__, 0.0
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        return answer.status, found, retry_after_seconds(answer.getheader("Retry-After"))


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server closed an idle connection: then it is readable."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def after_newest(server: Post) -> float | None:
    """The event time from which new records are not late, in seconds since 1970; None for the
    present."""
    try:
        newest = server.get("/ingest/stats").get("newest_ts")
    except (DeliveryError, AttributeError):
        return None
    moment = time_or_none(newest) or time_or_none(f"{newest}Z")
    if moment is None or moment.timestamp() < time.time():
        return None
    return moment.timestamp() + 60.0


def _count(answer: Any, name: str, otherwise: int) -> int:
    count = answer.get(name) if isinstance(answer, dict) else None
    return count if isinstance(count, int) else otherwise


def _said(status: int, answer: Any) -> str:
    """The status and message of a response; without a response only the reason."""
    return f"{status or ''} {_message(answer)}".strip()


def _message(answer: Any) -> str:
    if isinstance(answer, dict):
        return str(answer.get("message") or answer.get("detail") or answer.get("error") or "")
    return answer if isinstance(answer, str) else ""


def retry_after_seconds(retry_after: str | None) -> float:
    """The seconds of a `Retry-After` header, which holds a number or a date."""
    if not retry_after:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return 0.0 if math.isnan(seconds) else max(seconds, 0.0)
