"""Commands, repeated batches and log lines of a real server: nothing twice, nothing half."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import START, Server, an_hour, lines, minute_of
from starlette.requests import ClientDisconnect

from mad.api.commands import MOST_NOTES, _StateResponse


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", "--no-ticks") as started:
        yield started


def log_lines(minute: int, *, zone: str = "+00:00") -> list[dict[str, Any]]:
    at = START + timedelta(minutes=minute)
    return [
        {
            "timestamp": at.isoformat().replace("+00:00", zone),
            "service": "payments",
            "level": "ERROR",
            "body": f"refused {place}",
        }
        for place in range(5)
    ]


def test_a_key_belongs_to_a_kind_a_partition_and_a_body(tmp_path: Path) -> None:
    first, other = list(minute_of(0)), list(minute_of(1))
    key = {"Idempotency_Key": "host-1-17"}
    with Server(tmp_path, "--no-ticks") as server:
        assert server.post("/v1/ingest/requests", first, **key)["repeated"] is False
        assert server.post("/v1/ingest/requests", first, **key)["repeated"] is True
        refused = server.send("/v1/ingest/requests", other, **key)
        assert (refused.status_code, refused.json()["error"]) == (409, "key_reused")
        assert server.post("/v1/ingest/logs", log_lines(1), **key)["repeated"] is False
        shop = server.post("/v1/ingest/requests?partition=shop", other, **key)
        assert (shop["repeated"], shop["accepted"]) == (False, 30)
        server.kill()
    with Server(tmp_path, "--no-ticks") as server:
        assert server.send("/v1/ingest/requests", other, **key).status_code == 409
        assert server.post("/v1/ingest/requests", first, **key)["repeated"] is True
        assert server.get("/v1/query/stats")["requests"] == 60


@pytest.mark.parametrize("path", ["/ingest", "/v1/ingest/requests", "/v1/logs"])
def test_a_long_key_is_refused_and_not_shortened(server: Server, path: str) -> None:
    """Two batches whose keys begin alike are two batches."""
    for end in ("a", "b"):
        headers = {"Idempotency_Key": "k" * 200 + end, "Content_Type": "application/json"}
        answer = server.send(path, lines(list(minute_of(0))), **headers)
        assert answer.status_code == 422 and "200 characters" in answer.text


def test_many_senders_of_one_key_are_one_batch(server: Server) -> None:
    body, answers = lines(list(minute_of(0))), Counter[bool]()

    def send() -> None:
        response = httpx.post(
            f"{server.url}/v1/ingest/requests",
            content=body,
            headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": "one"},
            timeout=30,
            trust_env=False,
        )
        answers[response.json()["repeated"]] += 1

    senders = [threading.Thread(target=send) for _ in range(12)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    assert answers == {False: 1, True: 11}


def test_acknowledging_twice_changes_nothing(server: Server) -> None:
    server.post("/v1/ingest/requests", an_hour(minutes=46))
    (incident,) = server.get("/v1/query/incidents", active=True)["data"]
    path = f"/v1/incidents/{incident['id']}"
    for _ in range(2):
        assert server.post(f"{path}/acknowledge")["done"] == "acknowledge"
    first = server.send(f"{path}/comments", {"text": "looking at it"})
    again = server.send(f"{path}/comments", {"text": "looking at it"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["repeated"], again.json()["repeated"]) == (False, True)
    shown = server.get(f"/v1/query/incidents/{incident['id']}")
    changes = Counter(change["change"] for change in shown["history"])
    assert changes["acknowledged"] == 1 and len(shown["notes"]) == 1
    actions = Counter(one["action"] for one in server.get("/v1/query/audit")["data"])
    assert actions == {"acknowledge": 2, "comment": 1}


def test_an_incident_has_a_limit_of_comments(
    server: Server,
) -> None:
    server.post("/v1/ingest/requests", an_hour(minutes=46))
    (incident,) = server.get("/v1/query/incidents", active=True)["data"]
    path = f"/v1/incidents/{incident['id']}/comments"
    statuses = Counter(
        server.send(path, {"text": f"comment {place}"}).status_code
        for place in range(MOST_NOTES + 2)
    )
    assert statuses == {201: MOST_NOTES, 409: 2}


def test_a_command_is_in_the_audit_trail_after_a_crash(tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server:
        server.post("/v1/ingest/requests", list(minute_of(0)))
        for place in range(10):
            server.post("/v1/mutes", {"service": f"s{place}", "minutes": 60})
        assert server.send("/v1/incidents/INC-none/resolve").status_code == 404
        server.kill()
    with Server(tmp_path, "--no-ticks") as server:
        audit = server.get("/v1/query/audit")["data"]
        muted = [one["target"] for one in audit if one["action"] == "mute"]
        assert sorted(muted) == [f"s{place} *" for place in range(10)]
        (resolve,) = (one for one in audit if one["action"] == "resolve")
        assert resolve["outcome"] == "not found"


def test_commands_under_overload_are_done_with_their_audit_or_not_at_all(tmp_path: Path) -> None:
    body = lines([one for minute in range(20) for one in minute_of(minute)] * 8)
    # Two bodies fit into memory.
    limits = ("--http-limit", "bodies_bytes=2097152", "--max-body", "1")
    with Server(tmp_path, "--no-ticks", *limits) as server:
        server.post("/v1/ingest/requests", list(minute_of(0)))
        done = threading.Event()
        statuses: Counter[int] = Counter()

        def flood() -> None:
            with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
                while not done.is_set():
                    response = client.post(
                        "/v1/ingest/requests",
                        content=body,
                        headers={"Content-Type": "application/x-ndjson"},
                    )
                    statuses[response.status_code] += 1
                    if response.status_code in (429, 503):
                        assert int(response.headers["Retry-After"]) >= 1

        senders = [threading.Thread(target=flood) for _ in range(24)]
        for one in senders:
            one.start()
        try:
            muted = []
            for place in range(30):
                response = server.send("/v1/mutes", {"service": f"s{place}", "minutes": 60})
                assert response.status_code in (200, 429)
                if response.status_code == 200:
                    muted.append(f"s{place} *")
                assert server.http.get("/health").status_code == 200
        finally:
            done.set()
            for one in senders:
                one.join()
        assert set(statuses) <= {200, 413, 422, 429, 503}, statuses
        assert statuses[429] > 0, statuses
        audit = server.get("/v1/query/audit", limit=1000)["data"]
        assert sorted(one["target"] for one in audit) == sorted(muted)
        assert len(muted) >= 25


def test_refused_log_lines_are_not_stored(server: Server) -> None:
    taken = [line for minute in range(30) for line in log_lines(minute)]
    assert server.post("/v1/ingest/logs", taken)["accepted"] == 150
    late = [{**line, "body": "late"} for line in log_lines(0)]
    for _ in range(2):
        refused = server.send("/v1/ingest/logs", late)
        assert refused.status_code == 422 and refused.json()["rejected"] == 5
    mixed = [*late, {"timestamp": "yesterday"}, *log_lines(30)]
    assert server.post("/v1/ingest/logs", mixed)["accepted"] == 5
    stored = server.get("/v1/query/logs", limit=1000)["data"]
    assert len(stored) == 155 and all(line["body"] != "late" for line in stored)


def test_log_lines_without_a_zone_are_in_the_configured_zone(tmp_path: Path) -> None:
    config = tmp_path / "mad.toml"
    config.write_text("naive_offset_seconds = 7200\n")
    with Server(tmp_path / "data", "--no-ticks", "--config", str(config)) as server:
        taken = server.post("/v1/ingest/logs", log_lines(60, zone=""))
        assert taken["accepted"] == 5
        shown = server.get("/v1/query/logs")["data"]
        assert [line["timestamp"] for line in shown] == ["2026-01-06T09:00:00Z"] * 5


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_client_that_received_the_state_may_ask_again(is_broken: bool) -> None:
    """The next request may arrive before the response has ended within the server."""
    held, was_held = asyncio.Lock(), []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            was_held.append(held.locked())
            if is_broken and len(was_held) == 2:
                raise OSError("the client is gone")

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def answer() -> None:
        await held.acquire()
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        with contextlib.suppress(OSError, ClientDisconnect):
            await _StateResponse(b"x" * 600_000, held)(scope, receive, send)

    asyncio.run(answer())
    assert was_held == ([True] * 2 if is_broken else [True, True, True, False])
    assert not held.locked()
