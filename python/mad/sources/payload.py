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
#: The byte order mark of UTF-8.
_MARK = b"\xef\xbb\xbf"
#: What takes the place of a payload that is no message of protobuf: a tag that none has, so that it
#: is refused wherever it stands.
_NO_MESSAGE = b"\x07"
#: Bytes of a number of protobuf at most.
_LONGEST_NUMBER = 10
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
        payloads = [_line(one) if one else one for one in payloads]
    elif format == "otlp-pb":
        payloads = [one if not one or _is_whole(one) else _NO_MESSAGE for one in payloads]
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
    """JSON of several lines, or an array, as one object a line.

    Other content becomes one line that is refused as JSON. The begin of a batch decides how all of
    it is read, so that the header of a CSV file or half an array would cost the records of all
    messages after it.
    """
    payload = payload.removeprefix(_MARK)
    begin = payload.lstrip(b" \t\r\n")[:1]
    if begin == b"{" and b"\n" not in payload:
        return payload
    if begin in (b"{", b"["):
        try:
            return _core.json_lines(payload).rstrip(b"\n")
        except ValueError:
            if begin == b"{":  # JSON Lines
                return payload
    return b"{" + payload.replace(b"\n", b" ") if begin else b""


def _is_whole(payload: bytes) -> bool:
    """Whether each field of a message of protobuf ends within it.

    The payloads of a batch follow each other without anything between them. The length of a field
    that ends behind its payload would take the records of the next one, without an error.
    """
    at, end = 0, len(payload)
    while at < end:
        tag, at = _number(payload, at)
        match tag & 7:
            case 0:
                at = _number(payload, at)[1]
            case 1:
                at += 8
            case 2:
                length, at = _number(payload, at)
                at += length
            case 5:
                at += 4
            case _:
                return False
    return at == end


def _number(payload: bytes, at: int) -> tuple[int, int]:
    """The variable-length integer at a place, and the place after it: behind the end for none."""
    number = 0
    for place, byte in enumerate(payload[at : at + _LONGEST_NUMBER]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    return 0, len(payload) + 1
