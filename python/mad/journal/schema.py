"""The tables of a journal and the migrations from older versions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mad.errors import StateError
from mad.journal.query import LISTED

#: Page size in bytes. Batches are large, so large pages are written faster.
PAGE_BYTES = 16_384
#: Pages of the write-ahead log after which SQLite copies it back into the file.
LOG_PAGES = 1_000
#: Bytes down to which SQLite cuts a longer write-ahead log.
LOG_BYTES = 2 * LOG_PAGES * PAGE_BYTES

#: The columns of judged rows, of endpoints and of whole services.
_OF_ROWS = """(
        at INTEGER NOT NULL, service TEXT NOT NULL, endpoint TEXT NOT NULL,
        req_count INTEGER NOT NULL, error_count INTEGER NOT NULL, avg_latency_ms REAL,
        p95_latency_ms REAL, mad_z REAL NOT NULL, baseline_ms REAL, is_anomaly INTEGER NOT NULL,
        severity INTEGER NOT NULL, data TEXT NOT NULL,
        UNIQUE (at, service, endpoint)
    )"""

# Points are stored in blocks: those of one time that one entry gave, as compressed lines of JSON. A
# row for each point would take longer than judging it, and an index by series would change a page
# for each series of a scrape.
#: Each script raises the version by one. Scripts are only added, never changed.
MIGRATIONS = (
    f"""
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        format TEXT NOT NULL,
        partition TEXT NOT NULL,
        batch_id TEXT,
        naive_offset_seconds INTEGER,
        body BLOB NOT NULL,
        digest BLOB NOT NULL,
        chain BLOB NOT NULL
    );
    CREATE TABLE set_aside (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, format TEXT NOT NULL,
        partition TEXT NOT NULL, batch_id TEXT, naive_offset_seconds INTEGER, body BLOB NOT NULL,
        set_aside_at TEXT NOT NULL, reason TEXT NOT NULL
    );
    CREATE TABLE state (id INTEGER PRIMARY KEY, part BLOB NOT NULL, digest BLOB NOT NULL);
    CREATE TABLE closed_incidents (id TEXT PRIMARY KEY, part BLOB NOT NULL, digest BLOB NOT NULL);
    CREATE TABLE positions (
        source TEXT NOT NULL, part TEXT NOT NULL, position TEXT NOT NULL,
        PRIMARY KEY (source, part)
    ) WITHOUT ROWID;
    CREATE TABLE batches (
        kind TEXT NOT NULL, partition TEXT NOT NULL, batch_id TEXT NOT NULL, digest BLOB NOT NULL,
        seq INTEGER NOT NULL, accepted INTEGER NOT NULL, rejected INTEGER NOT NULL,
        problems TEXT NOT NULL,
        PRIMARY KEY (kind, partition, batch_id)
    );
    CREATE TABLE rows {_OF_ROWS};
    CREATE INDEX rows_of ON rows (service, endpoint, at);
    CREATE INDEX rows_flagged ON rows (at) WHERE is_anomaly;
    CREATE TABLE services {_OF_ROWS};
    CREATE INDEX services_of ON services (service, endpoint, at);
    CREATE TABLE points (
        at INTEGER NOT NULL, seq INTEGER NOT NULL, number INTEGER NOT NULL,
        flagged INTEGER NOT NULL, body BLOB NOT NULL,
        UNIQUE (at, seq)
    );
    CREATE INDEX points_flagged ON points (at) WHERE flagged > 0;
    CREATE TABLE log_lines (
        seq INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL, service TEXT NOT NULL,
        level TEXT NOT NULL, body TEXT NOT NULL, trace_id TEXT,
        UNIQUE (seq, position)
    );
    CREATE INDEX log_lines_at ON log_lines (at);
    CREATE TABLE failures (
        seq INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL,
        trace_id TEXT NOT NULL, service TEXT NOT NULL, endpoint TEXT NOT NULL,
        status TEXT NOT NULL, duration_ms REAL NOT NULL,
        span_id TEXT NOT NULL, parent_id TEXT NOT NULL,
        UNIQUE (seq, position)
    );
    CREATE INDEX failures_at ON failures (at);
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, service TEXT NOT NULL,
        endpoint TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
        severity TEXT NOT NULL, status TEXT NOT NULL, data TEXT NOT NULL, document TEXT NOT NULL
    );
    CREATE INDEX incidents_start ON incidents (start DESC, id);
    CREATE INDEX incidents_listed ON incidents (start DESC, id) WHERE {LISTED};
    CREATE INDEX incidents_of ON incidents (service, endpoint, start DESC);
    CREATE TABLE history (
        seq INTEGER NOT NULL, position INTEGER NOT NULL, change TEXT NOT NULL,
        incident TEXT NOT NULL, at INTEGER NOT NULL, data TEXT NOT NULL,
        UNIQUE (seq, position)
    );
    CREATE INDEX history_of ON history (incident, seq, position);
    CREATE TABLE notes (
        id INTEGER PRIMARY KEY AUTOINCREMENT, incident TEXT NOT NULL, written_at TEXT NOT NULL,
        who TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
    );
    CREATE INDEX notes_of ON notes (incident, id);
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER UNIQUE, refused INTEGER NOT NULL,
        written_at TEXT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
        outcome TEXT NOT NULL, text TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX audit_of ON audit (refused, id);
    CREATE TABLE alerts (
        seq INTEGER NOT NULL, position INTEGER NOT NULL, incident TEXT NOT NULL,
        event TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL,
        UNIQUE (seq, position)
    );
    CREATE INDEX alerts_of ON alerts (incident, seq, position);
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, position INTEGER NOT NULL,
        incident TEXT NOT NULL, event TEXT NOT NULL, sink TEXT NOT NULL, status TEXT NOT NULL,
        attempts INTEGER NOT NULL, hold_until INTEGER NOT NULL, hold_seconds REAL NOT NULL,
        created_at TEXT NOT NULL, finished_at TEXT NOT NULL, reason TEXT NOT NULL
    );
    CREATE INDEX deliveries_of ON deliveries (incident, sink, status);
    CREATE INDEX deliveries_due ON deliveries (sink, status, id);
    CREATE INDEX deliveries_number ON deliveries (seq, position);
    CREATE VIEW all_rows AS SELECT * FROM rows UNION ALL SELECT * FROM services;
    CREATE VIEW features AS SELECT at, service, endpoint, req_count, error_count, avg_latency_ms,
        p95_latency_ms FROM rows;
    """,
)


def version_of(connection: sqlite3.Connection, name: str) -> int:
    """The version of the tables; 0 for a new file.

    Raises `StateError` when the journal is of a newer version or the file is not a journal.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StateError(
            f"{name}: written by a newer version (format {version}, this one knows "
            f"{len(MIGRATIONS)})",
            "upgrade mad, or give another --data",
        )
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables:
        raise StateError(f"{name}: this database is not a mad journal", "give another --data")
    return int(version)


def changed_schema(connection: sqlite3.Connection) -> str:
    """The first table, index or view that is missing or changed, or a trigger, because it could
    change later writes; empty when there is none. The file has the version of this program."""
    with contextlib.closing(sqlite3.connect(":memory:")) as new:
        migrate(new, "")
        expected = dict(_objects(new))
    found = dict(_objects(connection))
    for name, text in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != text:
            return f"{name} was changed"
    triggers = [name for name in found if name.startswith("trigger ")]
    return f"{triggers[0]} is not part of a journal" if triggers else ""


def _objects(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master")
    return ((f"{kind} {name}", sql) for kind, name, sql in rows if not name.startswith("sqlite_"))


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Migrates the tables to this version, one transaction a step. Raises `StateError`."""
    version = version_of(connection, name)
    for step in range(version, len(MIGRATIONS)):
        script = f"BEGIN IMMEDIATE; {MIGRATIONS[step]} PRAGMA user_version = {step + 1}; COMMIT;"
        connection.executescript(script)


def connect(path: Path) -> sqlite3.Connection:
    """Opens or creates the database for the one writer. Raises `sqlite3.Error` and `StateError`."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Deleted pages are overwritten when their space is needed, not before.
        db.execute("PRAGMA secure_delete = OFF")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        migrate(db, str(path))
    except BaseException:
        db.close()
        raise
    return db
