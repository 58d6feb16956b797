"""Aggregates of judged rows, so that a million rows are drawn as a few hundred points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mad.plot.data import Columns

POINTS = 360
"""Most points of a line over all endpoints."""
FEED = 200
"""Most flagged rows in the feed."""
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 604800)


@dataclass(frozen=True)
class Filters:
    """What the reader of a dashboard has chosen; empty chooses all."""

    services: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    hours: float | None = None
    """The newest hours; None is the whole run."""


def chosen(rows: pa.Table, filters: Filters) -> pa.Table:
    """The rows that fit. A severity chooses flagged rows only, because others have none."""
    masks = [
        pc.is_in(rows[name], value_set=pa.array(values, rows[name].type.value_type))
        if pa.types.is_dictionary(rows[name].type)
        else pc.is_in(rows[name], value_set=pa.array(values))
        for name, values in (("service", filters.services), ("endpoint", filters.endpoints))
        if values
    ]
    if filters.hours is not None and rows.num_rows:
        newest = pc.max(rows["bucket_ts"]).as_py()
        since = pa.scalar(newest - timedelta(hours=filters.hours), rows["bucket_ts"].type)
        masks.append(pc.greater(rows["bucket_ts"], since))
    if not masks:
        return rows
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.and_(mask, other)
    return rows.filter(mask)


def tiles(rows: pa.Table) -> dict[str, float]:
    """Requests, errors, rows, flagged rows and endpoints."""
    requests = pc.sum(rows["req_count"]).as_py() or 0
    failed = pc.sum(rows["error_count"]).as_py() or 0
    names = rows.group_by(["service", "endpoint"]).aggregate([])
    return {
        "requests": requests,
        "errors": failed,
        "error_rate": failed / requests if requests else 0.0,
        "rows": rows.num_rows,
        "flagged": pc.sum(rows["is_anomaly"]).as_py() or 0,
        "endpoints": names.num_rows,
    }


def over_time(rows: pa.Table) -> Columns:
    """Requests, errors, the slowest p95 and whether something was flagged, by equal parts of the
    time."""
    if not rows.num_rows:
        return _columns([])
    ends = pc.min_max(rows["bucket_ts"]).as_py()
    seconds = (ends["max"] - ends["min"]).total_seconds()
    step = next((one for one in _STEPS if seconds / one <= POINTS), _STEPS[-1])
    at = pc.divide(pc.cast(rows["bucket_ts"].cast(pa.timestamp("s", "UTC")), pa.int64()), step)
    table = pa.table(
        {
            "at": at,
            "req_count": rows["req_count"],
            "error_count": rows["error_count"],
            "p95_latency_ms": rows["p95_latency_ms"],
            "is_anomaly": pc.cast(rows["is_anomaly"], pa.int32()),
        }
    )
    sums = [("req_count", "sum"), ("error_count", "sum")]
    found = table.group_by("at").aggregate(
        [*sums, ("p95_latency_ms", "max"), ("is_anomaly", "sum")]
    )
    found = found.sort_by("at").to_pylist()
    return _columns(
        [
            {
                "bucket_ts": one["at"] * step * 1000,
                "req_count": one["req_count_sum"],
                "error_count": one["error_count_sum"],
                "error_rate": (one["error_count_sum"] or 0) / (one["req_count_sum"] or 1),
                "p95_latency_ms": one["p95_latency_ms_max"],
                "is_anomaly": bool(one["is_anomaly_sum"]),
            }
            for one in found
        ]
    )


def _columns(rows: Sequence[dict[str, Any]]) -> Columns:
    names = (
        *("bucket_ts", "req_count", "error_count", "error_rate", "p95_latency_ms", "is_anomaly"),
    )
    columns: Columns = {name: [row[name] for row in rows] for name in names}
    columns["service"] = ["all endpoints"] * len(rows)
    columns["endpoint"] = [""] * len(rows)
    return columns


def of_endpoint(rows: pa.Table, service: str, endpoint: str) -> pa.Table:
    """The rows of one endpoint."""
    return rows.filter(
        pc.and_(pc.equal(rows["service"], service), pc.equal(rows["endpoint"], endpoint))
    )


def span(rows: pa.Table) -> tuple[int, int]:
    """The first and the last time of the rows, which are not empty, in ms since 1970."""
    ends = pc.min_max(rows["bucket_ts"]).as_py()
    return round(ends["min"].timestamp() * 1000), round(ends["max"].timestamp() * 1000)


def flagged(rows: pa.Table, severities: Sequence[str] = (), most: int = FEED) -> pa.Table:
    """The newest flagged rows."""
    found = rows.filter(rows["is_anomaly"])
    if severities:
        severity = found["severity"].cast(pa.string())
        found = found.filter(pc.is_in(severity, value_set=pa.array(severities)))
    return found.sort_by([("bucket_ts", "descending")]).slice(0, most)


def names(rows: pa.Table) -> list[tuple[str, str]]:
    """The services and endpoints, sorted."""
    found = rows.group_by(["service", "endpoint"]).aggregate([]).to_pylist()
    return sorted((str(one["service"]), str(one["endpoint"])) for one in found)


def sample(rows: pa.Table, most: int = 2_000) -> pa.Table:
    """At most about `most` rows for distributions: flagged ones, and others at equal distances."""
    if rows.num_rows <= most:
        return rows
    found = flagged(rows, most=most // 2)
    others = rows.filter(pc.invert(rows["is_anomaly"]))
    every = max(others.num_rows // (most // 2), 1)
    places = pa.array(range(0, others.num_rows, every))
    return pa.concat_tables([others.take(places), found])


def endpoints(rows: pa.Table, states: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line for each endpoint: state, requests, error rate, slowest p95, flagged rows; the ones
    with flagged rows first."""
    sums = [("req_count", "sum"), ("error_count", "sum"), ("is_anomaly", "sum")]
    plain = rows.set_column(
        rows.schema.get_field_index("is_anomaly"),
        "is_anomaly",
        pc.cast(rows["is_anomaly"], pa.int32()),
    )
    found = plain.group_by(["service", "endpoint"]).aggregate([*sums, ("p95_latency_ms", "max")])
    known = {(one["service"], one["endpoint"]): one for one in states if not one.get("metric")}
    lines = []
    for one in found.to_pylist():
        requests = one["req_count_sum"] or 0
        state = known.get((one["service"], one["endpoint"]), {})
        lines.append(
            {
                "state": state.get("state", ""),
                "service": one["service"],
                "endpoint": one["endpoint"],
                "requests": requests,
                "error rate": (one["error_count_sum"] or 0) / requests if requests else 0.0,
                "slowest p95 (ms)": one["p95_latency_ms_max"],
                "flagged": one["is_anomaly_sum"] or 0,
                "reason": state.get("reason", ""),
            }
        )
    return sorted(lines, key=lambda one: (-one["flagged"], -one["requests"]))
