"""Snapshots of a running server."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from mad import documents
from mad.adapters.post import DeliveryError, Post
from mad.times import time_or_none
from mad.view.snapshot import STEPS, EntityTable, Snapshot

_ROWS = 10_000
_INCIDENTS = 100
_STATES = 500
_LONGEST = 64 << 20


class ServerFeed:
    """Asks a server for its state. While the server is gone, the last state stays.

    Raises ValueError for a text that is no URL.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._post = Post(url, token, timeout=5.0, longest_answer=_LONGEST)
        self._last = Snapshot(url)
        self._table = EntityTable()

    def snapshot(self) -> Snapshot:
        """The present state, or the last one with the problem."""
        try:
            self._last = self._ask()
        except DeliveryError as error:
            self._last.problem = _plainly(error)
        return self._last

    def close(self) -> None:
        """Closes the connection."""
        self._post.close()

    def _ask(self) -> Snapshot:
        health = self._answer("/health", documents.HEALTH)
        newest = time_or_none(health.get("watermark"))
        states = self._get("entities", documents.STATE, limit=_STATES)
        for state in states:
            if not state.get("metric"):
                view = self._table.of(state["service"], state["endpoint"])
                view.state, view.reason = state["state"], state["reason"]
                view.score = float(state.get("score") or 0.0)
        if newest is not None:
            last = self._last.time
            # the first time all rows that a sparkline shows, later the new ones
            since = newest - timedelta(minutes=STEPS) if last is None else last
            since -= timedelta(minutes=2)
            asked = {"limit": _ROWS, "start": since.isoformat()}
            for row in reversed(self._get("rows", documents.ROW, **asked)):
                view = self._table.of(row["service"], row["endpoint"])
                view.add(time_or_none(row.get("bucket_ts")), row)
        incidents = self._get("incidents", documents.INCIDENT, limit=_INCIDENTS)
        problem = "" if health.get("status") == "ok" else (health.get("message") or "")
        return Snapshot(
            self._last.name,
            newest,
            self._table.worst_first(),
            incidents,
            int(health.get("accepted") or 0),
            int(health.get("rejected") or 0),
            problem=problem,
        )

    def _get(self, route: str, of: documents.Shape, **given: Any) -> list[dict[str, Any]]:
        path = f"/v1/query/{route}?{urlencode(given)}"
        found: list[dict[str, Any]] = self._answer(path, documents.listed(of))["data"]
        return found

    def _answer(self, path: str, shape: documents.Shape) -> Any:
        answer = self._post.get(path)
        if (wrong := documents.fault(answer, shape)) is not None:
            raise DeliveryError(
                f"this is no mad server of this version: in its answer {wrong}", 200
            )
        return answer


def _plainly(error: DeliveryError) -> str:
    """Why a server gives no state, and what to do."""
    if error.status == 401:
        return "the token is wrong or expired: set MAD_TOKEN and start again"
    if error.status == 403:
        return "the token has not the scope read"
    if error.status == 0:
        text = "the server does not answer; asking again"
        with contextlib.suppress(IndexError):
            text += f" ({str(error).split(': ', 1)[1]})"
        return text
    return str(error)
