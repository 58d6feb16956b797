"""The ASGI middleware in FastAPI, Starlette and bare apps, served by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, WebSocket
from receiver import Receiver, receiving
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from websockets.sync.client import connect

import mad
from mad.adapters import Sender
from mad.adapters.asgi import MadMiddleware
from mad.adapters.httpx import AsyncMadTransport, MadTransport
from mad.adapters.record import current, note, outgoing

TRACE = "X-Trace-ID"


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """An app on a free port; its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30.0
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30.0)


def watched(sender: Sender, service: str = "shop") -> FastAPI:
    app = FastAPI()
    app.add_middleware(MadMiddleware, service=service, sender=sender)
    return app


def one_request(receiver: Receiver) -> dict[str, Any]:
    (request,) = receiver.wait("requests", 1)
    return request


def test_a_request_is_recorded_with_its_span(receiver: Receiver, sender: Sender) -> None:
    app = watched(sender)

    @app.get("/item/{item}")
    async def item(item: int) -> dict[str, int]:
        return {"item": item}

    with serving(app) as url:
        answer = httpx.get(url + "/item/123?secret=1")
    request, (span,) = one_request(receiver), receiver.wait("spans", 1)
    assert (request["service"], request["endpoint"], request["method"]) == (
        "shop",
        "/item/{item}",
        "GET",
    )
    assert request["status_code"] == 200
    assert request["latency_ms"] > 0.0
    assert request["trace_id"] == span["trace_id"] == answer.headers[TRACE]
    assert len(request["trace_id"]) == 32
    assert (span["operation"], span["kind"], span["status"]) == ("GET /item/{item}", "server", "ok")
    assert (span["parent_id"], span["start"]) == ("", request["timestamp"])
    assert not receiver.of("logs")


@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
def test_route_templates_include_their_mount_path(
    receiver: Receiver, sender: Sender, framework: str
) -> None:
    async def plain(_: Any) -> PlainTextResponse:
        return PlainTextResponse("here")

    app: Any
    if framework == "fastapi":
        app, router = watched(sender), APIRouter(prefix="/v1")

        @router.get("/thing/{thing}")
        def thing(thing: str) -> str:
            return thing

        app.include_router(router, prefix="/api")
        app.mount("/sub", Starlette(routes=[Route("/x/{y}", plain)]))
        template = "/api/v1/thing/{thing}"
    else:
        routes = [Mount("/api", routes=[Route("/thing/{thing}", plain)])]
        routes.append(Mount("/sub", app=Starlette(routes=[Route("/x/{y:int}", plain)])))
        app = Starlette(routes=routes)
        app.add_middleware(MadMiddleware, service="shop", sender=sender)
        template = "/api/thing/{thing}"
    with serving(app) as url:
        for path in (template.replace("{thing}", "7"), "/sub/x/7", "/nowhere"):
            httpx.get(url + path)
    found = [(one["endpoint"], one["status_code"]) for one in receiver.wait("requests", 3)]
    assert found == [(template, 200), ("/sub/x/{y}", 200), ("/nowhere", 404)]


@pytest.mark.parametrize(
    ("headers", "trace", "parent"),
    [
        ({TRACE: "abc-123"}, "abc-123", ""),
        ({TRACE: "abc-123", "X-Span-ID": "s1"}, "abc-123", "s1"),
        ({"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}, "a1" * 16, "b2" * 8),
        ({TRACE: "own", "traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}, "own", ""),
        ({TRACE: "a1" * 16, "traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}, "a1" * 16, "b2" * 8),
        ({TRACE: "x" * 129}, None, ""),
        ({TRACE: "two words"}, None, ""),
        ({TRACE: "", "X-Span-ID": "s1"}, None, ""),
        ({"traceparent": f"00-{'0' * 32}-{'b2' * 8}-01"}, None, ""),
        ({"traceparent": "rubbish"}, None, ""),
    ],
)
def test_trace_ids_are_read_and_returned(
    receiver: Receiver, sender: Sender, headers: dict[str, str], trace: str | None, parent: str
) -> None:
    app = watched(sender)

    @app.get("/")
    def root() -> dict[str, str]:
        return outgoing()

    with serving(app) as url:
        answer = httpx.get(url, headers=headers)
    (span,) = receiver.wait("spans", 1)
    assert answer.headers[TRACE] == span["trace_id"] == one_request(receiver)["trace_id"]
    assert trace in (None, span["trace_id"])
    assert span["trace_id"] not in headers.values() or trace is not None
    assert span["parent_id"] == parent
    sent_on = answer.json()
    assert (sent_on[TRACE], sent_on["X-Span-ID"]) == (span["trace_id"], span["span_id"])
    assert ("traceparent" in sent_on) == (len(span["trace_id"]) == 32)


def test_an_exception_is_sent_with_its_stack_trace(receiver: Receiver, sender: Sender) -> None:
    app = watched(sender)

    def deep_inside() -> None:
        raise LookupError("no such card")

    @app.post("/pay")
    def pay() -> None:
        deep_inside()

    @app.get("/gone")
    def gone() -> None:
        raise HTTPException(410, "long ago")

    with serving(app) as url:
        assert httpx.post(url + "/pay", headers={TRACE: "t-1"}).status_code == 500
        assert httpx.get(url + "/gone").status_code == 410
    requests = receiver.wait("requests", 2)
    assert [one["status_code"] for one in requests] == [500, 410]
    (line,) = receiver.wait("logs", 1)
    assert (line["level"], line["service"], line["trace_id"]) == ("ERROR", "shop", "t-1")
    first, *rest = line["body"].splitlines()
    assert first == "POST /pay: LookupError: no such card"
    assert any("deep_inside" in row for row in rest)
    assert [span["status"] for span in receiver.wait("spans", 2)] == ["error", "ok"]


def test_an_exception_that_the_app_handled_can_be_noted(receiver: Receiver, sender: Sender) -> None:
    app = watched(sender)

    @app.exception_handler(ZeroDivisionError)
    async def answer(_: Any, error: Exception) -> PlainTextResponse:
        note(error)
        return PlainTextResponse("sorry", 503)

    @app.get("/divide")
    def divide() -> float:
        return 1 / 0

    with serving(app) as url:
        assert httpx.get(url + "/divide").text == "sorry"
    assert one_request(receiver)["status_code"] == 503
    assert "ZeroDivisionError: division by zero" in receiver.wait("logs", 1)[0]["body"]


@pytest.mark.parametrize("breaks", [False, True])
def test_a_stream_lasts_until_its_last_byte(
    receiver: Receiver, sender: Sender, breaks: bool
) -> None:
    app, go_on = watched(sender), threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.to_thread(go_on.wait, 30.0)
        if breaks:
            raise RuntimeError("broke in the middle")
        yield b"two"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(pieces())

    with serving(app) as url, httpx.stream("GET", url + "/stream") as answer:
        assert answer.headers[TRACE]
        got = answer.iter_raw()
        assert next(got) == b"one"
        assert sender.flush(30.0)
        assert not receiver.of("requests"), "it is not over"
        go_on.set()
        with contextlib.suppress(httpx.RemoteProtocolError):
            assert b"".join(got) == b"two"
        request = one_request(receiver)
    assert request["status_code"] == (500 if breaks else 200)
    if breaks:
        assert "broke in the middle" in receiver.wait("logs", 1)[0]["body"]


def test_a_disconnect_of_the_client_is_no_error(receiver: Receiver, sender: Sender) -> None:
    app, left = watched(sender), threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        while not left.is_set():
            yield b"more"
            await asyncio.sleep(0.005)

    @app.get("/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(endless())

    with serving(app) as url:
        with httpx.stream("GET", url + "/endless") as answer:
            assert next(answer.iter_raw()).startswith(b"more")
        request = one_request(receiver)
        left.set()
    assert request["status_code"] == 200
    assert sender.flush(30.0)
    assert not receiver.of("logs")


def test_a_disconnect_before_the_response(receiver: Receiver, sender: Sender) -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while (await receive())["type"] != "http.disconnect":
            pass

    app = MadMiddleware(waits, "shop", sender=sender)
    with serving(app) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one_request(receiver)["status_code"] == 499
    assert not receiver.of("logs")


def test_a_handshake_of_a_websocket_is_a_request(receiver: Receiver, sender: Sender) -> None:
    went: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        went.append("up")
        yield
        went.append("down")

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(MadMiddleware, service="shop", sender=sender, skip=("/health",))

    @app.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("heard " + await socket.receive_text())
        await socket.close()

    @app.get("/health")
    def health() -> str:
        return "fine"

    @app.get("/counted")
    def counted() -> str:
        return "yes"

    with serving(app) as url:
        with connect(url.replace("http", "ws") + "/talk") as client:
            client.send("this")
            assert client.recv() == "heard this"
        assert TRACE not in httpx.get(url + "/health").headers
        httpx.get(url + "/counted")
    assert went == ["up", "down"]
    assert sender.flush(30.0)
    found = [(one["endpoint"], one["status_code"]) for one in receiver.of("requests")]
    assert found == [("/talk", 101), ("/counted", 200)]


def test_concurrent_requests_have_separate_traces(receiver: Receiver, sender: Sender) -> None:
    app = watched(sender)

    def trace() -> str:
        exchange = current()
        assert exchange is not None
        return exchange.trace_id

    @app.get("/task")
    async def task() -> list[str]:
        before = trace()
        await asyncio.sleep(0.02)
        return [before, trace(), await asyncio.to_thread(trace)]

    @app.get("/thread")
    def thread() -> list[str]:
        before = trace()
        time.sleep(0.02)
        return [before, trace()]

    async def ask(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=30.0) as client:
            paths = ["/task", "/thread"] * 15
            return await asyncio.gather(*[client.get(url + path) for path in paths])

    with serving(app) as url:
        answers = asyncio.run(ask(url))
    for answer in answers:
        assert set(answer.json()) == {answer.headers[TRACE]}
    assert len({answer.headers[TRACE] for answer in answers}) == 30
    assert current() is None


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
def test_calls_propagate_the_trace(receiver: Receiver, sender: Sender, kind: str) -> None:
    callee, caller = watched(sender, "stock"), watched(sender, "shop")

    @callee.get("/level")
    def level() -> PlainTextResponse:
        return PlainTextResponse("none", 503)

    with serving(callee) as below:
        if kind == "asyncio":

            @caller.get("/buy")
            async def buy() -> int:
                async with httpx.AsyncClient(transport=AsyncMadTransport()) as client:
                    return (await client.get(below + "/level")).status_code

        else:

            @caller.get("/buy")
            def buy_in_thread() -> int:
                with httpx.Client(transport=MadTransport()) as client:
                    return client.get(below + "/level").status_code

        with serving(caller) as url:
            assert httpx.get(url + "/buy").json() == 503
        spans = {(one["service"], one["kind"]): one for one in receiver.wait("spans", 3)}
    top, call, bottom = (
        spans[key] for key in (("shop", "server"), ("shop", "client"), ("stock", "server"))
    )
    assert top["trace_id"] == call["trace_id"] == bottom["trace_id"]
    assert (call["parent_id"], bottom["parent_id"]) == (top["span_id"], call["span_id"])
    assert (top["status"], call["status"], bottom["status"]) == ("ok", "error", "error")
    assert (call["operation"], call["peer"]) == ("GET /level", below.removeprefix("http://"))
    graph = mad.ServiceGraph()
    graph.feed("spans", "".join(json.dumps(one) + "\n" for one in spans.values()).encode())
    graph.end("spans")
    assert graph.callees("shop") == ["stock"]


def test_an_unreachable_server_does_not_affect_the_app() -> None:
    with receiving() as gone:
        away = gone.url
    app = FastAPI()
    app.add_middleware(MadMiddleware, service="shop", url=away)

    @app.get("/")
    def root() -> str:
        return "fine"

    with serving(app) as url:
        assert [httpx.get(url).json() for _ in range(5)] == ["fine"] * 5


def test_a_recorder_needs_a_url_or_a_sender(sender: Sender) -> None:
    for wrong in ({}, {"sender": sender, "url": "http://x"}):
        with pytest.raises(ValueError, match="either url or sender"):
            MadMiddleware(FastAPI(), "shop", **wrong)  # type: ignore[arg-type]
