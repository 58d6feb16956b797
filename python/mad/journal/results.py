"""Results that one process sends to another: rows for the tables as messages, and back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

from mad import _core
from mad.journal.entries import Record, TableWrites

#: Version of the messages.
VERSION = 1
#: Bytes of the records of one message. A record alone may be larger.
MESSAGE_BYTES = 400_000
#: Blocks of points of one message at most, so that each has a number.
_BLOCKS = 4_096

#: A letter for each column: text, JSON or a block of points, an integer or a number, in capitals
#: where it may be null.
_ROW = "ittiiFFfFiij"
#: The columns of each table, without the number of the entry and the place in it.
_COLUMNS = {
    "rows": _ROW,
    "services": _ROW,
    "points": "iiib",
    "log_lines": "itttT",
    "failures": "ittttftt",
    "incidents": "ttttiittjj",
    "history": "ttij",
}
#: How many columns of a table stand before these in the journal: the number of the entry and the
#: place in it. Those of points stand elsewhere.
_LEADING = {"log_lines": 2, "failures": 2, "history": 2}


def messages(writes: TableWrites, of: str, number: int) -> Iterator[bytes]:
    """The results of a partition as messages, each of which can be read alone. `of` names the
    partition, `number` its commit. An incident stands in the message of its changes."""
    tables: dict[str, list[Sequence[Any]]] = {}
    size = 0
    for unit in _units(writes):
        length = sum(len(str(record)) for _, record in unit)
        if size and (size + length > MESSAGE_BYTES or len(tables.get("points", ())) >= _BLOCKS):
            yield _message(tables, of, number)
            tables, size = {}, 0
        for table, record in unit:
            tables.setdefault(table, []).append(record)
        size += length
    if tables:
        yield _message(tables, of, number)


def _units(writes: TableWrites) -> Iterator[list[tuple[str, Sequence[Any]]]]:
    """Records that belong into one message."""
    for at, _, number, flagged, body in writes.points:
        yield [("points", (at, number, flagged, b64encode(body).decode("ascii")))]
    for table in ("rows", "services", "log_lines", "failures"):
        for record in getattr(writes, table):
            yield [(table, record[_LEADING.get(table, 0) :])]
    # of each incident the newest record, which has all that came before
    newest = {str(record[0]): record for record in writes.incidents}
    changes: dict[str, list[tuple[str, Sequence[Any]]]] = {}
    for record in writes.history:
        changes.setdefault(str(record[3]), []).append(("history", record[2:]))
    for incident, record in newest.items():
        yield [("incidents", record), *changes.pop(incident, [])]
    yield from changes.values()


def _message(tables: dict[str, list[Sequence[Any]]], of: str, number: int) -> bytes:
    document = {"version": VERSION, "of": of, "number": number, "tables": tables}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def check_message(body: bytes) -> dict[str, list[list[Any]]]:
    """The records of a message by table. Raises ValueError for a message that is none."""
    try:
        document = json.loads(body)
        version, tables = document["version"], document["tables"]
        known = {table: list(records) for table, records in tables.items()}
    except (RecursionError, TypeError, AttributeError, KeyError) as error:
        raise ValueError("the message holds no results of mad") from error
    if version != VERSION:
        raise ValueError(f"the results have version {version!r}; this program knows {VERSION}")
    try:
        _check(known)
    except RecursionError as error:
        raise ValueError("the results are nested too deep") from error
    return known


def _check(known: dict[str, list[list[Any]]]) -> None:
    for table, records in known.items():
        if (columns := _COLUMNS.get(table)) is None:
            raise ValueError(f"the results have the unknown table {table!r}")
        for record in records:
            if not isinstance(record, list) or len(record) != len(columns):
                raise ValueError(f"a result of the table {table} has not {len(columns)} columns")
            if not all(map(_fits, record, columns)):
                raise ValueError(f"a result of the table {table} has a value of a wrong type")


def _fits(value: Any, column: str) -> bool:
    match column:
        case "i":
            return isinstance(value, int) and -(2**63) <= value < 2**63
        case "f" | "F":
            is_number = isinstance(value, (int, float)) and not isnan(value)
            return is_number or (column == "F" and value is None)
        case "T" if value is None:
            return True
    if not isinstance(value, str):
        return False
    # Raises UnicodeEncodeError, a ValueError, for half of a surrogate pair.
    encoded = value.encode()
    if column == "j":
        return isinstance(json.loads(encoded), dict)
    if column == "b":
        _core.stored_points([b64decode(encoded, validate=True)])
    return True


def writes_of(tables: dict[str, list[list[Any]]], seq: int) -> TableWrites:
    """The records of a checked message as those of the entry `seq`."""

    def numbered(table: str) -> list[Record]:
        return [(seq, place, *record) for place, record in enumerate(tables.get(table, ()))]

    def plain(table: str) -> list[Record]:
        return [tuple(record) for record in tables.get(table, ())]

    return TableWrites(
        rows=plain("rows"),
        services=plain("services"),
        points=[
            (at, _BLOCKS * seq + place, number, flagged, b64decode(body))
            for place, (at, number, flagged, body) in enumerate(tables.get("points", ()))
        ],
        log_lines=numbered("log_lines"),
        failures=numbered("failures"),
        incidents=plain("incidents"),
        history=numbered("history"),
    )


def count(tables: dict[str, list[list[Any]]]) -> int:
    """Number of the records of a message."""
    return sum(len(records) for records in tables.values())
