"""A real HTTP server with mad's ingest routes. It accepts batches or refuses them on request,
and passes accepted ones to a pipeline."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import mad

CLOSE, LOST = 0, -1
"""Used instead of a status: close the connection without a response; the same after accepting
the batch."""


class Receiver:
    """The batches that arrived, and the statuses of the next responses; after those every batch
    is accepted."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url, self.token = url, token
        self.statuses: list[tuple[int, dict[str, str]]] = []
        self.tries: list[tuple[str, str]] = []
        """Kind and key of every batch, including refused ones."""
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.encodings: set[str] = set()
        self.pipeline = mad.Pipeline()
        self.newest: str | None = None
        self.keys: set[str] = set()
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)

    def of(self, kind: str, service: str | None = None) -> list[dict[str, Any]]:
        with self.lock:
            records = list(self.records.get(kind, ()))
        return [one for one in records if service is None or one["service"] == service]

    def wait(self, kind: str, count: int, timeout: float = 30.0) -> list[dict[str, Any]]:
        """The records of a kind once there are at least `count`."""
        with self.arrived:
            there = self.arrived.wait_for(lambda: len(self.records.get(kind, ())) >= count, timeout)
            assert there, f"{len(self.records.get(kind, ()))} of {count} {kind} arrived"
        return self.of(kind)

    def take(self, kind: str, key: str, body: bytes) -> dict[str, Any]:
        """Handles a batch; the caller holds the lock."""
        repeated = key in self.keys
        self.keys.add(key)
        lines = [json.loads(line) for line in body.splitlines()]
        if repeated:
            return {"accepted": len(lines), "rejected": 0, "problems": [], "repeated": True}
        bad = self.pipeline.ingest(body, kind, batch_id=key).rejected["total"]
        self.records.setdefault(kind, []).extend(lines)
        self.arrived.notify_all()
        return {"accepted": len(lines) - bad, "rejected": bad, "problems": []}

    def get(self, path: str) -> Any:
        if path == "/health":
            return {"status": "healthy"}
        if path == "/ingest/stats":
            return {"newest_ts": self.newest}
        if path == "/v1/query/incidents":
            data = [json.loads(incident.to_json()) for incident in self.pipeline.incidents]
            return {"count": len(data), "data": data}
        if path == "/culprit":
            named = [
                {"service": one.service, "endpoint": one.endpoint}
                for one in self.pipeline.culprits().culprits
            ]
            return {"culprit": named[0] if named else None, "top": named}
        return None


def _face(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Face(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 0.5  # closes idle connections, as servers do

        def do_GET(self) -> None:
            with receiver.lock:
                found = receiver.get(self.path)
            self._answer(404 if found is None else 200, found or {"error": "not_found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind, key = self.path.rpartition("/")[2], self.headers["Idempotency-Key"]
            assert self.path == f"/v1/ingest/{kind}"
            assert self.headers["Content-Type"] == "application/x-ndjson"
            encoding = self.headers.get("Content-Encoding", "")
            if encoding == "gzip":
                body = gzip.decompress(body)
            given = self.headers.get("Authorization")
            with receiver.lock:
                receiver.tries.append((kind, key))
                receiver.encodings.add(encoding)
                status, headers = receiver.statuses.pop(0) if receiver.statuses else (200, {})
                if receiver.token is not None and given != f"Bearer {receiver.token}":
                    status = 401
                answer = (
                    receiver.take(kind, key, body) if status in (200, LOST) else {"message": "no"}
                )
                if status == 200 and not answer["accepted"]:
                    status = 422
            if status in (CLOSE, LOST):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(status, answer, headers)

        def _answer(
            self, status: int, document: Any, headers: dict[str, str] | None = None
        ) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Face


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def handle_error(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def receiving(token: str | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver on a free port."""
    server = _Server(("127.0.0.1", port), BaseHTTPRequestHandler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}", token)
    server.RequestHandlerClass = _face(receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
