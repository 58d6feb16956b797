"""`mad simulate --live`: streams of simulated telemetry sent to a real server."""

from __future__ import annotations

import csv
import io
import itertools
import json
import signal
import subprocess
import sys
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

import pytest
from receiver import CLOSE, LOST, Receiver, receiving

from mad import _core, errors, simulate
from mad.adapters import Clock
from mad.adapters.post import Post
from mad.cli import main
from mad.simulate.lines import Columns
from mad.simulate.worlds import PATTERNS, RADAR_SCENARIOS

START = datetime(2026, 1, 6, 10, 0, tzinfo=timezone.utc)
BEGIN = "2026-01-06T10:00:00Z"
FAST = ["--accelerate", "600", "--start", BEGIN]


def send_simulated(receiver: Receiver, *arguments: str, accelerate: str = "600") -> int:
    fast = ["--accelerate", accelerate, "--start", BEGIN]
    return main(["simulate", "--live", receiver.url, *fast, *arguments])


def records(stream: simulate.Stream, *, step: float = 7.0, most: int = 100) -> dict[str, Any]:
    """All records of a stream by kind, as lines."""
    found: dict[str, list[Any]] = {}
    elapsed = 0.0
    while elapsed < stream.duration:
        elapsed += step
        for piece in stream.due(elapsed, most):
            lines = piece.lines.splitlines()
            assert len(lines) == piece.records <= most
            found.setdefault(piece.kind, []).extend(json.loads(line) for line in lines)
    return found


def run(duration: float = 1800.0, rate: float = 2.0, seed: int = 7) -> simulate.Run:
    return simulate.Run(START, duration, duration / 2.0, rate, seed)


def streams() -> dict[str, Any]:
    found = {
        "shop": lambda seed: simulate.shop(run(seed=seed)),
        "aiops": lambda seed: simulate.traces(run(seed=seed), "slow-payment", 4, 0.0, 0.0),
    }
    for pattern in PATTERNS:
        found[pattern] = lambda seed, one=pattern: simulate.api(run(seed=seed), one)
    for scenario in RADAR_SCENARIOS:
        found[scenario] = lambda seed, one=scenario: simulate.radar(run(seed=seed), one)
    return found


@pytest.mark.parametrize("name", streams())
def test_a_stream_is_the_same_however_it_is_cut(name: str) -> None:
    make = streams()[name]
    whole = records(make(7))
    assert whole == records(make(7), step=61.7, most=17)
    assert whole != records(make(8))
    assert whole
    for kind, lines in whole.items():
        name_of_time = "start" if kind == "spans" else "timestamp"
        minutes = [line[name_of_time][:16] for line in lines]
        assert minutes == sorted(minutes)
        assert all(BEGIN[:14] <= line[name_of_time] for line in lines)
        first = "".join(json.dumps(line) + "\n" for line in lines).encode()
        checked = _core.Telemetry(kind)
        checked.feed(first)
        checked.end()
        assert len(checked) == len(lines)
        assert checked.rejected["total"] == 0


def test_the_shop_has_traces_of_four_and_five_requests() -> None:
    sent = records(simulate.shop(run()))["requests"]
    incident = "service=payments,endpoint=/pay,start=900s,length=480s,kind=outage"
    simulation = _core.ShopSimulation(3600, 4, 1800.0, BEGIN, 7, [incident], False)
    made = list(csv.DictReader(io.StringIO(simulation.take_csv(10_000).decode())))
    assert len(sent) == len(made) == 3600
    for one, other in zip(sent, made, strict=True):
        assert {**one, "trace_id": ""} == {
            **other,
            "status_code": int(other["status_code"]),
            "latency_ms": float(other["latency_ms"]),
            "trace_id": "",
        }
    sizes = [len(list(group)) for _, group in groupby(sent, key=lambda one: one["trace_id"])]
    assert sizes == [4, 5] * 400


def test_lines_after_the_last_whole_group_are_kept() -> None:
    columns = Columns(b"timestamp,service,status_code,trace_id\n")
    lines = b"".join(b"t%d,s,200,%d\n" % (at, at) for at in range(11))
    traces = [json.loads(line)["trace_id"] for line in columns.to_traces(lines).splitlines()]
    assert traces == ["0"] * 4 + ["4"] * 5 + ["9", "10"]
    assert columns.to_traces(b"") == columns.to_json(b"") == b""
    assert json.loads(columns.to_json(b"t,\xc3\xa9,500,\n")) == {
        "timestamp": "t",
        "service": "é",
        "status_code": 500,
        "trace_id": "",
    }


def test_each_pattern_has_its_documented_effect() -> None:
    def halves(pattern: str) -> list[list[dict[str, Any]]]:
        found = records(simulate.api(run(rate=10.0), pattern))["requests"]
        pings = [one for one in found if one["endpoint"] == "/ping"]
        later = "2026-01-06T10:15"
        return [
            [one for one in pings if one["timestamp"] < later],
            [one for one in pings if one["timestamp"] >= later],
        ]

    def latency(rows: list[dict[str, Any]]) -> float:
        return sum(one["latency_ms"] for one in rows) / len(rows)

    def failed(rows: list[dict[str, Any]]) -> float:
        return sum(one["status_code"] == 500 for one in rows) / len(rows)

    before, after = halves("normal")
    assert 0.9 < len(after) / len(before) < 1.1
    assert all(10.0 <= one["latency_ms"] <= 50.0 for one in before + after)
    assert 0.002 < failed(before + after) < 0.03
    before, after = halves("high_traffic")
    assert 4.5 < len(after) / len(before) < 5.5
    before, after = halves("high_latency")
    assert latency(before) < 50.0
    assert all(400.0 <= one["latency_ms"] <= 800.0 for one in after)
    before, after = halves("high_error")
    assert failed(before) < 0.03
    assert 0.25 < failed(after) < 0.35
    before, after = halves("degrading")
    assert 1.3 < latency(after) / latency(before) < 1.6
    before, after = halves("burst")
    assert 2.2 < len(after) / len(before) < 2.8
    seconds = [int(float(one["timestamp"][17:-1])) for one in after]
    assert sum(20 <= second < 30 for second in seconds) > len(seconds) / 2


def test_radar_drifts_and_saturates() -> None:
    def last(scenario: str) -> tuple[dict[str, float], dict[str, list[Any]]]:
        found = records(simulate.radar(run(duration=2400.0), scenario))
        newest = [one for one in found["metrics"] if one["timestamp"] >= "2026-01-06T10:39"]
        means = {}
        for name in ("latency_ms", "error_rate", "cpu_pct"):
            values = [one["value"] for one in newest if one["metric"] == name]
            means[name] = sum(values) / len(values)
        return means, found

    calm, found = last("calm")
    assert 110.0 < calm["latency_ms"] < 130.0
    assert calm["error_rate"] < 0.4
    assert set(found) == {"metrics", "logs"}
    drift, found = last("drift")
    assert 165.0 < drift["latency_ms"] < 195.0
    assert 0.4 < drift["error_rate"] < 0.8
    (change,) = found["changes"]
    assert (change["timestamp"][:19], change["kind"]) == ("2026-01-06T10:20:00", "deployment")
    full, found = last("saturation")
    assert full["latency_ms"] > 1000.0
    assert full["cpu_pct"] > 90.0
    timeouts = [one for one in found["logs"] if one["body"].startswith("DB timeout")]
    assert len(timeouts) > 50
    assert min(one["timestamp"] for one in timeouts) > "2026-01-06T10:29"


def test_the_incident_is_found_after_the_warm_up(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--duration", "40m", "--rate", "4", "--seed", "3", "--json"]
    assert send_simulated(receiver, *arguments) == errors.FINE
    result = json.loads(capsys.readouterr().out)
    assert result["sent"] == result["accepted"] == len(receiver.of("requests")) == 9600
    assert (result["rejected"], result["retried"]) == (0, 0)
    assert result["batches"] == len(receiver.tries) == len(receiver.keys)
    (truth,) = result["incidents"]
    assert (truth["service"], truth["endpoint"]) == ("payments", "/pay")
    assert truth["start"].startswith("2026-01-06T10:25")
    receiver.pipeline.finish()
    assert ("payments", "/pay") in {
        (incident.service, incident.endpoint) for incident in receiver.pipeline.incidents
    }


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["--system", "aiops", "--rate", "1"], {"spans", "requests"}),
        (["--pattern", "high_error", "--rate", "1"], {"requests"}),
        (["--system", "radar"], {"metrics", "logs", "changes"}),
        (["--incident", "none", "--services", "2"], {"requests"}),
    ],
)
def test_every_system_supports_live(
    receiver: Receiver, capsys: pytest.CaptureFixture[str], arguments: list[str], kinds: set[str]
) -> None:
    assert (
        send_simulated(receiver, "--duration", "10m", "--warm-up", "5m", *arguments) == errors.FINE
    )
    assert set(receiver.records) == kinds
    assert receiver.pipeline.rejected["total"] == 0
    assert "0 rejected" in capsys.readouterr().out


def test_repeated_batches_are_counted(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.statuses = [(429, {"Retry-After": "0"}), (CLOSE, {}), (503, {}), (LOST, {})]
    arguments = ["--duration", "5m", "--warm-up", "1m", "--batch-size", "50", "--json"]
    assert send_simulated(receiver, *arguments, accelerate="1000") == errors.FINE
    result = json.loads(capsys.readouterr().out)
    assert result["retried"] == 4
    assert len(receiver.tries) == result["batches"] + 4
    assert len(receiver.keys) == result["batches"]
    assert result["sent"] == len(receiver.of("requests")) == 1500


def test_a_token_comes_from_a_file_or_the_environment(
    receiver: Receiver, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.token = "secret"
    short = ["--duration", "1m", "--warm-up", "30s"]
    assert send_simulated(receiver, *short) == errors.SERVICE
    file = tmp_path / "token"
    file.write_text("secret\n")
    assert send_simulated(receiver, *short, "--token-file", str(file)) == errors.FINE
    monkeypatch.setenv("MAD_TOKEN", "secret")
    assert send_simulated(receiver, *short) == errors.FINE
    assert send_simulated(receiver, *short, "--token-file", str(tmp_path / "none")) == errors.USAGE


def test_sending_starts_after_the_data_of_the_server(receiver: Receiver) -> None:
    receiver.newest = "2099-01-06T10:45:00Z"
    short = ["--duration", "1m", "--warm-up", "30s", "--accelerate", "600"]
    assert main(["simulate", "--live", receiver.url, *short]) == errors.FINE
    assert min(one["timestamp"] for one in receiver.of("requests")) >= "2099-01-06T10:46"


def test_an_unreachable_server_exits_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    with receiving() as gone:
        away = gone.url
    assert main(["simulate", "--live", away]) == errors.SERVICE
    result = capsys.readouterr().err
    assert f"{away} cannot be reached" in result
    assert "mad serve" in result


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rows", "5"], "--rows does not go with --live"),
        (["--system", "melt"], "'melt' does not support --live"),
        (["--system", "api", "--pattern", "wild"], "--pattern is 'wild'"),
        (["--system", "radar", "--scenario", "fire"], "--scenario is 'fire'"),
        (["--system", "aiops", "--scenario", "fire"], "fire"),
        (["--system", "shop", "--pattern", "burst"], "--pattern is not for --system shop"),
        (["--system", "radar", "--incident", "none"], "--incident is not for --system radar"),
        (["--incident", "none", "--incident", "kind=outage"], "none excludes other incidents"),
        (["--incident", "kind=fire"], "fire"),
        (["--accelerate", "0"], "--accelerate"),
        (["--accelerate", "nan"], "--accelerate"),
        (["--rate", "0"], "--rate is 0"),
        (["--rate", "inf"], "--rate is inf"),
    ],
)
def test_wrong_arguments_are_named(
    receiver: Receiver, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["simulate", "--live", receiver.url, *arguments]) == errors.USAGE
    assert says in capsys.readouterr().err
    assert not receiver.tries


def test_without_live_an_output_directory_is_required(
    capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    for arguments in ([], ["--out", "x", "--live", "http://x"]):
        with pytest.raises(SystemExit) as ended:
            main(["simulate", *arguments])
        assert ended.value.code == errors.USAGE
        assert "--live" in capsys.readouterr().err
    assert main(["simulate", "--out", str(tmp_path / "x"), "--rate", "5"]) == errors.USAGE
    assert "--rate needs --live URL" in capsys.readouterr().err
    assert main(["simulate", "--live", "nowhere"]) == errors.USAGE


def test_a_signal_stops_sending(receiver: Receiver) -> None:
    command = [sys.executable, "-m", "mad.cli", "simulate", "--live", receiver.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            receiver.wait("requests", 1)
            process.send_signal(signal.SIGINT)
            _, result = process.communicate(timeout=60.0)
        finally:
            process.kill()
    assert process.returncode == errors.INTERRUPTED
    assert "interrupted" in result


def test_feed_catches_up_and_alternates_kinds(receiver: Receiver) -> None:
    # far behind from the start (1,800 s): kinds alternate, so that nothing is late
    real = itertools.chain([0.0], itertools.count(1.8, 0.05))
    clock = Clock(START, 1000.0, real=lambda: next(real))
    stream = simulate.traces(run(rate=1.0), "slow-payment", 4, 0.0, 0.0)
    fed = simulate.feed(Post(receiver.url), stream, clock)
    assert fed.sent == fed.accepted == stream.records
    assert receiver.pipeline.rejected["total"] == 0
