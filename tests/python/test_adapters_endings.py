"""What ends a request, and what becomes of records when a process ends: real servers and
processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket
from receiver import Receiver
from service import Server
from starlette.responses import StreamingResponse
from test_adapters_asgi import serving, watched
from test_adapters_wsgi import serving as serving_wsgi
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mad.adapters import Sender
from mad.adapters.asgi import MadMiddleware
from mad.adapters.wsgi import MadMiddleware as WsgiMiddleware

PAUSE = 1.5
"""Seconds of work after a response; a latency with it is above `PAUSE`, without it far below."""
METRIC = {"timestamp": "2026-01-06T10:00:00Z", "service": "shop", "metric": "cpu", "value": 40.0}


def test_a_background_task_is_no_part_of_the_request(receiver: Receiver, sender: Sender) -> None:
    app = watched(sender)

    async def later() -> None:
        await asyncio.sleep(PAUSE)
        raise RuntimeError("the mail was not sent")

    @app.get("/pay")
    async def pay(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "paid"

    with serving(app) as url:
        assert httpx.get(url + "/pay").status_code == 200
        (request,) = receiver.wait("requests", 1)
        (log,) = receiver.wait("logs", 1)
    assert request["status_code"] == 200
    assert request["latency_ms"] < PAUSE * 1e3 / 2
    assert log["body"].startswith("GET /pay after its response: RuntimeError: the mail")
    assert log["trace_id"] == request["trace_id"]
    assert sender.flush(30.0)
    assert len(receiver.of("requests")) == 1


def test_an_event_stream_ends_with_its_first_event(receiver: Receiver, sender: Sender) -> None:
    app, ending = watched(sender), asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        while not ending.is_set():
            await asyncio.sleep(0.02)
            yield b": still here\n\n"

    @app.get("/events")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    with serving(app) as url, httpx.stream("GET", url + "/events") as answer:
        assert next(answer.iter_raw()).startswith(b"data: 1")
        (request,) = receiver.wait("requests", 1)  # while the stream is open
        answer.close()
        ending.set()
    assert request["status_code"] == 200
    assert sender.flush(30.0)
    assert not receiver.of("logs")
    assert len(receiver.of("requests")) == 1


def test_the_client_that_leaves_ends_the_request(receiver: Receiver, sender: Sender) -> None:
    async def lingers(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive())["type"] != "http.disconnect":
                pass
            await asyncio.sleep(PAUSE)

    with serving(MadMiddleware(lingers, "shop", sender=sender)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        (request,) = receiver.wait("requests", 1)
    assert request["status_code"] == 499
    assert request["latency_ms"] < PAUSE * 1e3 / 2


def test_websockets_that_fail(receiver: Receiver, sender: Sender) -> None:
    app = FastAPI()
    app.add_middleware(MadMiddleware, service="shop", sender=sender)

    @app.websocket("/room/{room}")
    async def room(socket: WebSocket, room: str) -> None:
        if room == "closed":
            await socket.close()
            return
        if room == "broken":
            raise RuntimeError("before the handshake")
        await socket.accept()
        await socket.receive_text()
        raise RuntimeError("after the handshake")

    with serving(app) as url:
        place = url.replace("http", "ws") + "/room/"
        for name in ("closed", "broken"):
            with pytest.raises(InvalidStatus), connect(place + name):
                pass
        with connect(place + "open") as client, contextlib.suppress(Exception):
            client.send("x")
            client.recv(timeout=30.0)
        requests, logs = receiver.wait("requests", 3), receiver.wait("logs", 2)
    assert sorted((one["endpoint"], one["status_code"]) for one in requests) == [
        ("/room/{room}", 101),
        ("/room/{room}", 403),
        ("/room/{room}", 500),
    ]
    assert {one["body"].split("\n")[0] for one in logs} == {
        "GET /room/{room}: RuntimeError: before the handshake",
        "GET /room/{room} after its response: RuntimeError: after the handshake",
    }


def test_closing_a_wsgi_response_is_no_part_of_the_request(
    receiver: Receiver, sender: Sender
) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"one", b"two"])

        def close(self) -> None:
            time.sleep(PAUSE)
            raise RuntimeError("the file was not removed")

    def app(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "6")])
        return Body()

    with serving_wsgi(WsgiMiddleware(app, "shop", sender=sender)) as url:
        assert httpx.get(url).content == b"onetwo"
        (request,) = receiver.wait("requests", 1)
        (log,) = receiver.wait("logs", 1)
    assert request["status_code"] == 200
    assert request["latency_ms"] < PAUSE * 1e3 / 2
    assert log["body"].startswith("GET / after its response: RuntimeError: the file")


def test_a_wsgi_event_stream_ends_with_its_first_event(receiver: Receiver, sender: Sender) -> None:
    def app(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/event-stream; charset=utf-8")])
        yield b"data: 1\n\n"
        time.sleep(PAUSE)
        yield b"data: 2\n\n"

    with serving_wsgi(WsgiMiddleware(app, "shop", sender=sender)) as url:
        assert httpx.get(url).content.count(b"data") == 2
        (request,) = receiver.wait("requests", 1)
    assert request["latency_ms"] < PAUSE * 1e3 / 2
    assert sender.flush(30.0)
    assert len(receiver.of("requests")) == 1


APPS = """
import os
from mad.adapters import Sender
from mad.adapters.asgi import MadMiddleware
from mad.adapters.wsgi import MadMiddleware as Wsgi

sender = Sender(os.environ["MAD_URL"], interval=60.0)

async def plain(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("only http")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

async def whole(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    await plain(scope, receive, send)

def sync(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

bare, whole = (MadMiddleware(app, "shop", sender=sender) for app in (plain, whole))
sync = Wsgi(sync, "shop", sender=sender)
"""
UVICORN = ["-m", "uvicorn", "--log-level", "warning"]
GUNICORN = ["-m", "gunicorn", "--log-level", "warning"]
SERVERS = {
    "uvicorn": [*UVICORN, "apps:whole"],
    "uvicorn, no lifespan of the app": [*UVICORN, "apps:bare"],
    "uvicorn, two workers": [*UVICORN, "--workers", "2", "apps:whole"],
    "gunicorn": [*GUNICORN, "--workers", "2", "apps:sync"],
    "gunicorn, preloaded, threads": [*GUNICORN, "--preload", "--threads", "2", "apps:sync"],
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_sends_its_records_at_sigterm(
    receiver: Receiver, tmp_path: Path, name: str
) -> None:
    (tmp_path / "apps.py").write_text(APPS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in name else ["--port", str(port)]
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    server = subprocess.Popen(
        [sys.executable, *SERVERS[name][:2], *place, *SERVERS[name][2:]],
        env={**os.environ, "PYTHONPATH": path, "MAD_URL": receiver.url},
    )
    try:
        served = _ask(f"http://127.0.0.1:{port}/", 8)
        assert not receiver.of("requests")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    assert len(receiver.of("requests")) == served


def _ask(url: str, count: int) -> int:
    """Sends requests, one at a time and each on a new connection; how many were answered."""
    for _ in range(300):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            break
        time.sleep(0.1)
    for _ in range(count):
        assert httpx.get(url).status_code == 200
    return count + 1


ENDINGS = {
    "a signal": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
    "a child of multiprocessing": """
child = multiprocessing.get_context("fork").Process(target=sender.send, args=("metrics", record))
child.start(); child.join()
""",
    "a child that is terminated": """
def work():
    sender.send("metrics", record); os.kill(os.getppid(), signal.SIGUSR1); time.sleep(60)
ready = []
signal.signal(signal.SIGUSR1, lambda *_: ready.append(1))
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
while not ready: time.sleep(0.02)
child.terminate(); child.join()
""",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_process_sends_its_records_at_its_end(receiver: Receiver, name: str) -> None:
    program = f"""
import multiprocessing, os, signal, time
from mad.adapters import Sender
sender = Sender({receiver.url!r}, interval=60.0)
record = {METRIC!r}
sender.send("metrics", record)
{ENDINGS[name]}
"""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=False)
    assert ended.returncode == (-signal.SIGTERM if name == "a signal" else 0)
    assert len(receiver.of("metrics")) == (1 if name == "a signal" else 2)


def test_a_handler_of_the_program_is_kept(receiver: Receiver) -> None:
    program = f"""
import signal, sys
from mad.adapters import Sender
own = lambda *_: sys.exit(7)
signal.signal(signal.SIGTERM, own)
sender = Sender({receiver.url!r})
assert signal.getsignal(signal.SIGTERM) is own
signal.signal(signal.SIGTERM, signal.SIG_DFL)
Sender({receiver.url!r}, sigterm=False)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_frozen_platform_gets_the_records_with_each_request(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "pay")
    sender = Sender(receiver.url, interval=60.0)

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def sent(_: Any) -> None:
        pass

    async def received() -> Any:
        return {"type": "http.request"}

    app = MadMiddleware(handler, "pay", sender=sender)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(app(scope, received, sent))
    assert len(receiver.of("requests")) == 1
    sender.close()


def test_dropped_records_are_counted_by_the_server(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        sender = Sender(server.url, capacity=2, interval=60.0)
        for _ in range(5):
            sender.send("metrics", METRIC)
        assert sender.flush(30.0)
        assert sender.stats.dropped == 3
        sender.send("metrics", METRIC)
        sender.close()
        assert server.get("/v1/query/stats")["dropped_by_senders"] == 3
        exposed = server.http.get("/metrics/prometheus").text
        assert "\nmad_sender_dropped_total 3\n" in exposed
