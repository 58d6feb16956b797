"""The thread that commits inputs to the journal, judges them and writes the results.

The file is longer than others because one class owns the thread, its queue and its state.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timezone
from time import monotonic
from typing import Any

from mad import _core
from mad.config import Config
from mad.engine.batch import IngestReceipt, decoded
from mad.engine.clock import SECOND, EventClock
from mad.engine.command import command_entry, command_of
from mad.engine.intake import RecentIntake
from mad.engine.job import Busy, ByteBudget, Job, StorageFailed
from mad.engine.stats import EngineStats
from mad.errors import StateError
from mad.journal import Entry, Journal, TableWrites
from mad.journal.entries import COMMAND, TICK

#: Most batches that one commit covers.
GROUP = 64
#: Rows that a replay collects in memory before it writes them to the tables.
REPLAY_WRITES = 2_000

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NOTHING = '{"total":0,"counts":{},"first":[]}'


class Engine:
    """Takes batches, commands and notes from other threads, and advances event time while no data
    arrives.

    A future is done when its input is on disk and judged. `version` grows with every change that a
    reader could see.
    """

    def __init__(
        self,
        journal: Journal,
        config: Config | None = None,
        *,
        queue_batches: int = 256,
        queue_bytes: int = 256 * 1024 * 1024,
        checkpoint_seconds: float = 60.0,
        checkpoint_bytes: int = 96 * 1024 * 1024,
        ticking: bool = True,
        fresh: bool = False,
    ) -> None:
        self.journal = journal
        self.stats = EngineStats(accepted_total=journal.meta("accepted_total"))
        self.version = 0
        self.failure: str = ""
        self.listeners: list[Callable[[list[tuple[int, int, str]]], None]] = []
        self.config = config or Config()
        self.intake = RecentIntake(float(self.config["intake"]["min_accepted"]))
        self._ticking = ticking
        self._every = (checkpoint_seconds, checkpoint_bytes)
        self._jobs: queue.Queue[Job] = queue.Queue(queue_batches)
        self._budget = ByteBudget(queue_bytes)
        self._writes = TableWrites()
        self._working: list[Job] = []
        self._changes: list[tuple[int, int, str]] = []
        self._bytes = 0
        self._saved_at = monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mad-engine", daemon=True)
        self.clock = EventClock(lateness=_lateness(self.config))
        try:
            self.pipeline = self._recovered(fresh)
        except BaseException:
            journal.close()
            raise

    def start(self) -> None:
        """Starts the thread. It accepts batches from now on."""
        self._thread.start()

    def submit(self, batch: Entry) -> Future[IngestReceipt]:
        """Queues a batch.

        Raises `Busy` when the queue is full, `StorageFailed` when the engine has stopped.
        """
        return self._put(Job(batch, Future()))

    def command(self, command: dict[str, Any]) -> Future[IngestReceipt]:
        """Queues a command; without a time it gets the present event time.

        The future raises `KeyError` or `ValueError` when the pipeline refuses the command.
        """
        return self._put(Job(command_entry({"at": self._now(), **command}), Future()))

    def tick(self, at: int) -> Future[IngestReceipt]:
        """Queues a tick that advances event time to `at` (nanoseconds since 1970)."""
        return self._put(Job(Entry(TICK, str(at).encode(), "time"), Future()))

    def write(self, write: Callable[[Journal], Any]) -> Future[Any]:
        """Queues a write to the journal that does not concern the pipeline, such as a note."""
        return self._put(Job(None, Future(), write))

    @property
    def waiting(self) -> int:
        """Number of jobs in the queue."""
        return self._jobs.qsize()

    def checkpoint(self) -> Future[None]:
        """Queues a checkpoint of the state. The future raises `StorageFailed` when it fails."""
        return self.write(lambda _: self._checkpoint())

    def stop(self, *, save: bool = True) -> None:
        """Works through the queue, saves the state and closes the journal.

        Without `save` the next start applies every entry since the last checkpoint again.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if save and not self.failure:
            with contextlib.suppress(sqlite3.Error):
                self._checkpoint()
        self.journal.close()

    def _put(self, job: Job) -> Future[Any]:
        if self.failure or self._stopping.is_set():
            raise StorageFailed(RuntimeError(self.failure or "the server stops"))
        if self._budget.take(job.size):
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                self._budget.give(job.size)
            else:
                return job.future
        self.stats.refused_busy += 1
        raise Busy

    def _now(self) -> int:
        return self.clock.now() or int((datetime.now(timezone.utc) - _EPOCH).total_seconds() * 1e9)

    def _run(self) -> None:
        try:
            while True:
                jobs = self._working = self._next_jobs()
                if jobs:
                    self._work(jobs)
                elif self._stopping.is_set():
                    return
                else:
                    self._tick_or_checkpoint()
        except BaseException as error:  # a panic of the core is a BaseException
            self.failure = f"{type(error).__name__}: {error}"
            self._refuse_all(error)
            raise

    def _refuse_all(self, error: BaseException) -> None:
        failure = StorageFailed(RuntimeError(f"{type(error).__name__}: {error}"))
        for job in self._working:
            job.failed(failure)
        while True:
            try:
                self._jobs.get_nowait().failed(failure)
            except queue.Empty:
                return

    def _next_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        try:
            jobs.append(self._jobs.get(timeout=0.05 if self._stopping.is_set() else 0.25))
            while len(jobs) < GROUP:
                jobs.append(self._jobs.get_nowait())
        except queue.Empty:
            pass
        self._budget.give(sum(job.size for job in jobs))
        return jobs

    def _work(self, jobs: list[Job]) -> None:
        try:
            new, repeated = self._split_repeated(jobs)
            entries = [job.entry for job in new if job.entry is not None]
            seqs = iter(self.journal.append(entries, self._writes) if entries else ())
        except sqlite3.Error as error:
            self.stats.refused_storage += len(jobs)
            for job in jobs:
                job.failed(StorageFailed(error))
            return
        if entries:
            self._writes = TableWrites()
        news = False
        for job in new:
            if job.entry is None:
                self._write(job)
            else:
                news |= self._judge(replace(job.entry, seq=next(seqs)), job)
        for job, before in repeated:
            self.stats.repeated += 1
            if isinstance(before, IngestReceipt):
                job.result = replace(before, repeated=True)
            elif before.error is not None:
                job.error = before.error
            else:
                job.result = replace(before.result, repeated=True)
        # Results are written before the batch is acknowledged (read-your-writes).
        self._publish(news)
        for job in jobs:
            if job.entry is not None:
                self.stats.answered(monotonic() - job.arrived)
            job.answer()
        self._checkpoint_if_due(news)

    def _split_repeated(
        self, jobs: list[Job]
    ) -> tuple[list[Job], list[tuple[Job, Job | IngestReceipt]]]:
        """Splits jobs into new ones and repetitions of a known batch id; each repetition comes with
        the first job or its receipt."""
        new: list[Job] = []
        repeated: list[tuple[Job, Job | IngestReceipt]] = []
        known: dict[str, Job] = {}
        for job in jobs:
            batch_id = job.entry.batch_id if job.entry else None
            if batch_id is not None:
                before = known.get(batch_id) or self._known(batch_id)
                if before is not None:
                    repeated.append((job, before))
                    continue
                known[batch_id] = job
            new.append(job)
        return new, repeated

    def _known(self, batch_id: str) -> IngestReceipt | None:
        for known_id, *of_batch in self._writes.batches:
            if known_id == batch_id:
                return IngestReceipt(*of_batch)
        found = self.journal.batch(batch_id)
        return IngestReceipt(*found) if found else None

    def _judge(self, entry: Entry, job: Job | None) -> bool:
        """Passes an entry to the pipeline and sets the result of its job. Returns whether readers
        have something new to see."""
        try:
            update = self._apply(entry)
        except (ValueError, KeyError, ImportError) as error:
            # The replay of the journal refuses the same entry for the same reason.
            if job is not None:
                job.error = error
                if entry.kind != COMMAND and not isinstance(error, ImportError):
                    self.intake.unreadable(str(error))
            elif isinstance(error, ImportError):
                raise StateError(
                    f"entry {entry.seq} of the journal: {error}", _hint(error)
                ) from error
            return False
        problems = update.problems().decode() if update.rejected else _NOTHING
        if entry.kind not in (TICK, COMMAND):
            self._count(entry, update)
            if job is not None:
                self.intake.add(
                    entry.kind,
                    update.accepted,
                    update.rejected_counts(),
                    json.loads(problems)["first"],
                )
            if entry.batch_id is not None:
                self._writes.batches.append(
                    (entry.batch_id, entry.seq, update.accepted, update.rejected, problems)
                )
        if entry.kind != TICK:
            self.clock.observe(self.pipeline.clock)
        news = self._collect(entry, update)
        if job is not None:
            job.result = IngestReceipt(entry.seq, update.accepted, update.rejected, problems)
        return news

    def _apply(self, entry: Entry) -> _core.EngineUpdate:
        if entry.kind == TICK:
            self.stats.ticks += 1
            return self.pipeline.advance(int(entry.body))
        if entry.kind == COMMAND:
            self.stats.commands += 1
            return self.pipeline.apply(command_of(entry))
        return self.pipeline.ingest(
            decoded(entry),
            entry.kind,
            partition=entry.partition,
            naive_offset_seconds=entry.naive_offset_seconds,
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

    def _collect(self, entry: Entry, update: _core.EngineUpdate) -> bool:
        self._bytes += len(entry.body)
        writes = self._writes
        if entry.kind == "logs":
            lines = _core.log_records(decoded(entry), entry.naive_offset_seconds)
            writes.log_lines.extend((entry.seq, i, *line) for i, line in enumerate(lines))
        failures = enumerate(update.failures())
        writes.failures.extend((entry.seq, i, *failure) for i, failure in failures)
        if not update.has_news:
            return entry.kind in (COMMAND, "logs", "changes", "edges")
        writes.rows.extend(update.rows())
        writes.services.extend(update.services())
        writes.points.extend(update.points())
        writes.incidents.extend(update.incidents())
        changes = [(entry.seq, i, *change) for i, change in enumerate(update.changes())]
        writes.history.extend(changes)
        self._changes.extend((seq, i, data) for seq, i, _, _, _, data in changes)
        return True

    def _write(self, job: Job) -> None:
        assert job.write is not None
        try:
            job.result = job.write(self.journal)
        except sqlite3.Error as error:
            job.error = StorageFailed(error)
        self.version += 1

    def _publish(self, news: bool) -> None:
        """Writes new results to the tables and then raises the version, so that readers never see
        an old table under a new version."""
        if not news:
            return
        with contextlib.suppress(sqlite3.Error):  # the next batch writes them again, or is refused
            self.journal.write_tables(self._writes)
            self._writes = TableWrites()
        self.version += 1
        changes, self._changes = self._changes, []
        for listener in self.listeners if changes else ():
            listener(changes)

    def _tick_or_checkpoint(self) -> None:
        at = self.clock.tick() if self._ticking else None
        if at is not None and at > (self.pipeline.watermark or 0):
            self._work([Job(Entry(TICK, str(at).encode(), "time"), Future())])
        else:
            self._checkpoint_if_due(news=True)

    def _checkpoint_if_due(self, news: bool) -> None:
        seconds, most = self._every
        waited = (monotonic() - self._saved_at) / seconds
        filled = self._bytes / most
        # The state is smallest right after steps have closed.
        due = waited >= 1 or filled >= 1
        if due and self.journal.seq > self.journal.checkpoint_seq and (news or filled >= 2):
            with contextlib.suppress(sqlite3.Error):  # the next batch tries again
                self._checkpoint()

    def _checkpoint(self) -> None:
        began = monotonic()
        delta = self.pipeline.take_delta()
        try:
            self.journal.checkpoint(
                delta, self._writes, {"accepted_total": self.stats.accepted_total}
            )
        except sqlite3.Error:
            _, entities, incidents = delta
            self.pipeline.mark_dirty([id for id, _ in entities], [id for id, _ in incidents])
            raise
        self._writes = TableWrites()
        self._bytes = 0
        self._saved_at = monotonic()
        self.stats.checkpoints += 1
        self.stats.checkpoint_seconds = self._saved_at - began

    def _recovered(self, fresh: bool) -> _core.EnginePipeline:
        """The pipeline of the last checkpoint with every later entry applied again."""
        began = monotonic()
        if fresh:
            self.journal.forget_state()
        saved = self.journal.state()
        try:
            self.pipeline = (
                _core.EnginePipeline(self.config)
                if saved is None
                else _core.EnginePipeline.restore(self.config, *saved)
            )
        except ValueError as error:
            raise StateError(
                f"{self.journal.path}: {error}",
                "start with --fresh to learn from the start; incidents and rows are kept",
            ) from error
        try:
            self._replay()
        except sqlite3.Error as error:
            raise StateError(
                f"{self.journal.path}: {error}",
                "free space on the disk, or restore the journal from a copy",
            ) from error
        self._changes.clear()
        self.clock.observe(self.pipeline.clock)
        self.stats.recovery_seconds = monotonic() - began
        return self.pipeline

    def _replay(self) -> None:
        for entry in self.journal.entries():
            self._judge(entry, None)
            self.stats.recovered_entries += 1
            if len(self._writes.rows) + len(self._writes.points) > REPLAY_WRITES:
                self.journal.write_tables(self._writes)
                self._writes = TableWrites()
        if self._writes:
            self.journal.write_tables(self._writes)
            self._writes = TableWrites()


def _lateness(config: Config) -> int:
    return int(float(config["features"]["lateness_seconds"]) * SECOND)


def _hint(error: BaseException) -> str:
    return str(getattr(error, "hint", "install the missing package"))
