"""Parts of the saved state, and the sums of their checksums."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

from mad.journal.digest import PartSum, part_digest

#: Parts of the state by key; None deletes one.
EntityParts: TypeAlias = Sequence[tuple[int, bytes | None]]
IncidentParts: TypeAlias = Sequence[tuple[str, bytes | None]]
#: What changed since the last checkpoint: the global part, entities and closed incidents.
Delta: TypeAlias = tuple[bytes, EntityParts, IncidentParts]


def save_parts(
    db: sqlite3.Connection, table: str, parts: EntityParts | IncidentParts, total: int
) -> int:
    """Replaces parts of the state by their keys, and deletes those without bytes; the caller holds
    a transaction. Returns the new sum of checksums, of which `total` was the last."""
    digests = PartSum(total)
    replaced: list[bytes] = []
    for key, _ in parts:
        rows = db.execute(f"SELECT digest FROM {table} WHERE id = ?", (key,))
        replaced.extend(digest for (digest,) in rows)
    digests.remove(replaced)
    kept = [(key, part, part_digest(table, key, part)) for key, part in parts if part is not None]
    digests.add(digest for *_, digest in kept)
    db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", kept)
    gone = [(key,) for key, part in parts if part is None]
    db.executemany(f"DELETE FROM {table} WHERE id = ?", gone)
    return digests.value
