"""Fuzz targets of bytes that mad wrote, moved through other programs and reads again: states and
results in topics of Kafka, rows in PostgreSQL, parts of a partitioned input, catalogues."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from mad import partition
from mad.config.catalogue import read
from mad.group.saved import PoisonRecord, SavedState, SaveRecord, SentRecord, record_of
from mad.journal.entries import TableWrites
from mad.journal.postgres.columns import Table, row_digest
from mad.journal.postgres.copying import Marker, changed_keys
from mad.journal.results import check_message, messages, writes_of

_FILE = Path(tempfile.mkdtemp()) / "catalogue.toml"
#: A table without a rowid, and one with.
_TABLES = (
    Table("parts", ("id", "body"), ("TEXT", "BLOB"), ("id",), None),
    Table("rows", ("id", "text", "x"), ("INTEGER", "TEXT", "REAL"), (), "id"),
)
_SAVE = SaveRecord(
    of="g.t", number=3, previous=2, position=10, seq=4, chunks=1, entities=1, incidents=1
)
_RECORDS = {
    "save": record_of(_SAVE),
    "sent": record_of(SentRecord(number=4, position=12, ticks=[[1, 2]])),
    "poison": record_of(PoisonRecord(careful=(1, 2), skipped=[4])),
}
_REQUESTS = {
    "timestamp": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(60)],
    "service": ["a"] * 60,
    "endpoint": ["/"] * 60,
    "status_code": [200] * 60,
    "latency_ms": [20.0 + minute % 7 for minute in range(60)],
}
_SURVEY = partition.survey("a", requests=_REQUESTS)
_PLAN = partition.plan([_SURVEY])
_PART = partition.judge(_PLAN, "a", requests=_REQUESTS)
_CATALOGUE = """language = "de"
[signal]
error_rate = "Fehlerquote"
[count]
row = { one = "{n} Zeile", other = "{n} Zeilen" }
"""


def group(data: bytes) -> None:
    """Messages of a partition in the topic of states; the first byte names the changed one."""
    names = list(_RECORDS)
    changed, number = names[data[0] % 3] if data else "save", 3 + (data[0] // 3 % 3 if data else 0)
    saved = SavedState()
    for key, value in (("g0", b"x"), ("e5", b"y"), ("iabc", b"z"), ("save", _RECORDS["save"])):
        saved.take(key, 3, value)
    saved.take(changed, number, data[1:])
    saved.take(data[1:20].decode("utf-8", "backslashreplace"), number, data)
    saved.state()
    saved.sent_to()
    saved.poison.after(1, 5)


def results(data: bytes) -> None:
    """A message of results."""
    writes_of(check_message(data), 1)


def copy(data: bytes) -> None:
    """Texts of the copy in PostgreSQL: exact rows, keys of transactions, a marker."""
    text = data.decode("utf-8", "replace")
    Marker.of(text)
    for table in _TABLES:
        values = [None] * len(table.columns)
        table.row_of((1, row_digest(table.name, 1, values), text, *values))
    changed_keys(text, {"rows", "parts"}, "here")


def parts(data: bytes) -> None:
    """A survey, a plan or a part; the first byte says which."""
    what, content = data[0] % 3 if data else 0, data[1:]
    if what == 0:
        partition.judge(partition.plan([content]), "a", requests=_REQUESTS)
    elif what == 1:
        partition.judge(content, "a", requests=_REQUESTS)
    else:
        partition.combine(_PLAN, [content])


def catalogue(data: bytes) -> None:
    """A file with the texts of a language."""
    _FILE.write_bytes(data)
    read(_FILE)


def _result_seeds() -> list[bytes]:
    row = (1, "a", "b", 1, 2, 0.5, None, 0.1, 1.5, 3, 4, "{}")
    writes = TableWrites(
        rows=[row],
        log_lines=[(1, 0, 5, "a", "b", "c", None)],
        history=[(1, 0, "i", "open", 1, "{}")],
    )
    return [*messages(writes, "g.t", 3), b'{"version":1,"of":"g.t","number":1,"tables":{}}']


def _copy_seeds() -> list[bytes]:
    texts = (
        Marker("journal", 7, "token").text(),
        json.dumps({"rows": [1, 2], "parts": ['["a"]']}),
        json.dumps([1, "text", 0.5]),
        json.dumps(["a", {"hex": "00ff"}]),
    )
    return [text.encode() for text in texts]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "group": (group, lambda: [bytes([n]) + one for n, one in enumerate(_RECORDS.values())]),
    "results": (results, _result_seeds),
    "copy": (copy, _copy_seeds),
    "parts": (parts, lambda: [b"\0" + _SURVEY, b"\1" + _PLAN, b"\2" + _PART]),
    "catalogue": (catalogue, lambda: [_CATALOGUE.encode()]),
}
