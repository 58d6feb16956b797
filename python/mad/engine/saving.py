"""Decides when the state is saved, and saves it."""

from __future__ import annotations

import contextlib
from time import monotonic

from mad.engine.judge import Judge
from mad.journal import Journal, JournalFailed, TableWrites

#: CPU time of judging after which a checkpoint is due: a start takes about that for its replay.
REPLAY_SECONDS = 2.0
#: A checkpoint is due by CPU time after this many times its own duration at the earliest.
_CHECKPOINT_SHARE = 10.0


class Saving:
    """Checkpoints after a time, after a number of bytes of entries, refused ones included, or when
    judging what came since took so long that a start would be slow."""

    def __init__(self, journal: Journal, judge: Judge, seconds: float, most_bytes: int) -> None:
        self._journal, self._judge = journal, judge
        self._seconds, self._most_bytes = seconds, most_bytes
        self._saved_at = monotonic()
        self._judged = judge.cpu_seconds

    def save_if_due(self, *, news: bool, now: bool = False) -> None:
        """Saves the state when it is due, or `now`. The state is smallest right after steps have
        closed, which `news` says; it waits for that for as long again."""
        journal = self._journal
        waited = (monotonic() - self._saved_at) / self._seconds
        filled = journal.uncovered_bytes / self._most_bytes
        judged = self._judge.cpu_seconds - self._judged
        checkpoint = self._judge.stats.checkpoint_seconds
        filled = max(filled, judged / max(REPLAY_SECONDS, _CHECKPOINT_SHARE * checkpoint))
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
        self._saved_at, self._judged = monotonic(), judge.cpu_seconds
        judge.stats.checkpoints += 1
        judge.stats.checkpoint_seconds = self._saved_at - began
