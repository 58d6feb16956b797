"""Who may ask a real server: tokens, browsers, hosts, and files that others could read."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service import Server, an_hour, lines, minute_of

EYE, AGENT, ANN = "reader-of-9-pages", "sender-of-7-hosts", "ruler-of-3-lands"
FIRST = f"read {EYE} eye\ningest {AGENT} agent\nadmin {ANN} ann\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data"), "--no-ticks") as started:
        yield started


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text(FIRST)
    file.chmod(0o600)
    return file


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def exchange(server: Server, data: bytes) -> bytes:
    """The answer to bytes that no client library would send."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=15) as client:
        client.sendall(data)
        said = b""
        while piece := client.recv(65_536):
            said += piece
        return said


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_pages_of_other_sites_are_refused(server: Server, headers: dict[str, str]) -> None:
    for method, path in [
        ("GET", "/stats"),
        ("GET", "/v1/query/incidents"),
        ("GET", "/v1/stream"),
        ("POST", "/v1/analyze"),
        ("POST", "/v1/ingest/requests"),
        ("DELETE", "/v1/mutes"),
    ]:
        refused = server.http.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (403, "other_site"), path


def test_own_pages_and_links_are_answered(server: Server) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for headers in (
        {"Origin": server.url},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {**link, "Sec-Fetch-Dest": "document"},
    ):
        assert server.http.get("/docs", headers=headers).status_code == 200


def test_every_response_has_protective_headers(server: Server) -> None:
    for path in ("/health", "/docs", "/stats", "/nothing", "/v1/query/rows?limit=0"):
        headers = server.http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    refused = server.http.get("/stats", headers={"Host": "evil.example"})
    assert refused.status_code == 403 and refused.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: 127.0.0.1\r\nHost: evil.example\r\n", b"Host: a\r\nHost: a\r\n"]
)
def test_a_request_has_exactly_one_host(server: Server, hosts: bytes) -> None:
    said = exchange(server, b"GET /stats HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400"), said


@pytest.mark.parametrize(
    "header",
    ["Authorization", "Content-Type", "Content-Encoding", "Idempotency-Key", "Last-Event-ID"],
)
def test_a_header_with_one_meaning_is_sent_once(server: Server, header: str) -> None:
    """A proxy and the server could otherwise read different values."""
    twice = f"{header}: identity\r\n{header}: gzip\r\n".encode()
    said = exchange(
        server,
        b"POST /v1/ingest/requests HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + twice
        + b"Content-Length: 0\r\nConnection: close\r\n\r\n",
    )
    assert said.startswith(b"HTTP/1.1 400") and b"repeated_header" in said


@pytest.mark.parametrize("place", ["²".encode() + b".0", b"1.\xb2", b"-1.0", b"1", b"x" * 60])
def test_a_place_in_the_stream_that_cannot_be_read_is_refused(server: Server, place: bytes) -> None:
    head = b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nLast-Event-ID: "
    assert exchange(server, head + place + b"\r\n\r\n").startswith(b"HTTP/1.1 422")


def test_numbers_without_a_json_form_are_null(tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server:
        huge = [{**one, "latency_ms": 1.7e308} for one in minute_of(0)]
        server.send("/v1/ingest/requests", [*huge, *minute_of(5)])
        for path in ("/aiops/metrics", "/v1/query/features", "/metrics", "/v1/query/rows"):
            response = server.http.get(path)
            assert response.status_code == 200
            assert "Infinity" not in response.text and "NaN" not in response.text
            response.json()


def test_files_of_the_journal_are_private(tmp_path: Path, token_file: Path) -> None:
    with Server(tmp_path / "data", "--token-file", str(token_file)) as server:
        server.http.post(
            "/v1/ingest/requests", content=lines(list(minute_of(0))), headers=bearer(AGENT)
        )
        found = list((tmp_path / "data").iterdir())
        assert {"mad.db", "mad.db-wal"} <= {one.name for one in found}
        for file in found:
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


def test_files_that_others_could_read_become_private(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--no-ticks") as server:
        server.stop()
    (tmp_path / "data" / "mad.db").chmod(0o644)
    with Server(tmp_path / "data", "--no-ticks"):
        assert stat.S_IMODE((tmp_path / "data" / "mad.db").stat().st_mode) == 0o600


def test_tokens_are_revoked_and_added_without_a_restart(tmp_path: Path, token_file: Path) -> None:
    with Server(tmp_path / "data", "--token-file", str(token_file)) as server:

        def status(token: str) -> int:
            return server.http.get("/stats", headers=bearer(token)).status_code

        def reload(text: str, said: str) -> None:
            if text:
                token_file.write_text(text)
            count = server.said.count(said)
            server.process.send_signal(signal.SIGHUP)
            for _ in range(100):
                if server.said.count(said) > count:
                    return
                time.sleep(0.1)
            raise AssertionError(server.said)

        assert (status(EYE), status(ANN)) == (200, 200)
        with server.http.stream("GET", "/v1/stream", headers=bearer(EYE)) as stream:
            events = stream.iter_text()
            assert next(events).startswith("retry")
            reload(f"admin {ANN} ann\nread another-reader-1 eye2\n", "has read the tokens")
            assert (status(EYE), status(ANN), status("another-reader-1")) == (401, 200, 200)
            # the stream of the revoked token ends
            assert "event:" not in "".join(events)
        reload("read short x\n", "keeps the present tokens")
        assert (status(ANN), status("another-reader-1")) == (200, 200)
        # the pipe has no writer
        token_file.unlink()
        os.mkfifo(token_file, 0o600)
        reload("", "no regular file")
        assert (status(ANN), status("another-reader-1")) == (200, 200)


def test_refused_requests_do_not_push_out_commands(tmp_path: Path, token_file: Path) -> None:
    arguments = ("--token-file", str(token_file), "--retain", "audit=20")
    with Server(tmp_path / "data", *arguments, "--checkpoint-seconds", "0.5") as server:
        assert server.http.post("/v1/analyze", headers=bearer(ANN)).status_code == 200
        for _ in range(6):
            for path in ("/stats", "/v1/query/rows", "/v1/mutes"):
                assert server.http.get(path).status_code == 401
            server.http.post(
                "/v1/ingest/requests", content=lines(list(minute_of(0))), headers=bearer(AGENT)
            )
            time.sleep(1.1)

        def audit(**parameters: Any) -> list[dict[str, Any]]:
            answer = server.http.get(
                "/v1/query/audit", headers=bearer(ANN), params=parameters
            ).json()
            found: list[dict[str, Any]] = answer["data"]
            return found

        assert [one["action"] for one in audit(refused=False)] == ["analyze"]
        assert {one["who"] for one in audit(refused=True)} == {"?"}
        assert 1 <= len(audit(refused=True)) <= 20


def test_a_wrong_scope_is_refused_before_the_body_is_read(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(FIRST)
    file.chmod(0o600)
    with Server(tmp_path / "data", "--token-file", str(file)) as guarded:
        head = (
            "POST /v1/ingest/requests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
            f"Authorization: Bearer {EYE}\r\nConnection: close\r\n\r\n"
        )
        assert exchange(guarded, head.encode()).startswith(b"HTTP/1.1 403")
    assert server.http.get("/health").status_code == 200


def test_an_hour_is_taken_by_the_sender_alone(tmp_path: Path, token_file: Path) -> None:
    with Server(tmp_path / "data", "--token-file", str(token_file)) as server:
        late = [{**one, "timestamp": "2026-01-06T08:00:00Z"} for one in minute_of(0)]
        for body in (an_hour(minutes=20), late):
            server.http.post(
                "/v1/ingest/requests?partition=shop", content=lines(body), headers=bearer(AGENT)
            )
        health = server.http.get("/health", headers=bearer(EYE)).json()
        (source,) = health["sources"]
        assert source["source"] == "agent/shop" and source["late"] == 30
        assert source["share"] == pytest.approx(1800 / 1830)


def test_health_reveals_no_data_to_clients_without_a_token(
    tmp_path: Path, token_file: Path
) -> None:
    """Texts quote records, and `sources` names partitions and tokens."""
    with Server(tmp_path / "data", "--token-file", str(token_file)) as server:
        bad = [{**one, "timestamp": "secret"} for one in minute_of(0, "secret")]
        path = "/v1/ingest/requests?partition=secret"
        server.http.post(path, content=lines(bad), headers=bearer(AGENT))
        for route in ("/health", "/api/health"):
            for headers in (
                {},
                bearer(AGENT),
                bearer("no-token-of-anybody"),
                {"Authorization": "x"},
            ):
                answer = server.http.get(route, headers=headers)
                expected = {
                    "status": "degraded",
                    "reasons": [{"level": "degraded", "name": "intake"}],
                }
                assert (answer.status_code, answer.json()) == (200, expected)
            for token in (EYE, ANN):
                whole = server.http.get(route, headers=bearer(token)).json()
                assert "secret" in whole["message"] and whole["sources"]


@pytest.mark.parametrize("path", ["/v1/ingest/requests", "/v1/traces", "/api/v1/write"])
def test_partitions_are_printable(server: Server, path: str) -> None:
    for name in ("%1b[31m", "%00", "a%0ab", "%e2%80%ae"):
        headers = {"Content-Type": "application/x-protobuf"} if "ingest" not in path else {}
        body = lines(list(minute_of(0)))
        answer = server.http.post(f"{path}?partition={name}", content=body, headers=headers)
        assert answer.status_code == 422 and "control characters" in answer.text
