"""The routes follow their OpenAPI document for any request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    status_code_conformance,
)
from service import Server, an_hour, minute_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]


@schemathesis.serializer("application/x-protobuf")
def protobuf(_: Any, value: Any) -> bytes:
    """A body of remote write: any bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


#: Requests of each route.
EXAMPLES = 25


def test_every_route(tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server:
        server.post("/v1/ingest/requests", an_hour())
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        asked = 0
        for found in schema.exclude(path="/v1/stream").get_all_operations():  # it has no end
            operation: Any = found.ok()

            @given(case=operation.as_strategy())
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: Any) -> None:
                case.call_and_validate(checks=CHECKS)

            ask()
            asked += 1
        assert asked > 40
        # the made-up records were refused, which degrades the service and does not stop it
        health = server.get("/health")
        assert health["status"] == "degraded"
        assert re.search("could (not )?be read.*in the last 15 minutes", health["message"])
        # made-up change events may be good ones; so are the examples, which have one request each
        counted = re.search(
            r'mad_records_total{kind="requests"} (\d+)',
            server.http.get("/metrics/prometheus").text,
        )
        assert counted is not None
        assert 0 <= int(counted[1]) - len(an_hour()) <= 2 * EXAMPLES
        more = server.post("/v1/ingest/requests", [*minute_of(60)])
        assert more["rejected"] == 0
