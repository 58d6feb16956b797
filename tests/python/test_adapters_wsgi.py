"""The WSGI middleware in Flask and bare apps, and outgoing calls with urllib."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from receiver import Receiver

from mad.adapters import Recorder, Sender, call, note, outgoing, urlopen
from mad.adapters.record import Exchange, current, described
from mad.adapters.wsgi import MadMiddleware, noted
from mad.demo.service import Served

TRACE = "X-Trace-ID"
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@contextlib.contextmanager
def serving(app: App) -> Iterator[str]:
    """An app on a free port; its URL."""
    served = Served(app)
    try:
        yield served.url
    finally:
        served.close()


def get(url: str, **headers: str) -> tuple[int, bytes, str]:
    """Status, body and trace id of an answer."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30.0) as answer:
            return answer.status, answer.read(), answer.headers[TRACE]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers[TRACE]


def test_flask_names_its_routes(receiver: Receiver, sender: Sender) -> None:
    app = flask.Flask("shop")
    app.wsgi_app = MadMiddleware(app.wsgi_app, "shop", sender=sender)  # type: ignore[method-assign]

    @app.get("/item/<int:item>")
    def item(item: int) -> dict[str, int]:
        return {"item": item}

    with serving(app) as url:
        assert get(url + "/item/7", **{TRACE: "t-7"}) == (200, b'{"item":7}\n', "t-7")
        assert get(url + "/caf%C3%A9?x=1")[0] == 404
    # two threads of the server recorded them, in any order
    second, first = sorted(receiver.wait("requests", 2), key=lambda one: str(one["endpoint"]))
    assert (first["endpoint"], first["status_code"], first["trace_id"]) == (
        "/item/<int:item>",
        200,
        "t-7",
    )
    assert (second["endpoint"], second["status_code"]) == ("/café", 404)
    assert {span["operation"] for span in receiver.wait("spans", 2)} == {
        "GET /item/<int:item>",
        "GET /café",
    }


def test_flask_exceptions_are_recorded(receiver: Receiver, sender: Sender) -> None:
    app = flask.Flask("shop")
    app.wsgi_app = MadMiddleware(app.wsgi_app, "shop", sender=sender)  # type: ignore[method-assign]
    flask.got_request_exception.connect(noted, app)

    @app.get("/pay")
    def pay() -> str:
        raise LookupError("no such card")

    with serving(app) as url:
        status, _, trace = get(url + "/pay")
    assert status == 500
    (line,) = receiver.wait("logs", 1)
    assert line["trace_id"] == trace
    assert line["body"].startswith("GET /pay: LookupError: no such card\nTraceback")
    assert "in pay\n" in line["body"]


def plain(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain"), (TRACE, "of the app")])
    return [environ["PATH_INFO"].encode(), b"!"]


def test_a_bare_app(receiver: Receiver, sender: Sender) -> None:
    app = MadMiddleware(plain, "shop", sender=sender, skip=("/health",))
    with serving(app) as url:
        assert get(url + "/here", **{TRACE: "mine"}) == (200, b"/here!", "mine")
        assert get(url + "/health") == (200, b"/health!", "of the app")
    assert sender.flush(30.0)
    (request,) = receiver.of("requests")
    assert (request["endpoint"], request["method"]) == ("/here", "GET")


def test_version_and_host_are_those_of_the_process(receiver: Receiver, sender: Sender) -> None:
    app = MadMiddleware(plain, "shop", sender=sender, version="1.5.0", host="shop-7f9c")
    with serving(app) as url:
        assert get(url + "/here")[0] == 200
    for kind in ("requests", "spans"):
        (one,) = receiver.wait(kind, 1)
        assert (one["version"], one["host"]) == ("1.5.0", "shop-7f9c")


@pytest.mark.parametrize("where", ["call", "body", "exc_info"])
def test_an_exception_is_sent_with_its_stack_trace(
    receiver: Receiver, sender: Sender, where: str
) -> None:
    def deep_inside() -> None:
        raise LookupError("no such card")

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if where == "call":
            deep_inside()
        start("200 OK", [])
        if where == "exc_info":
            try:
                deep_inside()
            except LookupError:
                start("503 Sorry", [], sys.exc_info())
            return [b"sorry"]

        def pieces() -> Iterator[bytes]:
            yield b"one"
            deep_inside()

        return pieces()

    with serving(MadMiddleware(app, "shop", sender=sender)) as url:
        status, _, _ = get(url + "/pay", **{TRACE: "t-1"})
    assert status == {"call": 500, "body": 200, "exc_info": 503}[where]
    (request,) = receiver.wait("requests", 1)
    assert request["status_code"] == (503 if where == "exc_info" else 500)
    (line,) = receiver.wait("logs", 1)
    assert (line["level"], line["trace_id"]) == ("ERROR", "t-1")
    assert line["body"].startswith("GET /pay: LookupError: no such card\n")
    assert "deep_inside" in line["body"]
    assert receiver.wait("spans", 1)[0]["status"] == "error"


def test_a_stream_lasts_until_it_is_closed(receiver: Receiver, sender: Sender) -> None:
    go_on, closed = threading.Event(), threading.Event()
    traces: list[str] = []

    class Pieces:
        def __init__(self) -> None:
            self.left = [b"one", b"two"]

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            if not self.left:
                raise StopIteration
            if len(self.left) == 1:
                go_on.wait(30.0)
            traces.append(outgoing()[TRACE])
            return self.left.pop(0)

        def close(self) -> None:
            closed.set()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return Pieces()

    with serving(MadMiddleware(app, "shop", sender=sender)) as url:
        with urllib.request.urlopen(url, timeout=30.0) as answer:
            assert answer.read(3) == b"one"
            assert sender.flush(30.0)
            assert not receiver.of("requests"), "it is not over"
            go_on.set()
            assert answer.read() == b"two"
        (request,) = receiver.wait("requests", 1)
    assert closed.is_set()
    assert traces == [request["trace_id"]] * 2


def test_a_disconnect_of_the_client_is_no_error(receiver: Receiver, sender: Sender) -> None:
    left = threading.Event()

    def endless() -> Iterator[bytes]:
        while not left.is_set():
            yield b"x" * 65_536

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return endless()

    with serving(MadMiddleware(app, "shop", sender=sender)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /endless HTTP/1.0\r\n\r\n")
            assert client.recv(16)
        (request,) = receiver.wait("requests", 1)
        left.set()
    assert request["status_code"] == 200
    assert sender.flush(30.0)
    assert not receiver.of("logs")


def test_threads_have_separate_traces(receiver: Receiver, sender: Sender) -> None:
    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        before = outgoing()[TRACE]
        time.sleep(0.01)
        start("200 OK", [])
        return [before.encode(), b" ", outgoing()[TRACE].encode()]

    with (
        serving(MadMiddleware(app, "shop", sender=sender)) as url,
        ThreadPoolExecutor(10) as pool,
    ):
        answers = list(pool.map(get, [url] * 40))
    for _, body, trace in answers:
        assert body.decode().split() == [trace, trace]
    assert len({trace for _, _, trace in answers}) == 40
    assert len(receiver.wait("requests", 40)) == 40
    assert current() is None


def test_calls_with_urllib_propagate_the_trace(receiver: Receiver, sender: Sender) -> None:
    def stock(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start({"/none": "503 None", "/lost": "404 Lost"}.get(environ["PATH_INFO"], "200 OK"), [])
        return [b"3"]

    with serving(MadMiddleware(stock, "stock", sender=sender)) as below:

        def shop(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            for path in ("/level", "/none", "/lost"):
                with contextlib.suppress(urllib.error.HTTPError):
                    urlopen(below + path, timeout=30.0).close()
            with contextlib.suppress(OSError):
                urlopen(urllib.request.Request("http://127.0.0.1:9/x", method="POST"), timeout=5.0)
            start("200 OK", [])
            return []

        with serving(MadMiddleware(shop, "shop", sender=sender)) as url:
            trace = get(url)[2]
    spans = receiver.wait("spans", 8)
    (top,) = [span for span in spans if (span["service"], span["kind"]) == ("shop", "server")]
    calls = [span for span in spans if span["kind"] == "client"]
    assert [(one["operation"], one["status"]) for one in calls] == [
        ("GET /level", "ok"),
        ("GET /none", "error"),
        ("GET /lost", "ok"),
        ("POST /x", "error"),
    ]
    assert {one["trace_id"] for one in spans} == {trace}
    assert {one["parent_id"] for one in calls} == {top["span_id"]}
    served = [span["parent_id"] for span in spans if span["service"] == "stock"]
    assert served == [one["span_id"] for one in calls[:3]]


def test_without_a_request_no_headers_are_sent() -> None:
    assert outgoing() == {}
    with call("GET /x") as made:
        assert made.headers == {}
    note(ValueError("no request is active"))
    assert current() is None


def test_a_stack_trace_is_bounded_and_never_raises() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("cannot say")

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        else:
            raise ValueError("x" * 100_000)

    try:
        deeper(50)
    except ValueError as error:
        assert len(described(error)) <= 32_001
    assert "MuteError" in described(MuteError())


def test_a_recorder_works_without_a_framework(receiver: Receiver, sender: Sender) -> None:
    recorder = Recorder("worker", sender=sender)
    exchange = recorder.begin("JOB", {"x-trace-id": "t-9"}.get)
    assert isinstance(exchange, Exchange)
    exchange.finish("/nightly", 200)
    (request,) = receiver.wait("requests", 1)
    assert (request["method"], request["endpoint"], request["trace_id"]) == (
        "JOB",
        "/nightly",
        "t-9",
    )
