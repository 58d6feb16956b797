"""Files of other tools: `mad inspect`, `mad detect` and `mad.detect` over them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from recorded import recorded

import mad
from mad import errors
from mad.cli import main

LINE = (
    '10.0.0.7 - - [29/Nov/2026:05:{m:02d}:{s:02d} +0000] "GET /pay HTTP/1.1" {status} 50 '
    '"-" "c" rt={rt}\n'
)


def access_log() -> str:
    """Ten minutes of a second apart, of which 40 s are slow failures."""
    bad = range(400, 440)
    rows = ((i // 60, i % 60, i in bad) for i in range(600))
    return "".join(
        LINE.format(m=m, s=s, status=500 if slow else 200, rt="0.900" if slow else "0.014")
        for m, s, slow in rows
    )


def test_inspect_names_format_facts_and_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ("a" * 100)  # wider than a plain terminal: the command stays on one line
    folder.mkdir()
    path = folder / "shop.log.gz"
    path.write_bytes(gzip.compress(access_log().encode()))
    assert main(["inspect", str(path), "--json"]) == errors.FINE
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["records"], found["errors"]) == ("combined", 600, 40)
    assert (found["services"], found["endpoints"]) == ({"shop": 600}, 1)
    assert found["latency_ms_sum"] == pytest.approx(560 * 14 + 40 * 900)
    assert main(["inspect", str(path), "--service", "web"]) == errors.FINE
    text = capsys.readouterr().out
    assert f"Next: mad detect {path} --service web" in text
    layout = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent "-" "-"'
    assert main(["inspect", str(path), "--pattern", layout, "--json"]) == errors.FINE
    assert json.loads(capsys.readouterr().out)["format"] == "pattern"


def test_the_last_change_of_a_file_gives_the_year(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "messages"
    path.write_text("Dec 31 23:59:00 web1 kernel: x\nJan  6 10:45:00 web1 pay[1]: error: x\n")
    os.utime(path, (1_767_700_000, 1_767_700_000))
    assert main(["inspect", str(path), "--json"]) == errors.FINE
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["services"]) == ("syslog", {"kernel": 1, "pay": 1})
    assert (found["first"], found["last"]) == ("2025-12-31T23:59:00Z", "2026-01-06T10:45:00Z")
    assert any("no year" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.prom", '# TYPE up gauge\nup{job="a"} 1 1767696300000\n'),
        (
            "k6.json",
            '{"type":"Point","metric":"http_req_duration","data":{"time":"2026-01-06T10:45:00Z",'
            '"value":1.5,"tags":{"name":"http://a/b","method":"GET","status":"200"}}}\n',
        ),
        ("shop.log", LINE.format(m=1, s=2, status=200, rt="0.014")),
        ("shop.json", '{"time":"2026-01-06T10:45:00Z","level":"error","msg":"x"}\n'),
    ],
)
def test_marks_line_ends_and_compression_change_nothing(
    name: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(data: bytes) -> dict[str, object]:
        path = tmp_path / name
        path.write_bytes(data)
        assert main(["inspect", str(path), "--json"]) == errors.FINE
        return dict(json.loads(capsys.readouterr().out))

    plain = seen(content.encode())
    assert plain["records"] == 1
    assert plain["rejected"] == {}
    assert seen(b"\xef\xbb\xbf" + content.encode()) == plain
    assert seen(content.replace("\n", "\r\n").encode()) == plain
    assert seen(gzip.compress(content.encode())) == plain


def test_nothing_readable_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.log"
    path.write_text("no format\nat all\n")
    assert main(["inspect", str(path), "--json"]) == errors.INPUT
    assert json.loads(capsys.readouterr().out)["records"] == 0
    assert main(["inspect", str(path), "--format", "nginx", "--json"]) == errors.INPUT
    assert json.loads(capsys.readouterr().out)["rejected"] == {"bad_line": 2}


def test_detection_reads_what_inspection_reads(tmp_path: Path) -> None:
    (tmp_path / "shop.log").write_text(access_log())
    (tmp_path / "cart.log").write_text(
        access_log().replace("/pay", "/cart").replace(" 500 ", " 200 ")
    )
    report = mad.detect(tmp_path)
    assert report.read["requests"]["records"] == 1200
    assert ("shop", "/pay") in {(one.service, one.endpoint) for one in report.incidents}
    named = mad.detect(tmp_path / "shop.log", service="web")
    assert {one.service for one in named.incidents} == {"web"}


def test_a_request_counts_when_its_format_dates_it(tmp_path: Path) -> None:
    """A line of nginx has the time of the end, a line of Apache that of the start. A request of a
    minute that began at 05:00:50 counts when it ends."""
    long = LINE.format(m=0, s=50, status=200, rt="60.000")
    text = "".join(LINE.format(m=m, s=1, status=200, rt="0.010") for m in range(3))
    lines = text.splitlines(keepends=True)
    counts = {}
    for name in ("nginx.log", "apache.log"):
        path = tmp_path / name
        content = "".join((lines[0], long, *lines[1:]))
        if name == "apache.log":
            content = content.replace("rt=60.000", "60000000").replace("rt=0.010", "10000")
        path.write_text(content)
        for setting in (None, "start", "end"):
            config = {"features": {"request_time": setting}} if setting else None
            rows = mad.detect(path, config=config).features
            counts[name, setting] = [int(n) for n in rows["req_count"]]
    ends, starts = [2, 1, 1], [1, 2, 1]
    assert counts["nginx.log", None] == counts["nginx.log", "end"] == ends
    assert counts["nginx.log", "start"] == starts
    assert counts["apache.log", None] == counts["apache.log", "start"] == starts
    assert counts["apache.log", "end"] == ends


@pytest.mark.parametrize("has_time", [True, False])
def test_inspection_and_detection_agree_about_lines_in_containers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], has_time: bool
) -> None:
    path = tmp_path / "app.log"
    rows = []
    for i in range(60):
        time = f"2026-11-29T05:00:{i:02d}Z"
        inner = {"level": "info", "msg": "served", "service": "pay", "path": "/pay", "status": 200}
        inner |= {"duration_ms": 12, **({"time": time} if has_time else {})}
        rows.append({"log": json.dumps(inner) + "\n", "stream": "stdout", "time": time})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["inspect", str(path), "--json"]) == errors.FINE
    inspected = json.loads(capsys.readouterr().out)
    assert inspected["judged"].get("requests") == 60
    assert set(inspected["services"]) == {"pay"}
    read = mad.detect(path).read
    assert {kind: n for kind, one in read.items() if (n := one["records"])} == inspected["judged"]


def test_a_load_test_is_a_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.jtl"
    rows = ["timeStamp,elapsed,label,responseCode,success"]
    for i in range(1200):
        slow = 800 <= i < 900
        rows.append(
            f"{1767696000000 + 500 * i},{900 if slow else 20},pay,200,{str(not slow).lower()}"
        )
    path.write_text("\n".join(rows) + "\n")
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["detect", str(path), "--fail-on", "critical", *out]) == errors.FAILED
    path.write_text("\n".join(rows[:700]) + "\n")
    assert main(["detect", str(path), "--fail-on", "critical", *out]) == errors.FINE


def test_a_recorded_incident_is_found() -> None:
    """The service `pay` failed for a minute; its log says so."""
    (path,) = recorded("inputs/container").glob("lab-a-pay-*")
    found = [(one.service, one.endpoint) for one in mad.detect(path).incidents]
    assert found == [("pay", "/pay")]


def test_a_scrape_without_times_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.prom"
    path.write_text('# TYPE http_requests_total counter\nhttp_requests_total{service="pay"} 12\n')
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["detect", str(path), *out]) == errors.INPUT
    text = " ".join(capsys.readouterr().out.split())
    assert f"There is no record in {path}" in text
    assert "samples without a time, which cannot be judged: 1; read them through Prometheus" in text


def test_a_short_recording_of_metrics_says_that_nothing_was_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording that is shorter than the warm-up cannot be called normal; with a fitting step,
    it is judged."""
    path = tmp_path / "metrics.csv"
    rows = [
        f"2026-11-29T05:{i // 12:02d}:{i % 12 * 5:02d}Z,pay,load,{9 if i > 30 else 1}"
        for i in range(48)
    ]
    path.write_text("timestamp,service,metric,value\n" + "\n".join(rows) + "\n")
    command = ["detect", str(path), "--out", str(tmp_path / "out"), "--no-report"]
    config = tmp_path / "config.json"
    config.write_text('{"features": {"step_seconds": 60}}')
    assert main([*command, "--config", str(config)]) == errors.FINE
    text = " ".join(capsys.readouterr().out.split())
    assert "The only metric is too new to be judged: lower guard.warm_up_minutes" in text
    assert main(command) == errors.FINE
    assert "pay: load 9 times the usual 1" in capsys.readouterr().out
