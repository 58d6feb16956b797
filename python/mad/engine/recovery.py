"""Builds the pipeline of a journal: the last checkpoint with every later entry judged again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from mad import _core
from mad.engine.judge import Judge, Poisoned
from mad.engine.marker import ReplayMarker
from mad.engine.trial import survives
from mad.errors import StateError
from mad.journal import Entry, Journal, JournalFailed, TableWrites

#: Rows that a replay collects in memory before it writes them to the tables.
REPLAY_WRITES = 2_000
#: Tries of an entry, live and in replays, after which it is set aside.
TRIES = 2

log = logging.getLogger("mad.engine")


@dataclass(slots=True)
class Recovery:
    """Replays entries and sets those aside that cannot be judged."""

    journal: Journal
    judge: Judge
    marker: ReplayMarker
    #: Failed tries of entries by number.
    failed: dict[int, int] = field(default_factory=dict)
    #: Number of entries set aside since the start.
    set_aside: int = 0
    #: The newest of them, and the reason.
    newest: str = ""

    def start(self) -> None:
        """Builds the pipeline when a server starts. Raises `StateError` and `JournalFailed`."""
        self._examine()
        self._replayed(None, live=False)
        self.judge.stats.set_aside = self.set_aside
        self.judge.changes.clear()

    def rebuild(self, until: int) -> None:
        """Builds the pipeline again from the entries before `until`, after an error left it in an
        unknown state.

        Raises `JournalFailed` and `StateError` when the journal cannot be read.
        """
        judge = self.judge
        changes, stats = judge.changes, judge.stats
        judge.stats, judge.changes = stats.copy(), []
        try:
            self._replayed(until, live=True)
        finally:
            judge.changes, judge.stats = changes, stats
            stats.rebuilt += 1
            stats.set_aside = self.set_aside

    def count(self, poisoned: Poisoned) -> bool:
        """Counts a failed try of an entry; True when the entry is set aside with it."""
        entry = poisoned.entry
        log.error("entry %d cannot be judged: %s", entry.seq, poisoned)
        self.failed[entry.seq] = self.failed.get(entry.seq, 0) + 1
        if self.failed[entry.seq] < TRIES:
            return False
        self._set_aside(entry, str(poisoned))
        return True

    def _examine(self) -> None:
        """Sets an entry aside at which the process died `TRIES` times, unless another process can
        judge it."""
        for seq, tries in list(self.marker.tries.items()):
            if tries < TRIES:
                continue
            entry = next((one for one in self.journal.entries() if one.seq == seq), None)
            if entry is not None:
                log.warning("the process died %d times at entry %d; it is examined", tries, seq)
                if why := survives(self.journal.directory, self.judge.config, seq):
                    self._set_aside(entry, f"it ended the process {tries} times, and {why}")
            self.marker.forget(seq)

    def _replayed(self, until: int | None, *, live: bool) -> None:
        while True:
            try:
                self._replay_once(until, live=live)
                return
            except Poisoned as poisoned:
                self.count(poisoned)

    def _replay_once(self, until: int | None, *, live: bool) -> None:
        judge, stats = self.judge, self.judge.stats.copy()
        judge.use(self._restored())
        judge.writes = TableWrites()
        judge.alerts.restore(self.journal.alert_states())
        for entry in self.journal.entries():
            if until is not None and entry.seq >= until:
                break
            self.marker.begin(entry.seq)
            try:
                judgement = judge.judge(entry, live=False)
            except Poisoned:
                judge.stats = stats
                raise
            if isinstance(judgement.refusal, ImportError):
                raise StateError(
                    f"entry {entry.seq} of the journal: {judgement.refusal}",
                    str(getattr(judgement.refusal, "hint", "install the missing package")),
                ) from judgement.refusal
            if not live:
                judge.stats.recovered_entries += 1
            if judge.writes.judged() > REPLAY_WRITES:
                self._write()
        self._write()
        self.marker.clear()

    def _restored(self) -> _core.EnginePipeline:
        saved = self.journal.state()
        try:
            if saved is None:
                return _core.EnginePipeline(self.judge.config)
            return _core.EnginePipeline.restore(self.judge.config, *saved)
        except ValueError as error:
            raise StateError(
                f"{self.journal.path}: {error}",
                "start with --fresh to learn from the start; incidents and rows are kept",
            ) from error

    def _write(self) -> None:
        if self.judge.writes:
            self.journal.write_tables(self.judge.writes)
            self.judge.writes = TableWrites()

    def _set_aside(self, entry: Entry, why: str) -> None:
        try:
            self.journal.set_aside(entry, why)
        except JournalFailed:
            # the entry is skipped all the same, and set aside again after the next start
            self.journal.skip(entry.seq)
        self.failed.pop(entry.seq, None)
        self.set_aside += 1
        self.newest = f"entry {entry.seq} ({entry.kind}, {len(entry.body)} bytes): {why}"
        log.error("set aside %s", self.newest)
