"""Bad input gives a clear error, or counted rejections with positions while every good row is
used."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard
from table_kinds import content

import mad
from mad import errors

HEADER = "timestamp,service,endpoint,status_code,latency_ms"
BEFORE = ["2026-01-06T10:00:01Z,a,/x,200,10.5", "2026-01-06T10:00:02Z,b,/y,500,20"]
AFTER = ["2026-01-06T10:00:03Z,a,/x,200,30", "2026-01-06T10:01:04Z,b,/y,200,40.25"]
NAMES = HEADER.split(",")


def as_json(line: str, **changed: Any) -> str:
    """A CSV line as JSON."""
    time, service, endpoint, status, latency = line.split(",")
    values = (time, service, endpoint, int(status), float(latency))
    return json.dumps(dict(zip(NAMES, values, strict=True)) | changed)


@dataclass
class Case:
    """Lines in the middle of a good file, and the rejections among them by position from 0."""

    lines: list[bytes]
    rejected: list[tuple[int, str]]
    end: bytes = b"\n"
    start: bytes = b""
    good: list[str] = field(default_factory=list)
    """Their other fields, as a file would have them."""

    def csv(self) -> bytes:
        lines = [HEADER, *BEFORE, *AFTER]
        whole = [line.encode() for line in lines]
        whole[3:3] = self.lines
        return self.start + self.end.join(whole) + self.end

    def json_lines(self) -> bytes:
        whole = [as_json(line).encode() for line in (*BEFORE, *AFTER)]
        whole[2:2] = self.lines
        return self.start + self.end.join(whole) + self.end


def row(**changed: str) -> bytes:
    """A CSV row of minute 10:00 with some fields changed."""
    fields = dict(zip(NAMES, ["2026-01-06T10:00:05Z", "bad", "/bad", "200", "1"], strict=True))
    return ",".join((fields | changed).values()).encode()


def item(**changed: Any) -> bytes:
    """The same as JSON; None leaves the field out."""
    fields = json.loads(as_json("2026-01-06T10:00:05Z,bad,/bad,200,1")) | changed
    return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()


def values(field: str, bad: list[str], reason: str) -> Case:
    return Case([row(**{field: x}) for x in bad], [(i, reason) for i in range(len(bad))])


def items(field: str, bad: list[Any], reason: str) -> Case:
    return Case([item(**{field: x}) for x in bad], [(i, reason) for i in range(len(bad))])


FAILURES = ["0", "000", "-200", "nan", "", "-", "ERROR", "TIMEOUT", "13", "5xx", "503 Sorry"]
LATENCIES = ["-1", "-0.001", "inf", "-inf", "NaN", "1e999", "fast", "0x10", "1_000", "-", "", " "]
NAIVE = ["2026-01-06T10:00:05", "2026-01-06 10:00:05", "2026-01-06T10:00:05.123456"]
FAR = [
    *("0001-01-01T00:00:00Z", "1677-09-21T00:12:43Z", "2262-04-11T23:47:17Z"),
    *("1969-12-31T23:59:59Z", "2200-01-01T00:00:01Z"),
    *("9999-12-31T23:59:59Z", "99999999999999999999", "-99999999999999999999"),
]
TIMES = [
    *("yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-06T25:00:00Z"),
    *("06/01/2026 10:00", "10:00:05", "2026-01-06", "2026-01-06T10:00:05+99:00", "nan"),
]
CONTROL = ["a\tb", "a\x00b", "a\x1bb", "\x7f"]
LONG = "x" * 513

CSV_CASES: dict[str, Case] = {
    "nothing wrong": Case([], []),
    "naive times": values("timestamp", NAIVE, "naive_timestamp"),
    "far times": values("timestamp", FAR, "bad_timestamp"),
    "no times": values("timestamp", TIMES, "bad_timestamp"),
    "control characters": values("service", CONTROL, "bad_name"),
    "long name": values("service", [LONG], "bad_name"),
    "empty fields": Case(
        [row(**{name: ""}) for name in NAMES[:2]], [(i, "missing_field") for i in range(2)]
    ),
    "white space": Case([row(timestamp="  "), b"", b"   "], [(0, "missing_field")]),
    "too few and too many": Case(
        [b"a,b", row() + b",7", b",", b"2026-01-06T10:00:05Z"],
        [(i, "field_count") for i in range(4)],
    ),
    "not UTF-8": Case(
        [row(service="caf").replace(b"caf", b"caf\xe9"), b"\xff\xfe\x00\x01", b"\x80"],
        [(i, "not_utf8") for i in range(3)],
    ),
    "a line of text in UTF-16": Case([row().decode().encode("utf-16-le")], [(0, "bad_timestamp")]),
    "BOM": Case([], [], start=b"\xef\xbb\xbf"),
    "CRLF": Case([row(service="")], [(0, "missing_field")], end=b"\r\n"),
    "BOM and CRLF": Case([], [], start=b"\xef\xbb\xbf", end=b"\r\n"),
    "a name over two lines": Case([row(service='"two\nlines"')], [(0, "bad_name")]),
    "a stray quote": Case([row(service='"open')], [(0, "truncated")]),
    "the header again": Case([HEADER.encode()], [(0, "bad_timestamp")]),
    "another kind of line": Case(
        [b"# comment", item()], [(0, "field_count"), (1, "bad_timestamp")]
    ),
    "mixed offsets": Case(
        [
            row(timestamp=time, service="a", endpoint="/x")
            for time in (
                "2026-01-06T12:00:05+02:00",
                "2026-01-06T15:30:05+05:30",
                "2026-01-06 06:30:05-03:30",
                "2026-01-06T10:00:05z",
                "1767693605",
                "1767693605.25",
                "1767693605000",
                "1767693605000000",
                "1767693605000000000",
            )
        ],
        [],
        good=["2026-01-06T10:00:05Z,a,/x,200,1"] * 9,
    ),
    "names": Case(
        [
            row(service='"say ""hi"", twice"'),
            row(service="<script>alert('x')</script>"),
            row(service="=cmd|' /C calc'!A0"),
            row(service="naïve 服务 🦀"),
            row(service="' ; drop table x --"),
        ],
        [],
        good=[
            '2026-01-06T10:00:05Z,"say ""hi"", twice",/bad,200,1',
            "2026-01-06T10:00:05Z,<script>alert('x')</script>,/bad,200,1",
            "2026-01-06T10:00:05Z,=cmd|' /C calc'!A0,/bad,200,1",
            "2026-01-06T10:00:05Z,naïve 服务 🦀,/bad,200,1",
            "2026-01-06T10:00:05Z,' ; drop table x --,/bad,200,1",
        ],
    ),
    "past and future that can be": Case(
        [row(timestamp="1970-01-01T00:00:00Z"), row(timestamp="2200-01-01T00:00:00Z")],
        [],
        good=["1970-01-01T00:00:00Z,bad,/bad,200,1", "2200-01-01T00:00:00Z,bad,/bad,200,1"],
    ),
}

JSON_CASES: dict[str, Case] = {
    "nothing wrong": Case([], []),
    "naive times": items("timestamp", NAIVE, "naive_timestamp"),
    "far times": items("timestamp", [*FAR, 10**19, 1e300], "bad_timestamp"),
    "no times": items("timestamp", [*TIMES, True, [], {}], "bad_timestamp"),
    "control characters": items("service", CONTROL, "bad_name"),
    "newlines": items("service", ["two\nlines", "two\r\nlines", "\u2028\x85"], "bad_name"),
    "names of other types": items("endpoint", [5, 1.5, False, [], {}], "bad_name"),
    "missing": Case(
        [item(**{name: x}) for x in (None, "") for name in NAMES[:2]] + [b"{}"],
        [(i, "missing_field") for i in range(5)],
    ),
    "no objects": Case(
        [b"[]", b"5", b'"x"', b"null", b"{", b"}", b"{'a': 1}", b"NaN", item() + b"x", b"a,b,c"],
        [(i, "bad_json") for i in range(10)],
    ),
    "numbers that JSON has not": Case(
        [item().replace(b"200", x) for x in (b"NaN", b"Infinity", b"0x1", b"01")],
        [(i, "bad_json") for i in range(4)],
    ),
    "deep": Case(
        [b'{"%s":' % key + b"[" * 400_000 + b"]" * 400_000 + b"}" for key in (b"x", b"timestamp")],
        [(0, "missing_field"), (1, "bad_timestamp")],
    ),
    "lone surrogate": Case([item(service="x").replace(b'"x"', rb'"\ud800"')], [(0, "bad_json")]),
    "not UTF-8": Case(
        [item(service="caf").replace(b"caf", b"caf\xe9"), b"\xff\xfe"],
        [(0, "not_utf8"), (1, "not_utf8")],
    ),
    "blank lines": Case([b"", b"  ", b"\t"], []),
    "BOM and CRLF": Case([item(service="")], [(0, "missing_field")], b"\r\n", b"\xef\xbb\xbf"),
    "names": Case(
        [item(service='say "hi", twice'), item(service="<b>&amp;</b>")],
        [],
        good=[
            '2026-01-06T10:00:05Z,"say ""hi"", twice",/bad,200,1',
            "2026-01-06T10:00:05Z,<b>&amp;</b>,/bad,200,1",
        ],
    ),
    "other keys and repeated ones": Case(
        [item(extra={"a": [1, None]}), item()[:-1] + b', "status_code": 500}'],
        [],
        good=["2026-01-06T10:00:05Z,bad,/bad,200,1", "2026-01-06T10:00:05Z,bad,/bad,500,1"],
    ),
}


def run(*argv: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs `mad` as users do."""
    line = [sys.executable, "-m", "mad.cli", *map(str, argv)]
    return subprocess.run(line, cwd=cwd, capture_output=True, encoding="utf-8", check=False)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_taken(case: Case, text: bytes, first_line: int, tmp_path: Path) -> None:
    """Detects over the file in both ways and over its good lines."""
    path = tmp_path / "requests"
    path.write_bytes(text)
    plain = tmp_path / "plain.csv"
    plain.write_text("\n".join([HEADER, *BEFORE, *case.good, *AFTER, ""]), encoding="utf-8")
    expected = mad.detect(plain)
    assert expected.rejected["total"] == 0

    report = mad.detect(path)
    assert content(report.features) == content(expected.features)
    assert content(report.scored) == content(expected.scored)
    counts: dict[str, int] = {}
    for _, reason in case.rejected:
        counts[reason] = counts.get(reason, 0) + 1
    assert report.rejected["counts"] == counts
    positions = [(one["position"], one["reason"]) for one in report.rejected["first"]]
    kept: list[tuple[int, str]] = []
    for at, reason in case.rejected:
        if sum(reason == other for _, other in kept) < 5:
            kept.append((first_line + at, reason))
    assert positions == kept
    assert all(one["detail"] and one["hint"] for one in report.rejected["first"])

    done = run("detect", path, "--json", "--no-report", cwd=tmp_path)
    lost, accepted = len(case.rejected), 4 + len(case.good)
    is_short = accepted < 0.95 * (accepted + lost - counts.get("duplicate", 0))
    assert done.returncode == (errors.INPUT if is_short else errors.FINE), done.stderr
    document = json.loads(done.stdout)
    assert document["accepted"] == accepted
    assert document["rejected"] == report.rejected
    assert document["requests"] == 4 + len(case.good)
    wanted = list(zip(expected.features["service"], expected.features["endpoint"],
                      map(str, expected.features["req_count"]), strict=True))  # fmt: skip
    for name in ("features.csv", "scored.csv"):
        rows = read(tmp_path / "out" / name)
        # a name that a spreadsheet would run as a formula has an apostrophe before it
        names = [one["service"].removeprefix("'") if "'=" in one["service"] else one["service"]
                 for one in rows]  # fmt: skip
        found = [
            (service, one["endpoint"], one["req_count"])
            for service, one in zip(names, rows, strict=True)
        ]
        assert found == wanted, name


@pytest.mark.parametrize("name", CSV_CASES)
def test_csv(name: str, tmp_path: Path) -> None:
    case = CSV_CASES[name]
    assert_taken(case, case.csv(), 4, tmp_path)


@pytest.mark.parametrize("name", JSON_CASES)
def test_json_lines(name: str, tmp_path: Path) -> None:
    case = JSON_CASES[name]
    assert_taken(case, case.json_lines(), 3, tmp_path)


@pytest.mark.parametrize("write", [row, item])
def test_requests_without_a_status_or_a_latency_count(write: Any, tmp_path: Path) -> None:
    first = as_json(BEFORE[0]) if write is item else f"{HEADER}\n{BEFORE[0]}"
    lines = [write(status_code=x) for x in FAILURES] + [write(latency_ms=x) for x in LATENCIES]
    path = tmp_path / "requests"
    path.write_bytes(b"\n".join([first.encode(), *lines]))
    report = mad.detect(path)
    assert report.rejected["total"] == 0
    (counts,) = [
        (n, failed)
        for service, n, failed in zip(
            report.features["service"],
            report.features["req_count"],
            report.features["error_count"],
            strict=True,
        )
        if service == "bad"
    ]
    assert counts == (len(FAILURES) + len(LATENCIES), len(FAILURES))


def test_a_name_over_two_lines_keeps_the_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    lines = [row(service='"two\nlines"'), row(service="")]
    path.write_bytes(Case(lines, []).csv())
    first = mad.detect(path).rejected["first"]
    assert [(one["position"], one["reason"]) for one in first] == [
        (4, "bad_name"),
        (6, "missing_field"),
    ]


@pytest.mark.parametrize("keep", range(1, 35))
def test_a_truncated_file_keeps_the_rows_before_the_cut(keep: int, tmp_path: Path) -> None:
    whole = "\n".join([HEADER, *BEFORE, *AFTER[:1]]).encode()
    cut = whole + b"\n" + AFTER[1].encode()[:keep]
    path = tmp_path / "requests.csv"
    path.write_bytes(cut)
    report = mad.detect(path)
    # without its latency the last row is a request of unknown latency
    complete = keep >= len(AFTER[1]) - len("40.25")
    assert report.features["req_count"].sum() == 3 + complete
    assert report.rejected["total"] == (not complete)
    if not complete:
        (first,) = report.rejected["first"]
        assert (first["position"], first["reason"] in ("truncated", "missing_field")) == (5, True)
    lines = [as_json(line) for line in (*BEFORE, *AFTER)]
    path.write_text("\n".join(lines)[: -len(lines[-1])] + lines[-1][:keep])
    rejected = mad.detect(path).rejected
    assert rejected["counts"] == {"truncated": 1}
    assert rejected["first"][0]["position"] == 4


MEASURED = """
import sys
from mad.cli import main
code = main(sys.argv[1:])
status = open("/proc/self/status").read()
sys.stderr.write(status.split("VmHWM:")[1].split()[0])
sys.exit(code)
"""
"""The command line, and its largest memory in kB at the end of standard error."""


@pytest.mark.parametrize("form", ["CSV", "quoted", "JSON"])
def test_a_line_of_100_megabytes(form: str, tmp_path: Path) -> None:
    size = 100_000_000
    if form == "JSON":
        text = Case([b'{"service": "' + b"x" * size + b'"}'], []).json_lines()
    else:
        quote = b'"' if form == "quoted" else b""
        text = Case([row(service="@").replace(b"@", quote + b"x" * size + quote)], []).csv()
    path = tmp_path / "requests"
    path.write_bytes(text)
    del text
    position = 3 if form == "JSON" else 4
    report = mad.detect(path)
    assert report.rejected["counts"] == {"line_too_long": 1}
    assert report.rejected["first"][0]["position"] == position
    assert report.features["req_count"].sum() == 4

    line = [sys.executable, "-c", MEASURED, "detect", "requests", "--json", "--no-report"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == errors.INPUT, done.stderr
    document = json.loads(done.stdout)
    assert (document["rejected"], document["requests"]) == (report.rejected, 4)
    assert int(done.stderr.split()[-1]) < 100_000, "the line was held in memory"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_line_of_100_megabytes(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "requests"
    path.write_bytes(pack(Case([b"x" * 100_000_000], []).csv()))
    report = mad.detect(path)
    assert report.rejected["counts"] == {"line_too_long": 1}
    assert report.features["req_count"].sum() == 4


# input that cannot be read as a whole


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n \n\r\n", "the file is empty"),
    "BOM alone": (b"\xef\xbb\xbf", "the file is empty"),
    "no header": ("\n".join(BEFORE).encode(), "CSV header lacks `timestamp`"),
    "columns missing": (b"timestamp,service,latency_ms\n", "lacks `endpoint`, `status_code`"),
    "a column twice": (HEADER.encode() + b",service\n", "has `service` twice, as columns 2 and 6"),
    "an empty array": (b"[]", "a JSON array without a record"),
    "a header in another encoding": (b"timestamp,servi\xe7e\n", "UTF-8"),
    "text": (b"It was a dark and stormy night.\n", "CSV header lacks"),
    "an open quote": (b'"timestamp,service\n', "quote"),
    "a header of 2 MB": (b"x" * 2_000_000, "longer than 1 MiB"),
    "Parquet": (b"PAR1" + b"\0" * 40, "Parquet"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, "zip"),
    "xz": (b"\xfd7zXZ\x00" + b"\0" * 40, "xz"),
    "bzip2": (b"BZh9" + b"\0" * 40, "bzip2"),
    "Arrow": (b"ARROW1" + b"\0" * 40, "Arrow"),
    "random": (bytes(range(128, 256)) * 4, "UTF-8"),
    "damaged gzip": (b"\x1f\x8b" + b"\xff" * 40, "gzip"),
    "cut gzip": (gzip.compress(HEADER.encode() * 100)[:-9], "gzip data is truncated"),
    "damaged zstd": (b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "zstd"),
    "cut zstd": (zstandard.compress(HEADER.encode() * 100)[:-3], "zstd"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_input_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    text, message = UNREADABLE[name]
    path = tmp_path / "requests.csv"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        mad.detect(path)
    done = run("detect", path, cwd=tmp_path)
    assert done.returncode == errors.INPUT, done.stderr
    assert message in done.stderr
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").glob("*")) == []


@pytest.mark.parametrize("text", [HEADER, HEADER + "\n", HEADER + "\r\n\r\n"])
def test_a_header_alone_holds_no_rows(text: str, tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    path.write_bytes(text.encode())
    report = mad.detect(path)
    assert (len(report.scored), report.incidents, report.rejected["total"]) == (0, [], 0)
    done = run("detect", path, cwd=tmp_path)
    assert done.returncode == errors.INPUT, done.stderr
    assert done.stdout.startswith(f"There is no record in {path}\n")
    assert read(tmp_path / "out" / "scored.csv") == []
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000


def test_headers_in_other_forms(tmp_path: Path) -> None:
    expected = content(detected(tmp_path, [HEADER, *BEFORE, *AFTER]).features)
    spaced = " Timestamp , SERVICE,Endpoint,\tstatus_code,latency_ms "
    assert content(detected(tmp_path, [spaced, *BEFORE, *AFTER]).features) == expected
    quoted = ",".join(f'"{name}"' for name in NAMES)
    assert content(detected(tmp_path, ["", quoted, *BEFORE, *AFTER]).features) == expected
    turned = [",".join(line.split(",")[::-1]) for line in (HEADER, *BEFORE, *AFTER)]
    assert content(detected(tmp_path, turned).features) == expected


def detected(tmp_path: Path, lines: list[str]) -> mad.Report:
    path = tmp_path / "requests.csv"
    path.write_text("\n".join(lines) + "\n")
    return mad.detect(path)


@pytest.mark.parametrize("wrong", ["none.csv", ".", "a\0b"])
def test_paths_that_are_not_files(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OSError, ValueError)):
        mad.detect(wrong)
    if "\0" not in wrong:
        done = run("detect", wrong, cwd=tmp_path)
        assert done.returncode == errors.INPUT
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_compressed_in_several_parts(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    lines = [HEADER, *BEFORE, *AFTER]
    path.write_bytes(b"".join(pack(line.encode() + b"\n") for line in lines))
    assert mad.detect(path).features["req_count"].sum() == 4


def test_naive_times_with_a_zone_configured(tmp_path: Path) -> None:
    lines = [HEADER, *(line.replace("Z,", ",") for line in (*BEFORE, *AFTER))]
    path = tmp_path / "requests.csv"
    path.write_text("\n".join(lines))
    report = mad.detect(path, config={"naive_offset_seconds": 7200})
    assert report.rejected["total"] == 0
    assert str(report.features["bucket_ts"][0]) == "2026-01-06T08:00:00.000000000"
    (tmp_path / "mad.toml").write_text("naive_offset_seconds = 7200\n")
    done = run("detect", path, "--json", "--config", "mad.toml", cwd=tmp_path)
    assert json.loads(done.stdout)["first"] == "2026-01-06T08:00:00Z"


def test_a_report_of_hostile_names(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    path = tmp_path / "requests.csv"
    lines = [HEADER]
    for minute in range(100):
        latency = 3000 if 60 <= minute < 70 else 100
        clock = f"2026-01-06T{10 + minute // 60:02}:{minute % 60:02}"
        lines += [
            f'{clock}:{second:02}Z,{name},/pay="b"&c;a=1,200,{latency + second % 7}'
            for second in range(0, 60, 4)
        ]
    path.write_text("\n".join(lines) + "\n")
    done = run("detect", path, cwd=tmp_path)
    assert done.returncode == errors.FINE, done.stderr
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "alert(1)" in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    (incident,) = json.loads((tmp_path / "out" / "incidents.json").read_text())["incidents"]
    assert (incident["service"], incident["endpoint"]) == (name, '/pay="b"&c')
    assert {one["service"] for one in read(tmp_path / "out" / "scored.csv")} == {name}
