"""A real server under values and times at the ends of their ranges."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from service import START, Server, lines

ROUTES = ("incidents", "rows", "features", "points", "logs", "entities", "graph", "stats")
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
