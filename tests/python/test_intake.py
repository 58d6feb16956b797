"""Inputs of which nothing, or too little, can be read, and values that mean something else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mad
from mad import errors
from mad.cli import main
from mad.sources.files import InputFile

HEADER = "timestamp,service,endpoint,status_code,latency_ms\n"
SPANS = "trace_id,span_id,parent_id,service,operation,start,duration_ms,status\n"
Out = pytest.CaptureFixture[str]


def line(second: int, service: str = "shop", latency: object = 40.5, time: str = "") -> str:
    at = time or f"2026-01-06T{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return f"{at},{service},/x,200,{latency}\n"


def write(path: Path, *lines: str) -> str:
    path.write_text(HEADER + "".join(lines))
    return str(path)


def detect(tmp_path: Path, capsys: Out, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, first line, and incidents.json."""
    code = main(["detect", *arguments, "--out", str(tmp_path / "out"), "--fail-on", "warning"])
    first = capsys.readouterr().out.partition("\n")[0]
    return code, first, json.loads((tmp_path / "out" / "incidents.json").read_text())


def test_nothing_read_fails_and_says_why_first(tmp_path: Path, capsys: Out) -> None:
    path = write(tmp_path / "a.csv", *(line(i, time=f"06/Foo/26 {i}") for i in range(200)))
    code, first, written = detect(tmp_path, capsys, path)
    assert code == errors.INPUT
    assert first == (
        "None of the 200 requests could be read: the timestamp cannot be parsed or is "
        'outside 1970 to 2199 (timestamp = "06/Foo/26 0", line 2)'
    )
    assert (written["accepted"], written["rejected"], written["problem"]) == (0, 200, first)
    assert main(["explain", str(tmp_path / "out")]) == errors.INPUT
    assert capsys.readouterr().out.startswith("None of the 200 requests")
    assert main(["culprits", str(tmp_path / "out")]) == errors.INPUT
    assert capsys.readouterr().out.startswith("None of the 200 requests")


@pytest.mark.parametrize("lost", [4, 6, 60])
def test_less_than_the_smallest_share_fails(tmp_path: Path, capsys: Out, lost: int) -> None:
    bad = [line(i, time="soon") for i in range(lost)]
    path = write(tmp_path / "a.csv", *bad, *(line(i) for i in range(lost, 100)))
    code, first, _ = detect(tmp_path, capsys, path)
    assert code == (errors.FINE if lost == 4 else errors.INPUT)
    assert first.startswith("No incident" if lost == 4 else f"{lost} of 100 requests could not be")
    (tmp_path / "mad.toml").write_text("[intake]\nmin_accepted = 0.3\n")
    assert detect(tmp_path, capsys, path, "--config", str(tmp_path / "mad.toml"))[0] == 0


def test_each_input_is_checked_by_itself(tmp_path: Path, capsys: Out) -> None:
    good = write(tmp_path / "good.csv", *(line(i) for i in range(2_000)))
    bad = write(tmp_path / "bad.csv", "x\n" * 60)
    code, first, _ = detect(tmp_path, capsys, good, bad)
    assert code == errors.INPUT
    assert first.startswith(f"{bad}: ")


def test_the_same_file_twice_is_read_once(tmp_path: Path, capsys: Out) -> None:
    path = write(tmp_path / "a.csv", *(line(i) for i in range(100)))
    copied = str(shutil.copy(path, tmp_path / "b.csv"))
    assert main(["detect", path, path, copied, "--out", str(tmp_path / "out"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["accepted"] == 100
    assert f"{path} is given twice and was read once" in err
    assert f"{copied} has the same content as {path}" in err


def test_many_files_are_compared_in_linear_time(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when all have one size and begin alike."""
    paths = [
        write(tmp_path / f"{number}.csv", line(1), line(2 + number // 2)) for number in range(200)
    ]
    read: list[str] = []
    digest = InputFile.digest

    def counted(file: InputFile, most: int | None = None) -> bytes:
        read.append(file.path)
        return digest(file, most)

    monkeypatch.setattr(InputFile, "digest", counted)
    assert main(["detect", *paths, "--out", str(tmp_path / "out"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["accepted"] == 200
    assert err.count("has the same content as") == 100
    assert len(read) <= 2 * len(paths)


def test_a_resumed_run_answers_for_itself(tmp_path: Path, capsys: Out) -> None:
    def minutes(first: int, last: int) -> list[str]:
        return [
            line(60 * m + s, latency=(900 if 90 <= m < 100 else 20) + s % 9)
            for m in range(first, last)
            for s in range(0, 60, 2)
        ]

    state = str(tmp_path / "state")
    first = write(tmp_path / "first.csv", *minutes(0, 140))
    code, said, _ = detect(tmp_path, capsys, first, "--save", state)
    assert (code, "latency" in said) == (errors.FAILED, True)

    second = write(tmp_path / "second.csv", *minutes(140, 200))
    resumed = (second, "--resume", state, "--save", str(tmp_path / "next"))
    code, said, written = detect(tmp_path, capsys, *resumed)
    assert (code, said, written["incidents"]) == (0, "No incident found", [])
    assert written["accepted"] == 1_800

    code, said, written = detect(tmp_path, capsys, first, "--resume", state, "--save", state)
    assert code == errors.INPUT
    assert "None of the 4,200 requests could be accepted" in said
    assert "may be given twice" in " ".join(written["warnings"])
    assert "saved" in (capsys.readouterr().err or "saved")


def test_an_open_incident_is_carried_over(tmp_path: Path, capsys: Out) -> None:
    def minutes(first: int, last: int) -> list[str]:
        return [
            line(60 * m + s, latency=(900 if m >= 90 else 20) + s % 9)
            for m in range(first, last)
            for s in range(0, 60, 2)
        ]

    state = str(tmp_path / "state")
    first = write(tmp_path / "first.csv", *minutes(0, 96))
    assert detect(tmp_path, capsys, first, "--save", state)[0] == errors.FAILED
    second = write(tmp_path / "second.csv", *minutes(96, 104))
    code, said, _ = detect(tmp_path, capsys, second, "--resume", state)
    assert (code, "latency" in said) == (errors.FAILED, True)


def test_latencies_in_seconds_are_questioned(tmp_path: Path, capsys: Out) -> None:
    path = write(tmp_path / "a.csv", *(line(i, latency=0.03 + i % 7 / 50) for i in range(300)))
    main(["detect", path, "--out", str(tmp_path / "out")])
    assert "Check: 300 of 300 latencies are below 1 ms: are they in seconds?" in (
        " ".join(capsys.readouterr().out.split())
    )


def test_rounded_times_are_pointed_out(tmp_path: Path, capsys: Out) -> None:
    hours = [line(i // 50 * 3_600) for i in range(300)]
    path = write(tmp_path / "a.csv", *hours)
    main(["detect", path, "--out", str(tmp_path / "out"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert "rounded times (only 6 distinct times, 60 min or more apart)" in document["warnings"][0]


def spans(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "spans.csv"
    path.write_text(SPANS + "".join(lines))
    return str(path)


@pytest.mark.parametrize("command", [["graph"], ["culprits", "--spans"], ["detect", "--spans"]])
def test_spans_of_which_nothing_was_read(tmp_path: Path, capsys: Out, command: list[str]) -> None:
    path = spans(tmp_path, *(f"t,{i},,shop,GET,yesterday,3,error\n" for i in range(40)))
    assert main([*command, path]) == errors.INPUT
    out = capsys.readouterr().out
    assert out.startswith("None of the 40 spans could be read: the timestamp cannot be parsed")
    assert "nothing fails" not in out


@pytest.mark.parametrize("command", [["graph"], ["culprits", "--spans"], ["detect", "--spans"]])
def test_spans_without_a_record(tmp_path: Path, capsys: Out, command: list[str]) -> None:
    path = spans(tmp_path)
    assert main([*command, path]) == errors.INPUT
    assert capsys.readouterr().out.startswith("There is no ")


def test_reports_and_graphs_have_the_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", *(line(i) for i in range(10)), *["x\n"] * 10)
    document = json.loads(mad.detect(path).document())
    assert (document["accepted"], document["rejected"]["total"]) == (10, 10)
    assert document["problem"].startswith("10 of 20 requests could not be read: the row has more")
    graph = mad.ServiceGraph()
    graph.add({"caller": ["a", ""], "callee": ["b", "c"]}, kind="edges")
    assert graph.accepted == 1
    assert graph.problem() is not None
    assert graph.problem(0.5) is None


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_service_of_which_nothing_was_read_is_in_the_first_line(
    form: str, tmp_path: Path, capsys: Out
) -> None:
    path = tmp_path / f"a.{form}"
    good = [line(i) for i in range(4_000)]
    lost = [line(i, service="Gepäck") for i in range(40)]
    if form == "csv":
        text = HEADER + "".join(good) + "".join(lost)
    else:
        names = HEADER.strip().split(",")
        text = "".join(
            json.dumps(dict(zip(names, one.strip().split(","), strict=True)), ensure_ascii=False)
            + "\n"
            for one in good + lost
        )
    path.write_bytes(text.encode("latin-1"))
    code, first, written = detect(tmp_path, capsys, str(path))
    if written["accepted"] == 4_040:  # the text was read as Latin-1
        return
    assert code == errors.FINE
    assert first.startswith("None of the 40 records of Gep")
    assert "the line is not UTF-8" in first
    assert first.endswith("No incident found")
    assert len(written["lost_services"]) == 1


def test_stray_lines_of_unknown_services_are_not_lost_services(tmp_path: Path, capsys: Out) -> None:
    stray = [line(5, service=f"x{i}", time="soon") for i in range(4)]
    known = [line(5, time="soon") for _ in range(20)]
    path = write(tmp_path / "a.csv", *(line(i) for i in range(1_000)), *stray, *known)
    _, first, written = detect(tmp_path, capsys, path)
    assert (first, written["lost_services"]) == ("No incident found", [])


def test_lost_services_of_a_table(tmp_path: Path) -> None:
    names = HEADER.strip().split(",")
    rows = [line(i).strip().split(",") for i in range(300)]
    rows += [line(i, service="till", time="").strip().split(",") for i in range(8)]
    table = [dict(zip(names, row, strict=True)) for row in rows]
    for row in table[300:]:
        row["timestamp"] = ""
    document = json.loads(mad.detect(table).document())
    assert document["lost_services"] == [
        "None of the 8 records of till could be read: a required field is missing (row 301)"
    ]
