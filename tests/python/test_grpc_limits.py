"""Hostile clients of the gRPC receiver: nothing is read before the token is checked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from mad.api.auth import Tokens
from mad.engine import Engine
from mad.journal import Journal

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TOKEN = "sender-of-7-hosts"
CODE = grpc.StatusCode


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
