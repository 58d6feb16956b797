"""The statements that PostgreSQL runs: the tables of a journal, and one statement for a commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mad.journal.postgres.changes import TableChange
from mad.journal.postgres.columns import Table

#: Parameters of a commit before those of the tables: the fence, the transactions that it may
#: follow, its number and token, the newest entry with its chain, the number of commits, and the
#: keys of the rows that it changes (JSON).
HEAD_PARAMETERS = 8
#: The transactions whose keys are kept, so that a directory that is behind reads changed rows only.
KEPT_CHANGES = 20_000


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def creation(schema: str, tables: Sequence[Table], journal: str, version: int) -> list[str]:
    """The statements that create the tables of a journal without a commit."""
    made = [
        f"CREATE TABLE {schema}.head (journal text NOT NULL, format int NOT NULL, "
        "fence bigint NOT NULL, txn bigint NOT NULL, token text NOT NULL, seq bigint NOT NULL, "
        "chain bytea NOT NULL, commits bigint NOT NULL, base bigint NOT NULL) "
        "WITH (fillfactor = 50)",
        f"INSERT INTO {schema}.head VALUES ('{journal}', {version}, 0, 0, '', 0, '', 0, 0)",
        f"CREATE TABLE {schema}.changes (txn bigint NOT NULL, keys text NOT NULL)",
        f"CREATE INDEX ON {schema}.changes (txn)",
        f"CREATE TABLE {schema}.lease (fence bigint NOT NULL, holder text NOT NULL, "
        "renewed_at timestamptz NOT NULL) WITH (fillfactor = 50)",
        f"INSERT INTO {schema}.lease VALUES (0, '', '-infinity')",
        f"CREATE TABLE {schema}.totals (name text PRIMARY KEY, rows bigint NOT NULL, "
        "total numeric NOT NULL) WITH (fillfactor = 50)",
    ]
    for table in tables:
        place = f"{schema}.{quoted(table.name)}"
        columns = ", ".join(
            f"{quoted(name)} {kind}"
            for name, kind in zip(table.columns, table.remote_types, strict=True)
        )
        made.append(
            f"CREATE TABLE {place} (mad_id {table.key_type} PRIMARY KEY, "
            f"mad_digest bigint NOT NULL, mad_exact text, {columns})"
        )
        # a body has the size of a tenth then, where PostgreSQL has lz4
        made.extend(
            f"DO $do$ BEGIN ALTER TABLE {place} ALTER COLUMN {quoted(name)} SET COMPRESSION lz4; "
            f"EXCEPTION WHEN feature_not_supported THEN ALTER TABLE {place} "
            f"ALTER COLUMN {quoted(name)} SET STORAGE EXTERNAL; END $do$"
            for name, kind in zip(table.columns, table.remote_types, strict=True)
            if kind == "bytea"
        )
        made.append(f"INSERT INTO {schema}.totals VALUES ('{table.name}', 0, 0)")
    return made


def selection(schema: str, table: Table, *, some: bool = False) -> str:
    """The query of all rows of a table, or of `some` keys, in the order of their keys."""
    columns = ", ".join(quoted(name) for name in table.columns)
    where = f"WHERE mad_id = ANY($1::{table.key_type}[]) " if some else ""
    return (
        f"SELECT mad_id, mad_digest, mad_exact, {columns} FROM {schema}.{quoted(table.name)} "
        f"{where}ORDER BY mad_id"
    )


def commit(schema: str, changes: Sequence[TableChange]) -> tuple[str, list[Any]]:
    """The statement that writes changes if the fence and the transaction are the expected ones, and
    its parameters after those of the head. It returns whether it wrote.

    All parts of a statement see the tables as they were before it, so that `old` has the checksums
    of the rows that are replaced and deleted.
    """
    parts = [
        f"head AS (UPDATE {schema}.head SET txn = $3, token = $4, seq = $5, chain = $6, "
        "commits = $7 WHERE fence = $1 AND txn = ANY($2::bigint[]) RETURNING 1)",
        f"changed AS (INSERT INTO {schema}.changes SELECT $3, $8::text "
        "WHERE EXISTS (SELECT FROM head))",
        # rarely, because the index has the deleted keys until the next vacuum
        f"forgotten AS (DELETE FROM {schema}.changes WHERE $3 % 100 = 0 "
        f"AND txn <= $3 - {KEPT_CHANGES} AND EXISTS (SELECT FROM head))",
    ]
    values: list[Any] = []

    def parameter(value: Any, kind: str) -> str:
        values.append(value)
        return f"${HEAD_PARAMETERS + len(values)}::{kind}"

    for number, change in enumerate(changes):
        table, rows = change.table, change.rows
        place = f"{schema}.{quoted(table.name)}"
        keys = parameter(change.keys(), f"{table.key_type}[]")
        parts.append(
            f"old{number} AS (SELECT count(*) AS rows, coalesce(sum(mad_digest), 0) AS total "
            f"FROM {place} WHERE mad_id = ANY({keys}))"
        )
        if change.gone:
            gone = parameter(change.gone, f"{table.key_type}[]")
            parts.append(
                f"gone{number} AS (DELETE FROM {place} WHERE mad_id = ANY({gone}) "
                "AND EXISTS (SELECT FROM head))"
            )
        if rows:
            names = ["mad_id", "mad_digest", "mad_exact", *(quoted(one) for one in table.columns)]
            kinds = [table.key_type, "bigint", "text", *table.remote_types]
            arrays = ", ".join(
                parameter(column, f"{kind}[]")
                for column, kind in zip(map(list, zip(*rows, strict=True)), kinds, strict=True)
            )
            replaced = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
            parts.append(
                f"new{number} AS (INSERT INTO {place} ({', '.join(names)}) "
                f"SELECT * FROM unnest({arrays}) WHERE EXISTS (SELECT FROM head) "
                f"ON CONFLICT (mad_id) DO UPDATE SET {replaced})"
            )
        added = parameter(len(rows), "bigint")
        total = parameter(str(sum(row[1] for row in rows)), "text")
        parts.append(
            f"total{number} AS (UPDATE {schema}.totals SET "
            f"rows = rows + {added} - (SELECT rows FROM old{number}), "
            f"total = total + {total}::numeric - (SELECT total FROM old{number}) "
            f"WHERE name = '{table.name}' AND EXISTS (SELECT FROM head))"
        )
    return f"WITH {', '.join(parts)} SELECT EXISTS (SELECT FROM head)", values
