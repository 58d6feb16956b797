"""The outbox of notifications: alerts (one per event of an incident) and their deliveries to sinks.

An alert is a result of an entry, so that a replay writes it again under the same number, and the
table keeps one. Its deliveries are written in the same commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mad.journal.entries import Alert, utc_now

#: Most deliveries that one look finds.
MOST_DUE = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on its way to one sink. `hold_seconds` and `hold_until` (event time) say how
    long it may still be withdrawn, `known` whether the sink has had a message of the incident,
    `outdated` whether it has had a later one."""

    id: int
    seq: int
    position: int
    incident: str
    event: str
    attempts: int
    hold_until: int
    hold_seconds: float
    created_at: str
    document: str
    known: int
    outdated: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to deliveries: `pending` (it is tried again), `sent`, `dropped` or `dead`."""

    ids: tuple[int, ...]
    status: str
    reason: str = ""
    is_attempt: bool = True


def write_alerts(db: sqlite3.Connection, alerts: Sequence[Alert]) -> None:
    """Writes new alerts with their deliveries; known ones stay as they are. The caller holds a
    transaction."""
    for alert in alerts:
        number = (alert.seq, alert.position)
        is_new = db.execute(
            "INSERT OR IGNORE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*number, alert.incident, alert.event, alert.at, alert.state, alert.document),
        ).rowcount
        for sink in alert.sinks if is_new else ():
            if _concerns(db, alert, sink):
                db.execute(
                    "INSERT INTO deliveries (seq, position, incident, event, sink, status, "
                    "attempts, hold_until, hold_seconds, created_at, finished_at, reason) "
                    "VALUES (?, ?, ?, ?, ?, 'pending', 0, ?, ?, ?, '', '')",
                    (
                        *number,
                        alert.incident,
                        alert.event,
                        sink,
                        alert.hold_until,
                        alert.hold_seconds,
                        utc_now(),
                    ),
                )


def _concerns(db: sqlite3.Connection, alert: Alert, sink: str) -> bool:
    """Whether a sink needs a message. One that is still to hear of the end of an incident needs
    none about the end and the return; one that never had a message of the incident needs none about
    its end."""
    if alert.event == "reopened":
        withdrawn = db.execute(
            "UPDATE deliveries SET status = 'dropped', finished_at = ?, reason = 'it reopened' "
            "WHERE (incident, sink, event, status) = (?, ?, 'resolved', 'pending')",
            (utc_now(), alert.incident, sink),
        )
        return withdrawn.rowcount == 0
    if alert.event in ("resolved", "culprit_changed"):
        known = db.execute(
            "SELECT 1 FROM deliveries WHERE (incident, sink) = (?, ?) AND status <> 'dropped'",
            (alert.incident, sink),
        )
        return known.fetchone() is not None
    return True


#: The deliveries that wait for a sink, of some severities.
DUE = (
    "SELECT d.id, d.seq, d.position, d.incident, d.event, d.attempts, d.hold_until, "
    "d.hold_seconds, d.created_at, a.document, sent.last IS NOT NULL, sent.last > d.id "
    "FROM deliveries AS d JOIN alerts AS a USING (seq, position) LEFT JOIN "
    "(SELECT incident, sink, max(id) AS last FROM deliveries WHERE status = 'sent' "
    "GROUP BY incident, sink) AS sent ON (sent.incident, sent.sink) = (d.incident, d.sink) "
    "WHERE (d.sink, d.status) = (?, 'pending') AND "
    "json_extract(a.document, '$.incident.severity') IN (SELECT value FROM json_each(?)) "
    f"ORDER BY d.id LIMIT {MOST_DUE}"
)
#: The number of deliveries by sink and status.
COUNTS = "SELECT sink, status, count(*) FROM deliveries GROUP BY sink, status"


def listing(names: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """The query of deliveries, newest first, by the values of columns, and its values; a limit and
    an offset follow."""
    given = {name: value for name, value in names.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in given) or "1"
    query = (
        "SELECT id, sink, status, event, incident, attempts, created_at, finished_at, reason "
        f"FROM deliveries WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?"
    )
    return query, list(given.values())


def write_outcome(db: sqlite3.Connection, outcome: Outcome) -> None:
    """Writes the outcome of deliveries; the caller holds a transaction."""
    finished = "" if outcome.status == "pending" else utc_now()
    fields = (outcome.status, outcome.reason[:500], finished, int(outcome.is_attempt))
    db.executemany(
        "UPDATE deliveries SET status = ?, reason = ?, finished_at = ?, attempts = attempts + ? "
        "WHERE id = ?",
        [(*fields, one) for one in outcome.ids],
    )


def retry(db: sqlite3.Connection, sink: str, ids: Iterable[int]) -> int:
    """Makes dead deliveries pending again: of a sink, or all of it when there are no ids; returns
    their number. The caller holds a transaction."""
    revive = "UPDATE deliveries SET status = 'pending', attempts = 0, finished_at = '' "
    if chosen := list(ids):
        return sum(
            db.execute(f"{revive} WHERE id = ? AND status = 'dead'", (one,)).rowcount
            for one in chosen
        )
    return db.execute(f"{revive} WHERE (sink, status) = (?, 'dead')", (sink,)).rowcount


def last_states(db: sqlite3.Connection, seq: int) -> Iterator[tuple[str, str, str]]:
    """Incident, event and state of the newest alert of each incident, as of an entry."""
    yield from db.execute(
        "SELECT incident, event, state FROM (SELECT *, row_number() OVER (PARTITION BY incident "
        "ORDER BY seq DESC, position DESC) AS place FROM alerts WHERE seq <= ?) WHERE place = 1",
        (seq,),
    )


def forget_alerts(db: sqlite3.Connection, most: int) -> None:
    """Deletes the oldest alerts beyond a number, and their deliveries. The caller holds a
    transaction."""
    db.execute(
        "DELETE FROM alerts WHERE rowid <= (SELECT max(rowid) FROM alerts) - ?",
        (most,),
    )
    db.execute(
        "DELETE FROM deliveries WHERE (seq, position) NOT IN (SELECT seq, position FROM alerts)"
    )
