"""Sources: the contract of all of them, and the rotation of files that grow."""

from __future__ import annotations

import gzip
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from service import Server

from mad.config.components import component, types_of
from mad.config.options import describe
from mad.engine import Engine
from mad.engine import source_contract as contract
from mad.engine.source_contract import requests
from mad.engine.source_runner import SourceRunner
from mad.journal import Journal
from mad.sources.protocol import Batch, Source, SourceUnavailable
from mad.sources.stdin import StdinOptions, StdinSource
from mad.sources.tail import TailOptions, TailSource


class FilePeer:
    """A file that grows; without its peer it cannot be opened."""

    bad = "rejected"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "requests.jsonl"
        self._hidden = directory / "elsewhere"
        self.path.touch()

    def source(self) -> Source:
        """A source over the file."""
        options = TailOptions(paths=(str(self.path),), poll_seconds=0.05, batch_bytes=64 * 1024)
        return TailSource(options)

    def write(self, records: Sequence[bytes]) -> None:
        """Appends lines."""
        with self.path.open("ab") as file:
            file.write(b"".join(one + b"\n" for one in records))

    def broken(self) -> Iterable[tuple[Source, str]]:
        """A missing file."""
        yield TailSource(TailOptions(paths=(str(self.path.parent / "none.log"),))), "none.log"

    def cut(self) -> None:
        """A file is never unreachable; see `test_a_file_that_cannot_be_read`."""

    def restore(self) -> None:
        """Nothing was cut."""


#: A file has no peer that could be lost; see `test_a_file_that_cannot_be_read`.
CHECKS = [one for one in contract.CHECKS if one is not contract.returns_after_the_loss_of_its_peer]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_files_keep_the_contract(
    check: Callable[[contract.Peer, Path], None], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    check(FilePeer(tmp_path / "logs"), tmp_path / "data")


def _read(source: Source, positions: dict[str, object] | None = None) -> list[int]:
    """The numbers of all requests that can be read now; `positions` follows."""
    found = []
    while (batch := source.read(0.0)) is not None:
        found.append(batch)
        if positions is not None:
            positions.update(batch.positions)
    return contract._numbers(found)


def _read_until(source: Source, count: int) -> list[int]:
    """The numbers of requests until there are `count`, or for some seconds."""
    found: list[int] = []
    end = time.monotonic() + 20
    while len(found) < count and time.monotonic() < end:
        found += _read(source)
        time.sleep(0.005)
    return found + _read(source)


def _follow(path: Path, **more: Any) -> TailSource:
    options = TailOptions(paths=(str(path),), poll_seconds=0.01, batch_bytes=2_048, **more)
    return TailSource(options)


def _append(path: Path, first: int, last: int, *, end: bytes = b"\n") -> None:
    with path.open("ab") as file:
        file.write(b"\n".join(requests(first, last)) + end)


def _rename(path: Path) -> None:
    path.rename(path.with_name(path.name + ".1"))


def _copy_and_truncate(path: Path) -> None:
    path.with_name(path.name + ".1").write_bytes(path.read_bytes())
    os.truncate(path, 0)


def _rename_and_compress(path: Path) -> None:
    path.with_name(path.name + ".1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def _rename_twice(path: Path) -> None:
    path.rename(path.with_name(path.name + ".2"))
    _append(path, 100, 150)
    os.utime(path.with_name(path.name + ".2"), (1, 1))
    path.rename(path.with_name(path.name + ".1"))


def _rename_before_the_ending(path: Path) -> None:
    path.rename(path.with_name(f"{path.stem}.2026-01-06.log"))


def _copy_before_the_ending(path: Path) -> None:
    path.with_name(f"{path.stem}-20260106.log").write_bytes(path.read_bytes())
    os.truncate(path, 0)


def _compress_before_the_ending(path: Path) -> None:
    packed = path.with_name(f"{path.stem}-1.log.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def _rename_in_the_same_moment(path: Path) -> None:
    """Also on file systems whose times have seconds."""
    _rename_twice(path)
    for number in (1, 2):
        os.utime(path.with_name(f"{path.name}.{number}"), (1, 1))


ROTATIONS = {
    "rename": _rename,
    "ending": _rename_before_the_ending,
    "copy-ending": _copy_before_the_ending,
    "compress-ending": _compress_before_the_ending,
    "moment": _rename_in_the_same_moment,
    "copytruncate": _copy_and_truncate,
    "compress": _rename_and_compress,
    "twice": _rename_twice,
}


@pytest.mark.parametrize("pattern", ["access.log", "*.log", "*log*"])
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("how", ROTATIONS)
def test_a_rotated_file_is_read_to_its_end(
    how: str, is_running: bool, pattern: str, tmp_path: Path
) -> None:
    """Lines that were written before a rotation and not yet read are read once, and first unless
    the pattern names the rotated file too."""
    path = tmp_path / "access.log"
    _append(path, 0, 50)
    source = _follow(tmp_path / pattern)
    source.open({})
    positions: dict[str, object] = {}
    assert _read(source, positions) == list(range(50))
    _append(path, 50, 100)
    ROTATIONS[how](path)
    first = 150 if how in ("twice", "moment") else 100
    _append(path, first, 200)
    if not is_running:
        source.close()
        source = _follow(tmp_path / pattern)
        source.open(positions)
    found = []
    for _ in range(20):
        found += _read(source, positions)
        time.sleep(0.01)
    assert (found if pattern == "access.log" else sorted(found)) == list(range(50, 200))
    source.close()
    again = _follow(tmp_path / pattern)
    again.open(positions)
    assert _read(again) == []
    _append(path, 200, 210)
    assert _read(again) == list(range(200, 210))
    again.close()


def test_the_target_of_a_link_is_rotated(tmp_path: Path) -> None:
    """As the logs of Kubernetes are: links to files that are rotated in their own folder, and to
    another file when a container starts again."""
    pods, links = tmp_path / "pods", tmp_path / "containers"
    pods.mkdir()
    links.mkdir()
    _append(pods / "0.log", 0, 50)
    (links / "shop.log").symlink_to(pods / "0.log")
    positions: dict[str, object] = {}

    def read_again() -> list[int]:
        source = _follow(links / "*.log")
        source.open(positions)
        found = _read(source, positions) + _read(source, positions)
        source.close()
        return found

    assert read_again() == list(range(50))
    _append(pods / "0.log", 50, 60)
    (pods / "0.log").rename(pods / "0.log.20260106-101010")
    _append(pods / "0.log", 60, 70)
    assert read_again() == list(range(50, 70))
    _append(pods / "0.log", 70, 80)
    _append(pods / "1.log", 80, 90)
    (links / "other").symlink_to(pods / "1.log")
    (links / "other").rename(links / "shop.log")
    assert read_again() == list(range(70, 90))
    assert read_again() == []


def test_files_that_begin_alike_differ_by_their_inode(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    head = requests(0, 1)[0].replace(b"{", b"{" + b" " * 2_000, 1) + b"\n"
    path.write_bytes(head)
    _append(path, 1, 50)
    positions: dict[str, object] = {}
    source = _follow(path)
    source.open({})
    assert _read(source, positions) == list(range(50))
    source.close()
    _append(path, 50, 60)
    _rename(path)
    path.write_bytes(head)
    _append(path, 60, 200)
    source = _follow(path)
    source.open(positions)
    assert _read(source, positions) == [*range(50, 60), 0, *range(60, 200)]
    source.close()


def test_files_whose_names_are_numbered_in_a_chain_are_read_once(tmp_path: Path) -> None:
    """As Logback does; in each rotation of the pattern all files get another name, and no moment
    of a restart matters."""
    path = tmp_path / "access.log"
    positions: dict[str, object] = {}
    found: list[int] = []
    source = _follow(tmp_path / "*.log")
    source.open({})
    drawn = random.Random(1)
    for number in range(60):
        _append(path, 10 * number, 10 * number + 10)
        if drawn.random() < 0.4:
            for old in range(30, 0, -1):
                if (tmp_path / f"access-{old}.log").exists():
                    (tmp_path / f"access-{old}.log").rename(tmp_path / f"access-{old + 1}.log")
            path.rename(tmp_path / "access-1.log")
        for _ in range(drawn.randrange(4)):
            batch = source.read(0.0)
            # some batches are lost before their commit
            if batch is not None and drawn.random() < 0.9:
                positions.update(batch.positions)
                found += contract._numbers([batch])
            elif batch is not None or drawn.random() < 0.2:
                source.close()
                source = _follow(tmp_path / "*.log")
                known = {name: at for name, at in positions.items() if at is not None}
                source.open(known)
        time.sleep(0.003)
    for _ in range(200):
        found += _read(source, positions)
        if len(found) >= 600:
            break
        time.sleep(0.01)
    source.close()
    assert sorted(found) == list(range(600))


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    """Also when it has grown beyond the old place since."""
    path = tmp_path / "access.log"
    _append(path, 0, 50)
    source = _follow(path)
    source.open({})
    assert _read(source) == list(range(50))
    os.truncate(path, 0)
    _append(path, 100, 200)
    assert _read(source) == list(range(100, 200))
    source.close()


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    _append(path, 0, 10)
    with path.open("ab") as file:
        file.write(requests(10, 11)[0][:20])
    source = _follow(path)
    source.open({})
    assert _read(source) == list(range(10))
    with path.open("ab") as file:
        file.write(requests(10, 11)[0][20:] + b"\n")
    assert _read(source) == [10]
    source.close()


def test_a_line_that_is_too_long_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    _append(path, 0, 1)
    with path.open("ab") as file:
        file.write(b"x" * (9 << 20) + b"\n")
    _append(path, 1, 2)
    source = _follow(path)
    source.open({})
    batches = []
    while (batch := source.read(0.0)) is not None:
        batches.append(batch)
    assert sum(batch.unreadable for batch in batches) == 1
    assert contract._numbers(batches) == [0, 1]
    source.close()


def test_each_batch_of_csv_has_the_header(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    header = "timestamp,service,endpoint,status_code,latency_ms\n"
    path.write_text(header + "2026-01-06T10:00:00Z,shop,/buy,200,1\n" * 200)
    source = _follow(path, format="text")
    positions: dict[str, object] = {}
    source.open({})
    first = source.read(0.0)
    assert first is not None
    positions.update(first.positions)
    source.close()
    again = _follow(path)
    again.open(positions)
    second = again.read(0.0)
    assert second is not None
    for batch in (first, second):
        assert batch.body.startswith(header.encode())
        assert batch.body.count(b"timestamp") == 1
    again.close()


def test_a_file_that_is_empty_at_first_gets_the_format_of_its_first_lines(tmp_path: Path) -> None:
    """Rotation creates an empty file, and a program writes the header a moment later."""
    header, access = "timestamp,service,endpoint,status_code,latency_ms\n", NGINX.format(n=1)
    for name, begin, line, format_ in (
        ("access.log", access[:30], access[30:], "combined"),
        ("a.csv", header[:20], header[20:] + "2026-01-06T10:00:00Z,shop,/buy,200,1\n", "text"),
        ("u_ex.log", "#Software: IIS\n", "#Fields: date time\n2026-01-06 10:00:00\n", "iis"),
    ):
        path = tmp_path / name
        path.touch()
        source = _follow(path)
        source.open({})
        assert _read(source) == []
        whole = b""
        for piece in (begin, line, line.splitlines(keepends=True)[-1]):
            with path.open("a") as file:
                file.write(piece)
            while (batch := source.read(0.0)) is not None:
                if batch.body:
                    assert batch.format == format_, name
                    whole = batch.body
        if name != "access.log":
            assert whole.startswith(begin.encode()) and whole.count(b"\n") >= 2, name
        source.close()


TRACE = "2026-01-06 10:00:{n:02} ERROR no route\n\tat a.b(C.java:{n})\n\tat c.d(E.java:1)\n"


def _pieces(source: Source, count: int) -> list[bytes]:
    """The bodies of batches, until they have `count` lines."""
    found: list[bytes] = []
    end = time.monotonic() + 20
    while b"".join(found).count(b"\n") < count and time.monotonic() < end:
        if (batch := source.read(0.05)) is not None and batch.body:
            found.append(batch.body)
    return found


def test_no_record_of_several_lines_is_cut_between_batches(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    whole = "".join(TRACE.format(n=n) for n in range(60)).encode()
    with path.open("wb", buffering=0) as file:
        source = _follow(path)
        source.open({})
        found, written = [], 0
        for step in range(80):
            given = whole[written : written + 37 + step % 5]
            written += len(given)
            file.write(given)
            if (batch := source.read(0.0)) is not None and batch.body:
                found.append(batch.body)
        file.write(whole[written:])
    assert source.lags() or found
    found += _pieces(source, 180 - b"".join(found).count(b"\n"))
    assert b"".join(found) == whole
    assert all(body.startswith(b"2026") and body.count(b"\n") % 3 == 0 for body in found)
    assert not source.lags()
    source.close()


def test_a_record_that_is_kept_back_is_read_before_the_file_that_follows(tmp_path: Path) -> None:
    for how in ("rename", "truncate"):
        path = tmp_path / f"{how}.log"
        path.write_text(TRACE.format(n=1))
        source = _follow(path)
        source.open({})
        assert _read(source) == [] and source.lags()
        if how == "rename":
            path.rename(path.with_name(path.name + ".1"))
        path.write_text("2026-01-06 10:00:59 INFO b\n")
        assert b"".join(_pieces(source, 4)) == (TRACE.format(n=1) + path.read_text()).encode()
        source.close()


def test_no_record_of_several_lines_is_cut_in_a_pipe() -> None:
    near, far = os.pipe()
    source = StdinSource(StdinOptions(), near)
    first, second = TRACE.format(n=1).encode(), TRACE.format(n=2).encode()
    os.write(far, first + second[:60])
    batch = source.read(0.5)
    assert batch is not None and batch.body == first and source.lags()
    os.write(far, second[60:])
    os.close(far)
    assert b"".join(_pieces(source, 3)) == second
    assert not source.lags()
    os.close(near)


def test_patterns_find_new_files_and_leave_rotated_ones_to_their_file(tmp_path: Path) -> None:
    _append(tmp_path / "a.log.1", 0, 10)
    os.utime(tmp_path / "a.log.1", (1, 1))
    _append(tmp_path / "a.log", 10, 20)
    source = _follow(tmp_path / "*.log*")
    source.open({})
    assert _read(source) == list(range(20))
    _append(tmp_path / "b.log", 20, 30)
    assert _read(source) or _wait_and_read(source) == list(range(20, 30))
    source.close()


def _wait_and_read(source: Source) -> list[int]:
    batch = source.read(1.0)
    return contract._numbers([batch] if batch else [])


def test_reading_begins_at_the_end_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    _append(path, 0, 10)
    source = _follow(path, start="end")
    source.open({})
    assert _read(source) == []
    _append(path, 10, 20)
    assert _read(source) == list(range(10, 20))
    source.close()


def test_a_server_reads_its_sources_and_reports_them(tmp_path: Path) -> None:
    """`mad serve` reads the files that its settings name, and continues after a restart."""
    path = tmp_path / "requests.jsonl"
    _append(path, 0, 500)
    settings = tmp_path / "mad.toml"
    settings.write_text(f'[sources.logs]\ntype = "file"\npaths = ["{path}"]\npoll_seconds = 0.05\n')
    data = tmp_path / "data"
    with Server(data, "--config", str(settings)) as server:
        server.eventually("/ingest/stats", lambda stats: stats["accepted_total"] == 500)
        (source,) = server.get("/health")["inputs"]
        assert (source["name"], source["type"], source["state"]) == ("logs", "file", "reading")
        assert source["records"] == 500
        exposition = server.http.get("/metrics/prometheus").text
        assert 'mad_source_up{source="logs",type="file"} 1' in exposition
        assert 'mad_source_records_total{source="logs",type="file"} 500' in exposition
        server.kill()
    _append(path, 500, 600)
    with Server(data, "--config", str(settings)) as server:
        server.eventually("/ingest/stats", lambda stats: stats["accepted_total"] == 600)
        assert server.stop() == 0


def test_lines_of_a_pipe_are_read_until_it_ends() -> None:
    """Also the last line without an end, and not one that is too long."""
    near, far = os.pipe()
    source = StdinSource(StdinOptions(), near)
    source.open({})
    first, second, third = requests(0, 3)
    os.write(far, first + b"\n" + second[:30])
    batch = source.read(0.5)
    assert batch is not None
    assert contract._numbers([batch]) == [0]
    assert source.read(0.0) is None
    os.write(far, second[30:] + b"\n")
    batch = source.read(0.5)
    assert batch is not None
    assert contract._numbers([batch]) == [1]

    def write() -> None:
        for _ in range(10):
            os.write(far, b"x" * (1 << 20))
        os.write(far, b"\n" + third)
        os.close(far)

    writing = threading.Thread(target=write)
    writing.start()
    batches = [batch for _ in range(2_000) if (batch := source.read(0.01)) is not None]
    writing.join()
    assert contract._numbers(batches) == [2]
    assert sum(batch.unreadable for batch in batches) == 1
    os.close(near)


def test_batches_of_a_pipe_repeat_the_header_of_a_table() -> None:
    near, far = os.pipe()
    source = StdinSource(StdinOptions(), near)
    header = b"timestamp,service,endpoint,status_code,latency_ms\n"
    bodies = []
    for line in (header, b"1,a,/b,200,1\n", b"2,a,/b,200,1\n"):
        os.write(far, line)
        batch = source.read(0.5)
        assert batch is not None and (batch.kind, batch.format) == ("requests", "text")
        bodies.append(batch.body)
    assert bodies == [header, header + b"1,a,/b,200,1\n", header + b"2,a,/b,200,1\n"]
    os.close(far)
    os.close(near)


def test_the_format_of_a_pipe_is_that_of_the_first_lines_that_have_one() -> None:
    near, far = os.pipe()
    source = StdinSource(StdinOptions(), near)
    access = b'10.0.0.1 - - [29/Nov/2026:05:00:00 +0000] "GET /buy HTTP/1.1" 200 12 "-" "c"\n'
    found = []
    for line in (b"ready\n", access, b'{"a": 1}\n'):
        os.write(far, line)
        batch = source.read(0.5)
        assert batch is not None
        found.append((batch.kind, batch.format))
    assert found == [("requests", "text"), ("requests", "combined"), ("requests", "combined")]
    os.close(far)
    os.close(near)


@pytest.mark.parametrize("type_", [one for one in types_of("sources") if one != "stdin"])
def test_the_page_of_a_source_lists_its_options(type_: str) -> None:
    """The table of each page is that of the declaration."""
    page = (Path(__file__).parents[2] / "docs" / f"source-{type_}.md").read_text()
    table = page.partition("## Configuration")[2].splitlines()
    for one in describe(component("sources", type_).Options):
        row = next(line for line in table if line.startswith(f"| `{one.name}` |"))
        for cell in (one.type, one.default, one.range, one.help):
            assert cell.replace("|", "\\|") in row, (one.name, cell)


MISSING = """
import sys
class Without:
    def find_spec(self, name, *_):
        if name == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
from mad.config.components import component
from mad.errors import MissingExtraError
try:
    component("sources", sys.argv[1])(None)
except MissingExtraError as error:
    print(error, "|", error.hint)
"""


@pytest.mark.parametrize(
    ("type_", "package", "extra"),
    [
        ("kafka", "confluent_kafka", "kafka"),
        ("kafka-group", "confluent_kafka", "kafka"),
        ("nats", "nats", "nats"),
        ("redis", "redis", "redis"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(type_: str, package: str, extra: str) -> None:
    command = [sys.executable, "-c", MISSING, type_, package]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip().endswith(f"| pip install 'mad-py[{extra}]'"), found.stderr
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f"\n{extra} = [" in pyproject


NGINX = (
    '10.0.0.{n} - - [06/Jan/2026:10:00:{n:02d} +0000] "GET /buy HTTP/1.1" 200 612 "-" "curl/8.0"\n'
)


def test_an_access_log_is_found_by_its_lines(tmp_path: Path) -> None:
    """The format is stored with each batch, so that a replay reads it likewise."""
    path = tmp_path / "access.log"
    path.write_text("".join(NGINX.format(n=n) for n in range(50)))
    engine = Engine(Journal(tmp_path / "data"))
    engine.start()
    runner = SourceRunner("access", _follow(path), engine)
    runner.start()
    try:
        for _ in range(200):
            if runner.health().records == 50:
                break
            time.sleep(0.05)
        assert (runner.health().records, runner.health().rejected) == (50, 0)
    finally:
        runner.stop()
        engine.stop(save=False)
    again = Engine(Journal(tmp_path / "data"))
    assert again.stats.accepted_total == 50
    again.start()
    again.stop()


def test_each_batch_of_a_w3c_log_has_its_directives(tmp_path: Path) -> None:
    path = tmp_path / "u_ex260106.log"
    head = "#Software: Microsoft IIS 10.0\n#Fields: date time cs-method cs-uri-stem sc-status\n"
    path.write_text(head + "2026-01-06 10:00:00 GET /buy 200\n" * 200)
    source = _follow(path)
    source.open({})
    first, second = source.read(0.0), source.read(0.0)
    assert first is not None and second is not None
    for batch in (first, second):
        assert batch.format == "iis"
        assert batch.body.startswith(head.encode())
        assert batch.body.count(b"#Fields") == 1
    source.close()


def test_the_kind_of_a_log_is_found(tmp_path: Path) -> None:
    """Logs of an application are log lines, and access logs are requests."""
    lines = {
        "app.log": '{"ts": "2026-01-06T10:00:00Z", "level": "error", "msg": "no route"}',
        "access.log": NGINX.format(n=1).rstrip(),
    }
    for name, line in lines.items():
        (tmp_path / name).write_text(f"{line}\n" * 20)
        source = _follow(tmp_path / name)
        source.open({})
        batch = source.read(0.0)
        assert batch is not None
        assert batch.kind == ("logs" if name == "app.log" else "requests"), name
        assert batch.format != "text"
        source.close()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The failure names the file, and the source continues when it can be read again."""
    path = tmp_path / "access.log"
    # the kernel refuses to read its first bytes
    path.symlink_to("/proc/self/mem")
    source = _follow(path)
    source.open({})
    with pytest.raises(SourceUnavailable, match=r"access\.log"):
        _read(source)
    source.close()
    path.unlink()
    _append(path, 0, 10)
    source.open({})
    assert _read(source) == list(range(10))
    source.close()


def _damaged(first: int, last: int) -> bytes:
    """Compressed requests whose check sum is wrong."""
    content = bytearray(gzip.compress(b"\n".join(requests(first, last)) + b"\n"))
    content[-8] ^= 0xFF
    return bytes(content)


def _cut(first: int, last: int) -> bytes:
    """Compressed requests that end early."""
    return gzip.compress(b"\n".join(requests(first, last)) + b"\n")[:-8]


#: Ways to damage a file, and whether its records can still be read: zlib gives none of a piece
#: in which it finds the damage.
DAMAGES = pytest.mark.parametrize("broken, is_read", [(_damaged, False), (_cut, True)])


@DAMAGES
def test_a_damaged_file_stops_no_other_file(
    broken: Callable[[int, int], bytes], is_read: bool, tmp_path: Path
) -> None:
    (tmp_path / "b.gz").write_bytes(broken(0, 10))
    for name, first in (("a.log", 10), ("c.log", 20)):
        _append(tmp_path / name, first, first + 10)
    source = _follow(tmp_path / "*")
    source.open({})
    assert sorted(_read(source)) == list(range(0 if is_read else 10, 30))
    (fault,) = source.faults()
    assert "b.gz" in fault
    _append(tmp_path / "c.log", 30, 40)
    assert _read(source) == list(range(30, 40))
    source.close()


@DAMAGES
def test_a_damaged_rotated_file_stops_no_later_one(
    broken: Callable[[int, int], bytes], is_read: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    rotated = tmp_path / "a.log.1.gz"
    rotated.write_bytes(broken(0, 10))
    os.utime(rotated, (1, 1))
    _append(path, 10, 20)
    source = _follow(tmp_path / "a.log*")
    source.open({})
    assert _read(source) == list(range(0 if is_read else 10, 20))
    assert source.faults() == []
    source.close()


def test_a_server_names_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "b.gz").write_bytes(_damaged(0, 10))
    _append(tmp_path / "a.log", 10, 20)
    settings = tmp_path / "mad.toml"
    settings.write_text(
        f'[sources.logs]\ntype = "file"\npaths = ["{tmp_path}/*.gz", "{tmp_path}/*.log"]\n'
    )
    with Server(tmp_path / "data", "--config", str(settings)) as server:
        server.eventually("/ingest/stats", lambda stats: stats["accepted_total"] == 10)
        health = server.eventually("/health", lambda found: found["status"] == "degraded")
        assert "b.gz" in health["message"]


def test_a_look_for_new_files_lists_a_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        _append(tmp_path / f"pod-{number}.log", number, number + 1)
    listed, scandir = [], os.scandir

    def counted(path: Any) -> Any:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    source = _follow(tmp_path / "*.log")
    source.open({})
    assert len(listed) <= 2
    source.close()


def test_deleted_files_make_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More files than a source follows are named, and those that are gone are forgotten."""
    monkeypatch.setattr("mad.sources.tail.MOST_FILES", 2)
    positions: dict[str, object] = {}
    source = _follow(tmp_path / "*.log")
    for number in range(3):
        _append(tmp_path / f"{number}.log", number, number + 1)
    source.open({})
    assert _read(source, positions) == [0, 1]
    (fault,) = source.faults()
    assert fault.startswith("1 of the files")
    with (tmp_path / "0.log").open("ab") as file:
        file.write(requests(3, 4)[0])
    (tmp_path / "0.log").unlink()
    found = _read(source, positions)
    for _ in range(100):
        if len(found) < 2:
            time.sleep(0.01)
            found += _read(source, positions)
    assert found == [3, 2]
    assert positions[str(tmp_path / "0.log")] is None
    assert source.faults() == []
    source.close()


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are closed at their end. No record is lost or read twice, also through rotation."""
    monkeypatch.setattr("mad.sources.tail._most_open", lambda: 3)
    for number in range(20):
        _append(tmp_path / f"{number:02}.log", number, number + 1)
    source = _follow(tmp_path / "*.log")
    source.open({})
    assert _read(source) == list(range(20))
    assert sum(one.is_open for one in source._files) == 3
    for number in range(20):
        _append(tmp_path / f"{number:02}.log", 20 + number, 21 + number)
    _rename(tmp_path / "19.log")
    _append(tmp_path / "19.log", 40, 41)
    found = [*_read(source), *_read(source)]
    assert sorted(found) == list(range(20, 41))
    source.close()


@pytest.mark.parametrize("other", ["pipe", "folder", "link to itself"])
def test_something_else_in_place_of_a_file_blocks_nothing(other: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    _append(path, 0, 10)
    source = _follow(path)
    source.open({})
    assert _read(source) == list(range(10))
    path.rename(tmp_path / "a.log.1")
    if other == "pipe":
        os.mkfifo(path)
    elif other == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    for _ in range(3):
        assert _read(source) == []
    path.rmdir() if other == "folder" else path.unlink()
    _append(path, 10, 20)
    assert _read_until(source, 10) == list(range(10, 20))
    source.close()


def test_a_file_that_was_moved_away_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mad.sources.follower._GONE_SECONDS", 0.0)
    path, positions = tmp_path / "a.log", dict[str, object]()
    _append(path, 0, 10)
    source = _follow(path)
    source.open({})
    assert _read(source, positions) == list(range(10))
    (tmp_path / "archive").mkdir()
    path.rename(tmp_path / "archive" / "a.log")
    for _ in range(100):
        if positions[str(path)] is not None:
            time.sleep(0.01)
            _read(source, positions)
    assert positions[str(path)] is None
    source.close()


class Panic(BaseException):
    """As a panic of the core: no `Exception`."""


class Panicking(TailSource):
    """A source that panics at its second read."""

    reads = 0

    def read(self, timeout: float) -> Batch | None:
        Panicking.reads += 1
        if Panicking.reads == 2:
            raise Panic("index out of bounds")
        return super().read(timeout)


def test_a_panic_of_a_source_is_a_failure_and_not_its_end(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    _append(path, 0, 100)
    engine = Engine(Journal(tmp_path / "data"))
    engine.start()
    options = TailOptions(paths=(str(path),), poll_seconds=0.01, batch_bytes=2_048)
    runner = SourceRunner("logs", Panicking(options), engine, pauses=(0.01, 0.1))
    runner.start()
    try:
        contract._accepted(engine, 100, runner)
        assert runner.health().failures == 1
        assert runner.health().error == "index out of bounds"
    finally:
        runner.stop()
        engine.stop(save=False)


@pytest.mark.parametrize("most_open", [1, 3, 1_000])
def test_no_record_is_lost_while_files_are_written_and_rotated(
    most_open: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of a rotation may fall between any two looks, also while files are closed."""
    monkeypatch.setattr("mad.sources.tail._most_open", lambda: most_open)
    paths = [tmp_path / f"{number}.log" for number in range(12)]
    for number, path in enumerate(paths):
        _append(path, number, number + 1)
    source = _follow(tmp_path / "*.log")
    source.open({})
    found = _read(source)
    counter, lock = itertools.count(len(paths)), threading.Lock()

    def write(seed: int) -> None:
        drawn = random.Random(seed)
        for turn in range(700):
            path = drawn.choice(paths[seed::3])
            with lock:
                number = next(counter)
            _append(path, number, number + 1)
            if drawn.random() < 0.03:
                path.rename(path.with_name(f"{path.name}.{turn}"))
            time.sleep(drawn.random() * 0.002)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found += _read(source)
    for _ in range(1_000):
        if len(found) >= len(paths) + 3 * 700:
            break
        time.sleep(0.01)
        found += _read(source)
    source.close()
    assert sorted(found) == list(range(len(paths) + 3 * 700))
