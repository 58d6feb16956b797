"""A server on the loopback whose answers a test sets on the class of its handler."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, TypeVar


class FixedPeer(BaseHTTPRequestHandler):
    """Answers every request with the same status, headers and body, unless `answer` differs."""

    status = 200
    body = b""
    headers_of_answer: ClassVar[tuple[tuple[str, str], ...]] = ()

    def answer(self) -> bytes:
        """The body for this request."""
        return self.body

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = self.answer()
        self.send_response(self.status)
        for name, value in self.headers_of_answer:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


Peer = TypeVar("Peer", bound=FixedPeer)


@contextmanager
def peering(kind: type[Peer]) -> Iterator[tuple[str, type[Peer]]]:
    """Runs a peer; gives its address, and a separate class for its answers."""
    answers: type[Peer] = type("Answers", (kind,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        server.server_close()
