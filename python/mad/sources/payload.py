"""Payloads of messages, and how several of them become one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mad import _core
from mad.sources.protocol import Batch

#: The bytes between two payloads of a format, so that together they are one body of it. Protobuf
#: messages follow each other without any, because repeated fields are merged.
JOINTS: dict[str, bytes] = {
    "json": b"\n",
    "arrow": b"",
    "otlp-pb": b"",
    "otlp-json": b"\n",
    "zipkin": b"\n",
}
#: The name of a payload's format in the journal.
_STORED = {"json": "text"}
#: Kinds of records that payloads may hold.
KINDS = ("requests", "metrics", "spans", "logs", "changes", "edges")


def joined(
    payloads: Sequence[bytes | None], marks: Sequence[tuple[str, Any]], kind: str, format: str
) -> Batch:
    """One batch of payloads, each with its part and the position after it. A payload without bytes,
    such as a tombstone of Kafka, holds no record."""
    joint = JOINTS[format]
    if format == "json":
        payloads = [
            _line(one) if one and (b"\n" in one or one[:1] == b"[") else one for one in payloads
        ]
    pieces = [one for one in payloads if one]
    of_pieces = marks
    if len(pieces) < len(payloads):
        of_pieces = [mark for one, mark in zip(payloads, marks, strict=True) if one]
    return Batch(
        joint.join(pieces),
        dict(marks),
        kind,
        _STORED.get(format, format),
        pieces=pieces,
        marks=of_pieces,
        joint=joint,
    )


def _line(payload: bytes) -> bytes:
    """JSON of several lines, or an array, as one object a line; other content as it is."""
    try:
        return _core.json_lines(payload).rstrip(b"\n") or payload
    except ValueError:
        return payload
