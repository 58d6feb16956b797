"""What the tools read: a running server, or a directory that `mad detect` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mad import documents, errors
from mad.cli import remote
from mad.times import time_or_none

Document = dict[str, Any]
MOST = 200
"""Most incidents and states that one question reads."""


class Results(Protocol):
    """Incidents, states and changes; nothing can be written."""

    def incidents(self, **wanted: Any) -> list[Document]:
        """Incidents, the newest first: `service`, `endpoint`, `status`, `active`, `start`, `end`,
        `limit`; None does not restrict."""

    def incident(self, identity: str) -> Document:
        """One incident by its id. Raises `UsageError` when there is none."""

    def states(self, service: str | None, endpoint: str | None) -> list[Document]:
        """The states of endpoints and metrics, the worst first."""


class Remote:
    """A running server. Its token comes from the variable MAD_TOKEN."""

    def __init__(self, url: str) -> None:
        self._url = url

    def incidents(self, **wanted: Any) -> list[Document]:
        given = {name: value for name, value in wanted.items() if value not in (None, False)}
        shape = documents.listed(documents.INCIDENT)
        return _listed(remote.ask(self._url, shape, "incidents", **given))

    def incident(self, identity: str) -> Document:
        found: Document = remote.ask(self._url, documents.INCIDENT, "incidents", identity)
        return found

    def states(self, service: str | None, endpoint: str | None) -> list[Document]:
        page = {"service": service, "endpoint": endpoint, "limit": MOST}
        shape = documents.listed(documents.STATE)
        return _listed(remote.ask(self._url, shape, "entities", **page))


class Directory:
    """The output of `mad detect`, which is read again for each question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read()

    def incidents(self, **wanted: Any) -> list[Document]:
        found = [one for one in self._incidents() if _fits(one, wanted)]
        found.sort(key=lambda one: str(one.get("start")), reverse=True)
        return found[: wanted.get("limit") or MOST]

    def incident(self, identity: str) -> Document:
        for one in self._incidents():
            if one.get("id") == identity:
                return one
        raise errors.UsageError(f"there is no incident {identity!r}", "see list_incidents")

    def states(self, service: str | None, endpoint: str | None) -> list[Document]:
        wanted = {"service": service, "endpoint": endpoint}
        return [
            one
            for one in self._read().get("states") or ()
            if all(value is None or one.get(name) == value for name, value in wanted.items())
        ][:MOST]

    def _read(self) -> Document:
        hint = "give a directory that mad detect wrote, or the URL of a server"
        return documents.read_run(self._path, hint)

    def _incidents(self) -> Iterator[Document]:
        return iter(self._read()["incidents"])


def _listed(answer: Document) -> list[Document]:
    found: list[Document] = answer["data"]
    return found


def _fits(incident: Document, wanted: Document) -> bool:
    """Whether an incident of a directory is wanted."""
    for name in ("service", "endpoint", "status"):
        if wanted.get(name) is not None and incident.get(name) != wanted[name]:
            return False
    if wanted.get("active") and incident.get("status") == "resolved":
        return False
    begun, ended = (_moment(incident.get(name)) for name in ("start", "end"))
    start, end = (_moment(wanted.get(name)) for name in ("start", "end"))
    is_after = start is not None and ended is not None and ended <= start
    return not is_after and not (end is not None and begun is not None and begun >= end)


def _moment(text: Any) -> datetime | None:
    return time_or_none(text) if isinstance(text, str) else None
