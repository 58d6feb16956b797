"""The charts: signals over time, anomalies, culprits, the service map, and overviews of a run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from mad import _core, times
from mad.errors import MissingExtraError
from mad.plot import data
from mad.plot.data import Columns
from mad.report import graph, words
from mad.report.scales import WIDEST_SHARE
from mad.severity import SEVERITIES

try:
    import altair as alt
except ImportError as error:
    raise MissingExtraError("plots need altair: pip install 'mad-py[plot]'") from error

WIDTH, HEIGHT = 640, 200
_LINE, _FLAG, _BAND = "#2456a6", "#b3261e", "#2456a6"
_COLORS = ("#8791a0", "#c77700", "#b3261e")
_ENTITIES = 40
"""Most endpoints of the time line."""


def latency(source: Any, service: str | None = None, endpoint: str | None = None) -> alt.LayerChart:
    """The 95th-percentile latency of each step in ms, with the expected range where it is known and
    flagged steps as points. Without `endpoint` each endpoint has a line."""
    return _signal(source, service, endpoint, "p95_latency_ms", "p95 latency (ms)")


def errors(source: Any, service: str | None = None, endpoint: str | None = None) -> alt.LayerChart:
    """The error rate of each step, from 0 to 1 as a percentage. The axis ends at the largest rate,
    at least at 5 %, so that rare errors stay visible."""
    return _signal(source, service, endpoint, "error_rate", "error rate")


def traffic(source: Any, service: str | None = None, endpoint: str | None = None) -> alt.LayerChart:
    """The number of requests of each step."""
    return _signal(source, service, endpoint, "req_count", "requests")


def _signal(
    source: Any, service: str | None, endpoint: str | None, signal: str, title: str
) -> alt.LayerChart:
    rows = data.reduced(data.of_entity(data.columns_of(source), service, endpoint))
    records = [
        {
            "at": row["bucket_ts"],
            "where": words.visible(row["where"]),
            "y": row[signal],
            "flagged": row["is_anomaly"],
            "requests": row["req_count"],
            **_range(row, signal),
        }
        for row in data.records(rows)
    ]
    return _layers(records, signal, title).properties(width=WIDTH, height=HEIGHT)


def _range(row: Mapping[str, Any], signal: str) -> dict[str, Any]:
    """The expected range of a row for its leading signal."""
    of = row["signal"] == signal
    low, high = (row["expected_low"], row["expected_high"]) if of else (None, None)
    return _shown_range(low, high, signal)


def _shown_range(low: float | None, high: float | None, signal: str) -> dict[str, Any]:
    """A range as a chart shows it. With few requests nearly every error rate is possible, which
    would hide the line."""
    if high is None or (words.unit_of(signal) == "share" and high > WIDEST_SHARE):
        return {"low": None, "high": None}
    return {"low": low or 0.0, "high": high}


def _layers(records: Sequence[Mapping[str, Any]], signal: str, title: str) -> alt.LayerChart:
    base = alt.Chart(alt.Data(values=list(records)))
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format="%H:%M"))
    top = max((one["y"] or 0.0 for one in records), default=0.0)
    share = words.unit_of(signal) == "share"
    # the values decide about the axis: an expected range may be far wider
    scale = alt.Scale(domain=[0, max(top * 1.1, 0.05 if share else 1e-9)], nice=True)
    y = alt.Y(
        "y:Q", title=title, scale=scale, axis=alt.Axis(format="%" if share else "~s", tickCount=5)
    )
    names = {one["where"] for one in records}
    one_line = len(names) < 2
    color = (
        alt.value(_LINE)
        if one_line
        else alt.Color("where:N", title=None, legend=alt.Legend(orient="bottom", columns=3))
    )
    tooltip = [
        alt.Tooltip("where:N", title="where"),
        alt.Tooltip("at:T", title="time (UTC)", format="%Y-%m-%d %H:%M"),
        alt.Tooltip("y:Q", title=title, format=".2%" if share else ",.1f"),
        alt.Tooltip("requests:Q", title="requests", format=","),
    ]
    layers = []
    if one_line:
        band = base.transform_filter("datum.high != null")
        layers.append(
            band.mark_area(opacity=0.15, color=_BAND, clip=True).encode(
                x=x, y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q"
            )
        )
    layers.append(base.mark_line(strokeWidth=1.3, clip=True).encode(x=x, y=y, color=color))
    flagged = base.transform_filter("datum.flagged")
    points = flagged.mark_point(filled=True, size=45, color=_FLAG, opacity=1)
    layers.append(points.encode(x=x, y=y, tooltip=tooltip))
    return alt.layer(*layers)


def incident(report: Any, incident: Any) -> alt.VConcatChart:
    """The signals of an incident of a `Report` with their expected ranges, the responsible ones
    first. The range of the incident is shaded."""
    found = json.loads(report.document())["incidents"]
    document = next((one for one in found if one["id"] == incident.id), None)
    if document is None:
        raise ValueError(f"the report has no incident {incident.id!r}")
    return incident_of(document)


def incident_of(document: Mapping[str, Any]) -> alt.VConcatChart:
    """The chart of `incident` from the incident's part of a report document."""
    series = document.get("series") or {}
    buckets = [times.time_or_none(at) for at in series.get("bucket") or ()]
    start, end = (times.time_or_none(document.get(name)) for name in ("start", "end"))
    charts = []
    signals = list(series.get("signals") or ())
    signals.sort(key=lambda one: one["name"] not in (document.get("signals") or ()))
    for signal in signals[:4]:
        records = []
        for place, at in enumerate(buckets):
            if at is None:
                continue
            records.append(
                {
                    "at": at.timestamp() * 1000,
                    "where": words.entity(document),
                    "y": signal["values"][place],
                    **_shown_range(signal["low"][place], signal["high"][place], signal["name"]),
                    "flagged": bool(series["flagged"][place]),
                    "requests": series["count"][place],
                }
            )
        layers = _layers(records, signal["name"], words.signal_name(signal["name"]))
        if start is not None and end is not None:
            shade = alt.Data(values=[{"a": start.timestamp() * 1000, "b": end.timestamp() * 1000}])
            area = alt.Chart(shade).mark_rect(color=_FLAG, opacity=0.08)
            layers = alt.layer(area.encode(x=alt.X("a:T", title=None), x2="b:T"), layers)
        charts.append(layers.properties(width=WIDTH, height=150))
    title = f"{words.entity(document)}: {times.span(start, end)}"
    return alt.vconcat(*charts).properties(title=title)


def anomalies(source: Any, span: tuple[int, int] | None = None) -> alt.Chart:
    """The flagged steps of the endpoints with the most of them over time, by severity. The size is
    the score. `span` is the range of the time axis in ms since 1970, by default that of the
    rows."""
    rows = data.columns_of(source)
    flagged = data.records(data.reduced(data.where(rows, rows["is_anomaly"])))
    counts: dict[str, int] = {}
    for row in flagged:
        counts[row["where"]] = counts.get(row["where"], 0) + 1
    most = sorted(counts, key=lambda name: (-counts[name], name))[:_ENTITIES]
    records = [
        {
            "at": row["bucket_ts"],
            "where": words.visible(row["where"]),
            "severity": row["severity"],
            "score": row["score"] or 0.0,
            "signal": words.signal_name(row["signal"]) if row["signal"] else "",
        }
        for row in flagged
        if row["where"] in set(most)
    ]
    begin, end = span or (min(rows["bucket_ts"], default=0), max(rows["bucket_ts"], default=1))
    x = alt.X(
        "at:T",
        title=None,
        scale=alt.Scale(type="utc", domain=[_moment(begin), _moment(end)]),
        axis=alt.Axis(format="%H:%M"),
    )
    order = [words.visible(name) for name in most]
    y = alt.Y("where:N", title=None, sort=order, axis=alt.Axis(labelLimit=240))
    tooltip = ["where:N", alt.Tooltip("at:T", format="%Y-%m-%d %H:%M"), "signal:N", "score:Q"]
    return (
        alt.Chart(alt.Data(values=records))
        .mark_circle(opacity=0.85)
        .encode(
            x=x,
            y=y,
            color=_severity(),
            size=alt.Size("score:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[20, 90])),
            tooltip=tooltip,
        )
        .properties(width=WIDTH, height=max(24 * len(most), 60))
    )


def _moment(milliseconds: int) -> alt.DateTime:
    """A time in the form that Vega-Lite takes for the end of an axis."""
    at = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    parts = {"hours": at.hour, "minutes": at.minute, "seconds": at.second}
    return alt.DateTime(year=at.year, month=at.month, date=at.day, **parts, utc=True)


def _severity() -> alt.Color:
    scale = alt.Scale(domain=list(SEVERITIES), range=list(_COLORS))
    return alt.Color("severity:N", title=None, scale=scale, legend=alt.Legend(orient="top"))


def culprits(ranking: Any) -> alt.LayerChart:
    """The culprits of a `Ranking` (or of its document, a dict) with their share of the evidence."""
    if isinstance(ranking, Mapping):
        found = [dict(one) for one in ranking.get("culprits") or ()]
    else:
        found = [
            {"service": one.service, "endpoint": one.endpoint, "metric": one.metric}
            | {"score": one.score}
            for one in ranking.culprits
        ]
    records = [
        {
            "where": words.entity(one),
            "score": float(one.get("score") or 0.0),
            "signal": words.signal_name(str(one.get("metric") or "")),
        }
        for one in found
    ]
    base = alt.Chart(alt.Data(values=records)).encode(
        y=alt.Y("where:N", title=None, sort="-x", axis=alt.Axis(labelLimit=240)),
        x=alt.X(
            "score:Q",
            title="share of the evidence",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5),
        ),
        tooltip=["where:N", "signal:N", alt.Tooltip("score:Q", format=".2f")],
    )
    bars = base.mark_bar(color=_FLAG, height=16)
    labels = base.mark_text(align="left", dx=4).encode(text="signal:N")
    return alt.layer(bars, labels).properties(width=WIDTH, height=max(28 * len(records), 40))


def service_map(graph_document: Any, chain: Sequence[str] = ()) -> alt.LayerChart:
    """The services and their calls, callers on the left. `graph_document` is a `ServiceGraph` or
    its document; `chain` is the path to a culprit, drawn in red."""
    if isinstance(graph_document, _core.ServiceGraph):
        graph_document = graph_document.document()
    nodes, edges = graph.positions(graph_document or {"nodes": [], "edges": []})
    blamed = set(itertools.pairwise(chain))
    lines = [
        {
            "x": nodes[one["caller"]][0],
            "y": nodes[one["caller"]][1],
            "x2": nodes[one["callee"]][0],
            "y2": nodes[one["callee"]][1],
            "calls": one.get("calls"),
            "call": f"{words.visible(one['caller'])} calls {words.visible(one['callee'])}",
            "on": (one["caller"], one["callee"]) in blamed,
        }
        for one in edges
    ]
    points = [
        {"x": x, "y": y, "name": words.visible(name), "on": name in chain}
        for name, (x, y) in nodes.items()
    ]
    color = alt.condition("datum.on", alt.value(_FLAG), alt.value("#8791a0"))
    off = {"axis": None, "scale": alt.Scale(zero=False, padding=40)}
    rule = alt.Chart(alt.Data(values=lines)).mark_rule(strokeWidth=1.5)
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("x:Q", **off), y=alt.Y("y:Q", sort="descending", **off)
    )
    return alt.layer(
        rule.encode(
            x=alt.X("x:Q", **off),
            y=alt.Y("y:Q", sort="descending", **off),
            x2="x2:Q",
            y2="y2:Q",
            color=color,
            tooltip=["call:N", "calls:Q"],
        ),
        base.mark_circle(size=260, opacity=1).encode(color=color, tooltip=["name:N"]),
        base.mark_text(dy=-18, fontWeight=600, limit=180).encode(text="name:N"),
    ).properties(width=WIDTH, height=max(60 * len({y for _, y in nodes.values()}), 120))


def training(source: Any) -> alt.VConcatChart:
    """Four panels on the baselines of a run: latencies by verdict, scores with their counts,
    latency against error rate, and flagged steps by service."""
    rows = data.columns_of(source)
    records = _verdicts(data.reduced(rows, 1_500))
    base = alt.Chart(alt.Data(values=records))
    verdict = alt.Color(
        "verdict:N",
        title=None,
        scale=alt.Scale(domain=["normal", "anomalous"], range=[_LINE, _FLAG]),
        legend=alt.Legend(orient="top"),
    )
    size = {"width": WIDTH // 2 - 30, "height": 180}
    log = alt.Scale(type="symlog", nice=False)
    latencies = base.mark_bar(opacity=0.8).encode(
        x=alt.X("p95:Q", bin=alt.Bin(maxbins=40), title="95th-percentile latency (ms)"),
        y=alt.Y("count():Q", title="steps", scale=log),
        color=verdict,
    )
    scores = base.mark_bar(opacity=0.8).encode(
        x=alt.X("score:Q", bin=alt.Bin(maxbins=40), title="score"),
        y=alt.Y("count():Q", title="steps", scale=log),
        color=verdict,
    )
    pairs = base.mark_circle(size=24, opacity=0.6).encode(
        x=alt.X("p95:Q", title="95th-percentile latency (ms)"),
        y=alt.Y("errors:Q", title="error rate", axis=alt.Axis(format="%")),
        color=verdict,
        tooltip=["where:N", "p95:Q", alt.Tooltip("errors:Q", format=".1%")],
    )
    by_service = (
        alt.Chart(alt.Data(values=_by_service(rows)))
        .mark_bar(color=_FLAG, height=14)
        .encode(
            y=alt.Y("service:N", title=None, sort="-x"),
            x=alt.X("flagged:Q", title="flagged steps", axis=alt.Axis(tickMinStep=1)),
            tooltip=["service:N", "flagged:Q", "steps:Q"],
        )
    )
    first = alt.hconcat(
        latencies.properties(title="Latencies", **size), scores.properties(title="Scores", **size)
    )
    second = alt.hconcat(
        pairs.properties(title="Latency and errors", **size),
        by_service.properties(title="Flagged steps by service", **size),
    )
    return alt.vconcat(first, second)


def monitor(source: Any) -> alt.VConcatChart:
    """Two panels on the present: the slowest latency and the error rate of all requests of each
    step, with the steps in which an endpoint was flagged."""
    rows = data.columns_of(source)
    steps: dict[int, dict[str, Any]] = {}
    columns = ("bucket_ts", "p95_latency_ms", "req_count", "error_count", "is_anomaly")
    for at, slow, requests, failed, is_flagged in zip(*(rows[one] for one in columns), strict=True):
        step = steps.setdefault(at, {"slow": None, "requests": 0, "failed": 0, "flagged": False})
        if slow is not None:
            step["slow"] = max(step["slow"] or 0.0, slow)
        step["requests"] += requests or 0
        step["failed"] += failed or 0
        step["flagged"] = step["flagged"] or is_flagged
    every = sorted(steps)
    every = every[:: max(len(every) // data.MOST, 1)]
    charts = []
    for signal, title in (("p95_latency_ms", "slowest p95 (ms)"), ("error_rate", "error rate")):
        records = []
        for at in every:
            step = steps[at]
            rate = step["failed"] / step["requests"] if step["requests"] else None
            records.append(
                {
                    "at": at,
                    "where": "all endpoints",
                    "y": step["slow"] if signal == "p95_latency_ms" else rate,
                    "low": None,
                    "high": None,
                    "flagged": step["flagged"],
                    "requests": step["requests"],
                }
            )
        layers = _layers(records, signal, title)
        charts.append(layers.properties(width=WIDTH, height=160))
    return alt.vconcat(*charts)


def _verdicts(rows: Columns) -> list[dict[str, Any]]:
    return [
        {
            "where": words.visible(row["where"]),
            "p95": row["p95_latency_ms"],
            "errors": row["error_rate"],
            "score": row["score"] or 0.0,
            "verdict": "anomalous" if row["is_anomaly"] else "normal",
        }
        for row in data.records(rows)
    ]


def _by_service(rows: Columns) -> list[dict[str, Any]]:
    found: dict[str, list[int]] = {}
    for service, is_flagged in zip(rows["service"], rows["is_anomaly"], strict=True):
        counts = found.setdefault(service, [0, 0])
        counts[0] += 1
        counts[1] += is_flagged
    worst = sorted(found, key=lambda name: (-found[name][1], name))[:15]
    return [
        {"service": words.visible(name), "steps": found[name][0], "flagged": found[name][1]}
        for name in worst
    ]
