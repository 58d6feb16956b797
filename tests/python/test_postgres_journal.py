"""The copy of a journal in PostgreSQL, over a real one: each row, damage, and directories that are
behind or do not fit. `make test-real` names a missing server."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_peer import NEEDED, Postgres, content, opened, postgres, restored, write, written

from mad.config.server import JournalOptions
from mad.errors import ServiceError, StateError
from mad.journal import Entry, Journal, JournalFailed, Mirror, TableWrites
from mad.journal.opening import check_files

pytestmark = NEEDED

#: Tables that the test of every row does not write.
UNUSED = ("alerts", "deliveries", "history", "incidents", "rows", "services")


@pytest.fixture(scope="module")
def peer() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


def test_every_row_comes_back(peer: Postgres, tmp_path: Path) -> None:
    journal = opened(peer, "every", tmp_path / "one")
    for number in range(1, 40):
        write(journal, number)
    journal.checkpoint(
        (b"global", [(1, b"part"), (2, b"other")], [("i", b"closed")]), TableWrites(), 7
    )
    journal.checkpoint((b"later", [(1, None), (3, b"new")], []), TableWrites(), 8)
    write(journal, 40)
    journal.set_aside(Entry("requests", b"bad", seq=40), "it failed")
    journal.note("i", "ann", "comment", "a text")
    journal.write_tables(written(41)[1])
    journal.send_results()
    journal.probe()
    journal.close()
    kept = content(tmp_path / "one")
    kept["meta"] = [row for row in kept["meta"] if row[0] != "probe"]
    assert all(kept[name] for name in kept if name not in UNUSED), kept
    assert restored(peer, "every", tmp_path / "two") == kept


@pytest.mark.parametrize("how", ["changes", "forgotten", "replaced"])
def test_a_directory_that_is_behind_reads_changed_rows(
    peer: Postgres, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "forgotten":
        monkeypatch.setattr("mad.journal.postgres.statements.KEPT_CHANGES", 3)
    name = f"behind_{how}"
    journal = opened(peer, name, tmp_path / "one")
    for number in range(1, 200):
        write(journal, number)
    journal.checkpoint((b"global", [(1, b"part"), (2, b"other")], []), TableWrites(), 7)
    # of the file alone
    journal.write_tables(written(500)[1])
    journal.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    if how == "replaced":
        options = JournalOptions(url=peer.url, name=name, lease_seconds=1.0)
        mirror = Mirror(options, lambda _: None)
        mirror.restore(tmp_path / "one", is_sound=False)
        Journal(tmp_path / "one", mirror=mirror).close()
    journal = opened(peer, name, tmp_path / "one")
    for number in range(200, 210):
        write(journal, number)
    journal.checkpoint((b"later", [(1, None), (3, b"new")], []), TableWrites(), 8)
    journal.move_positions({"tail": {"one": {"offset": 7}, "file \udcff 3": None}})
    journal.close()
    said: list[str] = []
    assert restored(peer, name, tmp_path / "two", said) == content(tmp_path / "one")
    assert said[-1].startswith("read " if how == "changes" else "restored ")
    check_files(tmp_path / "two")


def test_a_server_that_waits_follows_the_holder(peer: Postgres, tmp_path: Path) -> None:
    journal = opened(peer, "followed", tmp_path / "one")
    write(journal, 1)
    said: list[str] = []
    options = JournalOptions(url=peer.url, name="followed", lease_seconds=1.0)
    waiting: list[Mirror] = []
    thread = threading.Thread(
        target=lambda: waiting.append(Mirror(options, said.append, tmp_path / "two"))
    )
    thread.start()
    for _ in range(600):
        if any("restored" in text for text in said):
            break
        time.sleep(0.05)
    write(journal, 2)
    kept = content(tmp_path / "one")
    for _ in range(600):
        if content(tmp_path / "two") == kept:
            break
        time.sleep(0.05)
    assert content(tmp_path / "two") == kept
    journal.close()
    thread.join(30)
    waiting[0].restore(tmp_path / "two")
    waiting[0].close()
    assert "restored" in said[1] and len(said) == 2, said


def test_a_journal_without_a_copy_gets_one(peer: Postgres, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one")
    for number in range(1, 4):
        write(journal, number)
    journal.close()
    opened(peer, "moved", tmp_path / "one").close()
    assert restored(peer, "moved", tmp_path / "two") == content(tmp_path / "one")


def test_other_journals_are_refused(peer: Postgres, tmp_path: Path) -> None:
    for name in ("mine", "other"):
        opened(peer, name, tmp_path / name).close()
    with pytest.raises(StateError, match="this is not the journal of"):
        opened(peer, "other", tmp_path / "mine")
    with pytest.raises(StateError, match="this is not the journal of"):
        options = JournalOptions(url=peer.url, name="other", lease_seconds=1.0)
        with contextlib.closing(Mirror(options, [].append)) as mirror:
            mirror.restore(tmp_path / "mine", is_sound=False)
    # used without its copy, so that the copy is an earlier one
    Journal(tmp_path / "mine").close()
    with pytest.raises(StateError, match="this is not the journal of"):
        opened(peer, "mine", tmp_path / "mine")


def test_a_copy_that_lost_commits_is_refused(peer: Postgres, tmp_path: Path) -> None:
    journal = opened(peer, "behind", tmp_path / "one")
    write(journal, 1)
    journal.close()
    peer.sql("UPDATE mad_behind.head SET txn = txn - 2")
    with pytest.raises(StateError, match=r"2 acknowledged commits that .* has are missing"):
        opened(peer, "behind", tmp_path / "one")
    peer.sql("DROP SCHEMA mad_behind CASCADE")
    opened(peer, "behind", tmp_path / "one").close()
    assert restored(peer, "behind", tmp_path / "two") == content(tmp_path / "one")


@pytest.mark.parametrize("table", ["head", "lease"])
def test_a_table_that_was_emptied_is_named(peer: Postgres, tmp_path: Path, table: str) -> None:
    """The lease cannot be renewed then, which the server says, and no server takes it."""
    name = f"emptied_{table}"
    journal = opened(peer, name, tmp_path / "one")
    mirror = journal.mirror
    assert mirror is not None and mirror.problem() == ""
    peer.sql(f"DELETE FROM mad_{name}.{table}")
    wanted = rf"\"mad_{name}\".{table} has no row, because something else deleted it"
    if table == "lease":
        for _ in range(100):
            if mirror.problem():
                break
            time.sleep(0.05)
        assert re.search(wanted, mirror.problem())
    else:
        with pytest.raises(JournalFailed, match=wanted):
            write(journal, 1)
    journal.close()
    with pytest.raises(ServiceError, match=wanted):
        opened(peer, name, tmp_path / "one")
    peer.sql(f"DROP SCHEMA mad_{name} CASCADE")
    again = opened(peer, name, tmp_path / "one")
    assert write(again, 1) >= 1
    again.close()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("journal", "UPDATE {} SET body = '\\x00'"),
        ("state", "DELETE FROM {} WHERE mad_id = 1"),
        ("meta", "UPDATE {} SET value = '{{}}' WHERE value LIKE '%seq%'"),
        ("log_lines", "UPDATE {} SET mad_exact = '[]'"),
        ("audit", "UPDATE {} SET mad_id = mad_id + 1000"),
        ("batches", "UPDATE {} SET mad_digest = mad_digest + 1"),
        (
            "points",
            "INSERT INTO {} SELECT mad_id + 9, mad_digest, mad_exact, 2, 2, 3, 1, body FROM {}",
        ),
    ],
)
def test_a_changed_row_is_found(peer: Postgres, tmp_path: Path, table: str, change: str) -> None:
    name = f"changed_{table}"
    journal = opened(peer, name, tmp_path / "one")
    write(journal, 1)
    journal.checkpoint((b"global", [(1, b"part")], []), TableWrites(), 1)
    write(journal, 2)
    journal.close()
    peer.sql(change.format(f"mad_{name}.{table}", f"mad_{name}.{table}"))
    with pytest.raises(StateError, match=f"the journal is damaged: .*{table}"):
        restored(peer, name, tmp_path / "two")


@pytest.mark.parametrize(
    "keys", ["{", "[1]", '{"nothing": [1]}', '{"audit": [[1]]}', "[" * 100_000]
)
def test_changed_keys_of_a_transaction_are_found(peer: Postgres, tmp_path: Path, keys: str) -> None:
    """A directory that is behind reads the rows of the transactions since, by their keys."""
    name = f"keys_{len(keys)}"
    journal = opened(peer, name, tmp_path / "one")
    write(journal, 1)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    write(journal, 2)
    journal.close()
    peer.sql(f"UPDATE mad_{name}.changes SET keys = '{keys}'")
    with pytest.raises(StateError, match="the keys of a transaction were changed"):
        restored(peer, name, tmp_path / "two")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"journal": 1, "transaction": "a", "token": 2}', "[" * 100_000]
)
def test_a_file_with_a_damaged_marker_is_not_taken_for_a_copy(
    peer: Postgres, tmp_path: Path, text: str
) -> None:
    name = f"marker_{len(text)}"
    journal = opened(peer, name, tmp_path / "one")
    write(journal, 1)
    journal.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "one" / "mad.db")) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'postgres'", (text,))
        db.commit()
    with pytest.raises(StateError, match="this is not the journal"):
        restored(peer, name, tmp_path / "one")
