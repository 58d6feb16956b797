"""The text format of Prometheus: figures of the service, scores, expected ranges and incidents."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mad.api.service import Service, service_of
from mad.journal.reader import Reader
from mad.journal.selection import Page, Selection
from mad.times import time_or_none

PATH = "/metrics/prometheus"
#: Open incidents that are listed, the most severe first, and those that are counted.
LISTED, COUNTED = 100, 1_000
#: Endpoints and metrics with scores and expected ranges, the most anomalous first.
SERIES = 2_000
_SCRAPERS = (b"application/openmetrics-text", b"version=0.0.4")
_SEVERITIES = ("Critical", "Warning", "Info")


class ScrapeRoute:
    """Gives scrapers the text format also at `/metrics`, where other clients get rows as JSON.

    A scraper says in `Accept` which version of the format it reads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and scope["path"] == "/metrics" and _is_scraper(scope):
            scope = {**scope, "path": PATH, "raw_path": PATH.encode()}
        await self._app(scope, receive, send)


def _is_scraper(scope: Scope) -> bool:
    return any(
        name == b"accept" and any(one in value for one in _SCRAPERS)
        for name, value in scope["headers"]
    )


async def exposition(request: Request) -> Response:
    """Metrics in the text format of Prometheus: figures of the service itself, the score and
    expected range of every series, and the open incidents. `/metrics` gives the same to clients
    whose `Accept` names the format."""
    service = service_of(request)
    text = await run_in_threadpool(_own, service)
    scores = await run_in_threadpool(service.engine.pipeline.exposition, SERIES)
    return Response(text.encode() + scores, media_type="text/plain; version=0.0.4; charset=utf-8")


def _own(service: Service) -> str:
    """Everything but the scores."""
    engine = service.engine
    counters = json.loads(engine.pipeline.counters())
    levels = {problem.level for problem in service.health.problems()}
    figures = [
        ("mad_waiting_batches", "Batches that wait.", engine.waiting),
        ("mad_entities", "Services and endpoints with separate state.", counters["entities"]),
        ("mad_series", "Series of metrics with separate state.", counters["series"]),
        ("mad_journal_bytes", "Size of the journal.", _size(engine.journal.path)),
        ("mad_degraded", "1 while /health is not ok, else 0.", int(bool(levels))),
        ("mad_failing", "1 while nothing can be accepted, else 0.", int("failing" in levels)),
        ("process_resident_memory_bytes", "Resident memory of the process.", resident_bytes()),
    ]
    families = [
        _family(name, text, [({}, value)]) for name, text, value in figures if value is not None
    ]
    shares = engine.intake.shares()
    families.append(
        _family(
            "mad_accepted_share",
            "Share of accepted records in the last 15 minutes, 0 to 1.",
            [({"kind": kind}, share) for kind, share in shares.items()],
        )
    )
    families += [service.inputs.exposition(), service.sinks.exposition()]
    families.append(incident_lines(service.reader))
    return engine.stats.exposition() + "".join(families)


def incident_lines(reader: Reader) -> str:
    """The number of open incidents by severity, and the most severe ones with their names."""
    found = reader.incidents({}, Selection(page=Page(COUNTED)), active=True)
    incidents = sorted(
        map(json.loads, found),
        key=lambda one: (_SEVERITIES.index(one["severity"]), one["start"]),
    )
    counts = Counter(one["severity"] for one in incidents)
    listed = incidents[:LISTED]
    return "".join(
        [
            _family(
                "mad_incidents",
                "Open and acknowledged incidents.",
                [({"severity": severity}, counts[severity]) for severity in _SEVERITIES],
            ),
            _family(
                "mad_incident_info",
                f"1 for each open or acknowledged incident, at most {LISTED}.",
                [(_labels(one), 1) for one in listed],
            ),
            _family(
                "mad_incident_start_timestamp_seconds",
                "Start of each listed incident in seconds since 1970.",
                [({"incident": one["id"]}, _seconds(one["start"])) for one in listed],
            ),
        ]
    )


def _labels(incident: dict[str, Any]) -> dict[str, str]:
    culprit = incident["culprit"] or {}
    return {
        "incident": incident["id"],
        "service": incident["service"],
        "endpoint": incident["endpoint"],
        "severity": incident["severity"],
        "status": incident["status"],
        "culprit_service": culprit.get("service", ""),
        "culprit_endpoint": culprit.get("endpoint", ""),
    }


def _seconds(text: str) -> float:
    moment = time_or_none(text)
    return moment.timestamp() if moment is not None else 0.0


def _family(name: str, text: str, values: list[tuple[dict[str, str], float]]) -> str:
    """A family of gauges; empty without values."""
    if not values:
        return ""
    lines = [f"# HELP {name} {text}\n# TYPE {name} gauge\n"]
    for labels, value in values:
        inner = ",".join(f'{label}="{_escaped(of)}"' for label, of in labels.items())
        lines.append(f"{name}{f'{{{inner}}}' if inner else ''} {value:.12g}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _size(path: Path) -> int | None:
    """Bytes of a file; None when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def resident_bytes() -> int | None:
    """Resident memory of this process in bytes; None where the operating system does not report
    it."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
