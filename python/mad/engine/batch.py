"""What is handed to the engine, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mad.errors import MissingExtraError
from mad.journal import Entry


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one kind as they came: bytes of CSV, JSON Lines or an Arrow stream."""

    kind: str
    body: bytes
    encoding: str = "text"
    partition: str = ""
    batch_id: str | None = None
    naive_offset_seconds: int | None = None

    def entry(self) -> Entry:
        """As it stands in the journal."""
        return Entry(
            self.kind,
            self.body,
            self.encoding,
            self.partition,
            self.batch_id,
            self.naive_offset_seconds,
        )


@dataclass(frozen=True, slots=True)
class IngestReceipt:
    """What became of a batch that is on the disk now."""

    seq: int
    accepted: int
    rejected: int
    #: Reasons, counts and first positions, as JSON.
    problems: str
    repeated: bool = False

    def answer(self, batch_id: str | None = None) -> dict[str, Any]:
        """As a response tells it."""
        return {
            "accepted": self.accepted,
            "rejected": self.rejected,
            "repeated": self.repeated,
            "seq": self.seq,
            "batch_id": batch_id,
            "problems": json.loads(self.problems)["first"] if self.rejected else [],
        }


def decoded(entry: Entry) -> Any:
    """The records of an entry as the core takes them.

    Raises
    ------
    ValueError
        The body is no Arrow stream.
    """
    if entry.encoding != "arrow":
        return entry.body
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            "an Arrow stream needs pyarrow", "pip install 'mad-py[pyarrow]'"
        ) from error
    try:
        with pa.ipc.open_stream(entry.body) as stream:
            return stream.read_all()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"no stream of Arrow IPC: {error}") from error
