"""WSGI middleware for Flask, Django, Bottle and other WSGI frameworks.

    from mad.adapters.wsgi import MadMiddleware

    app.wsgi_app = MadMiddleware(app.wsgi_app, service="checkout", url="http://127.0.0.1:8000")

Flask handles exceptions itself; `flask.got_request_exception.connect(mad.adapters.wsgi.noted, app)`
records their stack traces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mad.adapters.record import (
    DISCONNECTED,
    EVENT_STREAM,
    TRACE,
    Exchange,
    Middleware,
    current,
    note,
    serving,
)

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class MadMiddleware(Middleware[App]):
    """Records every request of `app`, from its first byte to the last byte of its response.

    Functions that run when the response is closed are not part of the request. A stream of
    server-sent events lasts until its first event. The endpoint is the template of the route if
    the framework provides it, else the path.
    """

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = _path(environ)
        if self.recorder.skips(path):
            return self.app(environ, start_response)

        def header(name: str) -> str | None:
            value = environ.get("HTTP_" + name.upper().replace("-", "_"))
            return value if isinstance(value, str) else None

        exchange = self.recorder.begin(environ["REQUEST_METHOD"], header)
        answer = _Answer(exchange, path)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            if exc_info and exc_info[0]:
                exchange.failed(exc_info[0][1])
            answer.status = int(status[:3]) if status[:3].isdigit() else 500
            answer.endpoint = _endpoint(environ, path)  # Flask forgets its request at the end
            answer.is_event_stream = any(
                name.lower() == "content-type" and value.lower().startswith(EVENT_STREAM)
                for name, value in headers
            )
            others = [pair for pair in headers if pair[0].lower() != TRACE.lower()]
            return start_response(status, [*others, (TRACE, exchange.trace_id)], *exc_info)

        with serving(exchange):
            try:
                answer.body = self.app(environ, start)
            except BaseException as error:
                answer.failed(error)
                answer.finish()
                self.recorder.sender.after_request()
                raise
        return answer


class _Answer:
    """The body of a response; its last piece, or closing it, ends the request."""

    def __init__(self, exchange: Exchange, path: str) -> None:
        self.body: Iterable[bytes] = ()
        self.status, self.endpoint = 0, path
        self.is_event_stream = False
        self._exchange = exchange
        self._pieces: Iterator[bytes] | None = None
        self._ended = self._broken = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with serving(self._exchange):
            try:
                if self._pieces is None:
                    self._pieces = iter(self.body)
                piece = next(self._pieces)
            except StopIteration:
                # the server asks for more after it has written the last piece
                self._ended = True
                self.finish()
                raise
            except BaseException as error:
                self.failed(error)
                raise
        if piece and self.is_event_stream:
            self.finish()
        return piece

    def close(self) -> None:
        """Ends the request. The server calls this also when the client has disconnected."""
        self.finish()
        try:
            with serving(self._exchange):
                if (close := getattr(self.body, "close", None)) is not None:
                    close()
        except Exception as error:
            self._exchange.failed(error)
            raise
        finally:
            self._exchange.recorder.sender.after_request()

    def failed(self, error: BaseException) -> None:
        """Records that the app raised."""
        if isinstance(error, Exception):
            self._broken = True
            self._exchange.failed(error)

    def finish(self) -> None:
        """Sends the records of the request."""
        status = 500 if self._broken or (self._ended and not self.status) else self.status
        self._exchange.finish(self.endpoint, status or DISCONNECTED)


def noted(*_: Any, exception: BaseException, **__: Any) -> None:
    """A receiver for exception signals of frameworks that handle exceptions themselves."""
    if current() is not None:
        note(exception)


def _path(environ: Environ) -> str:
    raw = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return str(raw).encode("latin-1", "replace").decode("utf-8", "replace") or "/"


def _endpoint(environ: Environ, path: str) -> str:
    """The template of the route: `mad.route` of the environ, else the rule of Flask."""
    named = environ.get("mad.route")
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return next((name for name in (named, rule) if isinstance(name, str) and name), path)
