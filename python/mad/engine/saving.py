"""Decides when the state is saved, and saves it."""

from __future__ import annotations

import contextlib
from time import monotonic

from mad.engine.judge import Judge
from mad.journal import Journal, JournalFailed, TableWrites


class Saving:
    """Checkpoints after a time, or after a number of bytes of entries, refused ones included."""

    def __init__(self, journal: Journal, judge: Judge, seconds: float, most_bytes: int) -> None:
        self._journal, self._judge = journal, judge
        self._seconds, self._most_bytes = seconds, most_bytes
        self._saved_at = monotonic()

    def save_if_due(self, *, news: bool, now: bool = False) -> None:
        """Saves the state when it is due, or `now`. The state is smallest right after steps have
        closed, which `news` says; it waits for that for as long again."""
        journal = self._journal
        waited = (monotonic() - self._saved_at) / self._seconds
        filled = journal.uncovered_bytes / self._most_bytes
        due = now or waited >= 1 or filled >= 1
        if due and journal.seq > journal.checkpoint_seq and (news or now or filled >= 2):
            with contextlib.suppress(JournalFailed):  # the next batch tries again
                self.save()

    def save(self) -> None:
        """Saves the state. Raises `JournalFailed`."""
        began, judge = monotonic(), self._judge
        delta = judge.pipeline.take_delta()
        try:
            self._journal.checkpoint(delta, judge.writes, judge.stats.accepted_total)
        except JournalFailed:
            _, entities, incidents = delta
            judge.pipeline.mark_dirty([id for id, _ in entities], [id for id, _ in incidents])
            raise
        judge.writes = TableWrites()
        self._saved_at = monotonic()
        judge.stats.checkpoints += 1
        judge.stats.checkpoint_seconds = self._saved_at - began
