"""Passes entries to the pipeline and collects what they give."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from time import thread_time
from typing import Any

from mad import _core
from mad.config import Config
from mad.engine.alerts import AlertLog
from mad.engine.batch import IngestReceipt
from mad.engine.clock import EventClock
from mad.engine.command import audit_of, command_of
from mad.engine.intake import RecentIntake
from mad.engine.stats import EngineStats
from mad.journal import Entry, TableWrites
from mad.journal.entries import COMMAND, HOLD, LOST, RESULTS, TICK, WITHOUT
from mad.journal.results import check_message, count, handovers, last_block, writes_of

_NOTHING = '{"total":0,"counts":{},"first":[]}'
#: Errors with which the pipeline refuses an entry and stays as it was.
REFUSALS = (ValueError, KeyError, ImportError)


class Poisoned(Exception):
    """Judging an entry failed in a way that leaves the pipeline in an unknown state."""

    def __init__(self, entry: Entry, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.entry, self.error = entry, error


@dataclass(slots=True)
class Judgement:
    """The outcome of one entry: a receipt or a refusal, and whether readers have something new."""

    receipt: IngestReceipt | None = None
    refusal: Exception | None = None
    news: bool = False


@dataclass(slots=True)
class Judge:
    """The pipeline with everything that its results are written to."""

    config: Config
    pipeline: _core.EnginePipeline
    stats: EngineStats
    clock: EventClock
    intake: RecentIntake
    writes: TableWrites = field(default_factory=TableWrites)
    alerts: AlertLog = field(default_factory=AlertLog)
    #: The language of explanations; None for English.
    catalogue: _core.Catalogue | None = None
    #: Changes of incidents that listeners have not heard of.
    changes: list[tuple[int, int, str]] = field(default_factory=list)
    #: CPU time of judging so far, replays included.
    cpu_seconds: float = 0.0

    def use(self, pipeline: _core.EnginePipeline) -> None:
        """Judges by another pipeline from now on."""
        if self.catalogue is not None:
            pipeline.use_catalogue(self.catalogue)
        self.pipeline = pipeline

    def check(self, entry: Entry) -> Any:
        """Decodes an entry before it is journaled, as far as its body alone decides that it can be
        read. Returns what `judge` takes. Raises one of `REFUSALS`."""
        if entry.kind == COMMAND:
            return command_of(entry)
        if entry.kind == TICK:
            if not -(2**63) <= int(entry.body) < 2**63:
                raise ValueError(f"a tick at {entry.body.decode()} is outside of 64 bits")
            return None
        if entry.kind in (HOLD, LOST):
            return None
        if entry.kind == RESULTS:
            tables = check_message(entry.body)
            self.pipeline.check_handovers(handovers(tables))
            return tables
        records = entry.body
        self.pipeline.check(records, entry.kind, entry.format)
        return records

    def judge(
        self, entry: Entry, records: Any = None, *, live: bool = True, source: str = ""
    ) -> Judgement:
        """Judges an entry of a sender. `records` is what `check` returned. Counts for the recent
        intake only when `live`. The line of a command in the audit trail is a result like any
        other, so that a command is never in effect without it.

        Raises `Poisoned` for every error other than a refusal.
        """
        began = thread_time()
        try:
            return self._judge(entry, records, source if live else None)
        except REFUSALS as error:
            if entry.kind == COMMAND:
                outcome = "not found" if isinstance(error, KeyError) else "refused"
                self.writes.audit.extend(audit_of(entry, outcome))
            elif live and not isinstance(error, ImportError):
                self.intake.unreadable(str(error))
            return Judgement(refusal=error)
        except BaseException as error:  # also a fault of the core
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            raise Poisoned(entry, error) from error
        finally:
            self.cpu_seconds += thread_time() - began

    def _judge(self, entry: Entry, records: Any, source: str | None) -> Judgement:
        if entry.kind == RESULTS:
            return self._take_results(entry, records)
        update = self._apply(entry, records)
        if update is None:
            return Judgement()
        problems = update.problems().decode() if update.rejected else _NOTHING
        if entry.kind not in (TICK, COMMAND, HOLD):
            self._count(entry, update)
            if source is not None:
                self.intake.add(
                    entry.kind,
                    update.accepted,
                    update.rejected_counts(),
                    json.loads(problems)["first"],
                    source,
                )
            if entry.key is not None:
                figures = (entry.seq, update.accepted, update.rejected, problems)
                self.writes.batches.append((*entry.key, entry.digest, *figures))
        if entry.kind != TICK:
            self.clock.observe(self.pipeline.clock)
        news = self._collect(entry, update)
        if entry.kind == COMMAND:
            self.writes.audit.extend(audit_of(entry, "done"))
        receipt = IngestReceipt(entry.seq, update.accepted, update.rejected, problems)
        return Judgement(receipt, news=news)

    def _take_results(self, entry: Entry, tables: Any) -> Judgement:
        """Takes the results of another process, and groups what it hands over."""
        tables = check_message(entry.body) if tables is None else tables
        taken = writes_of(tables, entry.seq)
        for name in ("rows", "services", "points", "log_lines", "failures", "history"):
            getattr(self.writes, name).extend(getattr(taken, name))
        self.changes.extend((seq, i, data) for seq, i, _, _, _, data in taken.history)
        if handed := handovers(tables):
            self._collect(entry, self.pipeline.receive(handed), len(taken.history))
        return Judgement(IngestReceipt(entry.seq, count(tables), 0, _NOTHING), news=True)

    def _apply(self, entry: Entry, records: Any) -> _core.EngineUpdate | None:
        if entry.kind == LOST:
            return None
        if entry.kind == HOLD and entry.body in (b"live", b"jumps"):
            self.pipeline.refuse_jumps(entry.body == b"live")
            return None
        if entry.kind == HOLD and entry.body.startswith(WITHOUT):
            return self.pipeline.continue_without(entry.body.removeprefix(WITHOUT).decode())
        if entry.kind == HOLD:
            self.pipeline.pause_watermarks(entry.body == b"1")
            return None
        if entry.kind == TICK:
            self.stats.ticks += 1
            return self.pipeline.advance(int(entry.body))
        if entry.kind == COMMAND:
            self.stats.commands += 1
            return self.pipeline.apply(command_of(entry))
        return self.pipeline.ingest(
            entry.body if records is None else records,
            entry.kind,
            partition=entry.partition,
            naive_offset_seconds=entry.naive_offset_seconds,
            format=entry.format,
        )

    def _count(self, entry: Entry, update: _core.EngineUpdate) -> None:
        stats = self.stats
        stats.batches += 1
        stats.accepted_bytes += len(entry.body)
        stats.records[entry.kind] = stats.records.get(entry.kind, 0) + update.accepted
        if entry.kind == "requests":
            stats.accepted_total += update.accepted
        if update.rejected:
            for why, count in update.rejected_counts():
                stats.rejected[why] = stats.rejected.get(why, 0) + count

    def _collect(self, entry: Entry, update: _core.EngineUpdate, first: int = 0) -> bool:
        """Collects what an entry gives. `first` is the place of its first change of an incident."""
        writes = self.writes
        writes.log_lines.extend(update.lines(entry.seq))
        failures = enumerate(update.failures())
        writes.failures.extend((entry.seq, i, *failure) for i, failure in failures)
        if not update.has_news:
            return entry.kind in (COMMAND, "logs", "changes", "edges")
        writes.rows.extend(update.rows())
        writes.services.extend(update.services())
        block_number = last_block(entry.seq) if entry.kind == RESULTS else entry.seq
        writes.points.extend((at, block_number, *block) for at, *block in update.points())
        writes.incidents.extend(update.incidents())
        changes = [(entry.seq, i, *change) for i, change in enumerate(update.changes(), first)]
        writes.history.extend(changes)
        self.changes.extend((seq, i, data) for seq, i, _, _, _, data in changes)
        if changes:
            self.writes.alerts.extend(
                self.alerts.alerts(
                    entry.seq,
                    (change[2:] for change in changes),
                    update.incidents(),
                    by_command=entry.kind == COMMAND,
                )
            )
        return True
