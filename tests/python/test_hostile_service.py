"""A real server under values and times at the ends of their ranges."""

from __future__ import annotations

import json
import os
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from service import START, Server, lines

ROUTES = ("incidents", "rows", "features", "points", "logs", "entities", "graph", "stats")
#: Requests of the attack on all routes.
REQUESTS = int(os.environ.get("MAD_REQUESTS", "400"))
SEED = int(os.environ.get("MAD_SEED", "7"))
TEXTS = ("", "0", "-1", "1e400", "nan", "9" * 400, "²", "%00", "\x00", "a" * 9_000, "*" * 200, "[")
TIMES = ("2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2200-01-01")
OTHERS = (
    "-9223372036854775809",
    "18446744073709551616",
    "' OR 1=1 --",
    "=cmd|x",
    "../../etc/passwd",
)
PATHS = ("x", "%00", "..%2f", "%F0%9F%98%80", "a" * 3_000)
FIELDS = ("service", "endpoint", "minutes", "until", "reason", "text", "verdict", "kind", "events")
ENDS = (-(2**63), 2**63 - 1, 9_223_372_036, -1, 7_258_118_401, "2262-04-11T23:47:16Z", 9e18)


def request(at: object, latency: float = 12.0) -> dict[str, Any]:
    return {
        "timestamp": at,
        "service": "shop",
        "endpoint": "/pay",
        "status_code": 200,
        "latency_ms": latency,
    }


def test_huge_values_are_null_and_no_error(tmp_path: Path) -> None:
    times = [(START + timedelta(seconds=i)).isoformat() for i in range(1_800)]
    points = [
        {"timestamp": at, "service": "shop", "metric": "m", "value": 1.79e308 * (-1) ** (i // 20)}
        for i, at in enumerate(times)
        if i % 10 == 0
    ]
    with Server(tmp_path / "data", "--no-ticks") as server:
        server.post("/v1/ingest/requests", [request(at, 1.7e308) for at in times])
        server.post("/v1/ingest/metrics", points)
        documents = server.http.get("/openapi.json").json()["paths"]
        paths = [path for path, ways in documents.items() if "get" in ways and "{" not in path]
        paths = [path for path in paths if not path.endswith("stream")]
        for path in (*paths, *(f"/v1/query/{name}" for name in ROUTES)):
            answer = server.http.get(path)
            assert answer.status_code < 500, (path, answer.text)
            if answer.headers.get("content-type", "").startswith("application/json"):
                assert "NaN" not in answer.text and "Infinity" not in answer.text, path


def test_times_at_the_ends_are_refused_and_a_restart_works(tmp_path: Path) -> None:
    good = [request((START + timedelta(seconds=i)).isoformat()) for i in range(120)]
    with Server(tmp_path / "data") as server:
        for at in ENDS:
            body = lines([request(at)])
            refused = server.http.post("/v1/ingest/requests", content=body)
            assert refused.status_code == 422, (at, refused.text)
        assert server.post("/v1/ingest/requests", good)["accepted"] == 120
        mute = {"service": "*", "until": "2261-01-01T00:00:00Z"}
        assert server.http.post("/v1/mutes", json=mute).status_code in (409, 422)
        server.kill()
    with Server(tmp_path / "data") as server:
        assert server.get("/ingest/stats")["accepted_total"] == 120
        assert server.get("/health")["status"] in ("ok", "degraded")


def test_no_parameter_or_field_of_any_route_is_an_error_of_the_server(tmp_path: Path) -> None:
    values = (*TEXTS, *TIMES, *OTHERS)
    objects = (*values, None, 1, -1, 1e308, [], {}, True, 10**30, "\ud800")
    chance = random.Random(SEED)
    with Server(tmp_path / "data", "--no-ticks") as server:
        begin = [request((START + timedelta(seconds=i)).isoformat()) for i in range(600)]
        server.post("/v1/ingest/requests", begin)
        routes = [
            (path, method, way.get("parameters", []))
            for path, ways in server.get("/openapi.json")["paths"].items()
            for method, way in ways.items()
            if not path.endswith("stream")
        ]
        for _ in range(REQUESTS):
            path, method, parameters = chance.choice(routes)
            query = {}
            for one in parameters:
                if one["in"] == "query" and chance.random() < 0.6:
                    query[one["name"]] = chance.choice(values)
                path = path.replace(f"{{{one['name']}}}", chance.choice(PATHS))
            names = chance.sample(FIELDS, chance.randint(0, 6))
            body = json.dumps({name: chance.choice(objects) for name in names}).encode()
            content = None if method == "get" else body
            answer = server.http.request(
                method,
                path,
                params=query,
                content=content,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code < 500, (method, path, query, content, answer.text)
        assert server.get("/health")["status"] in ("ok", "degraded")
        server.kill()
    with Server(tmp_path / "data") as server:
        assert server.get("/health")["status"] in ("ok", "degraded")
