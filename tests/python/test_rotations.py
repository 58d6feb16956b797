"""Followed files that are written and rotated in every style, between any two steps of a look,
while the source is ended and started again: each record is read once.

`MAD_ROTATIONS=300 MAD_SEED=7 pytest tests/python/test_rotations.py` draws other and more cases.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from mad.sources import beginning, content, follower, identity, place, tail
from mad.sources.protocol import Batch, SourceUnavailable
from mad.sources.tail import TailOptions, TailSource

SEED, CASES = int(os.environ.get("MAD_SEED", "1")), int(os.environ.get("MAD_ROTATIONS", "12"))
PATTERNS = ("exact", "*.log", "*.log*", "*")


class Writer:
    """A program that writes one log and rotates it, in steps that the source may see."""

    def __init__(self, path: Path, drawn: random.Random) -> None:
        self.path, self.written = path, list[str]()
        self._drawn, self._steps = drawn, list[Callable[[], object]]()
        self._rotations = 0
        self._file = path.open("ab", buffering=0)

    def act(self) -> None:
        """The next step of a rotation, else some lines or the beginning of a rotation."""
        if self._steps:
            self._steps.pop(0)()
        elif self._drawn.random() < 0.7:
            self._write()
        else:
            self._rotations += 1
            self._steps += self._rotate()

    def settle(self) -> None:
        """Ends the present rotation."""
        while self._steps:
            self._steps.pop(0)()

    def close(self) -> None:
        """Ends the program."""
        self._file.close()

    def _rotate(self) -> Iterator[Callable[[], object]]:
        raise NotImplementedError

    def _write(self) -> None:
        for _ in range(self._drawn.randint(1, 5)):
            number = f"{self.path.name}:{len(self.written)}"
            self.written.append(number)
            line = {"timestamp": "2026-01-06T10:00:00Z", "service": "a", "trace_id": number}
            pad = "x" * self._drawn.choice((0, 0, 5, 200))
            self._file.write(json.dumps({**line, "pad": pad}).encode() + b"\n")

    def _begin(self) -> None:
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def _named(self, text: str) -> Path:
        return self.path.with_name(text)

    def _renamed(self, to: Path) -> Iterator[Callable[[], object]]:
        yield lambda: self.path.rename(to)
        if self._drawn.random() < 0.5:
            # a program may write to the renamed file until it opens the new one
            yield self._write
        yield self._begin

    def _chained(self, least: int = 1) -> Iterator[Callable[[], object]]:
        numbers = []
        for one in self.path.parent.glob(f"{self.path.name}.*"):
            number, _, rest = one.name[len(self.path.name) + 1 :].partition(".")
            numbers.append((int(number), one, rest))
        for old, one, rest in sorted(numbers, reverse=True):
            if old >= least:
                name = f"{self.path.name}.{old + 1}{'.' + rest if rest else ''}"
                yield lambda one=one, name=name: one.rename(self._named(name))  # type: ignore[misc]

    def _compressed(self, path: Path) -> Iterator[Callable[[], object]]:
        packed = path.with_name(path.name + ".gz")
        keeps_time = self._drawn.random() < 0.5

        def begin() -> None:
            whole = gzip.compress(path.read_bytes(), mtime=0)
            packed.write_bytes(whole[: len(whole) // 2])

        def end() -> None:
            whole, changed = gzip.compress(path.read_bytes(), mtime=0), path.stat().st_mtime_ns
            with packed.open("ab") as file:
                file.write(whole[len(whole) // 2 :])
            if keeps_time:
                os.utime(packed, ns=(changed, changed))

        yield begin
        yield end
        yield path.unlink


class Chain(Writer):
    """`a.log.1`, `a.log.2`, as logrotate does."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        yield from self._chained()
        yield from self._renamed(self._named(f"{self.path.name}.1"))


class DelayedChain(Writer):
    """`a.log.1`, `a.log.2.gz`: logrotate with `delaycompress`."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        first, second = (self._named(f"{self.path.name}.{number}") for number in (1, 2))
        yield from self._chained(2)
        if first.exists():
            yield lambda: first.rename(second)
            yield from self._compressed(second)
        yield from self._renamed(first)


class Dated(Writer):
    """`a.log-20260001`."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        yield from self._renamed(self._named(f"{self.path.name}-2026{self._rotations:04}"))


class DatedCompressed(Writer):
    """`a.log-20260001.gz`."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        rotated = self._named(f"{self.path.name}-2026{self._rotations:04}")
        yield from self._renamed(rotated)
        yield from self._compressed(rotated)


class Before(Writer):
    """`a.2026-01-06.1.log`, as Logback does."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        name = f"{self.path.stem}.2026-01-06.{self._rotations}{self.path.suffix}"
        yield from self._renamed(self._named(name))


class BeforeCompressed(Writer):
    """`a-1.log.gz`, as Log4j does."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        rotated = self._named(f"{self.path.stem}-{self._rotations}{self.path.suffix}")
        yield from self._renamed(rotated)
        yield from self._compressed(rotated)


class Copied(Writer):
    """`copytruncate` of logrotate."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        yield from self._chained()
        yield from self._copied(self._named(f"{self.path.name}.1"))

    def _copied(self, to: Path) -> Iterator[Callable[[], object]]:
        yield lambda: shutil.copyfile(self.path, to)
        yield lambda: os.truncate(self.path, 0)


class CopiedDated(Copied):
    """`copytruncate` with `dateext`."""

    def _rotate(self) -> Iterator[Callable[[], object]]:
        yield from self._copied(self._named(f"{self.path.name}-2026{self._rotations:04}"))


STYLES: tuple[type[Writer], ...] = (
    Chain,
    DelayedChain,
    Dated,
    DatedCompressed,
    Before,
    BeforeCompressed,
    Copied,
    CopiedDated,
)


class Reader:
    """A source and what a journal has of it: batches are committed after the next one was read."""

    def __init__(self, options: TailOptions) -> None:
        self._options, self._source = options, TailSource(options)
        self._positions, self._ahead = dict[str, Any](), cast("Batch | None", None)
        self.found: Counter[str] = Counter()
        self._source.open({})
        self.read()
        self.read()

    def read(self) -> bool:
        """Reads a batch, and commits the one before it. Returns whether there was one."""
        batch = self._source.read(0.0)
        if self._ahead is not None:
            self._commit(self._ahead)
        self._ahead = batch
        return batch is not None

    def restart(self) -> None:
        """Ends at once, and continues after the last commit."""
        self._source.close()
        self._source, self._ahead = TailSource(self._options), None
        self._source.open(dict(self._positions))

    def close(self) -> None:
        """Closes the files."""
        self._source.close()

    def _commit(self, batch: Batch) -> None:
        self.found.update(json.loads(line)["trace_id"] for line in batch.body.splitlines() if line)
        for part, position in batch.positions.items():
            self._positions[part] = json.loads(json.dumps(position))
            if position is None:
                del self._positions[part]


class Steps:
    """Lets the writers act between any two steps of a look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, drawn: random.Random) -> None:
        self.writers, self.left = list[Writer](), 0
        self._drawn, self._now = drawn, 0.0
        for module, name in ((identity, "files_of"), (content, "open_regular")):
            monkeypatch.setattr(module, name, self._around(getattr(module, name)))
        for clock in (tail, follower, beginning):
            monkeypatch.setattr(clock, "monotonic", lambda: self._now)
        monkeypatch.setattr(tail, "thread_time", lambda: 0.0)

    def pass_time(self, seconds: float) -> None:
        """Lets time pass."""
        self._now += seconds

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self._act()
            result = function(*arguments, **named)
            self._act()
            return result

        return called

    def _act(self) -> None:
        if self.left > 0 and self._drawn.random() < 0.05:
            self.left -= 1
            self._drawn.choice(self.writers).act()


@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_record_is_read_once_in_rotations_of_any_style(
    pattern: str, case: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = random.Random(f"{SEED} {pattern} {case}")
    steps = Steps(monkeypatch, drawn)
    styles = [drawn.choice(STYLES) for _ in range(drawn.randint(1, 4))]
    writers = [
        style(tmp_path / f"{name}.log", drawn) for name, style in zip("abcd", styles, strict=False)
    ]
    steps.writers = writers
    named = [one.path.name for one in writers] if pattern == "exact" else [pattern]
    paths = tuple(str(tmp_path / one) for one in named)
    reader = Reader(TailOptions(paths=paths, poll_seconds=0.01, batch_bytes=1_024))
    for _ in range(150):
        steps.left = 8
        steps.pass_time(drawn.choice((0.001, 0.02)))
        choice = drawn.random()
        if choice < 0.04:
            for _ in range(drawn.randint(0, 6)):
                drawn.choice(writers).act()
            reader.restart()
        elif choice < 0.5:
            drawn.choice(writers).act()
        else:
            reader.read()
    steps.left, quiet = 0, 0
    for one in writers:
        one.settle()
    while quiet < 12:
        steps.pass_time(0.05)
        quiet = 0 if reader.read() else quiet + 1
    reader.close()
    for one in writers:
        one.close()
    written = Counter(number for one in writers for number in one.written)
    assert reader.found == written, [style.__name__ for style in styles]


def test_a_file_that_is_rotated_before_its_first_lines_were_committed_is_read(
    tmp_path: Path,
) -> None:
    """Its place is stored as soon as it is found. Also several renames while the source is ended,
    to names that no pattern has, lose nothing."""
    path = tmp_path / "app.log"
    path.touch()
    reader = Reader(TailOptions(paths=(str(path),), poll_seconds=0.01))
    for number in range(5):
        path.write_text(json.dumps({"trace_id": str(number)}) + "\n")
        path.rename(tmp_path / f"app.2026-01-0{number + 1}.log")
        path.touch()
    reader.restart()
    for _ in range(30):
        reader.read()
    reader.close()
    assert reader.found == Counter("01234")


def test_files_that_were_rotated_before_the_first_look_are_not_read(tmp_path: Path) -> None:
    """Of the names that a source follows alone; not when they are compressed later either."""
    path, old = tmp_path / "app.log", tmp_path / "app.log.1"
    old.write_text('{"trace_id": "old"}\n' * 100)
    path.write_text('{"trace_id": "new"}\n')
    reader = Reader(TailOptions(paths=(str(path),), poll_seconds=0.01))
    reader.restart()
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    reader.restart()
    for _ in range(30):
        reader.read()
    reader.close()
    assert reader.found == Counter(["new"])


def test_a_file_that_is_gone_with_lines_is_named(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text('{"trace_id": "a"}\n')
    options = TailOptions(paths=(str(path),), poll_seconds=0.01)
    source, positions = TailSource(options), dict[str, Any]()
    source.open({})
    while (batch := source.read(0.05)) is not None:
        positions.update(batch.positions)
    source.close()
    path.write_text('{"trace_id": "a"}\n{"trace_id": "b"}\n')
    path.unlink()
    source.open(positions)
    while source.read(0.1) is not None:
        pass
    (fault,) = source.faults()
    assert "app.log is gone, with the lines" in fault
    source.close()


def test_many_rotated_files_are_compared_in_linear_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that was ended for long finds hundreds of files that it does not know."""
    compared = itertools.count()

    def is_copy(one: Any, other: Any) -> bool | None:
        next(compared)
        return place.is_copy(one, other)

    for module in (follower, identity):
        monkeypatch.setattr(module, "is_copy", is_copy)
    path = tmp_path / "app.log"
    path.touch()
    options = TailOptions(paths=(str(tmp_path / "*.log*"),), poll_seconds=0.01)
    source, positions = TailSource(options), dict[str, Any]()
    source.open({})
    while (batch := source.read(0.05)) is not None:
        positions.update(batch.positions)
    source.close()
    for number in range(300):
        path.with_name(f"app.log.{number}").write_text(f'{{"trace_id": "{number}"}}\n' * 50)
    source = TailSource(options)
    source.open(positions)
    found = Counter[str]()
    while (batch := source.read(0.05)) is not None:
        found.update(json.loads(line)["trace_id"] for line in batch.body.splitlines() if line)
    source.close()
    assert found == {str(number): 50 for number in range(300)}
    assert next(compared) < 3_000


@pytest.mark.parametrize(
    "position",
    [
        {"inode": 1},
        {"inode": "x", "offset": 1, "head_bytes": 0, "head": ""},
        {"inode": 1, "offset": -5, "head_bytes": 0, "head": ""},
        {"inode": 1, "offset": 5, "head_bytes": 2**60, "head": ""},
        {"inode": 1, "offset": 5, "head_bytes": 0, "head": "", "path": "\0"},
        "text",
        [],
        7,
    ],
)
def test_a_damaged_position_is_named(position: Any, tmp_path: Path) -> None:
    """The files are not read again as if they were new."""
    path = tmp_path / "app.log"
    path.write_text('{"trace_id": "a"}\n')
    source = TailSource(TailOptions(paths=(str(path),)))
    with pytest.raises(SourceUnavailable, match=r"app\.log in the journal is damaged"):
        source.open({str(path): position})
