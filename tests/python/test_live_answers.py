"""The live service says of an incident what a batch over the same records says."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from service import Server
from truth_worlds import SERVICES, world

from mad.detection.directory import detect_into

SAME = ("start", "end", "severity", "rows", "requests", "errors", "signals", "fingerprint")
SENTENCES = ("summary", "why_flagged", "likely_causes", "recommended_actions", "confidence_rule")


def _calls(
    service: str, endpoint: str, ms: float, slow: float, minutes: int
) -> list[tuple[float, str]]:
    out = []
    for second in range(0, minutes * 60, 2):
        minute = second // 60
        latency = (slow if 60 <= minute < 70 else ms) * (1.0 + (second * 37 % 50) / 200.0)
        failed = 60 <= minute < 70 and second % 3 == 0
        at = f"2026-03-09T{minute // 60:02d}:{minute % 60:02d}:{second % 60:02d}Z"
        out.append((second, f"{at},{service},{endpoint},{500 if failed else 200},{latency:.2f}"))
    return out


def cascade(minutes: int = 100) -> str:
    """A store goes wrong for ten minutes, with the services above it; the front door is loudest."""
    rows = [
        *_calls("store", "/get", 15.0, 60.0, minutes),
        *_calls("session", "/open", 90.0, 400.0, minutes),
        *_calls("portal", "/home", 140.0, 1500.0, minutes),
    ]
    rows.sort()
    head = "timestamp,service,endpoint,status_code,latency_ms\n"
    return head + "".join(line + "\n" for _, line in rows)


EDGES = "caller,callee\nportal,session\nsession,store\n"


def _send(server: Server, files: dict[str, str]) -> None:
    for kind in ("edges", "changes", "requests", "metrics", "spans", "logs"):
        if kind in files:
            server.post(f"/v1/ingest/{kind}", files[kind], Content_Type="text/csv")


def _batch(folder: Path, files: dict[str, str]) -> list[dict[str, Any]]:
    folder.mkdir()
    paths = {}
    for kind, text in files.items():
        (folder / f"{kind}.csv").write_text(text)
        paths[kind] = [str(folder / f"{kind}.csv")]
    detect_into(folder / "out", paths, report=False)
    return list(json.loads((folder / "out" / "incidents.json").read_text())["incidents"])


def test_live_answers_are_those_of_a_batch(tmp_path: Path) -> None:
    files = {"requests": cascade(), "edges": EDGES}
    batch = _batch(tmp_path / "batch", files)
    assert batch
    with Server(tmp_path / "journal") as server:
        _send(server, files)
        live = {one["id"]: one for one in server.get("/v1/query/incidents")["data"]}
        old = server.get("/incidents")["data"]
        for incident in batch:
            answer = live[incident["id"]]
            assert {name: answer[name] for name in SAME} == {name: incident[name] for name in SAME}
            assert answer["peaks"] == incident["peaks"]
            explained = server.get(f"/v1/query/incidents/{incident['id']}/explain")
            for name in SENTENCES:
                assert explained[name] == incident["explanation"][name], name
            for one in (incident, *incident["members"]):
                said = server.get(
                    "/explain_incident",
                    service=one["service"],
                    endpoint=one["endpoint"],
                    start_ts=incident["start"],
                    end_ts=incident["end"],
                )
                assert said["summary"] == explained["summary"], one["service"]
                assert said["metrics"]["peak_severity"] == incident["severity"]
            of_lead = [one for one in old if one["service"] == incident["service"]]
            assert [one["start_ts"] for one in of_lead] == [incident["start"]]
            assert of_lead[0]["peak_severity"] == incident["severity"]
            assert of_lead[0]["count_points"] == incident["rows"]
            highest = incident["peaks"]["p95_latency_ms"]["value"]
            assert of_lead[0]["max_p95_latency_ms"] == pytest.approx(highest, rel=1e-4)


def test_the_culprit_has_the_severity_and_the_times_of_its_incident(tmp_path: Path) -> None:
    files = {"requests": cascade(80), "edges": EDGES}
    with Server(tmp_path / "journal") as server:
        _send(server, files)
        incident = server.get("/v1/query/incidents")["data"][0]
        for minutes in (20, 60):
            culprit = server.get("/culprit", minutes=minutes)["culprit"]
            assert culprit["service"] == "store"
            assert culprit["peak_severity"] == incident["severity"]
            assert culprit["first_anomaly_ts"] == "2026-03-09T01:00:00Z"
            mine = [m for m in (incident, *incident["members"]) if m["service"] == "store"]
            assert culprit["points"] == mine[0]["rows"]
            peak = mine[0]["peaks"]["p95_latency_ms"]["value"]
            assert culprit["peak_p95_latency_ms"] == pytest.approx(peak, abs=0.01)


def test_incidents_of_all_that_take_part(tmp_path: Path) -> None:
    """An incident is listed for its lead, its culprit and all between, not for similar names."""
    with Server(tmp_path / "journal") as server:
        _send(server, {"requests": cascade(), "edges": EDGES})
        (lead, *_) = server.get("/v1/query/incident_lines")["data"]

        def listed(**names: str) -> list[str]:
            return [one["id"] for one in server.get("/v1/query/incident_lines", **names)["data"]]

        for service, endpoint in (("store", "/get"), ("session", "/open"), ("portal", "/home")):
            assert lead["id"] in listed(service=service), service
            assert lead["id"] in listed(service=service, endpoint=endpoint), service
        for names in ({"service": "stor"}, {"service": "st%"}):
            assert listed(**names) == [], names
        assert listed(service="store", endpoint="/ge") == []
        assert listed(service="store", severity=lead["severity"]) != []


def test_a_merged_incident_is_in_no_list_and_names_the_other(tmp_path: Path) -> None:
    """The ends of a chain fail one minute before its middle, which shows them to be one fault."""
    lines = []
    for service, endpoint, ms, first in (
        ("front", "/", 140.0, 60),
        ("store", "/get", 15.0, 60),
        ("cart", "/x", 60.0, 61),
    ):
        for at, line in _calls(service, endpoint, ms, ms * 9, 80):
            is_early = 60 * 60 <= at < first * 60
            good = ",".join([*line.split(",")[:3], "200", str(ms)])
            lines.append((at, good if is_early else line))
    lines.sort()
    requests = "timestamp,service,endpoint,status_code,latency_ms\n" + "\n".join(
        line for _, line in lines
    )
    edges = "caller,callee\nfront,cart\ncart,store\n"
    with Server(tmp_path / "journal") as server:
        _send(server, {"requests": requests, "edges": edges})
        (shown,) = server.get("/v1/query/incidents")["data"]
        (line,) = server.get("/v1/query/incident_lines")["data"]
        assert line["id"] == shown["id"] and "merged_into" not in shown
        with sqlite3.connect(tmp_path / "journal" / "mad.db") as db:
            ((hidden,),) = db.execute("SELECT id FROM incidents WHERE id <> ?", (shown["id"],))
        other = server.get(f"/v1/query/incidents/{hidden}")
        assert (other["close_reason"], other["merged_into"]) == ("merged", shown["id"])


def test_a_silent_entity_has_no_health(tmp_path: Path) -> None:
    lines = cascade(60).splitlines()
    gone = [x for x in lines if not (",store," in x and x[11:16] >= "00:40")]
    with Server(tmp_path / "journal") as server:
        server.post("/v1/ingest/requests", "\n".join(gone) + "\n", Content_Type="text/csv")
        entities = server.get("/v1/query/entities", service="store")["data"]
    assert [(one["state"], one["health"]) for one in entities if not one["metric"]] == [
        ("silent", 0.0)
    ]


def _spans() -> str:
    """Traces of portal, session and store; the store fails from minute 60 to 70. Another service
    fails in other traces at the same time."""
    rows = ["trace_id,span_id,parent_id,service,operation,start,duration_ms,status"]
    for number in range(90 * 12):
        minute, second = number // 12, number % 12 * 5
        at = f"2026-03-09T{minute // 60:02d}:{minute % 60:02d}:{second:02d}"
        bad = 60 <= minute < 70
        status = "error" if bad else "ok"
        for place, name in enumerate(("portal", "session", "store")):
            parent = f"{number}-{place - 1}" if place else ""
            ms = 90 - 20 * place
            begun = f"{at}.{100 * place:03d}Z"
            ids = f"t{number},{number}-{place},{parent}"
            rows.append(f"{ids},{name},/{name},{begun},{ms},{status}")
        if number % 6 == 0:
            rows.append(f"x{number},{number}-x,,batch,/run,{at}.500Z,40,error")
    return "\n".join(rows) + "\n"


def test_failing_traces_are_those_of_the_incident_and_end_at_the_root(tmp_path: Path) -> None:
    with Server(tmp_path / "journal") as server:
        _send(server, {"spans": _spans()})
        found = server.get("/v1/query/incidents")["data"]
        incident = next(one for one in found if "batch" not in one["service"])
        answer = server.get(f"/aiops/incidents/{incident['id']}")["trace_correlation"]
    assert answer["total_traces"] > 0
    assert not any(one["trace_id"].startswith("x") for one in answer["sample_traces"])
    for sample in answer["sample_traces"]:
        assert sample["root_endpoint"] == "store /store"
        assert sample["affected_chain"] == ["portal /portal", "session /session", "store /store"]
    assert answer["trace_id"] == answer["sample_traces"][0]["trace_id"]


def test_a_request_that_is_also_a_span_is_one_failed_call() -> None:
    from mad.api.failed_traces import linked

    def call(span: str, service: str, at: int) -> dict[str, Any]:
        names = {"service": service, "endpoint": "/x", "status": "500", "duration_ms": 9.0}
        return {"trace_id": "t", "span_id": span, "parent_id": "", "at": at, **names}

    both = linked([call("", "cart", 1), call("s1", "cart", 1), call("", "store", 2)])
    assert [(one["service"], one["span_id"]) for one in both] == [
        ("cart", "s1"),
        ("store", "request-0"),
    ]


def test_the_fingerprint_is_that_of_the_fault(tmp_path: Path) -> None:
    """The same fault of the store has one fingerprint, whichever entity opens the incident."""
    alone = [x for x in cascade().splitlines() if ",store," in x or x.startswith("timestamp")]
    with_callers = _batch(tmp_path / "callers", {"requests": cascade(), "edges": EDGES})
    by_itself = _batch(tmp_path / "alone", {"requests": "\n".join(alone) + "\n"})
    first = next(one for one in with_callers if one["culprit"]["service"] == "store")
    assert first["fingerprint"] == by_itself[0]["fingerprint"]


@pytest.mark.parametrize("kind", ["metrics", "logs"])
def test_live_explanations_of_worlds_are_those_of_a_batch(tmp_path: Path, kind: str) -> None:
    files = world(3, kind).files
    batch = _batch(tmp_path / "batch", files)
    assert SERVICES
    with Server(tmp_path / "journal") as server:
        _send(server, files)
        live = {one["id"]: one for one in server.get("/v1/query/incidents", limit=100)["data"]}
    for incident in batch:
        if incident["status"] == "resolved" and incident["id"] in live:
            assert live[incident["id"]]["peaks"] == incident["peaks"]
            assert (
                live[incident["id"]]["explanation"]["summary"] == incident["explanation"]["summary"]
            )
