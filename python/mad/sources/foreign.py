"""Names the formats that mad does not read, from the first bytes of a file."""

from __future__ import annotations

import re

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
ENOUGH = 1024
"""First bytes from which a format is recognised."""

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\xfd7zXZ\x00", "xz-compressed", "use gzip or zstd"),
    (b"BZh", "bzip2-compressed", "use gzip or zstd"),
    (b"\x04\x22\x4d\x18", "lz4-compressed", "use gzip or zstd"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy-compressed", "use gzip or zstd"),
    (b"\x1f\x9d", "compressed with compress", "use gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (b"%PDF-", "a PDF document", "export the data as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel or Office file", "save the sheet as CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export a query as CSV"),
    (b"Obj\x01", "an Avro file", "convert it to Parquet or JSON Lines"),
    (b"ORC", "an ORC file", "convert it to Parquet"),
    (b"ARROW1", "an Arrow file", "pass the table to mad.detect"),
    (b"FEA1", "a Feather file", "pass the table to mad.detect"),
    (b"\x89HDF\r\n", "an HDF5 file", "pass the dataframe to mad.detect"),
    (b"\x93NUMPY", "a NumPy file", "pass the columns to mad.detect"),
    (b"LPKSHHRH", "a systemd journal", "export it with journalctl -o json"),
    (b"ElfFile\0", "a Windows event log", "export it as CSV"),
    (b"\x7fELF", "a program", "give a file of records"),
    (b"\x89PNG", "a picture", "give a file of records"),
    (b"\xff\xd8\xff", "a picture", "give a file of records"),
    (b"GIF8", "a picture", "give a file of records"),
    (
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer and not the file itself",
        "run git lfs pull",
    ),
)
_ZIPPED: tuple[tuple[bytes, str, str], ...] = (
    (b"xl/", "an Excel workbook", "save the sheet as CSV"),
    (b"opendocument.spreadsheet", "a spreadsheet", "save the sheet as CSV"),
    (b"word/", "a Word document", "export the data as CSV"),
    (b"[Content_Types].xml", "an Excel or Office file", "save the sheet as CSV"),
)
_METHODS = rb"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
_TEXT: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (
        re.compile(rb"# (HELP|TYPE) \S"),
        "a page of Prometheus metrics",
        "it has the values of one moment; export a range of time as CSV",
    ),
    (
        re.compile(rb"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):(?: {2,}|[\w.]+:)\S"),
        "a log of Python or uvicorn without times",
        "add %(asctime)s to the format of its log lines",
    ),
    (
        re.compile(rb"(?:trce|dbug|info|warn|fail|crit): [\w.]+\[\d+\]"),
        "a console log of .NET without times",
        "set TimestampFormat, or use the JSON console",
    ),
    (
        re.compile(rb"(?:\S+ - )?" + _METHODS + rb" \S+ (?:HTTP/[\d.]+ )?\d{3} .{0,20}ms"),
        "a log of morgan without times",
        "use its format combined with :response-time",
    ),
    (
        re.compile(rb"[\w.-]+:[+-]?[\d.]+\|(?:c|g|ms|h|s|d)\b"),
        "packets of StatsD, which have no times",
        "read the metrics of its server",
    ),
    (re.compile(rb"Percentage served,Time in ms"), "the percentiles of ab -e", "use ab -g"),
    (re.compile(rb"\s*Summary:\s+Total:"), "the summary of hey", "run hey with -o csv"),
    (
        re.compile(rb"(?:tls|tcp) [\d.]+ \d{4}-\d\d-\d\dT\S+ net/"),
        "a log of an AWS network load balancer, which has connections and no requests",
        "use the log of an application load balancer or of the services",
    ),
    (
        re.compile(rb"(?:version account-id |\d \d{12} eni-)"),
        "a flow log of an AWS VPC, which has connections and no requests",
        "use the log of a load balancer or of the services",
    ),
    (
        re.compile(rb"epoch,\w+"),
        "a CSV file of collectd",
        "name its columns timestamp, service, metric and value",
    ),
)
_JSON: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b'"root_group"', b'"metrics"'), "the summary of k6", "run k6 with --out json=FILE"),
    ((b'"metrics"', b'"http_req_duration"'), "the summary of k6", "run k6 with --out json=FILE"),
    (
        (b'"aggregate"', b'"counters"'),
        "a report of Artillery",
        "send its metrics to Prometheus or OpenTelemetry with the plugin publish-metrics",
    ),
    (
        (b'"summary"', b'"requestsPerSec"'),
        "the summary of oha",
        "run oha with --output-format csv",
    ),
    (
        (b'"latencies"', b'"bytes_in"'),
        "a report of vegeta",
        "convert its results with vegeta encode --to csv",
    ),
)
"""Marks of JSON reports that only hold totals."""


def foreign(first: bytes) -> tuple[str, str] | None:
    """What the content is, and what to do; None for content that may be CSV, JSON or Parquet.

    `first` is the beginning of the decompressed content, `ENOUGH` bytes or all of it.
    """
    for magic, what, remedy in _MAGIC:
        # a header of CSV may begin with the letters of a short mark
        is_text = len(magic) < 5 and magic.isalnum() and min(first[:64]) >= 9
        if first.startswith(magic) and not is_text:
            return what, remedy
    if first.startswith(b"PK\x03\x04"):
        known = ((what, remedy) for part, what, remedy in _ZIPPED if part in first)
        return next(known, ("a zip archive", "unpack it first"))
    if first[257:262] == b"ustar":
        return "a tar archive", "unpack it and name the files inside"
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<" and (named := _markup(text)) is not None:
        return named
    for pattern, what, remedy in _TEXT:
        if pattern.match(text):
            return what, remedy
    if text[:1] == b"{":
        for marks, what, remedy in _JSON:
            if all(mark in text for mark in marks):
                return what, remedy
    # a few control characters within later lines cost these lines only
    if _CONTROL.search(first.partition(b"\n")[0]):
        return "binary data", "give CSV, JSON Lines or Parquet"
    return None


def _markup(text: bytes) -> tuple[str, str] | None:
    lower = text[:ENOUGH].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in lower:
        title = re.search(rb"<title[^>]{0,80}>\s{0,80}([^<]{1,80})", text, re.I)
        words = " ".join(title[1].decode("utf-8", "replace").split()) if title else ""
        named = f"an HTML page ({words})" if words else "an HTML page"
        return named, "the download may have failed: open the page in a browser"
    root = re.search(rb"<([A-Za-z_][\w:.-]*)", text)
    if root is None:
        return None
    return f"an XML document (<{root[1].decode()}>)", "export CSV or JSON instead"


def utf16(first: bytes) -> str | None:
    """The name of the encoding of UTF-16 or UTF-32 text, else None.

    Without a byte order mark, text counts as UTF-16 when every second one of its first bytes is
    zero, as in ASCII text in UTF-16.
    """
    if first.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = first[:64]
    low, high = start[::2], start[1::2]
    if len(start) >= 16 and not any(high) and all(low):
        return "utf-16-le"
    if len(start) >= 16 and not any(low) and all(high):
        return "utf-16-be"
    return None
