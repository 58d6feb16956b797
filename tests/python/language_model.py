"""A real HTTP server in the place of a language model: it answers, hangs, refuses, and talks
nonsense."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What a request is answered with: the status and the body, whole or in pieces. A body of None
#: never ends.
Reply = Callable[[dict[str, Any]], tuple[int, bytes | Iterator[bytes] | None]]


class Model:
    """The requests that arrived, and the reply to the next ones."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reply: Reply = lambda _: (500, b"")
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.released = threading.Event()


def said(**fields: Any) -> Reply:
    """An answer of the model with these fields, in the form of OpenAI."""
    return in_words(json.dumps(fields))


def in_words(text: str) -> Reply:
    """An answer of the model with this text."""
    content = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return lambda _: (200, json.dumps(content).encode())


@contextlib.contextmanager
def model() -> Iterator[Model]:
    """A model at a free port of this host."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.requests.append((self.path, dict(self.headers), body))
            status, answer = known.reply(json.loads(body))
            self.send_response(status)
            if answer is None:
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"{")
                self.wfile.flush()
                known.released.wait(60)
                return
            if not isinstance(answer, bytes):
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in answer:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
                return
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that gave up is expected."""

    server = Quiet(("127.0.0.1", 0), Handler)
    known = Model(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
