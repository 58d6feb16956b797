"""The demo shop with real services: calls, injected failures, and the culprit that mad names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from receiver import Receiver, receiving

import mad
import mad.demo
from mad import errors
from mad.adapters import Clock, Sender
from mad.demo.faults import Faults, InjectedError
from mad.demo.load import Load, Target

SERVICES = ("payment", "inventory", "checkout", "service-b", "service-a")
E2E = list(mad.demo.SCENARIOS) if os.environ.get("MAD_TEST_ALL") else ["failing-inventory"]


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[Receiver, mad.demo.Shop, Sender]]:
    """A shop and the receiver of its records."""
    with receiving() as receiver:
        sender = Sender(receiver.url, interval=0.01)
        with mad.demo.Shop(sender) as shop:
            yield receiver, shop, sender
        sender.close()


@pytest.fixture
def shop(watched: tuple[Receiver, mad.demo.Shop, Sender]) -> Iterator[mad.demo.Shop]:
    """The shop without faults."""
    yield watched[1]
    watched[1].faults.clear()


def ask(method: str, url: str, **headers: str) -> tuple[int, dict[str, Any], str | None]:
    """Status, JSON and trace id."""
    body = b"" if method == "POST" else None
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30.0) as answer:
            return answer.status, json.loads(answer.read()), answer.headers["X-Trace-ID"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers["X-Trace-ID"]


def wait_for(watched: tuple[Receiver, mad.demo.Shop, Sender], trace: Any, **counts: int) -> None:
    """Waits until `count` records of a trace have arrived, because a service sends its records
    after the response."""
    receiver, _, sender = watched
    for _ in range(200):
        assert sender.flush(30.0)
        came = {kind: sum(one["trace_id"] == trace for one in receiver.of(kind)) for kind in counts}
        if came == counts:
            return
        time.sleep(0.05)
    raise AssertionError((came, counts))


def test_checkout_calls_payment_and_inventory(
    watched: tuple[Receiver, mad.demo.Shop, Sender],
) -> None:
    receiver, shop, _ = watched
    status, answer, trace = ask("POST", shop.urls["checkout"] + "/checkout")
    assert status == 200
    assert answer["payment"]["status"] == "paid"
    assert answer["inventory"]["in_stock"] is True
    wait_for(watched, trace, requests=3, spans=5)
    requests = {one["service"]: one for one in receiver.of("requests") if one["trace_id"] == trace}
    assert set(requests) == {"checkout", "payment", "inventory"}
    assert requests["payment"]["latency_ms"] >= 90.0
    assert requests["inventory"]["latency_ms"] >= 45.0
    below = requests["payment"]["latency_ms"] + requests["inventory"]["latency_ms"]
    assert requests["checkout"]["latency_ms"] >= below
    spans = [one for one in receiver.of("spans") if one["trace_id"] == trace]
    assert len(spans) == 5
    graph = mad.ServiceGraph()
    graph.feed("spans", "".join(json.dumps(span) + "\n" for span in spans).encode())
    graph.end("spans")
    assert sorted(graph.callees("checkout")) == ["inventory", "payment"]


@pytest.mark.parametrize("path", ["/start", "/test"])
def test_the_chain_is_instrumented_with_the_sdk(
    watched: tuple[Receiver, mad.demo.Shop, Sender], path: str
) -> None:
    receiver, shop, _ = watched
    status, answer, trace = ask("GET", shop.urls["service-a"] + path)
    assert (status, answer) == (200, {"answer": {"message": "pong"}})
    wait_for(watched, trace, requests=2, spans=3)
    spans = [one for one in receiver.of("spans") if one["trace_id"] == trace]
    by = {(one["service"], one["kind"]): one for one in spans}
    top, call, below = (
        by[key]
        for key in (("service-a", "server"), ("service-a", "client"), ("service-b", "server"))
    )
    assert (top["operation"], below["operation"]) == (f"GET {path}", "GET /ping")
    assert (call["parent_id"], below["parent_id"]) == (top["span_id"], call["span_id"])
    endpoints = {one["endpoint"] for one in receiver.of("requests") if one["trace_id"] == trace}
    assert endpoints == {path, "/ping"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_healthy_and_knows_its_routes(shop: mad.demo.Shop, service: str) -> None:
    url = shop.urls[service]
    assert ask("GET", url + "/health")[:2] == (200, {"status": "healthy", "service": service})
    status, answer, _ = ask("GET", url + "/nowhere")
    assert (status, answer["error"]) == (404, "not_found")
    assert ask("GET", url + "/simulate/nothing")[0] == 404
    wrong = {"payment": "/payment", "checkout": "/checkout"}.get(service)
    if wrong:
        assert ask("GET", url + wrong)[0] == 405


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("endpoint", ["payment", "/payment", "/payment/"])
def test_a_delay(
    watched: tuple[Receiver, mad.demo.Shop, Sender],
    shop: mad.demo.Shop,
    service: str,
    endpoint: str,
) -> None:
    route = f"{shop.urls[service]}/simulate/delay?endpoint={endpoint}&duration=300"
    status, answer, trace = ask("POST", route)
    assert (status, trace) == (200, None), "what lets failures in is no request of the shop"
    assert (answer["endpoint"], answer["delay_ms"]) == ("/payment", 300.0)
    status, answer, _ = ask("GET", shop.urls[service] + "/simulate/status")
    assert (status, answer) == (200, {"delays": {"/payment": 300.0}, "error_rates": {}})
    status, _, trace = ask("POST", shop.urls["payment"] + "/payment")
    assert status == 200
    wait_for(watched, trace, requests=1)
    (served,) = [one for one in watched[0].of("requests") if one["trace_id"] == trace]
    assert served["latency_ms"] >= 380.0


def test_an_error_rate(watched: tuple[Receiver, mad.demo.Shop, Sender]) -> None:
    receiver, shop, _ = watched
    url = shop.urls["inventory"]
    status, answer, _ = ask("POST", url + "/simulate/error?endpoint=inventory&rate=1")
    assert (status, answer["error_rate"]) == (200, 1.0)
    status, answer, trace = ask("POST", shop.urls["checkout"] + "/checkout")
    assert (status, answer["error"]) == (502, "failed")
    wait_for(watched, trace, logs=2, requests=3)
    lines = {one["service"]: one for one in receiver.of("logs") if one["trace_id"] == trace}
    found = [one for one in receiver.of("requests") if one["trace_id"] == trace]
    assert set(lines) == {"inventory", "checkout"}
    assert (
        "InjectedError: /inventory failed because of an injected fault"
        in lines["inventory"]["body"]
    )
    assert "in apply" in lines["inventory"]["body"]
    assert {one["service"]: one["status_code"] for one in found} == {
        "payment": 200,
        "inventory": 500,
        "checkout": 502,
    }
    shop.faults.clear()


def test_an_error_rate_of_half_fails_some(shop: mad.demo.Shop) -> None:
    ask("POST", shop.urls["inventory"] + "/simulate/error?endpoint=ping&rate=0.5")
    statuses = [ask("GET", shop.urls["service-b"] + "/ping")[0] for _ in range(40)]
    assert {200, 500} == set(statuses)


@pytest.mark.parametrize(("rate", "cut"), [("7", 1.0), ("-1", 0.0), ("0.25", 0.25)])
def test_a_rate_is_clamped_to_its_range(shop: mad.demo.Shop, rate: str, cut: float) -> None:
    route = f"{shop.urls['payment']}/simulate/error?endpoint=payment&rate={rate}"
    assert ask("POST", route)[1]["error_rate"] == cut
    assert shop.faults.status()["error_rates"] == ({"/payment": cut} if cut else {})


def test_clear_one_and_clear_all(shop: mad.demo.Shop) -> None:
    url = shop.urls["checkout"]
    for name in ("payment", "inventory", "checkout"):
        ask("POST", f"{url}/simulate/delay?endpoint={name}&duration=5")
        ask("POST", f"{url}/simulate/error?endpoint={name}&rate=0.5")
    status, answer, _ = ask("POST", url + "/simulate/clear?endpoint=payment")
    assert (status, answer["cleared"]) == (200, "/payment")
    left = {"/inventory", "/checkout"}
    assert [set(part) for part in shop.faults.status().values()] == [left, left]
    assert ask("POST", url + "/simulate/clear")[1]["cleared"] == "all"
    assert shop.faults.status() == {"delays": {}, "error_rates": {}}


@pytest.mark.parametrize(
    ("route", "status", "says"),
    [
        ("delay", 400, "endpoint is missing"),
        ("delay?duration=5", 400, "endpoint is missing"),
        ("delay?endpoint=&duration=5", 400, "endpoint is missing"),
        ("delay?endpoint=payment", 400, "duration is missing"),
        ("delay?endpoint=payment&duration=soon", 400, "duration is 'soon'"),
        ("delay?endpoint=payment&duration=-1", 400, "duration is '-1'"),
        ("delay?endpoint=payment&duration=nan", 400, "duration is 'nan'"),
        ("delay?endpoint=nowhere&duration=5", 404, "no endpoint /nowhere"),
        ("error", 400, "endpoint is missing"),
        ("error?rate=0.5", 400, "endpoint is missing"),
        ("error?endpoint=payment", 400, "rate is missing"),
        ("error?endpoint=payment&rate=often", 400, "rate is 'often'"),
        ("error?endpoint=payment&rate=inf", 400, "rate is 'inf'"),
        ("clear?endpoint=", 400, "endpoint is missing"),
        ("clear?endpoint=nowhere", 404, "no endpoint /nowhere"),
    ],
)
def test_invalid_faults_are_refused(
    shop: mad.demo.Shop, route: str, status: int, says: str
) -> None:
    found, answer, _ = ask("POST", f"{shop.urls['checkout']}/simulate/{route}")
    assert found == status
    assert says in answer["message"]
    assert answer["hint"]
    assert shop.faults.status() == {"delays": {}, "error_rates": {}}
    name = route.partition("?")[0]
    assert ask("GET", f"{shop.urls['checkout']}/simulate/{name}")[0] == 405


def test_checkout_times_out_on_a_slow_payment(shop: mad.demo.Shop) -> None:
    shop.faults.delay("payment", 60_000.0)
    status, answer, _ = ask("POST", shop.urls["checkout"] + "/checkout")
    assert (status, answer["message"].endswith("took over 3 s")) == (504, True)


def test_faults_are_the_same_for_a_seed() -> None:
    def failed(seed: int) -> list[bool]:
        faults, found = Faults(["/x"], seed), []
        faults.error("x", 0.5)
        for _ in range(50):
            try:
                faults.apply("/x")
                found.append(False)
            except InjectedError:
                found.append(True)
        return found

    assert failed(1) == failed(1) != failed(2)


def test_the_load_sends_requests_and_counts_statuses(shop: mad.demo.Shop) -> None:
    load = Load(
        [
            Target("GET", shop.urls["service-b"] + "/ping", 10.0),
            Target("GET", shop.urls["service-b"] + "/nowhere", 10.0),
            Target("GET", "http://127.0.0.1:9/", 10.0),
        ],
        minute=0.5,
    )
    deadline = time.monotonic() + 30.0
    while set(load.statuses) != {0, 200, 404} and time.monotonic() < deadline:
        time.sleep(0.02)
    load.close()
    assert set(load.statuses) == {0, 200, 404}
    assert load.skipped == 0
    count = sum(load.statuses.values())
    time.sleep(0.1)
    assert sum(load.statuses.values()) == count


@pytest.mark.parametrize("scenario", E2E)
def test_mad_names_the_failing_endpoint(scenario: str) -> None:
    before = {thread.name for thread in threading.enumerate()}
    words: list[str] = []
    with receiving() as receiver:
        outcomes = mad.demo.run(
            receiver.url,
            scenario=scenario,
            accelerate=50.0,
            rate=12.0,
            warm_up=24.0,
            failing=6.0,
            after=2.0,
            say=words.append,
        )
        (outcome,) = outcomes
        assert outcome.culprit == outcome.root, words
        assert outcome.correct
        assert outcome.named_after is not None
        assert receiver.pipeline.rejected["total"] <= len(receiver.of("requests")) // 100
    assert any("event time runs at 50 times" in line for line in words)
    assert any(f"{' '.join(outcome.root)} named after" in line for line in words)
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith("mad-")]


def test_event_time_starts_after_the_newest_record_of_the_server() -> None:
    with receiving() as receiver:
        receiver.newest = "2099-01-06T10:45:00Z"
        with mad.demo.Demo(receiver.url, accelerate=100.0, say=lambda _: None) as demo:
            requests = receiver.wait("requests", 5)
            assert demo.stats.dropped == 0
    assert {one["timestamp"][:13] for one in requests} == {"2099-01-06T10"}


def test_the_stop_event_ends_the_demo() -> None:
    stop, began = threading.Event(), threading.Event()
    with receiving() as receiver:
        results: list[Any] = []

        def play() -> None:
            results.extend(mad.demo.run(receiver.url, stop=stop, say=lambda _: began.set()))

        thread = threading.Thread(target=play)
        thread.start()
        assert began.wait(30.0)
        stop.set()
        thread.join(60.0)
        assert not thread.is_alive()
    assert results == []


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="slow-payment, failing-inventory, cascade or all"):
        mad.demo.run("http://127.0.0.1:9", scenario="fire")
    with pytest.raises(ValueError, match="rate"):
        mad.demo.Demo("http://127.0.0.1:9", rate=0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_and_its_ports(number: signal.Signals) -> None:
    with receiving() as receiver:
        command = [sys.executable, "-m", "mad.demo", receiver.url, "--keep"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().split()[1]
                assert ask("GET", url + "/health")[0] == 200
                process.send_signal(number)
                assert process.wait(60.0) == errors.INTERRUPTED
            finally:
                process.kill()
        with pytest.raises(OSError, match="refused"):
            ask("GET", url + "/health")


def test_without_the_sdk_the_chain_is_not_started() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
import mad.demo
with mad.demo.Demo(sys.argv[1], accelerate=100.0) as demo:
    assert list(demo.shop.urls) == ["payment", "inventory", "checkout"], demo.shop.urls
try:
    import mad.adapters.opentelemetry
except ImportError as error:
    print(error.hint)
"""
    with receiving() as receiver:
        command = [sys.executable, "-c", program, receiver.url]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60.0)
    assert result.stdout.count("pip install 'mad-py[otel]'") == 2


def test_a_launched_demo_has_the_token_and_ends_on_a_signal() -> None:
    with receiving(token="secret") as receiver:
        process = mad.demo.launch(receiver.url, "secret", accelerate=100.0)
        try:
            receiver.wait("requests", 3)
            process.terminate()
            assert process.wait(60.0) == errors.INTERRUPTED
        finally:
            process.kill()


def test_a_shop_with_its_default_clock() -> None:
    with receiving() as receiver:
        sender = Sender(receiver.url)
        with mad.demo.Shop(sender, Clock(start=1_767_696_300.0, factor=100.0)) as shop:
            assert ask("POST", shop.urls["checkout"] + "/checkout")[0] == 200
        sender.close()
        requests = receiver.of("requests")
    assert {one["timestamp"][:10] for one in requests} == {"2026-01-06"}
    assert max(one["latency_ms"] for one in requests) < 10_000.0, "latencies are as measured"
