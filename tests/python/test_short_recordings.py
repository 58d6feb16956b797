"""A recording of a few minutes: one fault in the forms of several tools."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mad

START = 1_780_000_000
SECONDS = 300
FAULT = range(150, 210)
"""Seconds in which calls of `ledger` `/post` are six times slower, and 35 % of them fail."""


@dataclass
class Call:
    """A request of the gateway, and the call of the ledger that it makes, if any."""

    at: float
    path: str
    status: int
    seconds: float
    inner: float = 0.0
    """Seconds of the call of the ledger."""


def calls() -> list[Call]:
    draw = random.Random(7)
    made = []
    for tick in range(SECONDS * 4):
        at = START + tick / 4 + draw.random() / 5
        noise = draw.lognormvariate(0, 0.25)
        if tick % 2:
            made.append(Call(at, "/items", 200, 0.02 * noise))
            continue
        is_bad = int(at - START) in FAULT
        inner = 0.03 * noise * (6 if is_bad else 1)
        failed = is_bad and draw.random() < 0.35
        made.append(Call(at, "/order", 502 if failed else 200, inner + 0.01, inner))
    return made


def stamp(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat()


def nginx() -> Iterator[str]:
    for call in sorted(calls(), key=lambda one: one.at + one.seconds):
        from datetime import UTC, datetime

        end = datetime.fromtimestamp(call.at + call.seconds, UTC).strftime("%d/%b/%Y:%H:%M:%S")
        yield (
            f'192.0.2.7 - - [{end} +0000] "POST {call.path} HTTP/1.1" {call.status} 12 "-" "-" '
            f"rt={call.seconds:.3f}"
        )


def cri() -> Iterator[str]:
    for call in calls():
        if call.inner:
            status = 500 if call.status >= 500 else 200
            line = {
                "time": stamp(call.at),
                "level": "info",
                "service": "ledger",
                "route": "/post",
                "status": status,
                "duration_ms": round(call.inner * 1e3, 2),
                "msg": "done",
            }
            yield f"{stamp(call.at + call.inner)} stdout F {json.dumps(line)}"


def zipkin() -> Iterator[str]:
    spans: list[dict[str, Any]] = []
    for number, call in enumerate(calls()):
        trace = f"{number + 1:016x}"
        root = {"traceId": trace, "id": trace, "kind": "SERVER", "name": f"post {call.path}"}
        failed = {"tags": {"error": "true"}} if call.status >= 500 else {}
        begin, length = int(call.at * 1e6), int(call.seconds * 1e6)
        endpoint = {"localEndpoint": {"serviceName": "gateway"}}
        spans.append({**root, "timestamp": begin, "duration": length, **endpoint, **failed})
        if call.inner:
            inner = {"traceId": trace, "id": f"{number + 1_000_000:016x}", "parentId": trace}
            inner |= {"kind": "SERVER", "name": "post /post", **failed}
            inner |= {"timestamp": begin + 2_000, "duration": int(call.inner * 1e6)}
            spans.append({**inner, "localEndpoint": {"serviceName": "ledger"}})
    yield json.dumps(spans)


def prometheus() -> Iterator[str]:
    """Counters by status, scraped every five seconds."""
    series: dict[tuple[str, str, int], list[tuple[float, int]]] = {}
    counts: dict[tuple[str, str, int], int] = {}
    made = iter([*calls(), Call(START + SECONDS + 9, "/items", 200, 0.0)])
    call = next(made)
    for scrape in range(START + 5, START + SECONDS, 5):
        while call.at < scrape:
            status = 500 if call.status >= 500 else 200
            keys = [("gateway", call.path, call.status)]
            keys += [("ledger", "/post", status)] if call.inner else []
            for key in keys:
                counts[key] = counts.get(key, 0) + 1
            call = next(made)
        for key, count in counts.items():
            series.setdefault(key, []).append((scrape, count))
    result = [
        {
            "metric": {
                "__name__": "http_requests_total",
                "service": service,
                "route": route,
                "code": str(code),
            },
            "values": [[at, str(count)] for at, count in points],
        }
        for (service, route, code), points in series.items()
    ]
    yield json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def k6() -> Iterator[str]:
    yield (
        "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,"
        "name,proto,scenario,service,status,subproto,tls_version,url,extra_tags"
    )
    for call in sorted(calls(), key=lambda one: one.at + one.seconds):
        at, path = int(call.at + call.seconds), f"http://shop.test{call.path}"
        yield (
            f"http_req_duration,{at},{call.seconds * 1e3:.3f},,,,true,,POST,{path},HTTP/1.1,"
            f"default,,{call.status},,,{path},"
        )


@pytest.mark.parametrize(
    ("name", "write", "place"),
    [
        ("gateway.access.log", nginx, ("gateway", "/order")),
        ("ledger.log", cri, ("ledger", "/post")),
        ("spans.json", zipkin, ("ledger", "/post")),
        ("counters.json", prometheus, ("ledger", "route=/post")),
        ("run.csv", k6, ("", "/order")),
    ],
)
def test_the_fault_is_found_where_it_is(
    tmp_path: Path, name: str, write: Any, place: tuple[str, str]
) -> None:
    """A load test and an access log see the front door alone, the others the service behind."""
    path = tmp_path / name
    path.write_text("\n".join(write()) + "\n")
    report = mad.detect(path)
    first, last = START + FAULT.start, START + FAULT.stop
    found = [
        one
        for one in report.incidents
        if first - 10 <= one.start.timestamp() <= first + 30 and one.end.timestamp() <= last + 40
    ]
    # counters say nothing about calls, so that caller and callee are equal suspects
    named = [one if name == "counters.json" else one.culprit for one in found]
    places = [(one.service, one.endpoint) for one in named if one is not None]
    assert any(service.startswith(place[0]) and place[1] in at for service, at in places), places
    outside = [one for one in report.incidents if one.start.timestamp() < first - 10]
    assert outside == []


def test_a_step_that_is_set_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "gateway.access.log"
    path.write_text("\n".join(nginx()) + "\n")

    def step(config: Any) -> float:
        return float(json.loads(mad.detect(path, config=config).document())["step_seconds"])

    assert step(None) == 5.0
    assert step({"guard": {"min_points": 10}}) == 5.0
    assert step({"features": {"step_seconds": 60}}) == 60.0
    assert step({"features": {"adapt_step": False}}) == 60.0
    assert step(mad.Config({"features": {"step_seconds": 60}})) == 60.0
    assert step(mad.Config()) == 5.0


def test_tables_and_files_get_the_same_step(tmp_path: Path) -> None:
    table = {
        "timestamp": [call.at for call in calls()],
        "service": ["gateway" for _ in calls()],
        "endpoint": [call.path for call in calls()],
        "status_code": [call.status for call in calls()],
        "latency_ms": [call.seconds * 1e3 for call in calls()],
    }
    path = tmp_path / "requests.jsonl"
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    of_table, of_file = mad.detect(table), mad.detect(path)
    assert [one.to_json() for one in of_table.incidents] == [
        one.to_json() for one in of_file.incidents
    ]
    assert of_table.incidents


def test_rounded_times_and_saved_state_keep_the_minute() -> None:
    def step(every: int, **options: Any) -> float:
        times = [START // 60 * 60 + every * number // 10 for number in range(9_000 // every)]
        table = {
            "timestamp": times,
            "service": ["shop" for _ in times],
            "endpoint": ["/" for _ in times],
            "status_code": [200 for _ in times],
            "latency_ms": [20.0 for _ in times],
        }
        document = mad.detect(table, **options).document()
        return float(json.loads(document)["step_seconds"])

    # ten records a second, one a minute, and one in ten seconds, which are too few for a row
    assert step(1) == 15.0
    assert step(600) == 60.0
    assert step(100) == 60.0
    history = {
        "timestamp": [START - 86_400],
        "service": ["shop"],
        "endpoint": ["/"],
        "status_code": [200],
        "latency_ms": [20.0],
    }
    assert step(1, history=history) == 60.0
