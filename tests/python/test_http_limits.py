"""Hostile clients of a real server: large headers, slow bodies, unread answers."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Server, lines, minute_of

MIB = 1024 * 1024
#: What the attacks of one test may cost in resident memory.
MEMORY = 100 * MIB
PATHS = (b"/health", b"/v1/query/incidents", b"/v1/stream", b"/health")
HEAD = b"POST /v1/ingest/requests HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = (
        "connections=120",
        "header_seconds=2",
        "idle_seconds=2",
        "body_seconds=4",
        "stall_seconds=2",
        "write_seconds=2",
        "bodies_bytes=67108864",
    )
    arguments = [word for limit in limits for word in ("--http-limit", limit)]
    with Server(tmp_path_factory.mktemp("data"), "--no-ticks", *arguments) as server:
        yield server


def connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)))
    client.settimeout(15)
    return client


def answer(client: socket.socket) -> bytes:
    """Everything that the server sends until it closes."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65_536):
            said += piece
    return said


def exchange(server: Server, data: bytes) -> bytes:
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        return answer(client)


def memory(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    (line,) = (one for one in status.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def flood(server: Server, head: bytes, piece: bytes, most: int = 64 * MIB) -> tuple[int, bytes]:
    """Sends pieces until the server refuses them; how many bytes it took, and its answer."""
    sent = 0
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(head)
            while sent < most:
                client.sendall(piece)
                sent += len(piece)
        return sent, answer(client)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX-Large: ", b"x" * 65_536),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n", b"X-Many: 1\r\n" * 6_000),
        (b"GET /", b"x" * 65_536),
        (b"", b"x" * 65_536),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: 1\r\n" * 5_000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 65_536),
    ],
)
def test_headers_have_a_limit(guarded: Server, head: bytes, piece: bytes) -> None:
    before = memory(guarded)
    sent, said = flood(guarded, head, piece)
    assert sent < 16 * MIB
    assert not said or said.split(b" ")[1] in (b"431", b"400")
    assert memory(guarded) - before < MEMORY
    assert guarded.http.get("/health").status_code == 200


def test_a_large_header_is_refused_with_431(guarded: Server) -> None:
    said = exchange(guarded, b"GET /stats HTTP/1.1\r\nHost: a\r\nX-Large: " + b"x" * 40_000)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431") and b"nosniff" in head
    assert set(json.loads(body)) == {"error", "message", "hint"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/mutes"),
        ("POST", "/v1/incidents/INC-1/comments"),
        ("POST", "/v1/analyze"),
        ("POST", "/v1/changes"),
        ("GET", "/stats"),
        ("POST", "/no/such/route"),
        ("DELETE", "/v1/mutes"),
    ],
)
def test_bodies_of_other_routes_have_a_limit(guarded: Server, method: str, path: str) -> None:
    before = memory(guarded)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    _, said = flood(guarded, head.encode(), chunk, 200 * MIB)
    assert not said or said.startswith(b"HTTP/1.1 413")
    assert memory(guarded) - before < MEMORY
    refused = guarded.http.request(method, path, content=b"x" * 200_000)
    assert refused.status_code == 413 and refused.json()["error"] == "too_large"


def test_open_bodies_share_a_limit(guarded: Server) -> None:
    before = memory(guarded)
    clients = [connect(guarded) for _ in range(30)]
    body = b"x" * (8 * MIB)
    statuses = []
    for client in clients:
        with contextlib.suppress(ConnectionError):
            client.sendall(HEAD + b"Content-Length: 16777216\r\n\r\n" + body)
    began = time.monotonic()
    assert guarded.http.get("/health").status_code == 200
    assert time.monotonic() - began < 5.0
    assert memory(guarded) - before < 64 * MIB + MEMORY
    for client in clients:
        said = answer(client)
        statuses.append(said[9:12])
        client.close()
    # the server took some, refused the others at once, and the clients never finished
    assert statuses.count(b"429") >= 15 and b"408" in statuses
    assert guarded.send("/v1/ingest/requests", list(minute_of(0))).status_code == 200


def test_slow_clients_are_closed(guarded: Server) -> None:
    before = memory(guarded)
    starts = [
        b"GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        HEAD + b"Content-Length: 1000\r\n\r\n{",
        b"",
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ]
    clients = [(connect(guarded), place % len(starts)) for place in range(100)]
    for client, place in clients:
        client.sendall(starts[place])
    began = time.monotonic()
    assert guarded.http.get("/health").status_code == 200
    assert time.monotonic() - began < 5.0
    assert memory(guarded) - before < MEMORY
    for _ in range(30):
        for client, place in clients:
            if place < 2:
                with contextlib.suppress(OSError):
                    client.sendall(b"x")
        time.sleep(0.2)
    said = [(answer(client), place) for client, place in clients]
    assert {one[9:12] for one, place in said if place == 1} == {b"408"}
    assert {one[9:12] for one, place in said if place == 3} == {b"200"}
    for client, _ in clients:
        client.close()


def answers_others(server: Server) -> None:
    """Asserts that new clients are answered."""
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    for _ in range(5):
        assert exchange(server, request).startswith(b"HTTP/1.1 200")


def test_a_new_client_replaces_the_longest_waiting_one(guarded: Server) -> None:
    idle = [connect(guarded) for _ in range(200)]
    answers_others(guarded)
    for client in idle:
        client.close()


def test_event_streams_do_not_keep_others_out(guarded: Server) -> None:
    streams = [connect(guarded) for _ in range(130)]
    for stream in streams:
        stream.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answers_others(guarded)
    for stream in streams:
        stream.close()


def test_pipelined_requests_have_a_limit(guarded: Server) -> None:
    before = memory(guarded)
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert (
        exchange(
            guarded, request * 2 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        ).count(b"200 OK")
        == 3
    )
    exchange(guarded, request * 20_000)
    assert memory(guarded) - before < MEMORY
    assert guarded.http.get("/health").status_code == 200


def test_clients_that_leave_several_requests_cost_no_line_of_the_log(tmp_path: Path) -> None:
    """A traceback of 6 kB for each connection would fill the disk with the log."""
    requests = [b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path for path in PATHS]
    with Server(tmp_path, "--no-ticks") as server:
        said = server.said
        for data in (requests[0] * 5, requests[0] * 20_000, b"".join(requests) * 2):
            for _ in range(5):
                with connect(server) as client, contextlib.suppress(ConnectionError):
                    client.sendall(data)
                    client.recv(100)
            assert server.http.get("/health").status_code == 200
        assert server.stop() == 0
        assert server.said == said


def test_unread_answers_have_a_limit(tmp_path: Path) -> None:
    limits = ("--http-limit", "write_seconds=2", "--http-limit", "answers_bytes=4000000")
    with Server(tmp_path, "--no-ticks", *limits) as server:
        long = [
            {
                "timestamp": f"2026-01-06T10:{place // 60:02}:{place % 60:02}Z",
                "service": "payments",
                "level": "INFO",
                "body": "x" * 30_000,
            }
            for place in range(300)
        ]
        server.post("/v1/ingest/logs", long)
        before = memory(server)
        request = b"GET /v1/query/logs?limit=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        clients = [connect(server) for _ in range(40)]
        for client in clients:
            client.sendall(request)
        began = time.monotonic()
        assert server.http.get("/health").status_code == 200
        assert time.monotonic() - began < 5.0
        time.sleep(3)
        assert memory(server) - before < MEMORY
        for client in clients:
            client.close()
        assert server.http.get("/v1/query/logs", params={"limit": 1}).status_code == 200


def test_an_answer_has_a_limit_of_bytes_and_a_next_page(tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks", "--http-limit", "answer_bytes=100000") as server:
        long = [
            {
                "timestamp": f"2026-01-06T10:00:{place:02}Z",
                "service": "payments",
                "level": "INFO",
                "body": f"{place} " + "x" * 9_000,
            }
            for place in range(40)
        ]
        server.post("/v1/ingest/logs", long)
        found: list[str] = []
        offset: int | None = 0
        while offset is not None:
            response = server.http.get("/v1/query/logs", params={"limit": 1000, "offset": offset})
            assert len(response.content) < 120_000
            page = response.json()
            found += [line["body"] for line in page["data"]]
            offset = page["next"]
        assert len(found) == len(set(found)) == 40
        cut = server.http.get("/api/logs", params={"limit": 1000})
        assert cut.headers["Mad-Truncated"] == "true" and len(cut.content) < 120_000


def test_a_request_for_another_protocol_is_answered_as_http(guarded: Server) -> None:
    for upgrade in (b"h2c", b"websocket"):
        said = exchange(
            guarded,
            b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: "
            + upgrade
            + b"\r\n\r\n",
        )
        assert said.startswith(b"HTTP/1.1 200"), said
    assert exchange(guarded, b"\x16\x03\x01\x02\x00").startswith(b"HTTP/1.1 400")


def test_a_body_is_taken_in_any_pieces(guarded: Server) -> None:
    body = lines(list(minute_of(3)))
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body)
    said = exchange(
        guarded,
        HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks + b"0\r\n\r\n",
    )
    assert said.startswith(b"HTTP/1.1 200") and b'"accepted":30' in said


def test_the_size_that_snappy_claims_is_limited(tmp_path: Path) -> None:
    """A block of some bytes may hold many MiB, like other packed bodies."""
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
    with Server(tmp_path / "data", "--max-body", "1") as server:
        for claimed in (b"\x81\x80\x40", b"\xff\xff\xff\x3f", b"\xff\xff\xff\xff\x0f"):
            body = claimed + b"\x00a"
            answer = server.http.post("/api/v1/write", content=body, headers=headers)
            assert answer.status_code == 413, answer.text
        answer = server.http.post("/api/v1/write", content=b"\x01\x00a", headers=headers)
        assert answer.status_code == 400
