"""Hostile clients of the gRPC receiver: nothing is read before the token is checked."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from peers import free_port
from service import Server

from mad.api.auth import Tokens
from mad.engine import Engine
from mad.journal import Journal

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TOKEN = "sender-of-7-hosts"
CODE = grpc.StatusCode
LINE = {
    "timestamp": "2026-01-06T10:00:00Z",
    "service": "shop",
    "endpoint": "/pay",
    "status_code": 200,
    "latency_ms": 1.0,
}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    from mad.api.grpc_server import GrpcReceiver

    file = tmp_path / "tokens"
    file.write_text(f"ingest {TOKEN} agent\nread reader-of-9-pages eye\n")
    file.chmod(0o600)
    tokens = Tokens.read(file)
    engine = Engine(Journal(tmp_path / "data"), ticking=False)
    engine.start()
    receiver = GrpcReceiver(engine, "127.0.0.1", 0, tokens=lambda: tokens)
    receiver.start()
    yield receiver.port
    receiver.stop()
    engine.stop()


def send(port: int, body: bytes, token: str = TOKEN) -> Any:
    """The code of a call."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(EXPORT)(body, timeout=15, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
        return CODE.OK


def test_calls_need_a_token_with_the_scope(port: int) -> None:
    assert send(port, b"") == CODE.OK
    assert send(port, b"", token="") == CODE.UNAUTHENTICATED
    assert send(port, b"", token="reader-of-9-pages") == CODE.PERMISSION_DENIED
    assert send(port, b"\xff" * 100) == CODE.INVALID_ARGUMENT
    assert send(port, bytes(5 << 20)) == CODE.RESOURCE_EXHAUSTED


def test_calls_without_a_message_keep_no_other_out(port: int) -> None:
    """Without a token a call is refused before its message is there."""
    ends = threading.Event()

    def never() -> Iterator[bytes]:
        ends.wait(20)
        yield from ()

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = [channel.stream_unary(EXPORT).future(never(), timeout=20) for _ in range(60)]
        until = time.monotonic() + 10.0
        while not all(call.done() for call in calls) and time.monotonic() < until:
            time.sleep(0.05)
        codes = {call.code() for call in calls if call.done()}
        assert len([call for call in calls if call.done()]) == 60
        assert codes <= {CODE.UNAUTHENTICATED, CODE.RESOURCE_EXHAUSTED}
        assert send(port, b"") == CODE.OK
        ends.set()


def resident_kib(server: Server) -> int:
    """The resident memory of a server in KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(one.split()[1]) for one in status.splitlines() if one.startswith("VmRSS"))


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """A frame of HTTP/2."""
    head = len(content).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + content


def field(name: bytes, value: bytes) -> bytes:
    """A literal header of HPACK."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_calls_that_are_cancelled_at_once_cost_little_memory(tmp_path: Path) -> None:
    """A client without a token may begin and reset streams as fast as it sends."""
    headers = b"".join(
        (
            field(b":method", b"POST"),
            field(b":scheme", b"http"),
            field(b":path", EXPORT.encode()),
            field(b":authority", b"localhost"),
            field(b"content-type", b"application/grpc"),
            field(b"te", b"trailers"),
        )
    )
    begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    token_file = tmp_path / "tokens"
    token_file.write_text(f"ingest {TOKEN} agent\n")
    token_file.chmod(0o600)
    grpc_port = free_port()
    arguments = ("--token-file", str(token_file), "--otlp-grpc", str(grpc_port))
    with Server(tmp_path / "data", *arguments) as server:
        before = resident_kib(server)

        def flood() -> None:
            with socket.create_connection(("127.0.0.1", grpc_port)) as client:
                client.sendall(begin)
                for first in range(1, 100_001, 100):
                    streams = range(first, first + 100, 2)
                    client.sendall(
                        b"".join(
                            frame(1, 4, one, headers) + frame(3, 0, one, b"\0\0\0\x08")
                            for one in streams
                        )
                    )

        def attempt() -> None:
            with suppress(OSError):  # the server closes the connection
                flood()

        clients = [threading.Thread(target=attempt, daemon=True) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
        assert resident_kib(server) - before < 64 * 1024
        assert server.get("/health")["status"] == "ok"


def test_connections_without_a_call_leave_files_for_the_rest(tmp_path: Path) -> None:
    """Connections need no token. They must not use up the open files of the process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc_port = free.getsockname()[1]
    limited = ("bash", "-c", 'ulimit -n 700; exec "$@"', "limited")
    opened = []
    with Server(tmp_path / "data", "--otlp-grpc", str(grpc_port), under=limited) as server:
        assert "300 connections instead of 1000" in server.said
        place = urlsplit(server.url)
        for _ in range(500):
            for at in (grpc_port, place.port):
                opened.append(socket.create_connection(("127.0.0.1", at), timeout=10))
        assert server.get("/health")["status"] == "ok"
        assert server.post("/v1/ingest/requests", [LINE])["accepted"] == 1
        files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        assert files <= 600
        for one in opened:
            one.close()


def test_the_limit_of_open_files_is_raised_where_the_system_permits() -> None:
    """In another process, because the limit is that of the process."""
    code = (
        "import resource as r; from mad.api.process import fitting;"
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (300, hard));"
        "print(fitting(500, 100), r.getrlimit(r.RLIMIT_NOFILE)[0]);"
        "r.setrlimit(r.RLIMIT_NOFILE, (350, 350)); print(fitting(500, 100), fitting(10, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["500", "800", "50", "10"]
