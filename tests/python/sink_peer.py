"""A peer of sinks: an HTTP server that keeps the requests and answers by plan."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Peer:
    """The requests of a server, and its answers: the plan first, then `status`."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    plan: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    status: int = 200
    #: Seconds before an answer.
    delay: float = 0.0

    def wait(self, count: int, seconds: float = 30.0) -> list[Received]:
        """The requests, when there are `count` or the time has passed."""
        end = time.monotonic() + seconds
        while len(self.requests) < count and time.monotonic() < end:
            time.sleep(0.02)
        return list(self.requests)


@contextmanager
def peer(context: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A server on a free port of this machine, with TLS if there is a context."""
    found = Peer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.requests.append(Received(self.path, dict(self.headers), body))
            time.sleep(found.delay)
            status, headers, text = found.plan.pop(0) if found.plan else (found.status, {}, "ok")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    scheme = "http" if context is None else "https"
    found.url = f"{scheme}://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def document(**changes: Any) -> dict[str, Any]:
    """The document of a notification as the service writes it."""
    incident = {
        "id": "INC-1",
        "fingerprint": "f",
        "service": "payments",
        "endpoint": "/pay",
        "severity": "Critical",
        "status": "open",
        "start": "2026-01-06T10:40:00Z",
        "end": "2026-01-06T10:41:00Z",
        "signals": ["error_rate"],
        "affected": ["payments /pay"],
        "affected_count": 1,
        **changes.pop("incident", {}),
    }
    return {
        "version": 1,
        "id": "INC-1:42:0",
        "key": "INC-1",
        "event": "opened",
        "title": "[Critical] payments /pay: error rate 20 % (usual 0 %)",
        "reason": "payments /pay: error rate reached 20 % (usual 0 %) <a&b>.",
        "culprit": {"service": "payments", "endpoint": "/pay"},
        "incident": incident,
        "causes": ["A dependency of payments."],
        "actions": ["Read the errors that payments logged."],
        "previous": None,
        **changes,
    }
