"""The results that a dashboard shows: of a directory, of a file, or of a running server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mad import _core, documents, errors, times
from mad.adapters.post import DeliveryError, Post
from mad.detection import detect
from mad.detection.directory import SCORED
from mad.sources.files import InputFile

Json = dict[str, Any]
NAMES = ("service", "endpoint", "severity", "signal")
"""Columns with few different values."""
_HINT = "give a directory that mad detect wrote, a file of requests, or the URL of a server"
_PAGE = 10_000
_PAGES = 5
"""Most pages of rows that are read from a server: its newest rows."""
_LONGEST = 256 << 20
_NUMBERS = ("error_rate", "p95_latency_ms", "score")
_RANGES = ("expected_low", "expected_high", "value", "expected")


class Store(Protocol):
    """Results, which never change through a dashboard."""

    name: str
    is_live: bool
    """Whether later questions may have later answers."""

    def rows(self) -> pa.Table:
        """All judged rows, with the columns of scored.csv."""

    def incidents(self) -> list[Json]:
        """Incidents as in incidents.json, newest first."""

    def states(self) -> list[Json]:
        """The states of endpoints and metrics, worst first."""

    def graph(self) -> Json | None:
        """The service graph; None where nothing is known of calls."""

    def culprits(self, at: str | None, minutes: float) -> Json:
        """The ranking of the `minutes` up to a time, RFC 3339; None is the newest row."""

    def why(self, service: str, endpoint: str, at: str | None) -> str:
        """Why the newest row by a time was flagged or not, in sentences."""

    def top_log(self, incident: Json) -> str:
        """The most frequent warning or error around an incident; empty without logs."""


_OPENED: dict[str, Store] = {}
_LOCK = threading.Lock()


def shared_store(target: str) -> Store:
    """The store of a target, opened once for all visitors. The token of a server comes from the
    variable MAD_TOKEN."""
    with _LOCK:
        if target not in _OPENED:
            _OPENED[target] = open_store(target, os.environ.get("MAD_TOKEN") or None)
        return _OPENED[target]


def open_store(target: str, token: str | None = None) -> Store:
    """The results of a directory of `mad detect`, of a file of telemetry, or of a server.

    Raises `CommandError` when they cannot be read.
    """
    if target.startswith(("http://", "https://")):
        return ServerStore(target, token)
    path = Path(target)
    if path.is_dir() and (path / "incidents.json").exists():
        return DirectoryStore(path)
    return ReportStore(target)


class DirectoryStore:
    """The output of `mad detect`."""

    is_live = False

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path
        self._document: Json = documents.read_run(path, _HINT)
        self._rows = _read_scored(path / SCORED)

    def rows(self) -> pa.Table:
        return self._rows

    def incidents(self) -> list[Json]:
        return list(self._document["incidents"])

    def states(self) -> list[Json]:
        return list(self._document.get("states") or ())

    def graph(self) -> Json | None:
        return self._document.get("graph")

    def culprits(self, at: str | None, minutes: float) -> Json:
        return ranked(self._rows, at, minutes)

    def why(self, service: str, endpoint: str, at: str | None) -> str:
        chunks = InputFile(str(self._path / SCORED)).chunks()
        found = json.loads(_core.why_from_scored(chunks, service, endpoint, None, at))
        return str(found[0]["reason"]) if found else "There is no row by this time."

    def top_log(self, incident: Json) -> str:
        return ""


class ReportStore:
    """A file of telemetry, judged on the spot."""

    is_live = False

    def __init__(self, path: str) -> None:
        self.name = Path(path).name
        try:
            self._report = detect(path)
        except (ValueError, OSError) as error:
            raise errors.InputError(f"{path}: {error}", _HINT) from error
        self._document: Json = json.loads(self._report.document())
        self._rows = self._report.scored.to_pyarrow()

    def rows(self) -> pa.Table:
        return self._rows

    def incidents(self) -> list[Json]:
        return list(self._document["incidents"])

    def states(self) -> list[Json]:
        return list(self._document["states"])

    def graph(self) -> Json | None:
        return self._document.get("graph")

    def culprits(self, at: str | None, minutes: float) -> Json:
        return ranked(self._rows, at, minutes)

    def why(self, service: str, endpoint: str, at: str | None) -> str:
        try:
            return self._report.why(service, endpoint, times.time_or_none(at))
        except KeyError:
            return "There is no row by this time."

    def top_log(self, incident: Json) -> str:
        return ""


class ServerStore:
    """A running server. Rows are its newest ones, at most 50,000.

    Raises `ServiceError` where the server does not answer.
    """

    is_live = True

    def __init__(self, url: str, token: str | None = None) -> None:
        self.name = url
        try:
            self._post = Post(url, token, timeout=10.0, longest_answer=_LONGEST)
        except ValueError as error:
            raise errors.UsageError(str(error)) from error

    def rows(self) -> pa.Table:
        found: list[Json] = []
        for page in range(_PAGES):
            some = self._listed("rows", documents.ROW, limit=_PAGE, offset=page * _PAGE)
            found += some
            if len(some) < _PAGE:
                break
        return _table_of(found)

    def incidents(self) -> list[Json]:
        return self._listed("incidents", documents.INCIDENT, limit=200)

    def states(self) -> list[Json]:
        return self._listed("entities", documents.STATE, limit=2_000)

    def graph(self) -> Json | None:
        found: Json = self._get("/v1/query/graph", documents.GRAPH)
        return found if found.get("nodes") else None

    def culprits(self, at: str | None, minutes: float) -> Json:
        given = {"minutes": minutes, "top_k": 10} | ({"at": at} if at else {})
        return dict(self._get(f"/v1/query/culprits?{urlencode(given)}", documents.CULPRITS))

    def why(self, service: str, endpoint: str, at: str | None) -> str:
        of = urlencode({"service": service, "endpoint": endpoint})
        return str(self._get(f"/v1/query/why?{of}", documents.WHY)["reason"])

    def top_log(self, incident: Json) -> str:
        for one in self._get("/api/incidents?limit=200", documents.LOG_LINES):
            if one.get("id") == incident.get("id"):
                return str(one.get("top_cluster") or "")
        return ""

    def _listed(self, route: str, of: documents.Shape, **given: Any) -> list[Json]:
        path = f"/v1/query/{quote(route)}?{urlencode(given)}"
        return list(self._get(path, documents.listed(of))["data"])

    def _get(self, path: str, shape: documents.Shape) -> Any:
        try:
            answer = self._post.get(path)
        except DeliveryError as error:
            hint = "a token comes from MAD_TOKEN" if error.status in (401, 403) else "mad serve"
            raise errors.ServiceError(f"{self.name}: {error}", hint) from error
        if (wrong := documents.fault(answer, shape)) is not None:
            raise errors.ServiceError(f"{self.name} is no mad server of this version: {wrong}")
        return answer


def _read_scored(path: Path) -> pa.Table:
    """scored.csv with its names as dictionaries, which makes filters fast."""
    if not path.exists():
        raise errors.InputError(f"{path} is missing", _HINT)
    names = {name: pa.dictionary(pa.int32(), pa.string()) for name in NAMES}
    numbers = dict.fromkeys((*_NUMBERS, *_RANGES, "z"), pa.float64())
    counts = dict.fromkeys(("req_count", "error_count"), pa.int64())
    types = {"bucket_ts": pa.timestamp("s", "UTC"), "is_anomaly": pa.bool_()}
    types |= {**names, **numbers, **counts}
    convert = csv.ConvertOptions(
        column_types=types, include_columns=list(types), strings_can_be_null=False
    )
    try:
        with pa.OSFile(os.fsencode(path)) as content:
            return csv.read_csv(content, convert_options=convert).unify_dictionaries()
    except (pa.ArrowInvalid, KeyError) as error:
        raise errors.InputError(f"{path}: {error}", _HINT) from error


def _table_of(rows: list[Json]) -> pa.Table:
    """Rows of a server as a table, also when there are none."""
    text = [
        "bucket_ts",
        *NAMES,
    ]
    columns: dict[str, Any] = {
        name: pa.array([str(row.get(name) or "") for row in rows], pa.string()) for name in text
    }
    for name in (*_NUMBERS, *_RANGES):
        columns[name] = pa.array([row.get(name) for row in rows], pa.float64())
    for name in ("req_count", "error_count"):
        columns[name] = pa.array([int(row.get(name) or 0) for row in rows], pa.int64())
    columns["is_anomaly"] = pa.array([bool(row.get("is_anomaly")) for row in rows], pa.bool_())
    at = pc.strptime(pc.utf8_slice_codeunits(columns["bucket_ts"], 0, 19), "%Y-%m-%dT%H:%M:%S", "s")
    columns["bucket_ts"] = pc.assume_timezone(at, "UTC")
    return pa.table(columns)


def ranked(rows: pa.Table, at: str | None, minutes: float) -> Json:
    """A ranking over judged rows, as the API gives it."""
    if not rows.num_rows:
        return {"culprits": [], "at": at, "minutes": minutes}
    end = times.time_or_none(at) or pc.max(rows["bucket_ts"]).as_py()
    ranker = _core.CulpritRanker(minutes=minutes, top_k=10)
    since = pa.scalar(end.timestamp() - minutes * 60 - 3600, pa.float64())
    seconds = pc.divide(pc.cast(rows["bucket_ts"].cast(pa.timestamp("ms", "UTC")), pa.int64()), 1e3)
    near = pc.and_(pc.greater(seconds, since), pc.less_equal(seconds, end.timestamp()))
    plain = rows.filter(near)
    for place, field in enumerate(plain.schema):
        if pa.types.is_dictionary(field.type):
            plain = plain.set_column(place, field.name, plain[field.name].cast(pa.string()))
    ranking = ranker.rank(plain, end)
    return {
        "at": times.moment(ranking.at),
        "minutes": minutes,
        "abstained": ranking.abstained,
        "culprits": [_culprit(one) for one in ranking.culprits],
    }


def _culprit(one: Any) -> Mapping[str, Any]:
    return {
        "service": one.service,
        "endpoint": one.endpoint,
        "metric": one.metric,
        "score": one.score,
        "rows": one.rows,
        "severity": one.severity,
        "onset": times.moment(one.onset),
        "evidence": one.evidence,
    }
