"""Notifications from the engine to a sink: which, how many, and exactly once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from service import Server
from sink_peer import Peer, peer

from mad.engine import Engine
from mad.engine.alerts import AlertLog, Route
from mad.engine.sink_runner import SinkRunner
from mad.journal import Entry, Journal
from mad.journal.reader import Reader
from mad.sinks.protocol import Notification, Retry
from mad.sinks.webhook import WebhookOptions, WebhookSink

SECOND = 1_000_000_000
START = 1_767_693_600


@pytest.fixture
def server() -> Iterator[Peer]:
    with peer() as found:
        yield found


def requests(start: int, end: int, slow: Callable[[str, int], bool], services: int = 2) -> bytes:
    """One request a second and service, slow and failing where `slow` says so."""
    lines = ["timestamp,service,endpoint,status_code,latency_ms"]
    for second in range(start, end, 2):
        for number in range(services):
            name = f"service-{number}"
            bad = slow(name, second)
            latency = (100 + second * 37 % 50) * (8 if bad else 1)
            status = 500 if bad and second % 10 == 0 else 200
            lines.append(f"{START + second},{name},/pay,{status},{latency}")
    return "\n".join(lines).encode()


def feed(engine: Engine, end: int, slow: Callable[[str, int], bool], services: int = 2) -> None:
    """Sends the records in batches of five minutes, then an hour of silence."""
    for start in range(0, end, 300):
        batch = requests(start, min(start + 300, end), slow, services)
        engine.submit(Entry("requests", batch)).result(60)


def fault(name: str, second: int) -> bool:
    return name == "service-1" and 2400 <= second < 3000


def engine_of(path: Path, *routes: Route) -> Engine:
    engine = Engine(Journal(path), ticking=False, routes=routes or (Route("ops"),))
    engine.start()
    return engine


def runner(engine: Engine, url: str, **options: Any) -> SinkRunner:
    chosen = WebhookOptions(url=url, **{"group_seconds": 0.0, **options})
    return SinkRunner("ops", WebhookSink(chosen), chosen, engine, url="http://mad", pauses=(0.1, 1))


def drain(one: SinkRunner, turns: int = 30) -> None:
    for _ in range(turns):
        one.turn()


def events(server: Peer) -> list[str]:
    return [found.json["event"] for found in server.requests]


def test_a_lasting_fault_gives_at_most_three_messages(tmp_path: Path, server: Peer) -> None:
    engine = engine_of(tmp_path)
    one = runner(engine, server.url)
    for start in range(0, 4800, 300):
        engine.submit(Entry("requests", requests(start, start + 300, fault))).result(60)
        drain(one, 3)
    engine.stop()
    found = [one.json for one in server.requests]
    names = [document["event"] for document in found]
    assert names[0] == "opened" and names[-1] == "resolved" and len(names) <= 3
    assert len({document["key"] for document in found}) == 1
    first = found[0]
    assert first["version"] == 1
    assert first["incident"]["service"] == "service-1"
    assert first["culprit"] == {"service": "service-1", "endpoint": "/pay"}
    assert "service-1 /pay" in first["title"] and first["reason"]
    assert first["url"] == f"http://mad/#/incidents/{first['key']}"


def test_a_fault_that_returns_within_the_cooldown_is_not_announced_twice(
    tmp_path: Path, server: Peer
) -> None:
    def flicker(name: str, second: int) -> bool:
        # ten minutes of failures, seven quiet ones, and again
        return name == "service-1" and second >= 2400 and (second - 2400) % 1020 < 600

    engine = engine_of(tmp_path)
    one = runner(engine, server.url)
    for start in range(0, 7200, 300):
        engine.submit(Entry("requests", requests(start, start + 300, flicker))).result(60)
        drain(one, 3)
    changes = [
        row["change"]
        for row in map(json.loads, _history(tmp_path))
        if row["service"] == "service-1"
    ]
    engine.stop()
    assert "reopened" in changes
    assert events(server).count("opened") == 1
    assert "resolved" not in events(server) and "reopened" not in events(server)


def _history(path: Path) -> list[str]:
    with sqlite3.connect(path / "mad.db") as db:
        return [data for (data,) in db.execute("SELECT data FROM history")]


def test_a_replay_writes_and_sends_nothing_twice(tmp_path: Path, server: Peer) -> None:
    engine = engine_of(tmp_path)
    feed(engine, 4800, fault)
    drain(runner(engine, server.url))
    sent = len(server.requests)
    alerts = _table(tmp_path, "alerts")
    assert sent and alerts
    engine.stop(save=False)  # every entry is judged again
    again = engine_of(tmp_path)
    drain(runner(again, server.url))
    again.stop()
    assert len(server.requests) == sent
    assert _table(tmp_path, "alerts") == alerts


def _table(path: Path, name: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path / "mad.db") as db:
        return db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()


def test_decisions_continue_after_a_checkpoint(tmp_path: Path) -> None:
    whole, parts = engine_of(tmp_path / "a"), engine_of(tmp_path / "b")
    for start in range(0, 4800, 300):
        batch = Entry("requests", requests(start, start + 300, fault))
        whole.submit(batch).result(60)
        parts.submit(batch).result(60)
        if start % 600 == 0:
            parts.checkpoint().result(60)
            parts.stop(save=start % 1200 == 0)
            parts = engine_of(tmp_path / "b")
    whole.stop()
    parts.stop()
    assert _table(tmp_path / "a", "alerts") == _table(tmp_path / "b", "alerts")


def test_a_peer_that_fails_gets_each_message_later(tmp_path: Path, server: Peer) -> None:
    engine = engine_of(tmp_path)
    feed(engine, 3000, fault)
    server.plan = [(503, {"Retry-After": "1"}, ""), (500, {}, "")]
    one = runner(engine, server.url)
    began = time.monotonic()
    one.start()
    found = server.wait(3)
    one.stop()
    assert time.monotonic() - began >= 1.0  # it waits for as long as the peer asks
    assert len({request.headers["Idempotency-Key"] for request in found}) == 1
    (delivery,) = Reader(engine.journal.path).deliveries({"sink": "ops"})
    engine.stop()
    assert (delivery["status"], delivery["attempts"]) == ("sent", 3)


def test_dead_letters_are_visible_and_can_be_sent_again(tmp_path: Path, server: Peer) -> None:
    engine = engine_of(tmp_path)
    feed(engine, 3000, fault)
    server.plan = [(401, {}, "invalid token")]
    one = runner(engine, server.url)
    drain(one)
    reader = Reader(engine.journal.path)
    (delivery,) = reader.deliveries({"status": "dead"})
    assert "answered 401" in delivery["reason"]
    assert "1 dead letters" in one.problem() and "mad alert retry --sink ops" in one.problem()
    from mad.journal import AuditLine

    line = AuditLine("ann", "retry_alerts", "ops")
    count = engine.write(lambda journal: journal.retry_deliveries("ops", [], line)).result(30)
    assert count == 1
    drain(one)
    assert not reader.deliveries({"status": "dead"}) and one.problem() == ""
    engine.stop()
    assert len(server.requests) == 2


def test_attempts_end(tmp_path: Path, server: Peer) -> None:
    engine = engine_of(tmp_path)
    feed(engine, 3000, fault)
    server.status = 500
    one = runner(engine, server.url, attempts=3)
    end = time.monotonic() + 30
    while time.monotonic() < end and not one.health().dead:
        time.sleep(max(0.01, min(one.turn(), 0.2)))
    engine.stop()
    assert len(server.requests) == 3
    assert "answered 500" in one.health().error


def test_a_storm_is_one_message_within_the_rate(tmp_path: Path, server: Peer) -> None:
    services = 60

    def storm(name: str, second: int) -> bool:
        return second >= 2400 and name != "service-0"

    engine = engine_of(tmp_path)
    one = runner(engine, server.url, rate_per_minute=3)
    for start in range(0, 3300, 300):
        batch = requests(start, start + 300, storm, services)
        engine.submit(Entry("requests", batch)).result(120)
        drain(one, 5)
    engine.stop()
    assert 1 <= len(server.requests) <= 3
    said = [
        (document["key"], document["event"])
        for found in server.requests
        for document in found.json.get("notifications", [found.json])
    ]
    assert len(said) == len(set(said))


class Counting:
    """A sink that keeps what it is sent, for pools of alerts that no detector makes."""

    Options = WebhookOptions
    groups, keyed = False, True

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.fails = False

    def send(self, notification: Notification) -> None:
        if self.fails:
            raise Retry("down")
        self.sent.append(notification)

    def check(self) -> list[str]:
        return []


def put(engine: Engine, *alerts: tuple[int, str, str, str]) -> None:
    """Writes alerts (number, incident, event, severity) for the sink `ops`."""
    from sink_peer import document

    from mad.journal import TableWrites
    from mad.journal.entries import Alert

    writes = TableWrites()
    for number, incident, event, severity in alerts:
        text = json.dumps(
            document(
                event=event,
                key=incident,
                id=f"{incident}:{number}:0",
                incident={"id": incident, "severity": severity},
            )
        )
        writes.alerts.append(Alert(number, 0, incident, event, 0, "{}", text, ("ops",)))
    engine.write(lambda journal: journal.write_tables(writes)).result(30)


class SetClock:
    """A clock that shows the time to which it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def present() -> datetime:
    return datetime.now(timezone.utc)


def counting(
    engine: Engine, now: Callable[[], datetime] = present, **options: Any
) -> tuple[Counting, SinkRunner]:
    chosen = WebhookOptions(url="http://x", **options)
    sink = Counting()
    return sink, SinkRunner("ops", sink, chosen, engine, pauses=(0.0, 0.0), now=now)


def test_the_rate_is_kept_and_the_rest_waits(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    put(engine, *((n, f"INC-{n}", "opened", "Warning") for n in range(1, 5001)))
    sink, one = counting(engine, rate_per_minute=5)
    waits = [one.turn() for _ in range(20)]
    engine.stop()
    assert len(sink.sent) == 5
    assert waits[-1] > 30
    assert len({found.key for found in sink.sent}) == 5


def test_a_clock_that_is_set_back_delays_no_message(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    put(engine, (1, "INC-1", "opened", "Warning"), (2, "INC-2", "opened", "Warning"))
    chosen = WebhookOptions(url="http://x", group_seconds=60.0)
    sink = Counting()
    sink.groups = True
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    one = SinkRunner("ops", sink, chosen, engine, now=lambda: yesterday)
    one.turn()
    engine.stop()
    assert [found.is_group for found in sink.sent] == [True]


def test_only_the_newest_event_of_an_incident_is_sent_after_an_outage(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    sink, one = counting(engine, rate_per_minute=600)
    sink.fails = True
    put(engine, (1, "INC-1", "opened", "Warning"), (2, "INC-2", "opened", "Warning"))
    drain(one, 5)
    put(engine, (3, "INC-1", "escalated", "Critical"), (4, "INC-2", "resolved", "Warning"))
    sink.fails = False
    drain(one, 5)
    engine.stop()
    # a pager needs no message about an incident that has ended before it heard of it
    assert [(found.key, found.document["event"]) for found in sink.sent] == [("INC-1", "opened")]
    assert sink.sent[0].severity == "Critical"


def test_quiet_hours_hold_and_mutes_drop(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    night = datetime(2026, 1, 6, 23, 0, tzinfo=timezone.utc)
    clock = SetClock(night)
    muted = ("2026-02-01T00:00Z/2026-02-02T00:00Z",)
    sink, one = counting(engine, clock, quiet="22:00-07:00", mute=muted)
    put(engine, (1, "INC-1", "opened", "Warning"), (2, "INC-2", "opened", "Critical"))
    drain(one, 5)
    assert [found.key for found in sink.sent] == ["INC-2"]
    clock.at = night.replace(day=7, hour=8)
    drain(one, 5)
    assert [found.key for found in sink.sent] == ["INC-2", "INC-1"]
    put(engine, (3, "INC-3", "opened", "Critical"))
    clock.at = datetime(2026, 2, 1, 12, tzinfo=timezone.utc)
    drain(one, 5)
    clock.at = datetime(2026, 2, 3, 12, tzinfo=timezone.utc)
    drain(one, 5)
    assert len(sink.sent) == 2
    (dropped,) = Reader(engine.journal.path).deliveries({"incident": "INC-3"})
    engine.stop()
    assert (dropped["status"], dropped["reason"]) == ("dropped", "muted")


def test_warnings_that_wait_keep_no_critical_message_out(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    clock = SetClock(datetime(2026, 1, 6, 23, tzinfo=timezone.utc))
    sink, one = counting(engine, clock, quiet="22:00-07:00", rate_per_minute=600)
    put(engine, *((n, f"INC-{n}", "opened", "Warning") for n in range(1, 700)))
    put(engine, (700, "INC-1", "escalated", "Critical"))
    drain(one, 5)
    assert [(found.key, found.severity) for found in sink.sent] == [("INC-1", "Critical")]
    clock.at = datetime(2026, 1, 7, 8, tzinfo=timezone.utc)
    drain(one, 400)
    engine.stop()
    # the older message of that incident would be wrong by now
    assert [found.key for found in sink.sent].count("INC-1") == 1


def test_a_message_is_not_sent_again_while_its_outcome_cannot_be_written(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    sink, one = counting(engine)
    put(engine, (1, "INC-1", "opened", "Warning"))
    write, engine.write = engine.write, _busy  # type: ignore[method-assign]
    from mad.engine import Busy

    for _ in range(3):
        with pytest.raises(Busy):
            one.turn()
    engine.write = write  # type: ignore[method-assign]
    drain(one, 3)
    (delivery,) = Reader(engine.journal.path).deliveries({})
    engine.stop()
    assert len(sink.sent) == 1 and delivery["status"] == "sent"


def _busy(*_: object) -> None:
    from mad.engine import Busy

    raise Busy


def test_routes() -> None:
    route = Route("ops", ("opened", "resolved"), ("pay*",), "Critical")
    assert route.takes("opened", "payments", "Critical")
    assert not route.takes("opened", "payments", "Warning")
    assert not route.takes("opened", "search", "Critical")
    assert not route.takes("escalated", "payments", "Critical")
    assert route.takes("resolved", "search", "Info")  # the journal knows whom an end concerns


def change(name: str, minute: int, severity: str, culprit: str | None = "a") -> dict[str, Any]:
    return {"name": name, "at": minute * 60 * SECOND, "severity": severity, "culprit": culprit}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            [change("opened", 0, "Warning"), change("updated", 1, "Critical")],
            ["opened", "escalated"],
        ),
        # the culprit settles in the first minutes
        ([change("opened", 0, "Warning"), change("updated", 2, "Warning", "b")], ["opened"]),
        (
            [
                change("opened", 0, "Warning"),
                change("updated", 6, "Warning", "b"),
                change("updated", 7, "Warning", "c"),
                change("updated", 8, "Warning", "d"),
                change("closed", 9, "Warning", "d"),
            ],
            ["opened", "culprit_changed", "resolved"],
        ),
        ([change("opened", 0, "Critical"), change("updated", 6, "Critical", None)], ["opened"]),
        ([change("opened", 0, "Critical"), change("acknowledged", 1, "Critical")], ["opened"]),
        # one that was open before there were alerts
        ([change("updated", 0, "Critical"), change("closed", 1, "Critical")], ["resolved"]),
    ],
)
def test_events(changes: list[dict[str, Any]], expected: list[str]) -> None:
    log, found = AlertLog([Route("ops")]), []
    for seq, one in enumerate(changes):
        culprit = one["culprit"] and {"service": one["culprit"], "endpoint": "/x"}
        data = {
            **dict.fromkeys(("id", "fingerprint", "service", "endpoint", "status"), "x"),
            "id": "INC-1",
            "culprit": culprit,
            "severity": one["severity"],
            "start": "",
            "end": "",
            "signals": [],
            "affected": [],
            "reached": 0,
            "reopened": 0,
            "explanation": {
                "line": "",
                "summary": "",
                "likely_causes": [],
                "recommended_actions": [],
            },
        }
        record = ("INC-1", *[""] * 7, json.dumps(data, separators=(",", ":")))
        text = json.dumps({"severity": one["severity"]})
        log_changes = [(one["name"], "INC-1", one["at"], text)]
        found += log.alerts(seq, log_changes, [record], by_command=False)
    assert [alert.event for alert in found] == expected


CONFIG = """
[sinks.ops]
type = "webhook"
url = "env:MAD_TEST_HOOK"
group_seconds = 0
"""


def test_kills_lose_no_message(tmp_path: Path, server: Peer) -> None:
    config = tmp_path / "mad.toml"
    config.write_text(CONFIG)
    env = {"MAD_TEST_HOOK": f"{server.url}/secret-path"}
    server.delay = 0.3
    arguments = ("--no-ticks", "--config", str(config))
    running = Server(tmp_path / "data", *arguments, env=env)
    for start in range(0, 4800, 300):
        body = requests(start, start + 300, fault)
        headers = {"Content-Type": "text/csv", "Idempotency-Key": str(start)}
        answer = running.http.post("/v1/ingest/requests", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        if start in (2400, 2700, 3300, 4200):
            running.kill()
            running = Server(tmp_path / "data", *arguments, env=env)
    end = time.monotonic() + 30
    while time.monotonic() < end and "resolved" not in events(server):
        time.sleep(0.1)
    # the peer has a message before its mark is written
    alerts = running.get("/v1/query/alerts")["data"]
    while time.monotonic() < end and any(one["status"] == "pending" for one in alerts):
        time.sleep(0.1)
        alerts = running.get("/v1/query/alerts")["data"]
    sinks = running.get("/v1/query/sinks")["data"]
    health = running.get("/health")
    running.stop()
    ids = [found.headers["Idempotency-Key"] for found in server.requests]
    assert {found.json["event"] for found in server.requests} >= {"opened", "resolved"}
    assert len(set(ids)) <= 3
    # a kill between the answer of the peer and its mark repeats one message, with the same id
    assert len(ids) - len(set(ids)) <= 4
    assert {one["status"] for one in alerts} <= {"sent", "dropped"}
    assert sinks[0]["name"] == "ops" and health["status"] == "ok"
    assert "secret-path" not in json.dumps([alerts, sinks, health]) + running.said


def mad(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mad.cli", "alert", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environ},
    )


def test_the_command_sends_a_marked_test(tmp_path: Path, server: Peer) -> None:
    (tmp_path / "mad.toml").write_text(
        CONFIG + '[sinks.log]\ntype = "file"\npath = "alerts.jsonl"\n'
    )
    env = {"MAD_TEST_HOOK": f"{server.url}/secret-path"}
    done = mad("test", cwd=tmp_path, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("ok   ops (webhook): sent in ")
    assert server.requests[0].json["event"] == "test"
    assert json.loads((tmp_path / "alerts.jsonl").read_text())["event"] == "test"
    server.plan = [(429, {"Retry-After": "30"}, "slow down")]
    done = mad("test", "ops", cwd=tmp_path, **env)
    assert done.returncode == 4
    assert "answered 429: slow down; it asks to wait 30 s" in done.stdout
    assert "secret-path" not in done.stdout + done.stderr
    assert "there is no sink 'other'" in mad("test", "other", cwd=tmp_path, **env).stderr
    (tmp_path / "mad.toml").write_text("")
    assert "the settings name no sink" in mad("test", cwd=tmp_path).stderr


def test_the_command_lists_and_retries_dead_letters(tmp_path: Path, server: Peer) -> None:
    config = tmp_path / "mad.toml"
    config.write_text(CONFIG)
    server.plan = [(403, {}, "revoked")]
    env = {"MAD_TEST_HOOK": server.url}
    with Server(tmp_path / "data", "--no-ticks", "--config", str(config), env=env) as running:
        for start in range(0, 3000, 300):
            body = requests(start, start + 300, fault)
            running.post("/v1/ingest/requests", body, Content_Type="text/csv")
        health = running.eventually("/health", lambda found: found["status"] == "degraded")
        assert "has 1 dead letters" in health["message"]
        dead = mad("dead", running.url, cwd=tmp_path)
        assert "403: revoked" in dead.stdout and " opened " in dead.stdout
        done = mad("retry", running.url, "--sink", "ops", cwd=tmp_path)
        assert done.stdout == "1 message is sent again\n"
        running.eventually("/health", lambda found: found["status"] == "ok")
        assert " sent " in mad("list", running.url, cwd=tmp_path).stdout
        metrics = running.http.get("/metrics/prometheus").text
        assert 'mad_sink_sent_total{sink="ops",type="webhook"} 1' in metrics
        assert mad("retry", running.url, "--sink", "none", cwd=tmp_path).returncode == 2
        audit = running.get("/v1/query/audit")["data"]
        assert ("retry_alerts", "ops") in {(line["action"], line["target"]) for line in audit}
    assert len(server.requests) == 2


def test_a_sink_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from mad.config import components

    point = metadata.EntryPoint("counting", f"{__name__}:Counting", "mad.sinks")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point][: group == "mad.sinks"])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    assert components.component("sinks", "counting") is Counting
    assert "counting" in components.types_of("sinks")
    broken = metadata.EntryPoint("broken", "no_such_package:Sink", "mad.sinks")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken])
    with pytest.raises(ValueError, match="cannot be loaded"):
        components.component("sinks", "broken")
