"""Finds out whether a database can have the copy of a journal, for `mad doctor`."""

from __future__ import annotations

from typing import Any

from mad.config.server import JournalOptions
from mad.journal.postgres.session import PostgresFailed, Session, place_of
from mad.journal.postgres.statements import quoted


def examine(options: JournalOptions) -> str:
    """The version of PostgreSQL and the holder of the journal. Changes nothing.

    Raises ValueError with the problem and its remedy, `MissingExtraError` without asyncpg.
    """
    place, schema = place_of(options), f"mad_{options.name}"
    session = Session(options, "doctor")
    try:
        found = session.run(lambda remote: _read(remote, schema))
    except PostgresFailed as error:
        raise ValueError(f"{error}: start PostgreSQL, or correct server.journal") from None
    finally:
        session.close()
    if found["encoding"] != "UTF8":
        raise ValueError(
            f"{place}: the encoding is {found['encoding']}: create the database with ENCODING UTF8"
        )
    if found["fsync"] != "on":
        raise ValueError(f"{place}: fsync is off, so that a crash loses batches: turn it on")
    if not found["may_create"]:
        raise ValueError(
            f"{place}: the role cannot create the schema {schema}: GRANT CREATE ON DATABASE, or "
            "create the schema for it"
        )
    if found["transaction"] is None:
        state = f"the journal {options.name!r} is new"
    else:
        holder = found["holder"] or "no server"
        state = f"{holder} writes {schema}, which has {found['transaction']} commits"
    return f"PostgreSQL {found['version']} at {place}; {state}"


async def _read(remote: Any, schema: str) -> dict[str, Any]:
    row = await remote.fetchrow(
        "SELECT current_setting('server_version') AS version, "
        "current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync, "
        "CASE WHEN to_regnamespace($1) IS NULL "
        "THEN has_database_privilege(current_database(), 'CREATE') "
        "ELSE has_schema_privilege(to_regnamespace($1)::oid, 'CREATE') END AS may_create, "
        "to_regclass($1 || '.head') IS NOT NULL AS exists",
        quoted(schema),
    )
    found = {**row, "transaction": None, "holder": ""}
    if found["exists"]:
        found["transaction"] = await remote.fetchval(f"SELECT txn FROM {quoted(schema)}.head")
        found["holder"] = await remote.fetchval(f"SELECT holder FROM {quoted(schema)}.lease")
    return found
