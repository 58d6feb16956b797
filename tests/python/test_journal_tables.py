"""Records of results in the tables of the journal."""

from __future__ import annotations

import sqlite3

import pytest

from mad.journal.entries import TableWrites
from mad.journal.schema import migrate
from mad.journal.tables import write_tables

TOGETHER = 80


@pytest.mark.parametrize("count", [0, 1, TOGETHER - 1, TOGETHER, 2 * TOGETHER, 2 * TOGETHER + 1])
def test_every_record_is_written_once_and_the_last_one_of_a_key_stays(count: int) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db, "tables")
    lines = [(7, i, 1_000 + i, "till", "error", f"line {i}", None) for i in range(count)]
    repeated = [(*line[:5], "again", "trace") for line in lines[:2]]
    write_tables(db, TableWrites(log_lines=[*lines, *repeated]))
    write_tables(db, TableWrites(log_lines=lines[2:]))
    found = db.execute("SELECT * FROM log_lines ORDER BY position").fetchall()
    assert found == [*repeated, *lines[2:]]
