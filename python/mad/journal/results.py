"""Results that one process sends to another: rows for the tables as messages, and back."""

from __future__ import annotations

import json
import zlib
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
#: Blocks of points of one message at most, so that each has a number; the last number is that of
#: the points that the second stage gives.
_BLOCKS = 4_096
#: Bytes of a hand-over, which is compressed in a message.
_HANDOVER_BYTES = 16 << 20

#: A letter for each column: text, JSON, a block of points or a hand-over, an integer or a number,
#: in capitals where it may be null.
_ROW = "ittiiFFfFiij"
#: The columns of each table, without the number of the entry and the place in it.
_COLUMNS = {
    "rows": _ROW,
    "services": _ROW,
    "points": "iiib",
    "log_lines": "itttT",
    "failures": "ittttftt",
    "history": "ttij",
    "handed": "h",
}
#: How many columns of a table stand before these in the journal: the number of the entry and the
#: place in it. Those of points stand elsewhere.
_LEADING = {"log_lines": 2, "failures": 2, "history": 2}


def messages(
    writes: TableWrites, of: str, number: int, handed: Sequence[bytes] = ()
) -> Iterator[bytes]:
    """The results of a partition as messages, each of which can be read alone. `of` names the
    partition, `number` its commit. `handed` is what the second stage groups."""
    tables: dict[str, list[Sequence[Any]]] = {}
    size = 0
    for table, record in _records(writes, handed):
        length = len(str(record))
        if size and (size + length > MESSAGE_BYTES or len(tables.get("points", ())) >= _BLOCKS - 1):
            yield _message(tables, of, number)
            tables, size = {}, 0
        tables.setdefault(table, []).append(record)
        size += length
    if tables:
        yield _message(tables, of, number)


def _records(writes: TableWrites, handed: Sequence[bytes]) -> Iterator[tuple[str, Sequence[Any]]]:
    """All records with their tables, in the order of the messages."""
    for at, _, number, flagged, body in writes.points:
        yield "points", (at, number, flagged, b64encode(body).decode("ascii"))
    for table in ("rows", "services", "log_lines", "failures", "history"):
        for record in getattr(writes, table):
            yield table, record[_LEADING.get(table, 0) :]
    for one in handed:
        yield "handed", (b64encode(zlib.compress(one, 1)).decode("ascii"),)


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
    if column == "h":
        _handover(value)
    return True


def _handover(text: str) -> bytes:
    """A hand-over of its text. Raises ValueError."""
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(b64decode(text, validate=True), _HANDOVER_BYTES)
    except zlib.error as error:
        raise ValueError(f"a hand-over cannot be decompressed: {error}") from error
    if not reader.eof or reader.unused_data:
        raise ValueError(f"a hand-over is cut, or has more than {_HANDOVER_BYTES} bytes")
    return found


def handovers(tables: dict[str, list[list[Any]]]) -> list[bytes]:
    """What a checked message hands over to the second stage."""
    return [_handover(text) for (text,) in tables.get("handed", ())]


def last_block(seq: int) -> int:
    """The number of the blocks of points that the second stage gives with the entry `seq`."""
    return _BLOCKS * seq + _BLOCKS - 1


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
        history=numbered("history"),
    )


def count(tables: dict[str, list[list[Any]]]) -> int:
    """Number of the records of a message."""
    return sum(len(records) for records in tables.values())
