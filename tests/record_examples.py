"""Records the examples of the API reference from a server with an open incident.

    python tests/record_examples.py

It writes `python/mad/api/pages/examples.json`: for each route a request, where it has a body, and
the response to it, with short lists.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))
OUT = ROOT / "python" / "mad" / "api" / "pages" / "examples.json"

_AT = "2026-01-06T11:00:30Z"
_EVENT = {
    "timestamp": _AT,
    "service": "payments",
    "endpoint": "/pay",
    "status_code": 200,
    "latency_ms": 120.5,
}
_RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "payments"}}]}
_NS = "1767697230000000000"
REQUESTS: dict[str, Any] = {
    "POST /ingest": {"events": [_EVENT]},
    "POST /v1/ingest/{kind}": [_EVENT],
    "POST /v1/traces": {
        "resourceSpans": [
            {
                "resource": _RESOURCE,
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5b8efff798038103d269b633813fc60c",
                                "spanId": "eee19b7ec3c1b174",
                                "name": "/pay",
                                "kind": 2,
                                "startTimeUnixNano": _NS,
                                "endTimeUnixNano": "1767697230120500000",
                            }
                        ]
                    }
                ],
            }
        ]
    },
    "POST /v1/metrics": {
        "resourceMetrics": [
            {
                "resource": _RESOURCE,
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "cpu_percent",
                                "gauge": {"dataPoints": [{"timeUnixNano": _NS, "asDouble": 41.5}]},
                            }
                        ]
                    }
                ],
            }
        ]
    },
    "POST /v1/logs": {
        "resourceLogs": [
            {
                "resource": _RESOURCE,
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "timeUnixNano": _NS,
                                "severityText": "ERROR",
                                "body": {"stringValue": "connection refused"},
                            }
                        ]
                    }
                ],
            }
        ]
    },
    "POST /v1/incidents/{incident}/acknowledge": None,
    "POST /v1/incidents/{incident}/comments": {"text": "the database fails over"},
    "POST /v1/incidents/{incident}/feedback": {"verdict": "useful", "text": "right culprit"},
    "POST /v1/mutes": {
        "service": "payments",
        "endpoint": "*",
        "minutes": 30,
        "reason": "planned work",
    },
    "DELETE /v1/mutes": {"service": "payments", "endpoint": "*"},
    "POST /v1/levels/accept": {"service": "payments", "endpoint": "/pay", "signal": "*"},
    "POST /v1/analyze": None,
    "POST /v1/alerts/retry": {"sink": "pager", "ids": []},
    "POST /v1/changes": {"service": "payments", "kind": "deploy", "version": "2.14.0"},
    "POST /v1/webhooks/alertmanager": {
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "HighLatency", "service": "payments"},
                "annotations": {"summary": "p95 above 2 s"},
                "startsAt": _AT,
            }
        ]
    },
    "POST /v1/webhooks/{system}": {
        "action": "created",
        "deployment": {"ref": "v2.14.0", "environment": "production"},
        "deployment_status": {"state": "success", "created_at": _AT},
        "repository": {"name": "payments"},
    },
    "POST /aiops/analyze": None,
    "POST /v1/incidents/{incident}/resolve": None,
}
#: Examples that are no answers of this server: it has no sinks, no anomalous level and no file that
#: a reader wants to see as text.
WRITTEN: dict[str, Any] = {
    "POST /v1/alerts/retry": {"sink": "pager", "retried": 2},
    "POST /v1/levels/accept": {
        "done": "accept_level",
        "target": "payments /pay *",
        "seq": 17,
        "levels": [],
    },
    "GET /v1/stream": "id: 17.0\nevent: incident\n"
    'data: {"change": "opened", "id": "INC-9a729ac4abbfaddd"}\n',
    "GET /v1/state": "(the bytes of Pipeline.checkpoint)",
    "POST /api/v1/write": None,
}
RESOLVE = "/incidents/{incident}/resolve"
VALUES = {
    "kind": "requests",
    "system": "github",
    "service": "payments",
    "endpoint": "/pay",
    "start_ts": "2026-01-06T10:40:00Z",
    "end_ts": "2026-01-06T11:00:00Z",
}


def short(value: Any, most: int = 2) -> Any:
    """A value with at most `most` elements in each list, and texts of at most 300 characters."""
    if isinstance(value, dict):
        return {name: short(one, most) for name, one in list(value.items())[:40]}
    if isinstance(value, list):
        return [short(one, 1) for one in value[:most]]
    return value[:300] if isinstance(value, str) else value


def record(server: Any) -> dict[str, dict[str, Any]]:
    """An example of each route of the OpenAPI document."""
    document = server.get("/openapi.json")
    incident = server.get("/v1/query/incidents")["data"][0]["id"]
    values = {**VALUES, "incident": incident}
    routes = {
        f"{method.upper()} {path}": route
        for path, ways in document["paths"].items()
        for method, route in ways.items()
    }
    # questions first, then commands in the order above, because these change the answers
    names = sorted(routes, key=lambda one: (not one.startswith("GET"), *_place(one)))
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        method, _, path = name.partition(" ")
        example: dict[str, Any] = {}
        body = REQUESTS.get(name)
        if body is not None:
            example["request"] = body
        if name == f"POST /aiops{RESOLVE}":
            continue  # the same command under another path
        if name in WRITTEN:
            example["response"] = WRITTEN[name]
        else:
            needed = [one for one in routes[name].get("parameters", ()) if "example" in one]
            query = {one["name"]: values[one["name"]] for one in needed if one["in"] == "query"}
            headers = {"X-GitHub-Event": "deployment_status"} if "webhooks" in path else {}
            answer = server.http.request(
                method, path.format(**values), params=query, json=body, headers=headers
            )
            if answer.status_code >= 300:
                raise AssertionError((name, answer.status_code, answer.text))
            is_json = answer.headers.get("content-type", "").startswith("application/json")
            example["response"] = (
                short(answer.json()) if is_json else "\n".join(answer.text.splitlines()[:12])
            )
        found[name] = {key: value for key, value in example.items() if value is not None}
    found[f"POST /aiops{RESOLVE}"] = found[f"POST /v1{RESOLVE}"]
    return {name: found[name] for name in routes}


def _place(name: str) -> tuple[int, str]:
    known = list(REQUESTS)
    return (known.index(name) if name in known else len(known), name)


def main() -> None:
    """Writes the examples."""
    from service import Server, an_hour

    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), "--no-ticks") as server:
        # the incident is still open at the end
        server.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        examples = record(server)
    OUT.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
