"""The thread that commits inputs to the journal, judges them and writes the results.

The file is longer than others because one thread owns the order of all these steps.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timezone
from time import monotonic
from typing import Any

from mad import _core
from mad.config import Config
from mad.engine import repeats
from mad.engine.alerts import AlertLog, Route
from mad.engine.arrivals import Arrivals
from mad.engine.batch import IngestReceipt
from mad.engine.clock import LATEST, SECOND, EventClock
from mad.engine.command import command_entry
from mad.engine.intake import RecentIntake
from mad.engine.job import Busy, Job, JobQueue, NotJudged, StorageFailed
from mad.engine.judge import REFUSALS, Judge, Poisoned
from mad.engine.marker import ReplayMarker
from mad.engine.outage import OutageWatch
from mad.engine.pace import LivePace
from mad.engine.problems import Problem
from mad.engine.recovery import TRIES, Recovery
from mad.engine.saving import Saving
from mad.engine.stats import EngineStats
from mad.errors import StateError
from mad.journal import AuditLine, Entry, Journal, JournalFailed, TableWrites
from mad.journal.entries import COMMAND, HOLD, RESULTS, TICK, SourcePositions

#: Seconds between two attempts to write or to rebuild after a failure.
RETRY_SECONDS = 1.0

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

log = logging.getLogger("mad.engine")


class Engine:
    """Takes batches, commands and notes from other threads, and advances event time while no data
    arrives.

    A future is done when its input is on disk and judged. `version` grows with every change that a
    reader could see. No error of an input ends the thread: see `problems`.
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
        routes: Sequence[Route] = (),
        catalogue: _core.Catalogue | None = None,
    ) -> None:
        self.journal = journal
        self.version = 0
        #: Why the thread of the engine ended; empty while it runs.
        self.failure: str = ""
        self.listeners: list[Callable[[list[tuple[int, int, str]]], None]] = []
        #: Called with the time (nanoseconds) up to which steps are judged, when steps were closed.
        self.step_listeners: list[Callable[[int], None]] = []
        self.config = config or Config()
        self._step_nanos = int(float(self.config["features"]["step_seconds"]) * 1e9)
        self._closed_steps = 0
        self._ticking = ticking
        self._jobs = JobQueue(queue_batches, queue_bytes)
        self._working: list[Job] = []
        self._working_since: float | None = None
        #: Batches and sources for which ticks wait.
        self.arrivals = Arrivals()
        self._tried_at = 0.0
        self._outage = OutageWatch()
        self._pace = LivePace()
        #: Why the pipeline cannot be used now; empty when it can.
        self._unsound = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mad-engine", daemon=True)
        try:
            self._marker = ReplayMarker(journal.directory / "mad.replay")
        except StateError:
            journal.close()
            raise
        self._judge = Judge(
            self.config,
            _core.EnginePipeline(self.config),
            EngineStats(accepted_total=journal.checkpoint_record.accepted_total),
            EventClock(lateness=_lateness(self.config)),
            RecentIntake(float(self.config["intake"]["min_accepted"])),
            alerts=AlertLog(routes, 60.0 * float(self.config["incident"]["cooldown_minutes"])),
            catalogue=catalogue,
        )
        self._judge.use(self._judge.pipeline)
        self._recovery = Recovery(journal, self._judge, self._marker)
        self._saving = Saving(journal, self._judge, checkpoint_seconds, checkpoint_bytes)
        try:
            self._recover(fresh)
        except BaseException:
            self._marker.close()
            journal.close()
            raise

    @property
    def pipeline(self) -> _core.EnginePipeline:
        """The pipeline; another one after it was rebuilt."""
        return self._judge.pipeline

    @property
    def catalogue(self) -> _core.Catalogue | None:
        """The language of explanations; None for English."""
        return self._judge.catalogue

    @property
    def stats(self) -> EngineStats:
        """Counters since the start."""
        return self._judge.stats

    @property
    def clock(self) -> EventClock:
        """The event time, also while no data arrives."""
        return self._judge.clock

    @property
    def intake(self) -> RecentIntake:
        """The share of records that was accepted in the last minutes."""
        return self._judge.intake

    @property
    def is_ticking(self) -> bool:
        """Whether event time advances while no data arrives."""
        return self._ticking

    def start(self) -> None:
        """Starts the thread. It accepts batches from now on."""
        self._thread.start()

    def submit(
        self, batch: Entry, source: str = "", *, positions: SourcePositions | None = None
    ) -> Future[IngestReceipt]:
        """Queues a batch of a sender. The positions of its source are committed with it.

        Raises `Busy` when the queue is full, `StorageFailed` when the engine has stopped. The
        future raises `ValueError` for a batch that cannot be read, `KeyReused` for a known key with
        another body, `NotJudged` for a batch that was set aside.
        """
        return self._put(Job(batch, Future(), source=source, moved=positions))

    def command(
        self, command: dict[str, Any], audit: AuditLine | None = None
    ) -> Future[IngestReceipt]:
        """Queues a command; without a time it gets the present event time. Its line for the audit
        trail is stored with the command.

        The future raises `KeyError` or `ValueError` when the pipeline refuses the command.
        """
        entry = command_entry({"at": self.present(), **command}, audit)
        return self._put(Job(entry, Future()), is_command=True)

    def tick(self, at: int, audit: AuditLine | None = None) -> Future[IngestReceipt]:
        """Queues a tick that advances event time to `at` (nanoseconds since 1970), behind the
        waiting batches."""
        return self._put(Job(_tick(at), Future(), audit=audit))

    def write(self, write: Callable[[Journal], Any]) -> Future[Any]:
        """Queues a write to the journal that does not concern the pipeline, such as a note."""
        return self._put(Job(None, Future(), write), is_command=True)

    @property
    def waiting(self) -> int:
        """Number of jobs in the queue."""
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether the queue of batches is full."""
        return self._jobs.is_full

    def refuses_batch(self) -> bool:
        """Whether the queue of batches is full. Counts the batch that is refused for it."""
        is_full = self._jobs.is_full
        self.stats.refused_busy += is_full
        return is_full

    def busy_seconds(self) -> float:
        """How long the thread has worked on its present jobs, or the oldest job has waited."""
        oldest, since = self._jobs.oldest(), self._working_since
        began = [at for at in (oldest, since) if at is not None]
        return max(0.0, monotonic() - min(began)) if began else 0.0

    def problems(self) -> list[Problem]:
        """Why the service is not `ok`, the worst first. Any thread may ask."""
        found: list[Problem] = []
        if self.failure:
            found.append(Problem("failing", "engine", f"the engine has stopped: {self.failure}"))
        if storage := self.journal.problem():
            text = f"the journal cannot be written, nothing is acknowledged: {storage}"
            found.append(Problem("failing", "storage", text))
        if self._unsound:
            text = f"the state cannot be rebuilt: {self._unsound}"
            found.append(Problem("failing", "state", text))
        if self.journal.head_fault:
            found.append(Problem("degraded", "head", self.journal.head_fault))
        if self.journal.pages.problem:
            text = f"{self.journal.path}: {self.journal.pages.problem}; restart with --recover"
            found.append(Problem("degraded", "pages", text))
        if count := self.stats.set_aside:
            text = (
                f"{count} entries could not be judged and were set aside since the start; the "
                f"newest is {self._recovery.newest}"
            )
            found.append(Problem("degraded", "set_aside", text))
        return found

    def checkpoint(self) -> Future[None]:
        """Queues a checkpoint of the state. The future raises `StorageFailed` when it fails."""
        return self.write(lambda _: self._saving.save())

    def stop(self, *, save: bool = True) -> None:
        """Works through the queue, saves the state and closes the journal.

        Without `save` the next start applies every entry since the last checkpoint again.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if save and not self.failure and not self._unsound:
            with contextlib.suppress(JournalFailed):
                self._saving.save()
        self._marker.close()
        self.journal.close()

    def _put(self, job: Job, *, is_command: bool = False) -> Future[Any]:
        if self.failure or self._stopping.is_set():
            raise StorageFailed(RuntimeError(self.failure or "the server stops"))
        if self._jobs.put_command(job) if is_command else self._jobs.put_batch(job):
            return job.future
        self.stats.refused_busy += 1
        raise Busy

    def present(self) -> int:
        """The present event time in nanoseconds; before the first event that of the host."""
        return self.clock.now() or int((datetime.now(timezone.utc) - _EPOCH).total_seconds() * 1e9)

    def _run(self) -> None:
        try:
            while True:
                jobs = self._jobs.take(0.05 if self._stopping.is_set() else 0.25)
                if not jobs and self._stopping.is_set() and self._jobs.close():
                    return
                self._working = jobs
                self._working_since = monotonic() if jobs else None
                self._step(jobs)
                self._working_since = None
        except BaseException as error:  # nothing is known that leads here
            self.failure = f"{type(error).__name__}: {error}"
            waiting = self._working
            while waiting or not self._jobs.close():
                for job in waiting:
                    job.failed(StorageFailed(RuntimeError(self.failure)))
                waiting = self._jobs.take(0.0)
            raise

    def _step(self, jobs: list[Job]) -> None:
        """One turn of the thread; its errors are those of the jobs."""
        try:
            if not self._usable():
                self._refuse(jobs, RuntimeError(self._unsound or self.journal.problem()))
            elif jobs:
                self._work(jobs)
            else:
                self._tick_or_checkpoint()
        except JournalFailed as error:
            self._refuse(jobs, error)
        except BaseException as error:  # a panic of the core is a BaseException
            # an error outside of judging, such as in a checkpoint
            log.exception("the engine rebuilds its state")
            self._unsound = f"{type(error).__name__}: {error}"
            self._refuse(jobs, error)

    def _usable(self) -> bool:
        """Whether inputs can be taken now. Tries again once a second after a failure."""
        fault = self.journal.problem()
        if not fault and not self._unsound:
            return True
        if monotonic() - self._tried_at < RETRY_SECONDS:
            # a write itself finds out whether the disk works again
            return not self._unsound and bool(self.journal.fault) and bool(self._working)
        self._tried_at = monotonic()
        self.journal.probe()
        if self._unsound:
            self._rebuild(self.journal.seq + 1)
        return not self._unsound

    def _refuse(self, jobs: list[Job], error: BaseException) -> None:
        self.stats.refused_storage += len(jobs)
        for job in jobs:
            job.failed(StorageFailed(error))

    def _work(self, jobs: list[Job]) -> None:
        new, repeated = repeats.split(jobs, self.journal, self._judge.writes)
        checked = [job for job in new if self._check(job)]
        without = (COMMAND, TICK, HOLD, RESULTS)
        is_batch = any(job.entry and job.entry.kind not in without for job in checked)
        if is_batch:
            self._outage.batch()
        is_ending = self._outage.is_ending()
        # Not only with the first batch: the commit of that one may have failed.
        if self._outage.is_catching_up() and not is_ending and not self.pipeline.is_paused:
            log.warning("senders return after an outage; steps stay open while they catch up")
            checked.insert(0, Job(Entry(HOLD, b"1", "text"), Future()))
        if is_batch and (is_live := self._pace.is_live()) != self.pipeline.refuses_jumps:
            checked.insert(0, Job(Entry(HOLD, b"live" if is_live else b"jumps", "text"), Future()))
        if is_ending:
            checked.append(Job(Entry(HOLD, b"0", "text"), Future()))
        entries = [job.entry for job in checked if job.entry is not None]
        audit = [job.audit for job in checked if job.audit is not None]
        moved = [job.moved for job in checked if job.moved is not None]
        seqs = iter(self._append(entries, audit, moved) if entries else ())
        if entries:
            self._judge.writes = TableWrites()
        if is_ending:
            self._outage.end()
        news, rebuilt = False, self.stats.rebuilt
        for job in checked:
            if job.entry is not None:
                news |= self._judged(replace(job.entry, seq=next(seqs)), job)
        if is_batch:
            self._pace.observe(self.pipeline.clock)
        # After all entries of the group: a checkpoint covers the whole journal.
        for job in checked:
            if job.entry is None:
                self._write(job)
        self._marker.clear()
        self.stats.repeated += len(repeated)
        repeats.answer(repeated)
        # Results are written before the batch is acknowledged (read-your-writes).
        self._publish(news)
        for job in jobs:
            if job.entry is not None:
                self.stats.answered(monotonic() - job.arrived)
            job.answer()
        # after a rebuild at once, so that the next one has little to replay
        self._saving.save_if_due(news=news, now=self.stats.rebuilt > rebuilt)

    def _append(
        self, entries: list[Entry], audit: list[AuditLine], moved: list[SourcePositions]
    ) -> list[int]:
        """Commits the entries of a group. Raises `JournalFailed`."""
        try:
            return self.journal.append(entries, self._judge.writes, audit, moved)
        except (ValueError, TypeError, OverflowError) as error:
            # The tables cannot hold a value. Nothing was written, and the state is not concerned.
            raise JournalFailed(str(error)) from error

    def _check(self, job: Job) -> bool:
        """Decodes a batch, so that what cannot be read never reaches the journal."""
        if job.entry is None:
            return True
        try:
            job.records = self._judge.check(job.entry)
        except REFUSALS as error:
            job.error = error
            self.stats.refused_unreadable += 1
            if job.entry.kind not in (COMMAND, TICK) and not isinstance(error, ImportError):
                self.intake.unreadable(str(error))
            return False
        except BaseException as error:
            log.exception("a batch could not be decoded")
            job.error = NotJudged(f"{type(error).__name__}: {error}")
            self.stats.refused_unreadable += 1
            return False
        return True

    def _judged(self, entry: Entry, job: Job) -> bool:
        """Judges an entry that is on disk. After an error the pipeline is rebuilt and the entry
        tried again; then it is set aside. Returns whether readers have something new to see."""
        for _ in range(TRIES):
            self._marker.begin(entry.seq)
            try:
                judgement = self._judge.judge(entry, job.records, source=job.source)
            except Poisoned as poisoned:
                is_aside = self._recovery.count(poisoned)
                self._rebuild(entry.seq)
                if is_aside:
                    job.error = NotJudged(str(poisoned))
                    break
            else:
                job.result, job.error = judgement.receipt, judgement.refusal
                return judgement.news
        return True

    def _rebuild(self, until: int) -> None:
        """Builds the pipeline again. Raises `JournalFailed` when that is not possible now."""
        self._unsound = self._unsound or "it is being rebuilt"
        try:
            self._recovery.rebuild(until)
        except StateError as error:
            self._unsound = str(error)
            raise JournalFailed(str(error)) from error
        self._unsound = ""
        self.version += 1

    def _write(self, job: Job) -> None:
        assert job.write is not None
        try:
            job.result = job.write(self.journal)
        except JournalFailed as error:
            job.error = StorageFailed(error)
        except (ValueError, TypeError, OverflowError) as error:
            # The tables cannot hold a value. Nothing was written, and the state is not concerned.
            job.error = error
        self.version += 1

    def _publish(self, news: bool) -> None:
        """Writes new results to the tables and then raises the version, so that readers never see
        an old table under a new version."""
        judge = self._judge
        if not news and not judge.writes.audit:
            return
        with contextlib.suppress(JournalFailed):  # the next batch writes them again, or is refused
            self.journal.write_tables(judge.writes)
            judge.writes = TableWrites()
        self.version += 1
        changes, judge.changes = judge.changes, []
        for listener in self.listeners if changes else ():
            listener(changes)
        watermark = self.pipeline.furthest_watermark or 0
        if (closed := watermark // self._step_nanos) > self._closed_steps:
            self._closed_steps = closed
            for on_step in self.step_listeners:
                on_step(watermark)

    def _tick_or_checkpoint(self) -> None:
        if self._outage.is_ending():
            self._work([])
        is_waiting = self.arrivals.are_awaited() or self._outage.is_waiting()
        at = self.clock.tick() if self._ticking and not is_waiting else None
        if at is not None and (self.pipeline.watermark or 0) < at <= LATEST:
            self._work([Job(_tick(at), Future())])
        else:
            self._saving.save_if_due(news=True)
            self.journal.send_results()

    def _recover(self, fresh: bool) -> None:
        began = monotonic()
        try:
            if fresh:
                self.journal.forget_state()
            self._recovery.start()
        except JournalFailed as error:
            raise StateError(
                f"{self.journal.path}: {error}",
                "free space on the disk, or restore the journal from a copy",
            ) from error
        if self.pipeline.is_paused:
            self._outage.resume()
        self.clock.observe(self.pipeline.clock)
        self.stats.recovery_seconds = monotonic() - began


def _tick(at: int) -> Entry:
    return Entry(TICK, str(at).encode(), "time")


def _lateness(config: Config) -> int:
    return int(float(config["features"]["lateness_seconds"]) * SECOND)
