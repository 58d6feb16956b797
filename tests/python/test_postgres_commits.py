"""Commits in PostgreSQL and in the file: broken connections, full disks, crashes between them.
`make test-real` names a missing server."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_peer import NEEDED, Postgres, content, opened, postgres, restored, write

from mad.journal import Entry, JournalFailed, TableWrites
from mad.journal.postgres.session import PostgresFailed, Session

pytestmark = NEEDED


@pytest.fixture(scope="module")
def peer() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_commit_of_unknown_outcome_was_not_made(
    peer: Postgres, tmp_path: Path, is_committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"unknown_{is_committed}".lower()
    journal = opened(peer, name, tmp_path / "one")
    assert write(journal, 1) == 1
    before = journal.positions("tail")
    assert journal.mirror is not None
    session = journal.mirror._session
    run = session.run

    def failing(work: Any, **given: Any) -> Any:
        if is_committed:
            run(work, **given)
        raise PostgresFailed("the connection was lost")

    for _ in range(2):
        monkeypatch.setattr(session, "run", failing)
        with pytest.raises(JournalFailed, match="the connection was lost"):
            write(journal, 2)
        with pytest.raises(JournalFailed):
            journal.note("i", "ann", "comment", "lost")
        assert journal.problem() and journal.positions("tail") == before
        monkeypatch.setattr(session, "run", run)
    assert write(journal, 3) == 2
    assert journal.problem() == ""
    assert [one.body for one in journal.entries()] == [b"body \0 1", b"body \0 3"]
    journal.close()
    kept = content(tmp_path / "one")
    assert kept["notes"] == []
    assert restored(peer, name, tmp_path / "two") == kept


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_commit_on_a_connection_that_ended_is_sent_again(
    peer: Postgres, tmp_path: Path, is_committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"again_{is_committed}".lower()
    journal = opened(peer, name, tmp_path / "one")
    assert journal.mirror is not None
    session = journal.mirror._session
    run = session.run

    def failing(work: Any, **given: Any) -> Any:
        monkeypatch.setattr(session, "run", run)
        if is_committed:
            run(work, **given)
        raise PostgresFailed("the connection was lost")

    monkeypatch.setattr(session, "run", failing)
    assert write(journal, 1) == 1
    # sessions that the administrator ends
    peer.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
        session.application,
    )
    assert write(journal, 2) == 2
    journal.close()
    assert restored(peer, name, tmp_path / "two") == content(tmp_path / "one")


def test_a_commit_that_still_runs_is_waited_for(
    peer: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection breaks while PostgreSQL still works on the commit: the one that is sent again
    has to see its rows."""
    monkeypatch.setattr("mad.journal.postgres.mirror.RETRY_SECONDS", 600.0)
    journal = opened(peer, "running", tmp_path / "one", timeout_seconds=60)
    write(journal, 1)
    assert journal.mirror is not None
    session, options = journal.mirror._session, journal.mirror._options
    run, locking, other = session.run, Session(options, "locking"), Session(options, "other")

    async def lock(remote: Any) -> None:
        await remote.execute("BEGIN; SELECT FROM mad_running.head FOR UPDATE")

    def until(waiting: int) -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        for _ in range(600):
            if peer.sql(query) == [(waiting,)]:
                return
            time.sleep(0.02)
        raise AssertionError(peer.sql(query))

    def failing(work: Any, **given: Any) -> Any:
        monkeypatch.setattr(session, "run", run)
        running.append(threading.Thread(target=other.run, args=(work,), kwargs=given))
        running[0].start()
        until(1)
        running.append(threading.Thread(target=release))
        running[1].start()
        raise PostgresFailed("the connection was lost")

    def release() -> None:
        until(2)
        locking.run(lambda remote: remote.execute("COMMIT"))

    running: list[threading.Thread] = []
    locking.run(lock)
    monkeypatch.setattr(session, "run", failing)
    assert write(journal, 2) == 2
    for thread in running:
        thread.join(60)
    for one in (locking, other):
        one.close()
    assert write(journal, 3) == 3
    journal.close()
    assert restored(peer, "running", tmp_path / "two") == content(tmp_path / "one")


def test_a_full_disk_undoes_the_commit_in_postgresql(peer: Postgres, tmp_path: Path) -> None:
    journal = opened(peer, "full", tmp_path / "one")
    write(journal, 1)
    journal.limit_growth(0)
    large = [Entry("requests", bytes(2_000_000))]
    with pytest.raises(JournalFailed, match="full"):
        journal.append(large, TableWrites())
    journal.limit_growth(None)
    assert write(journal, 2) == 2
    journal.close()
    assert restored(peer, "full", tmp_path / "two") == content(tmp_path / "one")


def test_a_crash_between_the_two_commits_keeps_the_entry(peer: Postgres, tmp_path: Path) -> None:
    journal = opened(peer, "between", tmp_path / "one")
    write(journal, 1)

    copy = sqlite3.connect(tmp_path / "copy.db")
    journal._db.backup(copy)
    copy.close()
    write(journal, 2)
    journal.close()
    # the file as it was before the second commit
    for ending in ("", "-wal", "-shm"):
        (tmp_path / "one" / f"mad.db{ending}").unlink(missing_ok=True)
    (tmp_path / "copy.db").rename(tmp_path / "one" / "mad.db")
    again = opened(peer, "between", tmp_path / "one")
    assert [one.seq for one in again.entries()] == [1, 2]
    assert again.batch(("requests", "", "key-2")) is not None
    again.close()


def test_large_commits_are_sent_in_pieces(
    peer: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mad.journal.postgres.changes.CHUNK_ROWS", 7)
    journal = opened(peer, "pieces", tmp_path / "one")
    lines = [(1, place, place, "shop", "INFO", "text", None) for place in range(100)]
    journal.append([Entry("logs", b"body")], TableWrites(log_lines=lines))
    journal.append([Entry("logs", b"body")], TableWrites(log_lines=lines[:50]))
    journal.close()
    assert restored(peer, "pieces", tmp_path / "two") == content(tmp_path / "one")


def test_a_commit_that_something_else_made_is_found(peer: Postgres, tmp_path: Path) -> None:
    journal = opened(peer, "foreign", tmp_path / "one")
    peer.sql("UPDATE mad_foreign.head SET txn = txn + 5")
    with pytest.raises(JournalFailed, match="something else wrote it"):
        write(journal, 1)
    peer.sql("UPDATE mad_foreign.head SET txn = txn - 5")
    assert write(journal, 1) == 1
    journal.close()
