"""Peers that send one byte at a time cost the time of one attempt and no more."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sink_peer import document

from mad.adapters.post import DeliveryError, Post
from mad.config.components import component
from mad.config.options import read_options
from mad.sinks.http import Request, check_url, send
from mad.sinks.protocol import Notification, Retry
from mad.sources.http_peer import HttpPeer
from mad.sources.protocol import SourceUnavailable

#: What a peer sends before it drips.
STARTS = {
    "status": b"HTTP/1.1 20",
    "header": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "body": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": ',
    "error": b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
}


@contextlib.contextmanager
def dripping(start: bytes, drop: bytes = b"1") -> Iterator[tuple[int, threading.Event]]:
    """A server that sends a start and then a drop ten times a second, until its client leaves: the
    port, and whether a client has left."""
    left, closing = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                with client:
                    client.sendall(start)
                    while not closing.wait(0.1):
                        client.sendall(drop)
            left.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1], left
        finally:
            closing.set()
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_source_leaves_a_peer_that_drips(start: bytes) -> None:
    with dripping(start) as (port, left):
        peer = HttpPeer(f"http://127.0.0.1:{port}", seconds=0.5)
        with pytest.raises(SourceUnavailable, match=r"no whole answer within 0\.5 s"):
            peer.get("/")
        assert left.wait(10)


#: Answers 100 without end, each of which is whole.
CONTINUES = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("start", [*STARTS.values(), CONTINUES], ids=[*STARTS, "continue"])
def test_senders_and_sinks_leave_a_peer_that_drips(start: bytes) -> None:
    drop = CONTINUES if start == CONTINUES else b"1"
    with dripping(start, drop) as (port, left):
        post = Post(f"http://127.0.0.1:{port}", timeout=0.2, patience=0.0)
        with pytest.raises(DeliveryError, match=r"no whole answer within 0\.6 s"):
            post.send("metrics", b"{}", "1", 1)
        assert left.wait(10)
    with dripping(start, drop) as (port, left):
        # an answer that began with a success was accepted; any other one is tried again
        with contextlib.suppress(Retry):
            send(Request(f"http://127.0.0.1:{port}/", b"{}", timeout=0.5))
        assert left.wait(10)
    with dripping(b"\x16\x03\x03\x3f\xff", b"\0") as (port, left):
        assert "within the timeout" in check_url(f"https://127.0.0.1:{port}/", 0.5)[0]
        assert left.wait(10)


@pytest.mark.parametrize("start", ["", "220 ", "220-mail.example.com\r\n220-"])
def test_the_sink_of_mail_leaves_a_server_that_drips(start: str) -> None:
    kind = component("sinks", "email")
    with dripping(start.encode()) as (port, left):
        table: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "tls": "none",
            "sender": "mad@example.com",
            "recipients": ["ops@example.com"],
            "timeout_seconds": 0.5,
        }
        options, problems = read_options(kind.Options, table, "sinks.ops")
        assert problems == []
        sink = kind(options)
        with pytest.raises(Retry, match="no answer within the timeout"):
            sink.send(Notification([document()], ""))
        assert left.wait(10)


def test_an_answer_in_pieces_within_the_time_is_whole() -> None:
    pieces = (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 7\r\n\r\n[1, ", b"23]")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(65_536)
                for piece in pieces:
                    client.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        peer = HttpPeer(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert peer.get("/") == [1, 23]
        thread.join(10)
