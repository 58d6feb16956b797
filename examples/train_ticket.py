"""The Train Ticket traces of the Nezha data set as a requests file.

    python examples/train_ticket.py DATA OUT.csv [--day 2023-01-29|2023-01-30|all] [--no-logs]
    mad detect OUT.csv --out out --config examples/train_ticket.json

DATA is a folder with `rca_data` and `construct_data`, such as Nezha's own. What comes out, where
the data is from and how far the result can be trusted: docs/train-ticket.md.

Requests are the spans whose caller is outside the service: the first span of a trace (`ParentID`
is `root`) and spans whose parent ran in another pod. All others are steps within a service or
calls that it makes. Where the parent was not recorded, a span is a request when its name begins
with `/`. Of the recording's spans this takes every HTTP route and the one queue consumer.

What a request's row holds: the service is the pod's name without its last two dash-separated
parts, the endpoint is the operation's name, the time is the span's start, the latency is
`Duration`. The traces have no status. A request counts as failed (500) when its service wrote a log
line of level ERROR while serving it, found by the line's span, and as fine (200) otherwise: an
error that a service noticed, not a status that a caller saw. `--no-logs` writes 200 everywhere.

Spans that were recorded twice are written twice under one `request_id`, and dropped by mad.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

COLUMNS = (
    *("timestamp", "service", "endpoint", "status_code", "latency_ms"),
    *("request_id", "trace_id"),
)
ERROR_LINE = re.compile(r'\s*(?:\{"log":")?\S+ ERROR\s')
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Span:
    """The fields of a span that the conversion uses."""

    trace: str
    id: str
    parent: str
    pod: str
    operation: str
    start_ns: int
    duration_us: int


@dataclass
class Counts:
    """Counts of read and written records."""

    files: int = 0
    spans: int = 0
    unreadable: int = 0
    disagreeing: int = 0
    error_lines: int = 0
    requests: int = 0
    repeated: int = 0
    failed: int = 0


def files(data: Path, day: str, kind: str) -> list[Path]:
    """The files of a kind, `trace` or `log`, of one day or of all."""
    pattern = f"*/{'*' if day == 'all' else day}/{kind}/*_{kind}.csv*"
    return sorted(path for path in data.glob(pattern) if path.suffix in (".csv", ".gz"))


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file by the names of their columns."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as lines:
        yield from csv.DictReader(lines)


def read_spans(paths: Iterable[Path], counts: Counts) -> Iterator[Span]:
    """Every span, repeated ones too."""
    for path in paths:
        counts.files += 1
        for row in rows(path):
            try:
                start, end = int(row["StartTimeUnixNano"]), int(row["EndTimeUnixNano"])
                span = Span(
                    row["TraceID"],
                    row["SpanID"],
                    row["ParentID"],
                    row["PodName"],
                    row["OperationName"],
                    start,
                    int(row["Duration"]),
                )
            except (KeyError, TypeError, ValueError):
                counts.unreadable += 1
                continue
            counts.spans += 1
            # both are recorded; a microsecond is the rounding of the one
            counts.disagreeing += abs((end - start) / 1000 - span.duration_us) > 1
            yield span


def spans_with_errors(paths: Iterable[Path], counts: Counts) -> Iterator[str]:
    """The span of each log line of level ERROR."""
    # one field of the recording is longer than the module's bound
    csv.field_size_limit(1 << 24)
    for path in paths:
        counts.files += 1
        for row in rows(path):
            if ERROR_LINE.match(row.get("Log") or "") and row.get("SpanID"):
                counts.error_lines += 1
                yield row["SpanID"]


def is_request(span: Span, by_id: dict[str, Span]) -> bool:
    """Whether the service was asked for this span from outside of itself."""
    if span.parent == "root":
        return True
    parent = by_id.get(span.parent)
    return span.operation.startswith("/") if parent is None else parent.pod != span.pod


def request_of(span: Span, by_id: dict[str, Span]) -> Span:
    """The request in whose service and course a span ran."""
    seen = set()
    while not is_request(span, by_id) and span.id not in seen:
        seen.add(span.id)
        parent = by_id.get(span.parent)
        if parent is None:
            break
        span = parent
    return span


def service(pod: str) -> str:
    """`ts-travel-service` of `ts-travel-service-64469b5b48-25zj6`."""
    return pod.rsplit("-", 2)[0]


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC, to the millisecond where that is all there is."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    whole = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest // 1_000_000:03}" if rest % 1_000_000 == 0 else f"{rest:09}"
    return f"{whole}.{fraction}Z"


def convert(data: Path, out: Path, day: str = "all", *, logs: bool = True) -> Counts:
    """Writes the requests file, sorted by time."""
    counts = Counts()
    spans = list(read_spans(files(data, day, "trace"), counts))
    by_id = {span.id: span for span in spans}
    failed = set()
    if logs:
        for found in spans_with_errors(files(data, day, "log"), counts):
            if found in by_id:
                failed.add(request_of(by_id[found], by_id).id)
    requests = [span for span in spans if is_request(span, by_id)]
    requests.sort(key=lambda span: span.start_ns)
    counts.requests = len(requests)
    counts.repeated = counts.requests - len({span.id for span in requests})
    counts.failed = sum(span.id in failed for span in requests)
    with out.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for span in requests:
            lines.writerow(
                (
                    timestamp(span.start_ns),
                    service(span.pod),
                    span.operation,
                    500 if span.id in failed else 200,
                    f"{span.duration_us / 1000:.3f}",
                    span.id,
                    span.trace,
                )
            )
    return counts


def main() -> int:
    """Reads the arguments, converts, and prints a summary."""
    parser = argparse.ArgumentParser(description="Train Ticket traces to a requests file")
    parser.add_argument("data", type=Path, metavar="DATA", help="holds rca_data, construct_data")
    parser.add_argument("out", type=Path, metavar="OUT.csv")
    parser.add_argument("--day", choices=("2023-01-29", "2023-01-30", "all"), default="all")
    parser.add_argument("--no-logs", action="store_true", help="every request counts as fine")
    args = parser.parse_args()
    if not files(args.data, args.day, "trace"):
        print(f"no traces below {args.data}: it has no */{args.day}/trace/*_trace.csv.gz")
        return 3
    counts = convert(args.data, args.out, args.day, logs=not args.no_logs)
    print(
        f"{counts.requests:,} requests ({counts.failed:,} failed, {counts.repeated:,} repeated) of "
        f"{counts.spans:,} spans and {counts.error_lines:,} error lines in {counts.files} files, "
        f"written to {args.out}"
    )
    for number, what in (
        (counts.unreadable, "spans could not be read"),
        (counts.disagreeing, "durations do not agree with start and end"),
    ):
        if number:
            print(f"{number:,} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
