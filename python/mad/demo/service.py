"""A small HTTP service: routes, injected faults and instrumentation."""

from __future__ import annotations

import io
import json
import socketserver
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from mad.adapters.record import note
from mad.demo import faults
from mad.demo.faults import Faults

Routes = Mapping[tuple[str, str], Callable[[], Mapping[str, Any]]]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
PATIENCE = 3.0
"""Timeout for calls to another service, in seconds."""


class FailedError(Exception):
    """A request that cannot be served, with the status of its response."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def app(
    name: str,
    routes: Routes,
    injected: Faults,
    noted: Callable[[BaseException], None] = note,
) -> App:
    """A WSGI app with routes, `/health` and `/simulate/...`; handled exceptions are passed to
    `noted`."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
        if path.startswith(faults.ROUTES + "/"):
            query = environ.get("QUERY_STRING", "")
            status, document = faults.answer(injected, method, path, query)
        else:
            try:
                injected.apply(path)
                status, document = _serve(name, routes, method, path)
            except Exception as error:
                noted(error)
                status = error.status if isinstance(error, FailedError) else 500
                document = faults.problem("failed", str(error))
        body = faults.to_json(document)
        start_response(
            f"{status} {HTTPStatus(status).phrase}",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
        )
        return [body]

    return serve


def _serve(name: str, routes: Routes, method: str, path: str) -> tuple[int, Mapping[str, Any]]:
    if (method, path) == ("GET", "/health"):
        return 200, {"status": "healthy", "service": name}
    act = routes.get((method, path))
    if act is None:
        methods = [one for one, other in routes if other == path]
        if methods:
            return 405, faults.problem(
                "method_not_allowed", f"{method} {path}", f"use {methods[0]}"
            )
        return 404, faults.problem("not_found", f"{name} has no {path}")
    return 200, act()


class Served:
    """An app on a free port of this machine, served by threads until closed."""

    def __init__(self, serve: App, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _Quiet)
        self._server.set_app(serve)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="mad-demo", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops serving and releases the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without a reverse lookup of the host name
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, *_: Any) -> None:
        """Ignores errors of clients that disconnected."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Writes no log, because the middleware records requests."""

    def get_stderr(self) -> Any:
        return io.StringIO()

    def address_string(self) -> str:
        return str(self.client_address[0])


def ask(method: str, url: str, opener: Callable[..., Any], **headers: str) -> Any:
    """The JSON response of another service.

    Raises `FailedError` when there is no successful response.
    """
    request = urllib.request.Request(url, b"" if method == "POST" else None, headers, method=method)
    try:
        with opener(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        why, status = f"answered {error.code}", 502
    except TimeoutError:
        why, status = f"took over {PATIENCE:g} s", 504
    except OSError as error:
        why, status = f"cannot be reached: {error}", 502
    raise FailedError(f"{method} {url} {why}", status)
