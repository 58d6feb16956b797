"""The sender against a real HTTP server that refuses, disappears and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from receiver import CLOSE, LOST, Receiver, receiving

from mad.adapters import Clock, Sender
from mad.adapters.clock import HELD, LONGEST, rfc3339
from mad.adapters.post import DeliveryError, Post, after_newest, retry_after_seconds
from mad.adapters.sender import BODY_BYTES, HELD_BYTES

METRIC = {"timestamp": "2026-01-06T10:45:00Z", "service": "shop", "metric": "cpu", "value": 40.0}


@pytest.fixture
def away() -> str:
    """A URL without a server."""
    with receiving() as gone:
        return gone.url


def metric(value: float) -> dict[str, object]:
    return {**METRIC, "value": value}


def test_every_kind_arrives_and_is_counted(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    at = METRIC["timestamp"]
    request = {"timestamp": at, "service": "shop", "endpoint": "/pay", "latency_ms": 3.5}
    sender.send("requests", {**request, "status_code": 200})
    sender.send("requests", {**request, "status_code": 12_345_678})  # any status is data
    sender.send("requests", request)  # so is a request without one
    sender.send("requests", {**request, "timestamp": "soon", "status_code": 200})
    sender.send("metrics", METRIC)
    sender.send("logs", {"timestamp": at, "service": "shop", "level": "ERROR", "body": "no\nway"})
    sender.send("changes", {"timestamp": at, "service": "shop", "kind": "deploy"})
    span = {"trace_id": "1", "span_id": "2", "parent_id": "", "service": "shop"}
    sender.send("spans", {**span, "operation": "GET /", "start": at, "duration_ms": 1.0})
    assert sender.flush(30.0)
    stats = sender.stats
    assert (stats.sent, stats.accepted, stats.rejected) == (8, 7, 1)
    assert (stats.dropped, stats.waiting, stats.retried) == (0, 0, 0)
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
    stats = sender.stats
    assert (stats.sent, stats.accepted, stats.retried, stats.dropped) == (1, 1, 4, 0)
    sender.send("metrics", metric(41.0))
    assert sender.flush(30.0)
    assert len({key for _, key in receiver.tries}) == 2
    sender.close()


def wait_until_closed(post: Post) -> None:
    """Waits until the server has closed the idle connection."""
    for _ in range(3_000):
        if not post.is_connected:
            return
        time.sleep(0.01)
    raise AssertionError("the server keeps the connection open")


def test_a_closed_idle_connection_is_no_retry(receiver: Receiver) -> None:
    post = Post(receiver.url)
    assert post.get("/health") == {"status": "healthy"}
    wait_until_closed(post)
    assert post.get("/health") == {"status": "healthy"}
    wait_until_closed(post)
    answer = post.send("metrics", json.dumps(METRIC).encode(), "key", 1)
    assert (answer.accepted, answer.retried, len(receiver.tries)) == (1, 0, 1)
    post.close()


def test_it_waits_for_the_retry_after_of_the_server(receiver: Receiver) -> None:
    # longer than the patience, so that it is not sent again
    receiver.statuses = [(429, {"Retry-After": "30"})]
    sender = Sender(receiver.url, patience=10.0)
    sender.send("metrics", METRIC)
    assert sender.flush(5.0)
    assert len(receiver.tries) == 1
    stats = sender.stats
    assert (stats.sent, stats.dropped) == (0, 1)
    assert stats.problem.startswith("metrics: 429")
    sender.close()


def test_retry_after_is_a_number_or_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    assert retry_after_seconds("7") == 7.0
    assert (
        retry_after_seconds("-7") == retry_after_seconds(None) == retry_after_seconds("soon") == 0.0
    )
    assert retry_after_seconds("nan") == retry_after_seconds("Mon, 99 Foo 2026 10:00:00 GMT") == 0.0
    moment = datetime(2026, 1, 6, 10, 45, tzinfo=timezone.utc)
    monkeypatch.setattr(time, "time", moment.timestamp)
    later = moment + timedelta(seconds=1000)
    assert retry_after_seconds(format_datetime(later, usegmt=True)) == 1000.0


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_a_refused_batch_is_dropped_and_not_sent_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [(status, {})]
    sender = Sender(receiver.url)
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert len(receiver.tries) == 1
    assert (sender.stats.dropped, sender.stats.problem) == (1, f"metrics: {status} no")
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert sender.stats.accepted == 1, "the next batch goes out as if nothing had been"
    sender.close()


def test_a_batch_of_rejected_records_is_acknowledged(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    sender.send("metrics", {**METRIC, "timestamp": "yesterday"})
    assert sender.flush(30.0)
    stats = sender.stats
    assert (stats.sent, stats.accepted, stats.rejected, stats.dropped) == (1, 0, 1, 0)
    assert len(receiver.tries) == 1
    sender.close()


def test_an_unreachable_server_leads_to_counted_drops(away: str) -> None:
    sender = Sender(away, capacity=10, batch=5, interval=0.01, patience=0.01)
    for value in range(100):
        sender.send("metrics", metric(value))
    assert sender.flush(30.0)
    stats = sender.stats
    assert (stats.sent, stats.dropped, stats.waiting) == (0, 100, 0)
    assert "refused" in stats.problem.lower()
    sender.close()


def test_the_queue_is_bounded(away: str) -> None:
    sender = Sender(away, capacity=10, batch=5, interval=0.01)
    for value in range(100):
        sender.send("metrics", metric(value))
    stats = sender.stats
    assert stats.waiting <= 15
    assert stats.waiting + stats.dropped == 100
    assert not sender.flush(0.01)
    sender.close(0.01)
    assert (sender.stats.dropped, sender.stats.waiting) == (100, 0)


def test_long_records_are_bounded_too(receiver: Receiver, away: str) -> None:
    line = {"timestamp": METRIC["timestamp"], "service": "shop", "body": "x" * 1_000_000}
    sender = Sender(away)
    for _ in range(50):
        sender.send("logs", line)
    assert 10 <= 50 - sender.stats.dropped <= HELD_BYTES // 1_000_000 + 5
    sender.close(0.01)
    sender = Sender(receiver.url)
    for _ in range(20):
        sender.send("logs", line)
    assert sender.flush(30.0)
    assert sender.stats.sent == 20
    assert len(receiver.tries) >= 20_000_000 // (BODY_BYTES + 1_000_000)
    sender.close()


def test_later_changes_of_a_record_do_not_matter(receiver: Receiver) -> None:
    record, sender = metric(40.0), Sender(receiver.url)
    sender.send("metrics", record)
    record["value"] = 41.0
    assert sender.flush(30.0)
    assert receiver.of("metrics")[0]["value"] == 40.0
    sender.close()


def test_a_server_that_returns_receives_the_queue(away: str) -> None:
    sender = Sender(away, interval=0.01)
    sender.send("metrics", METRIC)
    with receiving(port=int(away.rpartition(":")[2])) as receiver:
        assert receiver.wait("metrics", 1)[0]["value"] == 40.0
        assert sender.flush(30.0)
        sender.close()
    assert (sender.stats.sent, sender.stats.dropped) == (1, 0)


def test_a_record_that_is_not_json_is_dropped_alone(receiver: Receiver) -> None:
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
    assert (sender.stats.accepted, sender.stats.dropped) == (1, 5)
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
    assert stranger.stats.problem.startswith("metrics: 401")
    stranger.close()
    sender = Sender(receiver.url, "secret", compress=True)
    sender.send("metrics", METRIC)
    assert sender.flush(30.0)
    assert (sender.stats.accepted, "gzip" in receiver.encodings) == (1, True)
    sender.close()


def test_a_closed_sender_only_counts(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    sender.send("metrics", METRIC)
    sender.close()
    sender.close()
    sender.send("metrics", METRIC)
    assert (sender.stats.sent, sender.stats.dropped) == (1, 1)
    assert not sender.is_running


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
def test_a_wrong_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        Sender(url)


def test_settings_have_ranges() -> None:
    for wrong in ({"capacity": 0}, {"batch": 0}, {"interval": 0.0}, {"interval": float("nan")}):
        with pytest.raises(ValueError, match="1 or more"):
            Sender("http://x", **wrong)  # type: ignore[arg-type]


def test_a_server_below_a_path(receiver: Receiver, away: str) -> None:
    post = Post(receiver.url + "/")
    assert post.get("/health") == {"status": "healthy"}
    with pytest.raises(DeliveryError, match="404"):
        post.get("/nowhere")
    post.close()
    assert after_newest(Post(away)) is None
    assert after_newest(Post(receiver.url)) is None
    receiver.newest = "2099-01-06T10:45:00"
    expected = datetime(2099, 1, 6, 10, 46, tzinfo=timezone.utc).timestamp()
    assert after_newest(Post(receiver.url)) == expected
    receiver.newest = "2001-01-06T10:45:00Z"
    assert after_newest(Post(receiver.url)) is None


def test_a_clock_runs_faster_and_keeps_durations() -> None:
    real = 1_800_000_000.0
    start = datetime(2026, 1, 6, 10, 45, tzinfo=timezone.utc)
    clock = Clock(start, 20.0, real=lambda: real)
    assert clock.at(real + 3.0) - clock.start == pytest.approx(60.0)
    assert clock.seconds(60.0) == 3.0
    begin, end = clock.at(real, "trace"), clock.at(real + 0.5, "trace")
    assert end - begin == pytest.approx(0.5, abs=1e-5)
    assert rfc3339(clock.start) == "2026-01-06T10:45:00.000000Z"
    # a request that took long is dated so that it is not late
    assert clock.now() - clock.began(real - 60.0, "slow") == LONGEST


def test_a_clock_forgets_traces() -> None:
    start = now = 1_800_000_000.0
    clock = Clock(factor=1000.0, real=lambda: now)
    first = clock.at(start, "old")
    now += 0.9 * HELD / 1000.0
    assert clock.at(start, "old") == first, "the trace is still known"
    now += 0.2 * HELD / 1000.0
    second = clock.at(start, "old")
    assert second > first, "its first use is too long ago"
    for trace in range(5000):
        clock.at(start, str(trace))
    now += 0.1 * HELD / 1000.0
    assert clock.at(start, "old") > second, "too many traces were used since"


def test_a_clock_at_real_speed_returns_real_times() -> None:
    moment = 1_800_000_000.25
    assert Clock().at(moment, "trace") == pytest.approx(moment, abs=1e-5)
    for factor in (0.0, -1.0, 1001.0, float("nan")):
        with pytest.raises(ValueError, match="factor"):
            Clock(factor=factor)
    with pytest.raises(ValueError, match="start"):
        Clock(start=float("inf"))
