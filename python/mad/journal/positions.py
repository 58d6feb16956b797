"""How far sources were read, in the commits of their batches."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mad.journal.entries import SourcePositions


class PositionTable:
    """The positions of sources by their parts, such as files or partitions of a topic.

    A commit that was refused because its file was moved has left positions behind. They are taken
    back with its entries, so that each batch is judged exactly once: when the file returns, and
    also when another process opens it before that.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        #: Positions as they were before a refused commit; None for a part that had none.
        self._before: dict[str, dict[str, Any]] = {}

    def of(self, source: str) -> dict[str, Any]:
        """How far the parts of a source were read, as of the newest commit."""
        found = self._db.execute("SELECT part, position FROM positions WHERE source = ?", (source,))
        stored = {_part(part): json.loads(position) for part, position in found}
        stored.update(self._before.get(source, {}))
        return {part: position for part, position in stored.items() if position is not None}

    def save(self, moved: Sequence[SourcePositions]) -> Callable[[], None]:
        """Saves positions; the caller holds a transaction. Returns what to call when the commit is
        in the file and is refused all the same."""
        self._write(self._before)
        before: dict[str, dict[str, Any]] = {}
        for positions in moved:
            for source, parts in positions.items():
                before.setdefault(source, {}).update(self._known(source, parts))
        for positions in moved:
            self._write(positions)

        def refused() -> None:
            self._before = before

        return refused

    def saved(self) -> None:
        """The commit of the last positions is in the file and acknowledged."""
        self._before = {}

    def _known(self, source: str, parts: Iterable[str]) -> dict[str, Any]:
        """The positions of some parts; None for those without."""
        known: dict[str, Any] = {}
        for part in parts:
            found = self._db.execute(
                "SELECT position FROM positions WHERE (source, part) = (?, ?)",
                (source, _stored(part)),
            ).fetchone()
            known[part] = found and json.loads(found[0])
        return known

    def _write(self, moved: SourcePositions) -> None:
        for source, positions in moved.items():
            for part, position in positions.items():
                place = (source, _stored(part))
                if position is None:
                    self._db.execute("DELETE FROM positions WHERE (source, part) = (?, ?)", place)
                    continue
                text = json.dumps(position, separators=(",", ":"))
                self._db.execute(
                    "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (*place, text)
                )


def _stored(part: str) -> str | bytes:
    """The name of a part of a source. A path that is not UTF-8 is stored as its bytes."""
    try:
        part.encode()
    except UnicodeEncodeError:
        return part.encode("utf-8", "surrogateescape")
    return part


def _part(stored: str | bytes) -> str:
    return os.fsdecode(stored) if isinstance(stored, bytes) else stored
