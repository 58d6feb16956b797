"""The interactive reference at `/docs` and the OpenAPI document that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_HERE = Path(__file__).parent
_VENDOR, _PAGES = _HERE / "vendor" / "swagger-ui", _HERE / "pages"
_JS, _CSS = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
#: The files of the page by name, with their media types.
_FILES = {
    "swagger-ui-bundle.js": (_VENDOR, _JS),
    "swagger-ui.css": (_VENDOR, _CSS),
    "docs.js": (_PAGES, _JS),
    "docs.css": (_PAGES, _CSS),
}
#: The page loads its own files and asks this server only. Swagger UI sets styles of elements.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
#: What a parameter means. A name means the same in every route.
PARAMETERS = {
    "service": "Exact name of a service.",
    "endpoint": "Exact endpoint of a service, such as `/pay`.",
    "resource": "Exact name of a resource, such as a host or a pod.",
    "metric": "Exact name of a metric, such as `cpu_percent`.",
    "severity": "Severity of a row.",
    "status": "Present status.",
    "active": "Only incidents that are not resolved.",
    "flagged": "Only anomalous rows.",
    "start": "Earliest time: RFC 3339, or seconds since 1970.",
    "end": "Time before which results end: RFC 3339, or seconds since 1970.",
    "start_ts": "Earliest time, RFC 3339. Without a zone it is in the configured zone.",
    "end_ts": "Latest time, RFC 3339. Without a zone it is in the configured zone.",
    "at": "End of the window: RFC 3339, or seconds since 1970. By default the newest row.",
    "minutes": "Length of the window in minutes.",
    "top_k": "Most culprits in the answer.",
    "limit": "Most results in the answer.",
    "offset": "Number of results to skip: the `next` of the page before.",
    "level": "Exact level of a log line, such as `ERROR`.",
    "trace_id": "Exact id of a trace.",
    "text": "Text that a log line contains.",
    "search": "Part of a name, in any case of letters.",
    "state": "State of a service.",
    "language": "Language of the sentences, such as `de`. By default that of the server.",
    "incident": "Id of an incident, such as `INC-9a729ac4abbfaddd`.",
    "kind": "Kind of the records in the body.",
    "partition": "Name of the shard that the sender writes, if it sends several at once.",
    "Idempotency-Key": "Name of this batch. A batch that is sent again under it counts once.",
    "mad-dropped": "Records that the sender has dropped since its last batch.",
    "last-event-id": "Id of the last event that was received. Later events are sent first.",
    "refused": "`true`: only refused requests. `false`: only accepted ones.",
    "sink": "Name of a sink in `mad.toml`.",
    "system": "System that sends the webhook.",
}
#: The groups of routes in the order in which the page shows them.
TAGS = {
    "Query API": "Incidents, rows, entities, culprits and explanations.",
    "Commands": "Acknowledge, resolve, comment, mute, accept. Needs a token with the scope admin.",
    "Ingest API": "Batches of records. Needs a token with the scope ingest.",
    "OpenTelemetry": "OTLP over HTTP, for exporters and collectors.",
    "Prometheus": "Remote write.",
    "Event stream": "Server-sent events.",
    "Alerts": "Deliveries of notifications.",
    "Changes": "Deployments, flags and webhooks of other systems.",
    "MAD for microservices": "Routes with the paths and fields of an earlier system.",
    "Live Ops Radar": "Routes with the paths and fields of an earlier system.",
    "AIOps": "Routes with the paths and fields of an earlier system.",
}
#: Values of parameters that a useful request has.
_VALUES = {
    "incident": "INC-9a729ac4abbfaddd",
    "service": "payments",
    "endpoint": "/pay",
    "start_ts": "2026-01-06T10:40:00Z",
    "end_ts": "2026-01-06T11:00:00Z",
    "kind": "requests",
    "system": "github",
}
#: Bodies that are no JSON.
_TEXTS = {
    "application/x-protobuf": "(a message of protobuf)",
    "application/vnd.apache.arrow.stream": "(an Arrow IPC stream)",
    "text/csv": "timestamp,service,endpoint,status_code,latency_ms\n"
    "2026-01-06T10:45:00Z,payments,/pay,200,120.5\n",
    "application/x-ndjson": '{"timestamp": "2026-01-06T10:45:00Z", "service": "payments", '
    '"endpoint": "/pay", "status_code": 200, "latency_ms": 120.5}\n',
}


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Examples of requests and responses by method and path, such as `POST /v1/mutes`."""
    found: dict[str, dict[str, Any]] = json.loads((_PAGES / "examples.json").read_text("utf-8"))
    return found


def install(app: FastAPI) -> None:
    """Adds the page to an application, and completes the OpenAPI document."""
    app.include_router(router)
    documents: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        if not documents:
            plain = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            documents.append(completed(plain))
        return documents[0]

    app.openapi = document  # type: ignore[method-assign]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document with descriptions of parameters, examples, and access by token."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `--token-file`. Without that option no token is needed.",
    }
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    document["security"] = [{"token": []}, {}]
    for path, ways in document["paths"].items():
        for method, route in ways.items():
            for one in route.get("parameters", ()):
                one.setdefault("description", PARAMETERS.get(one["name"], ""))
                needed = one.get("required") or path == "/v1/query/why"
                if needed and one["name"] in _VALUES:
                    one["example"] = _VALUES[one["name"]]
            _add_examples(route, examples().get(f"{method.upper()} {path}", {}))
    return document


def _add_examples(route: dict[str, Any], example: dict[str, Any]) -> None:
    for media, body in route.get("requestBody", {}).get("content", {}).items():
        if media == "application/json" and "request" in example:
            body["example"] = example["request"]
        elif media in _TEXTS:
            body["example"] = _TEXTS[media]
    for status, response in route["responses"].items():
        if status.startswith("2") and "response" in example:
            content = response.get("content", {})
            first = "application/json" if "application/json" in content else next(iter(content))
            content[first]["example"] = example["response"]


@router.get("/docs")
def page() -> Response:
    """The page, which needs no token because it shows no data."""
    return _file(_PAGES, "docs.html", "text/html; charset=utf-8")


def _asset(name: str) -> Callable[[], Response]:
    def send() -> Response:
        return _file(_FILES[name][0], name, _FILES[name][1])

    return send


for _name in _FILES:
    router.add_api_route(f"/docs/{_name}", _asset(_name), methods=["GET"])


def _file(folder: Path, name: str, media: str) -> Response:
    body = (folder / name).read_bytes()
    return Response(body, media_type=media, headers={"Content-Security-Policy": _POLICY})
