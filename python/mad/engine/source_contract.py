"""The tests that every source passes, for the sources of mad and for those of other packages.

    import pytest
    from mad.engine import source_contract as contract

    @pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
    def test_my_source(check, tmp_path):
        with my_peer() as peer:  # an object with the methods of contract.Peer
            check(peer, tmp_path)

Each check takes a peer that holds nothing yet and an empty directory.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

from mad.engine.engine import Engine
from mad.engine.source_runner import SourceRunner
from mad.journal import Journal
from mad.sources.protocol import Batch, Positions, Source

START = datetime(2026, 1, 6, 10, 0, tzinfo=timezone.utc)
#: Most bytes of one batch.
MOST_BYTES = 8 << 20
#: Most seconds that a check waits for something.
SECONDS = 40.0


class Peer(Protocol):
    """A real peer that a source reads from, such as a broker."""

    #: How a payload arrives that is no record: `rejected` or `unreadable` of the health, or empty
    #: when the peer cannot hold one.
    bad: str

    def source(self) -> Source:
        """A new source over the peer; it was never opened."""

    def write(self, records: Sequence[bytes]) -> None:
        """Adds records, each one JSON object in a line without its end, in this order."""

    def cut(self) -> None:
        """Makes the peer unreachable; it keeps its data."""

    def restore(self) -> None:
        """Makes the peer reachable again."""

    def broken(self) -> Iterable[tuple[Source, str]]:
        """Sources with one fault each, and a word of the sentence that names the fault."""


def request(number: int) -> bytes:
    """A request that its number identifies; 20 a second."""
    at = START + timedelta(milliseconds=50 * number)
    record = {
        "timestamp": at.isoformat(),
        "service": "shop",
        "endpoint": "/buy",
        "status_code": 200,
        "latency_ms": 100.0 + number,
    }
    return json.dumps(record).encode()


def requests(first: int, last: int) -> list[bytes]:
    """The requests from one number to before another one."""
    return [request(number) for number in range(first, last)]


def keeps_the_order(peer: Peer, directory: Path) -> None:
    """Records arrive in the order in which they were written, each one once."""
    peer.write(requests(0, 3_000))
    source = peer.source()
    source.open({})
    try:
        assert _numbers(_read_all(source, 3_000)) == list(range(3_000))
    finally:
        source.close()


def continues_at_a_position(peer: Peer, directory: Path) -> None:
    """A new object continues after the positions of each batch, without loss or repetition."""
    peer.write(requests(0, 1_000))
    positions: dict[str, Any] = {}
    seen: list[int] = []
    opened = 0
    while len(seen) < 2_000:
        source = peer.source()
        source.open(dict(positions))
        opened += 1
        try:
            for batch in _read_some(source, 2):
                seen += _numbers([batch])
                positions.update(batch.positions)
        finally:
            source.close()
        if len(seen) == 1_000:
            peer.write(requests(1_000, 2_000))
    assert seen == list(range(2_000))
    assert opened > 1


def judges_each_record_once(peer: Peer, directory: Path) -> None:
    """Each record is exactly once in the features, though the engine ends without a checkpoint,
    and at moments at which a batch was committed and not acknowledged."""
    total = 0
    for round_ in range(4):
        peer.write(requests(total, total + 500))
        total += 500
        with _engine(directory, save=round_ % 2 == 1) as engine:
            # In every other round the peer gets no acknowledgement.
            source = peer.source() if round_ % 2 else _Forgetful(peer.source())
            with _running(source, engine) as runner:
                _accepted(engine, total, runner)
                if round_ == 0:
                    _until(lambda: runner.health().records == 500, runner.health)
    with _engine(directory) as engine:
        with _running(peer.source(), engine):
            time.sleep(1.5)
        assert engine.stats.accepted_total == total
        engine.tick(int((START + timedelta(hours=2)).timestamp() * 1e9)).result()
    assert _judged(directory) == total


def returns_after_the_loss_of_its_peer(peer: Peer, directory: Path) -> None:
    """While the peer is gone the health says so; when it returns, reading continues and each record
    is judged once. Meanwhile event time stands still."""
    peer.write(requests(0, 500))
    with _engine(directory) as engine, _running(peer.source(), engine) as runner:
        _accepted(engine, 500, runner)
        peer.cut()
        try:
            _until(lambda: runner.health().state == "failing", runner.health)
            assert runner.health().error
            assert runner.failing_seconds() > 0
            ticks = engine.stats.ticks
            time.sleep(2.5)
            assert engine.stats.ticks == ticks, "event time advanced without the peer"
        finally:
            peer.restore()
        peer.write(requests(500, 1_000))
        _accepted(engine, 1_000, runner)
        _until(lambda: runner.health().state == "reading", runner.health)
        assert runner.failing_seconds() == 0
        engine.tick(int((START + timedelta(hours=2)).timestamp() * 1e9)).result()
    assert _judged(directory) == 1_000


def acknowledges_after_the_commit(peer: Peer, directory: Path) -> None:
    """The peer learns of a position only when the journal has it."""
    peer.write(requests(0, 1_000))
    wrong: list[Any] = []
    count = 0

    class Watching(_Passing):
        def acknowledge(self, positions: Positions) -> None:
            nonlocal count
            count += 1
            with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
                stored = {
                    part: json.loads(text)
                    for part, text in db.execute("SELECT part, position FROM positions")
                }
            wrong.extend(part for part in positions if stored.get(part) != positions[part])
            super().acknowledge(positions)

    with _engine(directory) as engine, _running(Watching(peer.source()), engine) as runner:
        _accepted(engine, 1_000, runner)
        _until(lambda: count == runner.health().batches > 0, runner.health)
    assert wrong == []


def waits_for_a_slow_engine(peer: Peer, directory: Path) -> None:
    """While the engine takes nothing, at most two batches are read, each of at most 8 MiB."""
    peer.write(requests(0, 6_000))
    reads: list[int] = []

    class Counting(_Passing):
        def read(self, timeout: float) -> Batch | None:
            batch = super().read(timeout)
            if batch is not None:
                reads.append(len(batch.body))
            return batch

    with _engine(directory) as engine:  # noqa: SIM117 - the runner is stopped before the engine
        with _running(Counting(peer.source()), engine) as runner:
            _until(lambda: runner.health().batches > 0, runner.health)
            with _blocked(engine):
                time.sleep(0.5)
                before = len(reads)
                peer.write(requests(6_000, 12_000))
                time.sleep(1.5)
                assert len(reads) - before <= 2
            _accepted(engine, 12_000, runner)
    assert max(reads) <= MOST_BYTES


def counts_bad_data(peer: Peer, directory: Path) -> None:
    """A payload that is no record is counted and costs no other record."""
    if not peer.bad:
        return
    records = requests(0, 100)
    peer.write([*records[:50], b'{"timestamp": "never", \xff', *records[50:]])
    with _engine(directory) as engine, _running(peer.source(), engine) as runner:
        _accepted(engine, 100, runner)
        _until(lambda: getattr(runner.health(), peer.bad) == 1, runner.health)


def stops_at_once(peer: Peer, directory: Path) -> None:
    """A source stops within seconds, while it has data, while it has none, and without its
    peer."""
    peer.write(requests(0, 2_000))
    with _engine(directory) as engine:
        for is_cut in (False, False, True):
            if is_cut:
                peer.cut()
            try:
                runner = SourceRunner("peer", peer.source(), engine)
                runner.start()
                time.sleep(0.3)
                began = time.monotonic()
                runner.stop(30.0)
                assert time.monotonic() - began < 15.0
                assert runner.health().state == "stopped"
            finally:
                if is_cut:
                    peer.restore()


def names_its_faults(peer: Peer, directory: Path) -> None:
    """`check` finds nothing wrong with a good set-up, and names each fault."""
    peer.write(requests(0, 10))
    assert peer.source().check() == []
    for source, word in peer.broken():
        faults = source.check()
        assert faults, word
        assert any(word in fault for fault in faults), (word, faults)


#: All checks.
CHECKS: tuple[Callable[[Peer, Path], None], ...] = (
    keeps_the_order,
    continues_at_a_position,
    judges_each_record_once,
    returns_after_the_loss_of_its_peer,
    acknowledges_after_the_commit,
    waits_for_a_slow_engine,
    counts_bad_data,
    stops_at_once,
    names_its_faults,
)


class _Passing:
    """A source over another one."""

    Options = type

    def __init__(self, source: Source) -> None:
        self._source = source

    def open(self, positions: Positions) -> None:
        self._source.open(positions)

    def read(self, timeout: float) -> Batch | None:
        return self._source.read(timeout)

    def acknowledge(self, positions: Positions) -> None:
        self._source.acknowledge(positions)

    def lags(self) -> bool:
        return self._source.lags()

    def check(self) -> list[str]:
        return self._source.check()

    def close(self) -> None:
        self._source.close()


class _Forgetful(_Passing):
    """A source whose acknowledgements are lost."""

    def acknowledge(self, positions: Positions) -> None:
        pass


def _read_some(source: Source, most: int) -> Iterator[Batch]:
    """The next batches, up to `most`, with at least one."""
    count, end = 0, time.monotonic() + SECONDS
    while count < most and time.monotonic() < end:
        batch = source.read(0.5)
        if batch is None and count:
            return
        if batch is not None:
            count += bool(batch.body)
            yield batch
    assert count, "nothing arrived"


def _read_all(source: Source, count: int) -> list[Batch]:
    found: list[Batch] = []
    seen, end = 0, time.monotonic() + SECONDS
    while seen < count and time.monotonic() < end:
        batch = source.read(0.5)
        if batch is not None:
            found.append(batch)
            seen += len(_numbers([batch]))
    assert source.read(0.5) is None
    return found


def _numbers(batches: Iterable[Batch]) -> list[int]:
    lines = b"\n".join(batch.body for batch in batches).splitlines()
    return [round(json.loads(line)["latency_ms"] - 100.0) for line in lines if line.strip()]


@contextlib.contextmanager
def _engine(directory: Path, *, save: bool = True) -> Iterator[Engine]:
    engine = Engine(Journal(directory), checkpoint_seconds=3_600)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(save=save)


@contextlib.contextmanager
def _running(source: Any, engine: Engine) -> Iterator[SourceRunner]:
    runner = SourceRunner("peer", source, engine, pauses=(0.1, 1.0))
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(60.0)


def _until(holds: Callable[[], bool], shown: Callable[[], Any]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, shown()
        time.sleep(0.02)


def _accepted(engine: Engine, count: int, runner: SourceRunner) -> None:
    _until(lambda: engine.stats.accepted_total >= count, runner.health)
    assert engine.stats.accepted_total == count


def _judged(directory: Path) -> int:
    """Requests in the rows of the tables."""
    with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
        return int(db.execute("SELECT sum(req_count) FROM rows").fetchone()[0] or 0)


@contextlib.contextmanager
def _blocked(engine: Engine) -> Iterator[None]:
    """Keeps the engine from working during the block."""
    gate = threading.Event()
    engine.write(lambda _: gate.wait(3 * SECONDS))
    try:
        yield
    finally:
        gate.set()
