"""The live service over HTTP: ingest and queries."""

from __future__ import annotations

import gzip
import io
import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import zstandard
from service import START, Server, an_hour, lines, minute_of

from mad.api import Tokens
from mad.cli import main
from mad.errors import UsageError

ROW = {
    "bucket_ts",
    "service",
    "endpoint",
    "req_count",
    "error_count",
    "error_rate",
    "avg_latency_ms",
    "p95_latency_ms",
    "mad_z",
    "is_anomaly",
    "severity",
}
#: A request as the original's clients send it.
EVENT = {
    "timestamp": "2026-01-06T10:45:00",
    "service": "payments",
    "endpoint": "/pay",
    "status_code": 200,
    "latency_ms": 120.5,
}


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was sent an hour with an incident, and does not tick."""
    with Server(tmp_path_factory.mktemp("hour"), "--no-ticks") as server:
        records = an_hour()
        for start in range(0, len(records), 700):
            server.post("/v1/ingest/requests", records[start : start + 700])
        yield server


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    """A server without data."""
    with Server(tmp_path / "data", "--no-ticks") as server:
        yield server


def test_an_incident_has_its_culprit_and_explanation(hour: Server) -> None:
    (incident,) = hour.get("/v1/query/incidents")["data"]
    assert (incident["service"], incident["endpoint"]) == ("payments", "/pay")
    assert incident["start"] == "2026-01-06T10:40:00Z"
    assert incident["end"] == "2026-01-06T10:50:00Z"
    assert incident["culprit"] == {"service": "payments", "endpoint": "/pay"}
    shown = hour.get(f"/v1/query/incidents/{incident['id']}")
    assert shown["series"]
    assert shown["history"][0]["change"] == "opened"
    for link in shown["links"].values():
        assert hour.http.get(link).status_code == 200
    explained = hour.get(f"/v1/query/incidents/{incident['id']}/explain")
    assert explained["summary"].startswith("payments /pay: ")


def test_the_nine_original_routes_keep_their_fields(hour: Server) -> None:
    assert hour.get("/health")["status"] == "ok"
    stats = hour.get("/stats")
    assert set(stats) == {
        "mode",
        "total_points",
        "total_anomalies",
        "by_severity",
        "latest_bucket_ts",
    }
    assert stats["mode"] == "live" and stats["total_points"] == 3 * 59
    assert sum(stats["by_severity"].values()) == stats["total_points"]
    assert stats["total_anomalies"] == 10 and stats["latest_bucket_ts"] == "2026-01-06T10:58:00Z"
    metrics = hour.get("/metrics", service="payments", endpoint="/pay", limit=5)
    assert metrics["count"] == len(metrics["data"]) == 5 and set(metrics["data"][0]) >= ROW
    times = [row["bucket_ts"] for row in metrics["data"]]
    assert times == sorted(times, reverse=True)
    anomalies = hour.get("/anomalies", severity="Warning", limit=1000)
    assert anomalies["filters"] == {"service": None, "endpoint": None, "severity": "Warning"}
    assert all(row["is_anomaly"] and row["severity"] == "Warning" for row in anomalies["data"])
    (incident,) = hour.get("/incidents")["data"]
    assert incident == {
        "service": "payments",
        "endpoint": "/pay",
        "start_ts": "2026-01-06T10:40:00Z",
        "end_ts": "2026-01-06T10:49:00Z",
        "max_p95_latency_ms": pytest.approx(incident["max_p95_latency_ms"]),
        "max_error_rate": 0.0,
        "peak_severity": "Warning",
        "count_points": 10,
    }
    assert 1_000 < incident["max_p95_latency_ms"] < 1_500
    culprit = hour.get("/culprit", minutes=30, top_k=2)
    assert culprit["window_minutes"] == 30 and culprit["total_anomalies"] == 10
    assert culprit["culprit"] == culprit["top"][0]
    assert (culprit["culprit"]["service"], culprit["culprit"]["points"]) == ("payments", 10)
    assert set(culprit["culprit"]) >= {
        "points",
        "peak_abs_mad",
        "avg_abs_mad",
        "peak_p95_latency_ms",
        "peak_error_rate",
        "peak_severity",
        "first_anomaly_ts",
        "last_anomaly_ts",
    }
    ingested = hour.get("/ingest/stats")
    assert ingested["accepted_total"] == len(an_hour())
    assert set(ingested["realtime_stats"]) == {
        "row_count",
        "anomaly_count",
        "services",
        "oldest_ts",
        "newest_ts",
    }


def test_an_incident_is_explained_by_its_names_and_times(hour: Server) -> None:
    asked = {
        "service": "payments",
        "endpoint": "/pay",
        "start_ts": "2026-01-06T10:40:00",  # as the original's clients write it: naive
        "end_ts": "2026-01-06T10:49:00",
    }
    result = hour.get("/explain_incident", **asked)
    assert result["metrics"]["count_points"] == result["metrics"]["anomaly_points"] == 10
    assert result["confidence"] in ("High", "Medium", "Low") and result["why_flagged"]
    # the incident is known to all that belong to it, and has one severity
    known = hour.get("/v1/query/incidents", limit=1)["data"][0]
    assert result["metrics"]["peak_severity"] == known["severity"]
    assert hour.get("/culprit", minutes=30)["culprit"]["peak_severity"] == known["severity"]
    quiet = hour.get(
        "/explain_incident", **{**asked, "start_ts": "2026-01-06T10:10:00", "end_ts": "1767695400"}
    )
    assert quiet["summary"] == "There is no incident in this time range; 0 of 21 rows are flagged."
    for parameters, status in [
        ({**asked, "start_ts": "yesterday"}, 400),
        ({**asked, "service": "unknown"}, 404),
        ({"service": "payments"}, 422),
    ]:
        refused = hour.http.get("/explain_incident", params=parameters)
        assert refused.status_code == status
        assert set(refused.json()) == {"error", "message", "hint"}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/metrics", {"limit": 0}),
        ("/metrics", {"limit": 10_001}),
        ("/anomalies", {"limit": 1_001}),
        ("/anomalies", {"severity": "Bad"}),
        ("/incidents", {"limit": 101}),
        ("/culprit", {"minutes": 1_441}),
        ("/culprit", {"top_k": 21}),
        ("/v1/query/rows", {"start": "2026-01-06T10:45:00"}),
        ("/v1/query/rows", {"offset": -1}),
        ("/v1/query/culprits", {"at": "x"}),
        ("/v1/query/culprits", {"at": "9999-12-31T00:00:00Z"}),
    ],
)
def test_parameters_outside_their_limits_are_refused(
    hour: Server, path: str, parameters: dict[str, Any]
) -> None:
    refused = hour.http.get(path, params=parameters)
    assert refused.status_code == 422
    assert set(refused.json()) == {"error", "message", "hint"}
    assert next(iter(parameters)) in refused.json()["message"]


def test_the_radar_and_aiops_routes_keep_their_fields(hour: Server) -> None:
    (line,) = hour.get("/api/incidents")
    assert {"ts", "scenario", "summary", "score", "top_cluster", "sample_log"} <= set(line)
    assert hour.get("/api/health")["status"] == "ok"
    metrics = hour.get("/aiops/metrics")["metrics"]
    pay = metrics["payments /pay"]
    assert pay["health_score"] == 100 and pay["health"] == "healthy"
    assert pay["status_distribution"] == {"200": 150} and pay["request_count"] == 150
    incident = hour.get("/v1/query/incidents")["data"][0]
    result = hour.get(f"/aiops/incidents/{incident['id']}")
    assert result["root_cause"]["endpoint"] == "/pay" and result["severity"] == "high"
    assert hour.http.get("/aiops/incidents/INC-none").status_code == 404


def test_metrics_and_lines_of_the_radar(empty: Server) -> None:
    points = [
        {
            "timestamp": (START + timedelta(seconds=second)).isoformat(),
            "service": "shop",
            "metric": metric,
            "value": value + second % 7,
        }
        for second in range(40)
        for metric, value in (("latency_ms", 120.0), ("error_rate", 0.2), ("cpu_pct", 40.0))
    ]
    assert empty.post("/v1/ingest/metrics", points)["accepted"] == 120
    logs = [
        {
            "timestamp": (START + timedelta(seconds=second)).isoformat(),
            "service": "shop",
            "level": "ERROR",
            "body": f"DB timeout {second}",
        }
        for second in range(3)
    ]
    assert empty.post("/v1/ingest/logs", logs)["accepted"] == 3
    row = empty.get("/api/metrics", limit=2)[0]
    assert {"ts", "latency_ms", "error_rate", "cpu_pct", "scenario"} <= set(row)
    assert row["latency_ms"] > 119 and row["cpu_pct"] > 39
    assert [line["message"] for line in empty.get("/api/logs")] == [
        "DB timeout 2",
        "DB timeout 1",
        "DB timeout 0",
    ]
    found = empty.get("/v1/query/logs", text="timeout 1", level="error")["data"]
    assert [line["body"] for line in found] == ["DB timeout 1"]
    assert len(empty.get("/v1/query/points", metric="cpu_pct", limit=5)["data"]) == 5


def test_every_form_of_a_batch_is_accepted(empty: Server) -> None:
    json_type, lines_type = "application/json", "application/x-ndjson"
    ways: list[tuple[str, str, Callable[[list[dict[str, Any]]], bytes]]] = [
        (lines_type, "", lines),
        ("", "", lines),
        ("text/csv", "", _csv),
        (json_type, "", lambda records: json.dumps(records, indent=2).encode()),
        (json_type, "", lambda records: json.dumps({"events": records}).encode()),
        (lines_type, "gzip", lambda records: gzip.compress(lines(records))),
        (lines_type, "gzip", _two_members),
        (lines_type, "zstd", lambda records: zstandard.compress(lines(records))),
        (json_type, "gzip", lambda records: gzip.compress(json.dumps(records).encode())),
        ("application/vnd.apache.arrow.stream", "", _arrow),
    ]
    for minute, (content_type, coding, write) in enumerate(ways):
        headers = {"Content-Type": content_type, "Content-Encoding": coding or "identity"}
        body = write(list(minute_of(minute)))
        answer = empty.http.post("/v1/ingest/requests", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["accepted"], answer.json()["rejected"]) == (30, 0)
    assert empty.post("/v1/ingest/requests", next(minute_of(11)))["accepted"] == 1
    assert empty.get("/ingest/stats")["accepted_total"] == 301


def _csv(records: list[dict[str, Any]]) -> bytes:
    rows = [",".join(map(str, one.values())) for one in records]
    return "\n".join([",".join(records[0]), *rows]).encode()


def _two_members(records: list[dict[str, Any]]) -> bytes:
    text = lines(records)
    return gzip.compress(text[:60]) + gzip.compress(text[60:])


def _arrow(records: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(records)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def test_a_batch_with_a_key_is_accepted_once(empty: Server) -> None:
    records = list(minute_of(0))
    first = empty.post("/v1/ingest/requests", records, Idempotency_Key="a-1")
    again = empty.post("/v1/ingest/requests", records, Idempotency_Key="a-1")
    assert again == {**first, "repeated": True}
    other = empty.post("/v1/ingest/requests", records, Idempotency_Key="a-2")
    assert other["seq"] > first["seq"] and not other["repeated"]
    assert empty.get("/ingest/stats")["accepted_total"] == 60


def test_valid_records_are_accepted_beside_bad_ones(empty: Server) -> None:
    good = list(minute_of(0))[:3]
    bad = [{**good[0], "timestamp": "not a time"}, {**good[0], "service": ""}, [1], "x"]
    answer = empty.post("/v1/ingest/requests", [good[0], *bad[:2], good[1], *bad[2:], good[2]])
    assert (answer["accepted"], answer["rejected"]) == (3, 4)
    assert [one["position"] for one in answer["problems"]] == [2, 3, 5, 6]
    assert "service" in answer["problems"][1]["detail"]
    assert answer["problem"].startswith("4 of 7 requests could not be read: ")
    none = empty.send("/v1/ingest/requests", bad)
    assert none.status_code == 422 and none.json()["error"] == "nothing_taken"
    assert none.json()["problems"][0]["position"] == 1


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson", ""])
@pytest.mark.parametrize(
    "body", ["", " ", "[]", '{"events": []}', "null", "7", '"x"', "garbage", "[1]", "[[]]", "<a>"]
)
def test_a_body_without_records_is_named_as_what_it_is(empty: Server, kind: str, body: str) -> None:
    answer = empty.send("/v1/ingest/requests", body, Content_Type=kind)
    if body == '{"events": []}' and "ndjson" in kind:
        assert answer.status_code == 422
        return
    assert answer.status_code in (400, 415), answer.text
    assert answer.json()["error"] in ("no_records", "not_json", "unsupported")
    assert "CSV header" not in answer.text


def test_health_is_degraded_while_records_are_lost(empty: Server) -> None:
    assert empty.get("/health")["status"] == "ok"
    empty.send("/v1/ingest/requests", "garbage", Content_Type="application/json")
    health = empty.get("/health")
    assert health["status"] == "degraded"
    assert "the only batch of the last 15 minutes could not be read" in health["message"]
    good = list(minute_of(0))
    bad = [{**good[0], "timestamp": "soon"}] * 20
    empty.post("/v1/ingest/requests", good + bad)
    health = empty.get("/health")
    assert (health["status"], health["accepted"], health["rejected"]) == ("degraded", 30, 20)
    assert "20 of 50 requests could not be read" in health["message"]
    stats = empty.get("/v1/query/stats")
    assert (stats["accepted"], stats["rejected"]) == (30, 20)
    assert stats["rejected_by_reason"] == {"bad_timestamp": 20}
    exposed = empty.http.get("/metrics/prometheus").text
    assert "\nmad_degraded 1\n" in exposed
    assert '\nmad_accepted_share{kind="requests"} 0.6\n' in exposed
    for minute in range(1, 15):
        empty.post("/v1/ingest/requests", list(minute_of(minute)))
    assert empty.get("/health")["status"] == "ok"
    assert "\nmad_degraded 0\n" in empty.http.get("/metrics/prometheus").text


def test_one_bad_event_stops_nothing_of_the_original_ingest(empty: Server) -> None:
    """Bad timestamps, mixed formats, offsets, wrong types: each post is answered, and later ones
    work."""
    poison = {**EVENT, "timestamp": "garbage"}
    assert empty.send("/ingest", poison).status_code == 422
    mixed = [
        EVENT,
        {**EVENT, "timestamp": "2026-01-06T10:45:01Z"},
        {**EVENT, "timestamp": "2026-01-06T12:45:02+02:00"},
        {**EVENT, "timestamp": 1767696303},
        {**EVENT, "timestamp": "2026-01-06 10:45:04"},
        poison,
        {**EVENT, "latency_ms": -1},
        {**EVENT, "status_code": "many"},
        {**EVENT, "latency_ms": None},
        {"service": "payments"},
        7,
    ]
    answer = empty.post("/ingest", {"events": mixed})
    assert (answer["accepted"], answer["rejected"]) == (8, 3)
    assert {"accepted", "retention_minutes", "scored_rows"} <= set(answer)
    assert empty.post("/ingest", EVENT)["accepted"] == 1
    stats = empty.get("/ingest/stats")
    assert stats["accepted_total"] == 9
    assert stats["newest_ts"].startswith("2026-01-06T10:45:0")  # all of them were one minute
    for body in (b"", b"{", b'{"events": 7}', b'{"events": [', b"\xff\xfe", b"null", b"[]"):
        refused = empty.http.post(
            "/ingest", content=body, headers={"Content-Type": "application/json"}
        )
        assert refused.status_code in (200, 400, 422), (body, refused.text)
        assert refused.status_code != 200 or refused.json()["accepted"] == 0
    assert empty.get("/ingest/stats")["accepted_total"] == 9


def test_one_event_in_the_future_hides_no_other(empty: Server) -> None:
    records = an_hour(bad=range(0), minutes=10)
    future = {**records[0], "timestamp": "2099-01-01T00:00:00Z", "service": "clock"}
    empty.post("/v1/ingest/requests", [*records[:300], future, *records[300:]])
    rows = empty.get("/v1/query/rows", limit=1000)["data"]
    assert len(rows) == 27 and all(row["bucket_ts"] < "2026-01-07" for row in rows)
    more = [one for minute in range(10, 13) for one in minute_of(minute)]
    assert empty.post("/v1/ingest/requests", more)["accepted"] == 90


def test_an_empty_service_answers_every_route(empty: Server) -> None:
    assert empty.get("/stats")["total_points"] == 0
    assert empty.get("/culprit")["culprit"] is None
    for path in ("/metrics", "/anomalies", "/incidents"):
        assert empty.get(path)["data"] == []
    for path in ("/api/metrics", "/api/incidents", "/api/logs"):
        assert empty.get(path) == []
    assert empty.get("/aiops/incidents") == {"active_incidents": []}
    assert empty.get("/aiops/metrics") == {"metrics": {}}
    assert empty.get("/ingest/stats")["newest_ts"] is None
    assert empty.post("/v1/analyze")["culprits"] == []
    for name in ("incidents", "rows", "features", "points", "logs", "entities", "graph", "stats"):
        empty.get(f"/v1/query/{name}")


def test_bodies_that_are_too_large_or_damaged_are_refused(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--max-body", "1") as server:
        large = b"x" * (1024 * 1024 + 1)
        assert server.send("/v1/ingest/requests", large).status_code == 413

        def pieces() -> Iterator[bytes]:
            yield from (large[:500_000], large[:500_000], large[:500_000])

        assert server.http.post("/v1/ingest/requests", content=pieces()).status_code == 413
        bomb = gzip.compress(b" " * 50_000_000)
        for coding, body, status in [
            ("gzip", bomb, 413),
            ("zstd", zstandard.compress(b" " * 50_000_000), 413),
            ("gzip", b"no gzip", 400),
            ("gzip", gzip.compress(b"cut off")[:-4], 400),
            ("zstd", b"no zstd", 400),
            ("br", b"", 415),
        ]:
            refused = server.send("/v1/ingest/requests", body, Content_Encoding=coding)
            assert refused.status_code == status, (coding, refused.text)
            assert set(refused.json()) == {"error", "message", "hint"}
        arrow = {"Content_Type": "application/vnd.apache.arrow.stream"}
        assert server.send("/v1/ingest/requests", b"no arrow", **arrow).status_code == 400
        assert server.send("/v1/ingest/nothing", b"").status_code == 422
        assert server.send("/v1/ingest/requests", b"a,b\n1,2\n").status_code == 400


def test_a_batch_of_a_disconnected_client_is_discarded(empty: Server) -> None:
    host, port = empty.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = (
            "POST /v1/ingest/requests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\n"
        )
        client.sendall(head.encode() + lines(list(minute_of(0)))[:500])
    assert empty.post("/v1/ingest/requests", list(minute_of(0)))["accepted"] == 30
    assert empty.get("/ingest/stats")["accepted_total"] == 30


def test_an_incident_is_acknowledged_and_commented(empty: Server) -> None:
    empty.post("/v1/ingest/requests", an_hour(minutes=46))
    (incident,) = empty.get("/v1/query/incidents", active=True)["data"]
    path = f"/v1/incidents/{incident['id']}"
    assert empty.get("/aiops/incidents")["active_incidents"][0]["id"] == incident["id"]
    empty.post(f"{path}/acknowledge")
    assert empty.get("/v1/query/incidents")["data"][0]["status"] == "acknowledged"
    empty.post(f"{path}/comments", {"text": "looking at the card provider"})
    empty.post(f"{path}/feedback", {"verdict": "useful"})
    assert empty.send(f"{path}/feedback", {"verdict": "great"}).status_code == 422
    assert empty.send(f"{path}/comments", {"text": ""}).status_code == 422
    empty.post(f"/aiops/incidents/{incident['id']}/resolve")
    shown = empty.get(f"/v1/query/incidents/{incident['id']}")
    assert shown["status"] == "resolved"
    assert [note["kind"] for note in shown["notes"]] == ["comment", "useful"]
    assert [change["change"] for change in shown["history"]][-2:] == ["acknowledged", "closed"]
    assert empty.send(f"{path}/resolve").status_code in (404, 409)
    for action in ("acknowledge", "resolve", "comments"):
        refused = empty.send(f"/v1/incidents/INC-none/{action}", {"text": "x"})
        assert refused.status_code == 404 and refused.json()["error"] == "not_found"
    actions = [one["action"] for one in empty.get("/v1/query/audit")["data"]]
    assert actions.count("resolve") >= 2 and "acknowledge" in actions and "comment" in actions


def test_a_mute_lasts_until_its_end(empty: Server) -> None:
    empty.post("/v1/ingest/requests", an_hour(minutes=30))
    muted = empty.post("/v1/mutes", {"service": "payments", "minutes": 60, "reason": "move"})
    assert muted["until"].startswith("2026-01-06T11:")
    rest = [one for one in an_hour() if one["timestamp"] >= "2026-01-06T10:30"]
    empty.post("/v1/ingest/requests", rest)
    assert empty.get("/v1/query/incidents")["data"] == []
    state = empty.get("/v1/query/why", service="payments", endpoint="/pay")
    assert state["state"] == "muted" and state["reason"].startswith("muted until 2026-01-06 11:")
    ended = empty.http.request("DELETE", "/v1/mutes", json={"service": "payments"})
    assert ended.status_code == 200
    again = empty.http.request("DELETE", "/v1/mutes", json={"service": "payments"})
    assert again.status_code == 404
    both = {"minutes": 5, "until": "2026-01-06T12:00:00Z"}
    assert empty.send("/v1/mutes", both).status_code == 422
    assert empty.send("/v1/mutes", {"until": "2020-01-06T12:00:00Z"}).status_code == 409


def test_the_reason_of_an_unflagged_entity(empty: Server) -> None:
    empty.post("/v1/ingest/requests", an_hour(bad=range(0), minutes=13))
    result = empty.get("/v1/query/why", service="payments", endpoint="/pay")
    assert result["state"] == "unknown" and result["reason"].endswith("; 12 points so far")
    assert empty.http.get("/v1/query/why", params={"service": "unknown"}).status_code == 404
    entities = empty.get("/v1/query/entities")["data"]
    assert len(entities) == 3 and all(one["health"] == 100 for one in entities)


def test_pages_and_etags(hour: Server) -> None:
    first = hour.get("/v1/query/rows", limit=100)
    second = hour.get("/v1/query/rows", limit=100, offset=first["next"])
    assert (first["count"], second["count"], second["next"]) == (100, 77, None)
    seen = {(row["bucket_ts"], row["service"]) for row in first["data"] + second["data"]}
    assert len(seen) == 177
    answer = hour.http.get("/v1/query/rows", params={"limit": 3})
    tag = answer.headers["etag"]
    again = hour.http.get("/v1/query/rows", params={"limit": 3}, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    within = hour.get("/v1/query/rows", start="2026-01-06T10:40:00Z", end="2026-01-06T10:42:00Z")
    assert within["count"] == 6
    assert hour.get("/v1/query/features", limit=2)["count"] == 2
    assert hour.get("/v1/query/rows", flagged=True)["count"] == 10


def test_changing_routes_are_never_cached(empty: Server) -> None:
    # no step closes
    records = [{**one, "trace_id": f"t{place}"} for place, one in enumerate(minute_of(0))]
    for count in (10, 20, 30):
        empty.post("/v1/ingest/requests", records[count - 10 : count])
        assert empty.get("/v1/query/stats")["requests"] == count
        assert empty.get("/v1/query/graph")["nodes"][0]["requests"] == count


def test_changes_are_streamed_and_replayed(empty: Server) -> None:
    def events(count: int, headers: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
        found: list[tuple[str, dict[str, Any]]] = []
        place = ""
        with httpx.stream(
            "GET", f"{empty.url}/v1/stream", headers=headers, timeout=30, trust_env=False
        ) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("retry"):
                    empty.post("/v1/ingest/requests", an_hour(minutes=60), Idempotency_Key="hour")
                if line.startswith("id: "):
                    place = line[4:]
                if line.startswith("data: "):
                    found.append((place, json.loads(line[6:])))
                    if len(found) == count:
                        return found
        raise AssertionError(found)

    live = events(3, {})
    assert live[0][1]["change"] == "opened"
    missed = events(2, {"Last-Event-ID": live[0][0]})
    assert missed == live[1:]
    assert empty.http.get("/v1/stream", headers={"Last-Event-ID": "x"}).status_code == 422


def test_the_exposition_reads_as_prometheus_reads(hour: Server) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = hour.http.get("/metrics/prometheus").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    of_pay = {"service": "payments", "endpoint": "/pay", "signal": "p95_latency_ms"}
    low, high, value = (
        next(one.value for one in families[name].samples if one.labels == of_pay)
        for name in ("mad_expected_low", "mad_expected_high", "mad_value")
    )
    assert 0 < low < value < high
    counts = {one.labels["kind"]: one.value for one in families["mad_records"].samples}
    assert counts["requests"] == len(an_hour())
    sizes = {
        name: families[name].samples[0].value for name in ("mad_entities", "mad_journal_bytes")
    }
    assert sizes["mad_entities"] == 3 and sizes["mad_journal_bytes"] > 4096
    assert {"mad_score", "mad_anomalous", "mad_health_score", "mad_acknowledge_seconds"} <= set(
        families
    )


def test_tokens_allow_what_their_scopes_say(tmp_path: Path) -> None:
    tokens = token_file(
        tmp_path,
        "read reader-of-9-pages eye\ningest sender-of-7-hosts agent\nadmin ruler-of-3-lands ann\n",
    )
    with Server(tmp_path / "data", "--token-file", str(tokens)) as server:

        def status(method: str, path: str, token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            body = lines(list(minute_of(0))) if method == "POST" else None
            return server.http.request(method, path, content=body, headers=headers).status_code

        assert status("GET", "/health", "") == 200
        for token, read, ingest, act in [
            ("", 401, 401, 401),
            ("wrong-one", 401, 401, 401),
            ("reader-of-9-pages", 200, 403, 403),
            ("sender-of-7-hosts", 403, 200, 403),
            ("ruler-of-3-lands", 200, 200, 200),
        ]:
            assert status("GET", "/stats", token) == read
            assert status("GET", "/openapi.json", token) == 200  # shows no data
            assert status("POST", "/v1/ingest/requests", token) == ingest
            assert status("POST", "/v1/analyze", token) == act
        assert status("GET", "/v1/query/audit", "reader-of-9-pages") == 403
        assert status("GET", "/v1/state", "reader-of-9-pages") == 403
        audit = server.http.get(
            "/v1/query/audit", headers={"Authorization": "Bearer ruler-of-3-lands"}
        ).json()["data"]
        assert any(one["who"] == "ann" and one["action"] == "analyze" for one in audit)
        assert any(one["who"] == "?" and one["outcome"] == "unauthorized" for one in audit)


def test_requests_of_foreign_pages_are_refused(empty: Server) -> None:
    other = {"Host": "evil.example"}
    assert empty.http.get("/stats", headers=other).json()["error"] == "other_host"
    crossed = {"Origin": "https://evil.example"}
    refused = empty.http.post("/v1/analyze", headers=crossed)
    assert (refused.status_code, refused.json()["error"]) == (403, "other_site")
    own = {"Origin": empty.url}
    assert empty.http.post("/v1/analyze", headers=own).status_code == 200


def test_a_read_only_server_accepts_no_data(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--read-only") as server:
        assert server.send("/v1/ingest/requests", list(minute_of(0))).status_code == 403
        assert server.get("/stats")["total_points"] == 0


def test_event_time_advances_without_data(tmp_path: Path) -> None:
    config = tmp_path / "mad.toml"
    config.write_text("[features]\nlateness_seconds = 1.0\nstep_seconds = 2.0\n")
    with Server(tmp_path / "data", "--config", str(config)) as server:
        records = [
            {**one, "timestamp": (START + timedelta(seconds=place / 10)).isoformat()}
            for place, one in enumerate(minute_of(0))
        ]
        server.post("/v1/ingest/requests", records)
        server.eventually("/stats", lambda stats: stats["total_points"] == 2)


def test_the_command_line_queries_a_server(
    hour: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["culprits", hour.url, "--minutes", "30", "--json"]) == 0
    ranking = json.loads(capsys.readouterr().out)
    assert ranking["culprits"][0]["service"] == "payments"
    assert main(["explain", hour.url]) == 0
    assert "payments /pay" in capsys.readouterr().out
    assert main(["explain", hour.url, "--service", "payments", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["states"][0]["endpoint"] == "/pay"
    assert main(["explain", hour.url, "--service", "unknown"]) == 2
    assert main(["explain", "http://127.0.0.1:9", "--json"]) == 4
    assert "http://127.0.0.1:9" in capsys.readouterr().err


def test_the_routes_are_documented(hour: Server) -> None:
    paths = hour.get("/openapi.json")["paths"]
    assert len(paths) > 35 and "/v1/ingest/{kind}" in paths and "/aiops/analyze" in paths
    unknown = hour.http.get("/nothing")
    assert unknown.status_code == 404 and set(unknown.json()) == {"error", "message", "hint"}


def test_the_service_stops_on_a_signal_and_resumes(tmp_path: Path) -> None:
    records = an_hour()
    with Server(tmp_path / "data", "--no-ticks") as server:
        server.post("/v1/ingest/requests", records[:3000])
        before = server.http.get("/v1/state").content
        with httpx.stream("GET", f"{server.url}/v1/stream", trust_env=False) as stream:
            next(stream.iter_lines())
            assert server.stop() == 0
    with Server(tmp_path / "data", "--no-ticks") as server:
        assert server.http.get("/v1/state").content == before
        server.post("/v1/ingest/requests", records[3000:])
        assert len(server.get("/v1/query/incidents")["data"]) == 1


def test_the_service_starts_with_a_changed_threshold(tmp_path: Path) -> None:
    settings = tmp_path / "mad.toml"
    records = an_hour()
    for threshold, part in ((0.5, records[:3000]), (0.6, records[3000:])):
        settings.write_text(f"[score]\nthreshold = {threshold}\n")
        with Server(tmp_path / "data", "--no-ticks", "--config", str(settings)) as server:
            server.post("/v1/ingest/requests", part)
            stats = server.get("/ingest/stats")
            assert server.stop() == 0
    assert stats["accepted_total"] == len(records)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/incidents", 405),
        ("GET", "/metrics?limit=0", 422),
        ("GET", "/v1/query/rows?start=soon", 422),
        ("GET", "/v1/query/incidents/INC-none", 404),
        ("GET", "/v1/query/why?service=none", 404),
        ("GET", "/aiops/incidents/INC-none", 404),
        ("GET", "/explain_incident?service=a&endpoint=b&start_ts=x&end_ts=y", 400),
        ("POST", "/v1/ingest/requests", 400),
        ("POST", "/v1/ingest/dreams", 422),
        ("POST", "/v1/incidents/INC-none/resolve", 404),
        ("POST", "/v1/mutes", 422),
    ],
)
def test_every_error_has_a_code_a_message_and_a_hint(
    hour: Server, method: str, path: str, status: int
) -> None:
    response = hour.http.request(method, path)
    assert response.status_code == status, response.text
    body = response.json()
    assert {"error", "message", "hint"} <= set(body)
    assert all(body[name] for name in ("error", "message", "hint")), body


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["--host", "0.0.0.0"], "without a token"),
        (["--retain", "things=5"], "'things' is unknown"),
        (["--checkpoint-seconds", "0"], "--checkpoint-seconds"),
        (["--demo", "--read-only"], "--demo"),
        (["--demo", "--scenario", "none"], "slow-payment"),
        (["--demo", "--accelerate", "1000"], "--accelerate"),
        (["--token-file", "/nothing"], "no such file"),
        (["--token-file", ""], "--token-file is empty"),
        (["--token-file", "/dev/zero"], "is larger than 1048576 bytes"),
        (["--data", ""], "--data is empty"),
        (["--config", ""], "--config is empty"),
        (["--http-limit", "things=5"], "'things' is unknown"),
        (["--http-limit", "header_bytes=none"], "positive integer"),
    ],
)
def test_invalid_arguments_of_serve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], result: str
) -> None:
    assert main(["serve", "--port", "0", "--data", str(tmp_path / "data"), *arguments]) == 2
    assert result in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_reported(empty: Server, capsys: pytest.CaptureFixture[str]) -> None:
    port = empty.url.rpartition(":")[2]
    assert main(["serve", "--port", port, "--data", "unused"]) == 4
    assert "address already in use" in capsys.readouterr().err
    assert not Path("unused").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only words\n",
        "read\n",
        "write 0123456789abcdef x\n",
        "read short x\n",
        "read aaaaaaaaaaaaaaaaaaaa x\n",
        "read a b c d\n",
        "read 0123456789abcdef x\n" * 2,
    ],
)
def test_invalid_token_files_are_refused(tmp_path: Path, text: str) -> None:
    file = token_file(tmp_path, text)
    with pytest.raises(UsageError, match=r"line [12]|no token"):
        Tokens.read(file)


def test_a_token_file_that_others_read_is_refused(tmp_path: Path) -> None:
    file = token_file(tmp_path, "read 0123456789abcdef x\n")
    for mode in (0o644, 0o602, 0o620):
        file.chmod(mode)
        with pytest.raises(UsageError, match="other users"):
            Tokens.read(file)
    file.chmod(0o640)
    assert Tokens.read(file).principal("0123456789abcdef") is not None


def token_file(directory: Path, text: str) -> Path:
    """A file of tokens that only its owner reads."""
    file = directory / "tokens"
    file.write_text(text)
    file.chmod(0o600)
    return file


def cascade() -> list[dict[str, Any]]:
    """A store fails, and so does the portal above it."""
    out: list[dict[str, Any]] = []
    for minute in range(100):
        bad = minute >= 70
        for name, endpoint, slow in (("store", "/get", 3.0), ("portal", "/home", 9.0)):
            rows = minute_of(minute, name, endpoint, slow=slow if bad else 1.0)
            out += [{**row, "status_code": 503 if bad else 200} for row in rows]
    return sorted(out, key=lambda row: row["timestamp"])


def test_a_member_is_explained_by_its_incident(empty: Server) -> None:
    empty.post("/v1/ingest/edges", [{"caller": "portal", "callee": "store"}])
    empty.post("/v1/ingest/requests", cascade())
    incidents = empty.get("/v1/query/incidents")["data"]
    affected = {name for incident in incidents for name in incident["affected"]}
    assert {"portal /home", "store /get"} <= affected
    span = {"start_ts": "2026-01-06T11:05:00", "end_ts": "2026-01-06T11:45:00"}
    for service, endpoint in (("portal", "/home"), ("store", "/get")):
        asked = {"service": service, "endpoint": endpoint, **span}
        answer = empty.get("/explain_incident", **asked)
        assert answer["why_flagged"], answer
        assert answer["metrics"]["peak_severity"] == incidents[0]["severity"]
