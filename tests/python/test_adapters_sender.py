"""The sender against a real HTTP server that refuses, disappears and comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from receiver import CLOSE, LOST, Receiver, receiving

from mad.adapters import Clock, Sender
from mad.adapters.clock import HELD, LONGEST, rfc3339
from mad.adapters.post import NotTakenError, Post, _seconds, after_newest
from mad.adapters.sender import BODY_BYTES, HELD_BYTES

METRIC = {"timestamp": "2026-01-06T10:45:00Z", "service": "shop", "metric": "cpu", "value": 40.0}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def away() -> str:
    """A place where nobody listens."""
    with receiving() as gone:
        return gone.url


def metric(value: float) -> dict[str, object]:
    return {**METRIC, "value": value}


def test_every_kind_arrives_and_is_counted(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    at = METRIC["timestamp"]
    request = {"timestamp": at, "service": "shop", "endpoint": "/pay", "latency_ms": 3.5}
    sender.send("requests", {**request, "status_code": 200})
    sender.send("requests", {**request, "status_code": 12_345_678})
    sender.send("metrics", METRIC)
    sender.send("logs", {"timestamp": at, "service": "shop", "level": "ERROR", "body": "no\nway"})
    sender.send("changes", {"timestamp": at, "service": "shop", "kind": "deploy"})
    span = {"trace_id": "1", "span_id": "2", "parent_id": "", "service": "shop"}
    sender.send("spans", {**span, "operation": "GET /", "start": at, "duration_ms": 1.0})
    assert sender.flush(30.0)
    figures = sender.figures
    assert (figures.sent, figures.accepted, figures.rejected) == (6, 5, 1)
    assert (figures.dropped, figures.waiting, figures.retried) == (0, 0, 0)
    assert receiver.of("logs")[0]["body"] == "no\nway"
    kinds = [kind for kind, _ in receiver.tries]
    assert kinds.index("requests") < kinds.index("spans")
    sender.close()


def test_a_batch_is_sent_again_with_its_key(receiver: Receiver) -> None:
    receiver.statuses = [
        (429, {"Retry-After": "0"}),
        (503, {"Retry-After": "rubbish"}),
        (CLOSE, {}),
        (LOST, {}),
    ]
    sender = Sender(receiver.url)
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert len(receiver.tries) == 5
    assert len({key for _, key in receiver.tries}) == 1
    assert len(receiver.of("metrics")) == 1, "the batch whose answer was lost was taken once"
    figures = sender.figures
    assert (figures.sent, figures.accepted, figures.retried, figures.dropped) == (1, 1, 4, 0)
    sender.send("metrics", metric(41.0))
    assert sender.flush(30.0)
    assert len({key for _, key in receiver.tries}) == 2
    sender.close()


def test_a_connection_that_was_closed_for_idling_is_no_retry(receiver: Receiver) -> None:
    post = Post(receiver.url)
    assert post.get("/health") == {"status": "healthy"}
    assert post._connection is not None
    before = post._connection.sock
    before.settimeout(30.0)
    assert before.recv(1, socket.MSG_PEEK) == b"", "the server closed it"
    assert post.get("/health") == {"status": "healthy"}
    post._connection.sock.settimeout(30.0)
    assert post._connection.sock.recv(1, socket.MSG_PEEK) == b""
    answer = post.send("metrics", json.dumps(METRIC).encode(), "key", 1)
    assert (answer.accepted, answer.retried, len(receiver.tries)) == (1, 0, 1)
    post.close()


def test_it_waits_as_long_as_the_server_asks(receiver: Receiver) -> None:
    # so long that patience is over before: it is not tried again
    receiver.statuses = [(429, {"Retry-After": "30"})]
    sender = Sender(receiver.url, patience=10.0)
    sender.send("metrics", METRIC)
    assert sender.flush(5.0)
    assert len(receiver.tries) == 1
    figures = sender.figures
    assert (figures.sent, figures.dropped) == (0, 1)
    assert figures.problem.startswith("metrics: 429")
    sender.close()


def test_retry_after_is_a_number_or_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _seconds("7") == 7.0
    assert _seconds("-7") == _seconds(None) == _seconds("soon") == 0.0
    moment = datetime(2026, 1, 6, 10, 45, tzinfo=timezone.utc)
    monkeypatch.setattr(time, "time", moment.timestamp)
    later = moment + timedelta(seconds=1000)
    assert _seconds(format_datetime(later, usegmt=True)) == 1000.0


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_what_is_refused_is_dropped_and_not_sent_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [(status, {})]
    sender = Sender(receiver.url)
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert len(receiver.tries) == 1
    assert (sender.figures.dropped, sender.figures.problem) == (1, f"metrics: {status} no")
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert sender.figures.accepted == 1, "the next batch goes out as if nothing had been"
    sender.close()


def test_a_batch_of_which_nothing_can_be_taken_is_answered(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    sender.send("metrics", {**METRIC, "timestamp": "yesterday"})
    assert sender.flush(30.0)
    figures = sender.figures
    assert (figures.sent, figures.accepted, figures.rejected, figures.dropped) == (1, 0, 1, 0)
    assert len(receiver.tries) == 1
    sender.close()


def test_a_server_that_is_away_costs_counted_drops(away: str) -> None:
    sender = Sender(away, capacity=10, batch=5, interval=0.01, patience=0.01)
    for value in range(100):
        sender.send("metrics", metric(value))
    assert sender.flush(30.0)
    figures = sender.figures
    assert (figures.sent, figures.dropped, figures.waiting) == (0, 100, 0)
    assert "refused" in figures.problem.lower()
    sender.close()


def test_what_waits_is_bounded(away: str) -> None:
    sender = Sender(away, capacity=10, batch=5, interval=0.01)
    for value in range(100):
        sender.send("metrics", metric(value))
    figures = sender.figures
    assert figures.waiting <= 15
    assert figures.waiting + figures.dropped == 100
    assert not sender.flush(0.01)
    sender.close(0.01)
    assert (sender.figures.dropped, sender.figures.waiting) == (100, 0)


def test_long_records_are_bounded_too(receiver: Receiver, away: str) -> None:
    line = {"timestamp": METRIC["timestamp"], "service": "shop", "body": "x" * 1_000_000}
    sender = Sender(away)
    for _ in range(50):
        sender.send("logs", line)
    assert 10 <= 50 - sender.figures.dropped <= HELD_BYTES // 1_000_000 + 5
    sender.close(0.01)
    sender = Sender(receiver.url)
    for _ in range(20):
        sender.send("logs", line)
    assert sender.flush(30.0)
    assert sender.figures.sent == 20
    assert len(receiver.tries) >= 20_000_000 // (BODY_BYTES + 1_000_000)
    sender.close()


def test_what_becomes_of_a_record_later_does_not_matter(receiver: Receiver) -> None:
    record, sender = metric(40.0), Sender(receiver.url)
    sender.send("metrics", record)
    record["value"] = 41.0
    assert sender.flush(30.0)
    assert receiver.of("metrics")[0]["value"] == 40.0
    sender.close()


def test_a_server_that_comes_back_gets_what_waited(away: str) -> None:
    sender = Sender(away, interval=0.01)
    sender.send("metrics", METRIC)
    with receiving(port=int(away.rpartition(":")[2])) as receiver:
        assert receiver.wait("metrics", 1)[0]["value"] == 40.0
        assert sender.flush(30.0)
        sender.close()
    assert (sender.figures.sent, sender.figures.dropped) == (1, 0)


def test_what_is_no_json_is_dropped_alone(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    circle: dict[str, object] = {}
    circle["circle"] = circle

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("cannot say")

    mute = {**METRIC, "service": Mute()}
    for record in (metric(float("nan")), circle, {(1, 2): 3}, mute, METRIC):
        sender.send("metrics", record)  # type: ignore[arg-type]
    sender.send("sounds", METRIC)
    assert sender.flush(30.0)
    assert (sender.figures.accepted, sender.figures.dropped) == (1, 5)
    sender.close()


def test_threads_share_a_sender(receiver: Receiver) -> None:
    sender = Sender(receiver.url, batch=64)

    def send(first: int) -> None:
        for value in range(first, first + 200):
            sender.send("metrics", metric(value))

    threads = [threading.Thread(target=send, args=(first,)) for first in range(0, 1600, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sender.flush(30.0)
    assert sorted(one["value"] for one in receiver.of("metrics")) == list(range(1600))
    assert len(set(receiver.tries)) == len(receiver.tries) >= 25
    sender.close()


def test_token_and_compression(receiver: Receiver) -> None:
    receiver.token = "secret"
    stranger = Sender(receiver.url)
    stranger.send("metrics", METRIC)
    assert stranger.flush(30.0)
    assert stranger.figures.problem.startswith("metrics: 401")
    stranger.close()
    sender = Sender(receiver.url, "secret", compress=True)
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert (sender.figures.accepted, "gzip" in receiver.encodings) == (1, True)
    sender.close()


def test_a_closed_sender_only_counts(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    sender.send("metrics", METRIC)
    sender.close()
    sender.close()
    sender.send("metrics", METRIC)
    assert (sender.figures.sent, sender.figures.dropped) == (1, 1)
    assert sender._thread is not None
    assert not sender._thread.is_alive()


def test_a_fork_sends_for_itself_and_the_end_sends_the_rest(receiver: Receiver) -> None:
    program = f"""
import os
from mad.adapters import Sender
sender = Sender({receiver.url!r}, interval=60.0)
record = {METRIC!r}
sender.send("metrics", record)
child = os.fork()
sender.send("metrics", record | {{"value": 1.0 if child else 2.0}})
if child:
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
    assert sorted(one["value"] for one in receiver.of("metrics")) == [1.0, 2.0, 40.0]


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://", "http://x:port"])
def test_a_wrong_url_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        Sender(url)


def test_settings_have_ranges() -> None:
    for wrong in ({"capacity": 0}, {"batch": 0}, {"interval": 0.0}, {"interval": float("nan")}):
        with pytest.raises(ValueError, match="1 or more"):
            Sender("http://x", **wrong)  # type: ignore[arg-type]


def test_a_server_below_a_path_and_questions(receiver: Receiver, away: str) -> None:
    post = Post(receiver.url + "/")
    assert post.get("/health") == {"status": "healthy"}
    with pytest.raises(NotTakenError, match="404"):
        post.get("/nowhere")
    post.close()
    assert after_newest(Post(away)) is None
    assert after_newest(Post(receiver.url)) is None
    receiver.newest = "2099-01-06T10:45:00"
    expected = datetime(2099, 1, 6, 10, 46, tzinfo=timezone.utc).timestamp()
    assert after_newest(Post(receiver.url)) == expected
    receiver.newest = "2001-01-06T10:45:00Z"
    assert after_newest(Post(receiver.url)) is None


def test_a_clock_passes_faster_and_keeps_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    start = datetime(2026, 1, 6, 10, 45, tzinfo=timezone.utc)
    clock = Clock(start, 20.0)
    real = clock._real
    assert clock.at(real + 3.0) - clock.start == pytest.approx(60.0)
    assert clock.seconds(60.0) == 3.0
    begin, end = clock.at(real, "trace"), clock.at(real + 0.5, "trace")
    assert end - begin == pytest.approx(0.5, abs=1e-5)
    assert rfc3339(clock.start) == "2026-01-06T10:45:00.000000Z"
    # a request that took long is dated so that it is not late
    assert clock.now() - clock.began(real - 60.0, "slow") == LONGEST


def test_a_clock_forgets_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    clock = Clock(factor=1000.0)
    clock.at(0.0, "old")
    known = clock._traces["old"]
    now += 0.9 * HELD / 1000.0
    clock.at(0.0, "old")
    assert clock._traces["old"] == known
    now += 0.2 * HELD / 1000.0
    clock.at(0.0, "old")
    assert clock._traces["old"] > known
    for trace in range(5000):
        clock.at(0.0, str(trace))
    assert len(clock._traces) <= 4096


def test_a_clock_as_fast_as_time_tells_the_time() -> None:
    moment = 1_800_000_000.25
    assert Clock().at(moment, "trace") == pytest.approx(moment, abs=1e-5)
    for factor in (0.0, -1.0, 1001.0, float("nan")):
        with pytest.raises(ValueError, match="factor"):
            Clock(factor=factor)
    with pytest.raises(ValueError, match="start"):
        Clock(start=float("inf"))
