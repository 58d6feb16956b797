"""Builds the saved objects for Kibana (7.10 and later) and OpenSearch Dashboards.

python deploy/kibana/build.py [--check]; import them in Stack Management, Saved Objects.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "mad-saved-objects.ndjson"
VERSIONS = {"index-pattern": "7.6.0", "visualization": "7.10.0", "dashboard": "7.9.3"}
"""Forms of the objects. OpenSearch Dashboards knows no later ones; Kibana converts them."""
REQUESTS, ANOMALIES = "mad-api-requests", "mad-api-anomalies"
PATTERNS = {REQUESTS: "api-requests*", ANOMALIES: "api-anomalies*"}
BY_TIME = {
    "field": "@timestamp",
    "interval": "auto",
    "min_doc_count": 0,
    "useNormalizedEsInterval": True,
    "drop_partials": False,
    "extended_bounds": {},
}


def saved(kind: str, name: str, attributes: Any, references: list[dict[str, str]]) -> Any:
    """A saved object."""
    return {
        "id": name,
        "type": kind,
        "attributes": attributes,
        "references": references,
        "migrationVersion": {kind: VERSIONS[kind]},
    }


def agg(number: int, kind: str, schema: str, **params: Any) -> dict[str, Any]:
    """An aggregation of a visualization."""
    return {"id": str(number), "enabled": True, "type": kind, "schema": schema, "params": params}


def terms(number: int, schema: str, field: str, size: int = 10) -> dict[str, Any]:
    """The most frequent values of a field."""
    params = {"field": field, "size": size, "order": "desc", "orderBy": "_key"}
    return agg(number, "terms", schema, **params)


def chart(kind: str, label: str, mode: str = "normal") -> dict[str, Any]:
    """Parameters of a chart over time."""
    stacked = "stacked" if kind != "line" else "normal"
    return {
        "type": kind,
        "grid": {"categoryLines": False},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": "bottom",
                "show": True,
                "scale": {"type": "linear"},
                "labels": {"show": True, "truncate": 100},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                "id": "ValueAxis-1",
                "name": "LeftAxis-1",
                "type": "value",
                "position": "left",
                "show": True,
                "scale": {"type": "linear", "mode": mode},
                "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
                "title": {"text": label},
            }
        ],
        "seriesParams": [
            {
                "show": True,
                "type": kind,
                "mode": stacked,
                "data": {"label": label, "id": "1"},
                "valueAxis": "ValueAxis-1",
                "drawLinesBetweenPoints": True,
                "showCircles": True,
            }
        ],
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
    }


def counts_by(group: Any) -> list[Any]:
    """The number of documents over time, in groups."""
    return [
        agg(1, "count", "metric"),
        agg(2, "date_histogram", "segment", **BY_TIME),
        group,
    ]


def visualization(
    name: str,
    title: str,
    text: str,
    pattern: str,
    params: dict[str, Any],
    aggs: list[Any],
    query: str = "",
) -> Any:
    """A visualization over an index pattern."""
    state = {"title": title, "type": params["type"], "params": params, "aggs": aggs}
    index = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {
        "query": {"query": query, "language": "kuery"},
        "filter": [],
        "indexRefName": index,
    }
    attributes = {
        "title": title,
        "description": text,
        "version": 1,
        "visState": json.dumps(state),
        "uiStateJSON": "{}",
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    reference = {"name": index, "type": "index-pattern", "id": pattern}
    return saved("visualization", name, attributes, [reference])


def objects() -> list[Any]:
    """All saved objects: two index patterns, four visualizations, and their dashboard."""
    patterns = [
        saved("index-pattern", name, {"title": title, "timeFieldName": "@timestamp"}, [])
        for name, title in PATTERNS.items()
    ]
    errors = [
        {"input": {"query": f"is_error:{value}", "language": "kuery"}, "label": label}
        for value, label in (("true", "failed"), ("false", "successful"))
    ]
    views = [
        visualization(
            "mad-response-time",
            "Response time by service",
            "Median and 95th percentile of the duration of requests, in milliseconds.",
            REQUESTS,
            chart("line", "Duration (ms)"),
            [
                agg(1, "percentiles", "metric", field="response.duration_ms", percents=[50, 95]),
                agg(2, "date_histogram", "segment", **BY_TIME),
                terms(3, "group", "service.name"),
            ],
        ),
        visualization(
            "mad-traffic",
            "Requests by endpoint",
            "The number of requests of each endpoint.",
            REQUESTS,
            chart("histogram", "Requests"),
            counts_by(terms(3, "group", "request.endpoint")),
        ),
        visualization(
            "mad-errors",
            "Share of failed requests",
            "Failed and successful requests in percent.",
            REQUESTS,
            chart("area", "Requests (%)", "percentage"),
            counts_by(agg(3, "filters", "group", filters=errors)),
        ),
        visualization(
            "mad-anomalies",
            "Incidents by severity",
            "The number of incidents that mad opened, by severity.",
            ANOMALIES,
            chart("histogram", "Incidents"),
            counts_by(terms(3, "group", "severity")),
            "event.action:opened",
        ),
    ]
    return [*patterns, *views, dashboard([view["id"] for view in views])]


def dashboard(names: list[str]) -> Any:
    """The dashboard: two visualizations in a row."""
    panels, references = [], []
    for place, name in enumerate(names):
        reference = f"panel_{place}"
        number = str(place + 1)
        panels.append(
            {
                "version": "7.10.0",
                "gridData": {
                    "x": 24 * (place % 2),
                    "y": 15 * (place // 2),
                    "w": 24,
                    "h": 15,
                    "i": number,
                },
                "panelIndex": number,
                "embeddableConfig": {},
                "panelRefName": reference,
            }
        )
        references.append({"name": reference, "type": "visualization", "id": name})
    source = {"query": {"query": "", "language": "kuery"}, "filter": []}
    attributes = {
        "title": "mad: requests and anomalies",
        "description": "Response time, traffic, errors and anomalies.",
        "hits": 0,
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-3h",
        "timeTo": "now",
        "panelsJSON": json.dumps(panels),
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    return saved("dashboard", "mad-requests-and-anomalies", attributes, references)


def main() -> int:
    """Writes the file; with --check it only compares it."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--check", action="store_true", help="exit with 1 when the file differs")
    text = "".join(json.dumps(one, sort_keys=True) + "\n" for one in objects())
    if not command.parse_args().check:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        sys.stderr.write(f"{FILE.name} differs: run python deploy/kibana/build.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
