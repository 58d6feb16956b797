"""Runs sources: each in a thread that commits its batches through the engine."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from time import monotonic
from typing import Any, Protocol

from mad._core import SettingsError
from mad.config.deployment import Part
from mad.engine.batch import IngestReceipt
from mad.engine.engine import Engine
from mad.engine.job import Busy, NotJudged
from mad.engine.problems import Problem
from mad.errors import CommandError, MissingExtraError, text_of
from mad.journal import Entry
from mad.sources.protocol import Batch, Positions, Source, SourceHealth

#: Seconds that a source waits for records before it looks whether it has to stop.
READ_SECONDS = 0.5
#: Seconds between two looks whether the engine takes the next batch.
_BUSY_SECONDS = 0.02
#: Shortest and longest pause before a source is opened again, in seconds.
PAUSES = (0.5, 30.0)

#: Faults of a source that `/health` names; it counts the others.
MOST_NAMED = 3

log = logging.getLogger("mad.sources")


class SourceRunner:
    """Reads one source until it is stopped.

    One batch is judged while the next one is read, so that at most two are in memory: a slow
    engine slows the source. After every failure the source is opened again at the positions in the
    journal, after a pause that doubles up to the longest one. A batch that cannot be read is
    divided until only its wrong pieces are lost, and these are counted.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        engine: Engine,
        *,
        type: str = "",
        partition: str = "",
        pauses: tuple[float, float] = PAUSES,
    ) -> None:
        self.name = name
        self.source = source
        self._engine, self._partition = engine, partition
        self._shortest, self._longest = pauses
        self._pause = pauses[0]
        self._health = SourceHealth(name, type)
        self._failing_since: float | None = None
        self._faults: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mad-source-{name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        # Until the source has caught up, silence is no sign that the services are silent.
        self._engine.arrivals.expect(self.name)
        self._thread.start()

    def end(self) -> None:
        """Begins to stop."""
        self._stopping.set()

    def stop(self, timeout: float = 20.0) -> None:
        """Ends the thread after the batch that is being committed, and closes the source. The
        engine has to run until then."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._engine.arrivals.caught_up(self.name)

    def health(self) -> SourceHealth:
        """The present state. Any thread may ask."""
        return replace(self._health, positions=dict(self._health.positions))

    def failing_seconds(self) -> float:
        """How long the source has not been readable; 0 while it is."""
        since = self._failing_since
        return 0.0 if since is None else monotonic() - since

    def faults(self) -> list[str]:
        """The parts of the source that are not read now, while others are."""
        return self._faults

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.source.open(self._stored())
                self._read()
            except BaseException as error:  # another package's class, and a panic of the core
                self._failed(error)
            finally:
                with contextlib.suppress(BaseException):
                    self.source.close()
        self._health.state = "stopped"

    def _failed(self, error: BaseException) -> None:
        if self._stopping.is_set():
            return
        health = self._health
        health.error = text_of(error)
        health.state = "failing"
        health.failures += 1
        self._failing_since = self._failing_since or monotonic()
        self._engine.arrivals.expect(self.name)
        known = isinstance(error, (CommandError, OSError)) or hasattr(error, "retry_after")
        log.warning("source %s: %s", self.name, health.error, exc_info=None if known else error)
        self._stopping.wait(self._pause)
        self._pause = min(2 * self._pause, self._longest)

    def _succeeded(self) -> None:
        faults: list[str] = getattr(self.source, "faults", list)()
        for text in set(faults).difference(self._faults):
            log.warning("source %s: %s", self.name, text)
        self._faults = faults
        self._health.state = "reading"
        self._failing_since = None
        self._pause = self._shortest

    def _stored(self) -> Positions:
        """The positions in the journal, behind everything that waits in the engine."""
        stored: Positions = self._engine.write(lambda to: to.positions(self.name)).result()
        self._health.positions = dict(stored)
        return stored

    def _read(self) -> None:
        ahead: Batch | None = None
        while not self._stopping.is_set():
            batch = ahead or self.source.read(READ_SECONDS)
            ahead = None
            failure: BaseException | None = None
            self._succeeded()
            if batch is None and not self.source.lags():
                self._engine.arrivals.caught_up(self.name)
                continue
            self._engine.arrivals.expect(self.name)
            if batch is None:
                continue
            future = self._submit(batch)
            if future is None:
                return
            try:
                ahead = self.source.read(0.0)
            except BaseException as error:
                failure = error
            self._finish(batch, future)
            if failure is not None:
                raise failure

    def _submit(self, batch: Batch) -> Future[IngestReceipt] | None:
        """Queues a batch as soon as the engine takes it; None when the runner has to stop."""
        positions = {self.name: batch.positions}
        if not batch.body:
            return self._engine.write(lambda to: to.move_positions(positions))
        entry = Entry(batch.kind, batch.body, batch.format, self._partition)
        while not self._stopping.is_set():
            if not self._engine.is_full:
                with contextlib.suppress(Busy):
                    return self._engine.submit(entry, self.name, positions=positions)
            self._health.state = "waiting"
            self._stopping.wait(_BUSY_SECONDS)
        return None

    def _finish(self, batch: Batch, future: Future[Any]) -> None:
        """Waits until a batch is on disk, then acknowledges it to the source."""
        health = self._health
        try:
            receipt = future.result()
        except (MissingExtraError, SettingsError):
            raise
        except (ValueError, NotJudged) as error:
            halves = batch.halves() if isinstance(error, ValueError) else None
            if halves is not None:
                health.unreadable += batch.unreadable
                self._finish_both(halves)
                return
            health.unreadable += 1
            health.error = text_of(error)
            log.warning("source %s: a payload cannot be read: %s", self.name, error)
            positions = {self.name: batch.positions}
            self._engine.write(lambda to: to.move_positions(positions)).result()
        else:
            if isinstance(receipt, IngestReceipt):
                health.batches += 1
                health.records += receipt.accepted
                health.rejected += receipt.rejected
        health.unreadable += batch.unreadable
        health.bytes += len(batch.body)
        for part, position in batch.positions.items():
            health.positions[part] = position
            if position is None:
                del health.positions[part]
        self.source.acknowledge(batch.positions)

    def _finish_both(self, halves: tuple[Batch, Batch]) -> None:
        """Commits the parts of a batch that could not be read as a whole."""
        for half in halves:
            future = self._submit(half)
            if future is None:
                return
            self._finish(half, future)


class Runner(Protocol):
    """What runs a source in a server."""

    name: str

    def start(self) -> None:
        """Starts to read."""

    def end(self) -> None:
        """Begins to stop."""

    def stop(self) -> None:
        """Stops, and waits until that is done."""

    def health(self) -> SourceHealth:
        """The present state. Any thread may ask."""

    def failing_seconds(self) -> float:
        """How long the source has not been readable; 0 while it is."""

    def faults(self) -> list[str]:
        """A sentence for each part that cannot be read while the others can."""


class SourcePool:
    """All sources of a server."""

    def __init__(self, runners: Iterable[Runner] = ()) -> None:
        self.runners = list(runners)

    @classmethod
    def of(cls, parts: Mapping[str, Part], engine: Engine) -> SourcePool:
        """The sources of a deployment. Raises `MissingExtraError`."""
        return cls(_runner(name, part, engine) for name, part in parts.items())

    def start(self) -> None:
        """Starts all sources."""
        for runner in self.runners:
            runner.start()

    def stop(self) -> None:
        """Stops all sources; they end side by side."""
        for runner in self.runners:
            runner.end()
        for runner in self.runners:
            runner.stop()

    def health(self) -> list[SourceHealth]:
        """The state of each source."""
        return [runner.health() for runner in self.runners]

    def problems(self) -> list[Problem]:
        """The sources that cannot be read now."""
        return [
            Problem(
                "degraded",
                "source",
                f"source {runner.name} cannot be read for {seconds:.0f} s: {runner.health().error}",
            )
            for runner in self.runners
            if (seconds := runner.failing_seconds())
        ] + [
            Problem("degraded", "source", f"source {runner.name}: {_named(runner.faults())}")
            for runner in self.runners
            if runner.faults() and not runner.failing_seconds()
        ]

    def exposition(self) -> str:
        """The counters in Prometheus text format; empty without sources."""
        found = self.health()
        if not found:
            return ""
        families: list[tuple[str, str, str, list[int]]] = [
            (
                "mad_source_up",
                "gauge",
                "1 while the source can be read, else 0.",
                [int(one.state in ("reading", "waiting")) for one in found],
            )
        ]
        for field, text in (
            ("batches", "Batches committed."),
            ("records", "Records accepted."),
            ("rejected", "Records rejected."),
            ("unreadable", "Payloads unreadable."),
            ("bytes", "Bytes committed."),
            ("failures", "Times the source could not be read."),
        ):
            values = [int(getattr(one, field)) for one in found]
            families.append((f"mad_source_{field}_total", "counter", text, values))
        lines = []
        for name, type, text, values in families:
            lines.append(f"# HELP {name} {text}\n# TYPE {name} {type}")
            lines += [
                f'{name}{{source="{one.name}",type="{one.type}"}} {value}'
                for one, value in zip(found, values, strict=True)
            ]
        return "\n".join(lines) + "\n"


def _named(faults: list[str]) -> str:
    """The first faults, and how many others there are."""
    text = "; ".join(faults[:MOST_NAMED])
    others = len(faults) - MOST_NAMED
    return f"{text}; and {others} others" if others > 0 else text


def _runner(name: str, part: Part, engine: Engine) -> Runner:
    """The runner of a source. A source that judges by itself brings its own."""
    source = part.build()
    if (own := getattr(source, "runner", None)) is not None:
        runner: Runner = own(name, engine, part.type)
        return runner
    partition = getattr(part.options, "partition", "")
    return SourceRunner(name, source, engine, type=part.type, partition=partition)
