"""The journal in SQLite: one file with one writer; data is on disk before it is acknowledged."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mad.config.server import Retention
from mad.errors import StateError, reason
from mad.journal import alerts
from mad.journal.alerts import Outcome
from mad.journal.damage import DamagedJournal, JournalFailed
from mad.journal.digest import entry_digest, link
from mad.journal.entries import AuditLine, Entry, SourcePositions, TableWrites
from mad.journal.guard import FileGuard, FilesMoved
from mad.journal.head import Head, HeadFile
from mad.journal.lock import Lock
from mad.journal.opening import check_files, readable, reading
from mad.journal.pages import PageCheck
from mad.journal.parts import Delta, save_parts
from mad.journal.positions import PositionTable
from mad.journal.postgres.copying import MARKER
from mad.journal.postgres.mirror import Mirror
from mad.journal.postgres.session import PostgresFailed
from mad.journal.retention import clear_covered, forget
from mad.journal.schema import LOG_BYTES, connect
from mad.journal.stored import CheckpointRecord, State, StoredInputs, save_record
from mad.journal.tables import (
    known_batch,
    reason_set_aside,
    set_aside,
    write_audit,
    write_note,
    write_tables,
)

#: The largest number of pages that SQLite allows.
MOST_PAGES = 2**32 - 2
#: Covered entries that a commit deletes at least; it deletes twice as many as it adds.
CLEARED = 16


class Journal:
    """Inputs since the last checkpoint, the checkpoint, and the tables of results.

    Only the thread of the engine writes through it; readers open their own connections. Every write
    raises `JournalFailed` when nothing was written. With `mirror` each commit is in PostgreSQL
    first; the journal closes it.

    Raises `StateError` when the directory is not writable, another server uses it, or the file is
    of a newer version or not a journal; `DamagedJournal` when acknowledged data is missing or
    changed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        retention: Retention | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        self.directory = directory
        self.path = directory / "mad.db"
        self.retention = retention or Retention()
        #: Why the last write failed; empty after one that succeeded.
        self.fault = ""
        #: Why the newest acknowledgement is not in `mad.head`; empty when it is.
        self.head_fault = ""
        #: Bytes of entries since the last checkpoint, refused ones included.
        self.uncovered_bytes = 0
        self._commits = 0
        self._guard: FileGuard | None = None
        self.mirror = mirror
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(directory)
        except OSError as error:
            raise StateError(
                f"{directory}: {reason(error)}", "give a writable directory"
            ) from error
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            if mirror is not None:
                mirror.restore(directory)
            with readable(self.path):
                check_files(directory)
                self._db = connect(self.path)
                undo.callback(self._db.close)
                self._open(undo)
            undo.pop_all()

    def _open(self, undo: contextlib.ExitStack) -> None:
        self._stored = StoredInputs(self._db, self.path)
        self._positions = PositionTable(self._db)
        self._head = HeadFile(self.directory / "mad.head")
        undo.callback(self._head.close)
        self.seq, self._chain = self._stored.newest()
        self._commits = self._stored.commits
        # before the first commit, after which a head without a sound slot counts as damage
        self._head.write(Head(self.seq, self._chain, self._commits))
        self._head.sync()
        if self.mirror is None:
            # a later start with PostgreSQL has to see that the copy there is an earlier one
            self._db.execute("DELETE FROM meta WHERE key = ?", (MARKER,))
        else:
            self.mirror.attach(self._db, Head(self.seq, self._chain, self._commits))
        with self._transaction():
            self._count_commit()
        # both slots, so that the file is sound after one of them was damaged
        for commits in (self._commits - 1, self._commits):
            self._head.write(Head(self.seq, self._chain, commits))
        self._head.sync()
        least = {"mad.db": math.inf, "mad.db-wal": LOG_BYTES, "mad.head": 0, "mad.lock": 0}
        self._guard = FileGuard({self.directory / name: size for name, size in least.items()})
        self.pages = PageCheck(self.path)
        if problem := self.pages.begin():
            raise DamagedJournal(self.path, problem)

    @property
    def checkpoint_record(self) -> CheckpointRecord:
        """The record of the last checkpoint."""
        return self._stored.checkpoint

    @property
    def checkpoint_seq(self) -> int:
        """The newest entry that the saved state covers."""
        return self._stored.checkpoint.seq

    def problem(self) -> str:
        """Why nothing can be acknowledged now; empty when the journal works. Any thread may ask."""
        problem = self._guard.problem() if self._guard else ""
        return problem or (self.mirror.problem() if self.mirror else "") or self.fault

    def append(
        self,
        entries: Sequence[Entry],
        writes: TableWrites,
        audit: Sequence[AuditLine] = (),
        moved: Sequence[SourcePositions] = (),
    ) -> list[int]:
        """Commits inputs, the positions of their sources, lines for the audit trail and the results
        of earlier inputs; returns the numbers of the inputs."""
        first, seq, chain, size = self.seq + 1, self.seq, self._chain, 0
        numbered = []
        for entry in entries:
            seq += 1
            digest = entry_digest(seq, entry)
            chain = link(chain, digest)
            size += len(entry.body)
            fields = (seq, entry.kind, entry.format, entry.partition, entry.batch_id)
            numbered.append(
                (*fields, entry.naive_offset_seconds, entry.body, digest, chain),
            )
        with self._moving(moved, (seq, chain)):
            self._db.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", numbered)
            write_tables(self._db, writes)
            write_audit(self._db, audit)
            clear_covered(self._db, self.checkpoint_seq, max(CLEARED, 2 * len(entries)))
            self._count_commit()
        self.seq, self._chain = seq, chain
        self.uncovered_bytes += size
        self._acknowledge()
        return list(range(first, seq + 1))

    def write_tables(self, writes: TableWrites) -> None:
        """Writes results to the tables. PostgreSQL gets them with the next commit, because the
        entries that it has give the same results."""
        with self._transaction(is_sent=False):
            write_tables(self._db, writes)

    def send_results(self) -> None:
        """Sends results to PostgreSQL that wait for a commit."""
        if self.mirror is not None and self.mirror.has_unsent():
            with self._transaction():
                pass

    def checkpoint(self, delta: Delta, writes: TableWrites, accepted_total: int) -> None:
        """Saves the state as of the newest entry and deletes the entries that it covers in one
        transaction, so that recovery reads only the entries after `checkpoint_seq`."""
        global_part, entities, incidents = delta
        before = self._stored.checkpoint
        with self._transaction() as committed:
            write_tables(self._db, writes)
            record = CheckpointRecord(
                self.seq,
                self._chain.hex(),
                save_parts(self._db, "state", [(-1, global_part), *entities], before.state),
                save_parts(self._db, "closed_incidents", incidents, before.closed_incidents),
                accepted_total,
            )
            save_record(self._db, record)
            forget(self._db, self.retention)
            committed.append(lambda: self._covered(record))

    def _covered(self, record: CheckpointRecord) -> None:
        self._stored.checkpoint = record
        self.uncovered_bytes = 0
        with contextlib.suppress(OSError):
            self._head.sync()

    def forget_state(self) -> None:
        """Deletes the saved state and the inputs since then; the tables stay."""
        total = self._stored.checkpoint.accepted_total
        record = CheckpointRecord(self.seq, self._chain.hex(), accepted_total=total)
        with self._transaction() as committed:
            for table in ("state", "closed_incidents", "journal"):
                self._db.execute(f"DELETE FROM {table}")
            save_record(self._db, record)
            committed.append(lambda: self._covered(record))

    def state(self) -> State | None:
        """The global part, the entity parts and the parts of closed incidents of the last
        checkpoint; None before the first. Raises `DamagedJournal`."""
        with readable(self.path):
            return self._stored.state()

    def entries(self) -> Iterator[Entry]:
        """Inputs since the last checkpoint that are not set aside, in order. Raises
        `DamagedJournal`."""
        with readable(self.path):
            yield from self._stored.entries()

    def set_aside(self, entry: Entry, why: str) -> None:
        """Takes an entry out of every later replay and keeps it in the table `set_aside`."""
        with self._transaction() as committed:
            set_aside(self._db, entry, why)
            committed.append(lambda: self.skip(entry.seq))

    def skip(self, seq: int) -> None:
        """Takes an entry out of the replays of this process alone."""
        self._stored.set_aside.add(seq)

    def batch(self, key: tuple[str, str, str]) -> tuple[bytes, int, int, int, str] | None:
        """Digest, number, accepted, rejected and problems of an accepted batch; None for an unknown
        key of kind, partition and batch id."""
        with reading():
            return known_batch(self._db, key)

    def reason_set_aside(self, key: tuple[str, str, str]) -> str | None:
        """Why a batch with this key of kind, partition and batch id was set aside; None if it was
        not."""
        with reading():
            return reason_set_aside(self._db, key)

    def positions(self, source: str) -> dict[str, Any]:
        """How far the parts of a source were read, as of the newest commit."""
        with reading():
            return self._positions.of(source)

    def move_positions(self, moved: SourcePositions) -> None:
        """Saves how far sources were read, past data that gave no entry."""
        with self._moving([moved]):
            self._count_commit()
        self._acknowledge()

    @contextlib.contextmanager
    def _moving(
        self, moved: Sequence[SourcePositions], newest: tuple[int, bytes] | None = None
    ) -> Iterator[None]:
        """A transaction that also saves how far sources were read. It takes back the entries and
        positions of a commit that was refused because its file was moved."""
        in_file: list[Callable[[], None]] = []
        try:
            with self._transaction(newest) as committed:
                self._db.execute("DELETE FROM journal WHERE seq > ?", (self.seq,))
                refused = self._positions.save(moved)
                yield
                committed.append(lambda: in_file.append(refused))
        except JournalFailed:
            for take_back in in_file:
                take_back()
            raise
        self._positions.saved()

    def note(self, incident: str, who: str, kind: str, text: str) -> bool:
        """Saves a comment or feedback on an incident with its line in the audit trail. Returns
        False when the same note of the same person is saved already."""
        with self._transaction():
            is_new = write_note(self._db, incident, who, kind, text)
            self._count_commit()
        self._acknowledge()
        return is_new

    def delivered(self, outcome: Outcome) -> None:
        """Writes the outcome of deliveries to a sink."""
        with self._transaction():
            alerts.write_outcome(self._db, outcome)

    def retry_deliveries(self, sink: str, ids: Sequence[int], line: AuditLine) -> int:
        """Makes dead deliveries pending again, with a line in the audit trail; returns their
        number. Without ids they are all of the sink."""
        with self._transaction():
            count = alerts.retry(self._db, sink, ids)
            write_audit(self._db, [line])
        return count

    def alert_states(self) -> list[tuple[str, str, str]]:
        """Incident, event and state of the newest alert of each incident, as of the checkpoint."""
        with readable(self.path):
            return list(alerts.last_states(self._db, self.checkpoint_seq))

    def audit(self, line: AuditLine) -> None:
        """Adds a line to the audit trail."""
        with self._transaction():
            write_audit(self._db, [line])
            self._count_commit()
        self._acknowledge()

    def probe(self) -> None:
        """Writes and syncs a page: after a failed write it finds out whether the disk works
        again."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('probe', randomblob(?))", (PROBE_BYTES,)
            )

    def limit_growth(self, size: int | None) -> None:
        """Limits the growth of the file from now on to `size` bytes; None removes the limit.

        A write beyond the limit fails like a write to a full disk.
        """
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (page,) = self._db.execute("PRAGMA page_size").fetchone()
        most = MOST_PAGES if size is None else pages + size // page
        self._db.execute(f"PRAGMA max_page_count = {most}")

    def close(self) -> None:
        """Closes the files and releases the lock."""
        self.pages.stop()
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA optimize")
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._head.close()
        self._lock.release()
        if self.mirror is not None:
            self.mirror.close()

    def _count_commit(self) -> None:
        self._commits += 1
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('commits', ?)", (self._commits,))

    def _acknowledge(self) -> None:
        """Writes `mad.head`. A failure leaves the commit valid, but its loss would be unnoticed."""
        try:
            self._head.write(Head(self.seq, self._chain, self._commits))
        except OSError as error:
            self.head_fault = f"mad.head cannot be written: {reason(error)}"
        else:
            self.head_fault = ""

    @contextlib.contextmanager
    def _transaction(
        self, newest: tuple[int, bytes] | None = None, *, is_sent: bool = True
    ) -> Iterator[list[Callable[[], None]]]:
        """A commit that is on disk, in the files of the journal, at the end of the block; and in
        PostgreSQL before that. `newest` is the newest entry after it, with its chain.

        What the block adds to the list runs after the commit, even if the files were moved
        meanwhile, so that this object agrees with its file.
        """
        commits, guard = self._commits, self._guard
        committed: list[Callable[[], None]] = []
        try:
            if guard is not None:
                guard.check()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield committed
                mirror = self.mirror if is_sent else None
                if mirror is not None:
                    mirror.send(Head(*(newest or (self.seq, self._chain)), self._commits))
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            if mirror is not None:
                mirror.settled()
            for follow_up in committed:
                follow_up()
            if guard is not None:
                guard.check()
        except (sqlite3.Error, FilesMoved, PostgresFailed) as error:
            self._commits = commits
            self.fault = str(error)
            raise JournalFailed(str(error)) from error
        self.fault = ""


#: Bytes that `Journal.probe` writes, more than one page.
PROBE_BYTES = 40_000
