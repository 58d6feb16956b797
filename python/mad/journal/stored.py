"""Reads what a recovery needs from a journal, and checks it: the checkpoint, the state and the
entries after it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mad.journal.damage import DamagedJournal, entries_text
from mad.journal.digest import (
    START,
    PartSum,
    is_sound,
    link,
    part_digest,
    text_digest,
)
from mad.journal.entries import Entry
from mad.journal.head import Head

#: The columns of an entry, in the order of `entry_of`.
ENTRY = "seq, kind, format, partition, batch_id, naive_offset_seconds, body"
#: Damaged places that a message names.
NAMED = 5

#: The global part, entity parts by number and closed incidents by id.
State = tuple[bytes, list[tuple[int, bytes]], list[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """What a checkpoint covers: the newest entry, the chain up to it, and the sums of the checksums
    of the parts of the state."""

    seq: int = 0
    chain: str = START.hex()
    state: int = 0
    closed_incidents: int = 0
    #: Requests accepted since the journal was created.
    accepted_total: int = 0

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self))


def entry_of(row: tuple[Any, ...]) -> Entry:
    """The entry of a row of `ENTRY`."""
    seq, kind, form, partition, batch_id, naive, body = row
    return Entry(kind, body, form, partition, batch_id, naive, seq)


def save_record(db: sqlite3.Connection, record: CheckpointRecord) -> None:
    """Writes the record of a checkpoint with its checksum; the caller holds a transaction."""
    text = record.text()
    values = [("checkpoint", text), ("checkpoint_digest", text_digest(text))]
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)


class StoredInputs:
    """The state and the entries in a database."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path
        self.set_aside = {seq for (seq,) in db.execute("SELECT seq FROM set_aside")}
        self.commits = int(self._meta("commits") or 0)
        text = self._meta("checkpoint")
        if text is not None and self._meta("checkpoint_digest") != text_digest(str(text)):
            raise DamagedJournal(path, "the record of the last checkpoint was changed")
        self.checkpoint = CheckpointRecord(**json.loads(text)) if text else CheckpointRecord()

    def newest(self) -> tuple[int, bytes]:
        """Number of the newest entry and the chain up to it."""
        checkpoint = self.checkpoint
        found = self._db.execute(
            "SELECT seq, chain FROM journal WHERE seq > ? ORDER BY seq DESC LIMIT 1",
            (checkpoint.seq,),
        ).fetchone()
        return found or (checkpoint.seq, bytes.fromhex(checkpoint.chain))

    def entries(self) -> Iterator[Entry]:
        """Inputs since the last checkpoint that are not set aside, in order."""
        rows = self._db.execute(
            f"SELECT {ENTRY} FROM journal WHERE seq > ? ORDER BY seq", (self.checkpoint.seq,)
        )
        return (entry_of(row) for row in rows if row[0] not in self.set_aside)

    def check(self, head: Head | None) -> None:
        """Compares the entries with their checksums, their chain and the head.

        Raises `DamagedJournal` that names the first damaged places.
        """
        found: list[str] = []
        if head is None:
            if self.commits:
                found.append(
                    "mad.head is missing or damaged, so that it is unknown whether the newest "
                    "entries are complete"
                )
            head = Head()
        seq, chain = self.checkpoint.seq, bytes.fromhex(self.checkpoint.chain)
        at_head = chain if seq == head.seq else None
        rows = self._db.execute(
            f"SELECT digest, chain, {ENTRY} FROM journal WHERE seq > ? ORDER BY seq", (seq,)
        )
        for digest, stored, *row in rows:
            entry = entry_of(tuple(row))
            if not is_sound(entry, digest):
                found.append(f"entry {entry.seq} does not match its checksum")
            elif link(chain, digest) != stored:
                found.append(_gap(seq, entry.seq))
            seq, chain = entry.seq, stored
            if seq == head.seq:
                at_head = chain
        if head.seq > seq:
            lost = entries_text(seq + 1, head.seq)
            found.append(f"{lost} had been acknowledged and is missing from the end")
        elif at_head is not None and at_head != head.chain:
            found.append(f"entry {head.seq} is not the one that was acknowledged")
        elif head.commits > self.commits:
            count = head.commits - self.commits
            found.append(f"the last {count} acknowledged commits (comments, audit) are missing")
        if found:
            more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
            raise DamagedJournal(self._path, "; ".join(found[:NAMED]) + more)

    def state(self) -> State | None:
        """The state of the last checkpoint; None before the first.

        Raises `DamagedJournal` when a part is changed, missing or of another checkpoint.
        """
        entities: list[tuple[int, bytes]] = []
        incidents: list[tuple[str, bytes]] = []
        parts: list[tuple[str, list[Any], int]] = [
            ("state", entities, self.checkpoint.state),
            ("closed_incidents", incidents, self.checkpoint.closed_incidents),
        ]
        for table, into, expected in parts:
            total, changed = PartSum(), 0
            for key, part, digest in self._db.execute(
                f"SELECT id, part, digest FROM {table} ORDER BY id"
            ):
                changed += part_digest(table, key, part) != digest
                total.add([digest])
                into.append((key, part))
            if changed or total.value != expected:
                extent = f"{changed} of {len(into)} parts were changed"
                missing = f"the {len(into)} parts are not those of the last checkpoint"
                raise DamagedJournal(self._path, f"{table}: {extent if changed else missing}")
        if not entities:
            return None
        (_, global_part), *others = entities
        return global_part, others, incidents

    def _meta(self, key: str) -> Any:
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]


def _gap(before: int, after: int) -> str:
    if after > before + 1:
        return f"{entries_text(before + 1, after - 1)} before entry {after} is missing"
    return f"entry {after} does not follow entry {before} as it was written"
