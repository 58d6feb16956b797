"""Files in formats that mad does not read, under any name, and text in other encodings."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import mad
from mad import errors
from mad.cli import main

ROWS = "timestamp,service,endpoint,status_code,latency_ms\n" + "".join(
    f"2026-01-06T10:00:{i:02}Z,shop,/café,200,{40 + i}\n" for i in range(60)
)


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, ROWS)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        entry = tarfile.TarInfo("requests.csv")
        entry.size = len(ROWS.encode())
        file.addfile(entry, io.BytesIO(ROWS.encode()))
    return out.getvalue()


def database(path: Path) -> bytes:
    with sqlite3.connect(path) as connection:
        connection.execute("create table requests (timestamp text)")
    connection.close()
    return path.read_bytes()


PAGE = b"<!DOCTYPE html>\n<html><head><title>\n 502 Bad\n Gateway</title></head></html>"
FOREIGN = {
    "HTML page (502 Bad Gateway)": PAGE,
    "an HTML page": b"\xef\xbb\xbf\n <HTML><body>x</body></HTML>",
    "an XML document (<Error>)": b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    "an Excel workbook": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "a spreadsheet": zipped("mimetype") + b"application/vnd.oasis.opendocument.spreadsheet",
    "a zip archive": zipped("requests.csv"),
    "a tar archive": tarred(),
    "a tar archive (gzip)": gzip.compress(tarred()),
    "an HTML page (502 Bad Gateway) (zstd)": zstandard.compress(PAGE),
    "xz-compressed": lzma.compress(ROWS.encode()),
    "bzip2-compressed": bz2.compress(ROWS.encode()),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "an Avro file": b"Obj\x01\x04\x16avro.schema",
    "an ORC file": b"ORC\x0a\x03\x00\x00\x00",
    "a systemd journal": b"LPKSHHRH\0\0\0\0",
    "binary data": bytes(range(256)) * 8,
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
    "a log of Python or uvicorn": b"INFO:     Started server process [1]\nINFO:root:x\n",
    "a console log of .NET": b"info: Pay[0]\n      boom\n",
    "a log of morgan": b"GET /pay 200 12.345 ms - 12\n",
    "packets of StatsD": b"pay.requests:1|c\npay.latency:320|ms|@0.1\n",
    "the percentiles of ab": b"Percentage served,Time in ms\n0,1.2\n",
    "the summary of hey": b"\nSummary:\n  Total:\t1.2 secs\n",
    "an AWS network load balancer": b"tls 2.0 2026-01-06T10:45:00 net/lb/c6 g3 10.0.0.1:5\n",
    "a flow log of an AWS VPC": b"version account-id interface-id\n2 123456789012 eni-1\n",
    "a CSV file of collectd": b"epoch,shortterm\n1767696300.1,0.5\n",
    "the summary of k6": b'{"metrics": {"http_req_duration": {"avg": 1}}, "root_group": {}}',
    "a report of Artillery": b'{"aggregate": {"counters": {"http.requests": 1}}}',
    "the summary of oha": b'{"summary": {"requestsPerSec": 1.0}}',
    "a report of vegeta": b'{"latencies": {"mean": 1}, "bytes_in": {"total": 1}}',
}


def test_a_scrape_without_times_has_no_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.txt"
    path.write_bytes(b"# HELP up Whether it is up\n# TYPE up gauge\nup 1\n")
    assert main(["detect", str(path), "--out", str(tmp_path / "out")]) == errors.INPUT
    assert capsys.readouterr().out.startswith("There is no record in ")


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("ending", ["csv", "json", "gz"])
def test_a_format_is_named(
    name: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"in.{ending}"
    path.write_bytes(FOREIGN[name])
    assert main(["detect", str(path), "--out", str(tmp_path / "out")]) == errors.INPUT
    said = capsys.readouterr().err
    assert name in said
    assert "header" not in said
    assert main(["graph", str(path)]) == errors.INPUT
    assert name in capsys.readouterr().err
    with pytest.raises(ValueError, match="is not supported"):
        mad.detect(path)


def test_a_database_is_named(tmp_path: Path) -> None:
    database(tmp_path / "requests.csv")
    with pytest.raises(ValueError, match="an SQLite database"):
        mad.detect(tmp_path / "requests.csv")


@pytest.mark.parametrize("header", ["ORCA,x", "BZhome,x", "GIF89,x"])
def test_a_header_may_begin_like_another_format(header: str, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"{header},{ROWS.replace(chr(10), chr(10) + '1,2,')[:-4]}")
    assert len(mad.read(path)) == 60


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_unicode_text_is_read(
    encoding: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(pack(ROWS.encode(encoding)))
    report = mad.detect(path)
    assert report.rejected["total"] == 0
    assert list(report.features["endpoint"]) == ["/café"]


def test_damaged_unicode_text_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(ROWS.encode("utf-16")[:-1])
    assert main(["detect", str(path), "--out", str(tmp_path / "out")]) == errors.INPUT
    assert "damaged UTF-16 text" in capsys.readouterr().err


def test_a_parquet_file_that_is_packed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(b"PAR1" + bytes(40)))
    with pytest.raises(ValueError, match=r"Parquet \(gzip\)"):
        mad.detect(path)


def test_a_saved_page_is_named_among_other_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.csv").write_text(ROWS)
    (tmp_path / "page.csv").write_bytes(PAGE)
    names = [str(tmp_path / name) for name in ("good.csv", "page.csv")]
    assert main(["detect", *names, "--out", str(tmp_path / "out"), "--json"]) == errors.INPUT
    out, err = capsys.readouterr()
    assert "page.csv is an HTML page" in err
    assert out == "" or "error" in json.loads(out)


def test_a_folder_with_earlier_results_is_read_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path), "--system", "radar", "--seed", "3"]) == 0
    line = ["detect", str(tmp_path), "--out", str(tmp_path / "out"), "--json"]
    capsys.readouterr()
    documents = []
    for _ in range(2):
        assert main(line) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0]["accepted"] == documents[1]["accepted"] > 0
    assert main(line[:-1]) == 0
    first = capsys.readouterr().out.splitlines()[:3]
    # a metric that is called error_rate need not be a share
    assert "%" not in " ".join(first).split("error_rate")[1].split(",")[0], first
