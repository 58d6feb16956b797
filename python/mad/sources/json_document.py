"""Files that hold one JSON document instead of JSON Lines."""

from __future__ import annotations

import json
import re

from mad import _core
from mad.errors import InputError

_EVENTS = re.compile(rb'\{\s*"events"\s*:\s*\[')


def is_document(first: bytes) -> bool:
    """Whether the beginning of a file is that of a JSON array, of an object over several lines, of
    `{"events": [...]}`, or of a single JSON value."""
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[":
        # a log may begin with a time in brackets
        return not re.match(rb"\[[\w:/ +.-]+\][^,\s\]]?.", text) or _is_json(text)
    if text[:1] != b"{":
        return _is_json(text)
    line, has_more, _ = text.partition(b"\n")
    return bool(_EVENTS.match(text)) or bool(has_more and not _is_json(line) and _continues(line))


def lines(content: bytes, name: str) -> bytes:
    """The records of a document as JSON Lines.

    Raises `InputError` when the content is no JSON, or holds no record.
    """
    try:
        found = _core.json_lines(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise InputError(
            f"{name} is not valid JSON: {error}",
            "write an array of objects, or one object a line",
        ) from error
    if not found:
        raise InputError(f"{name} is a JSON array without a record", "check the export")
    if found[:1] != b"{":
        value = found.partition(b"\n")[0].decode("utf-8", "replace")
        raise InputError(
            f"{name} is JSON without records: {value[:40]} stands where an object is needed",
            "write an array of objects, or one object a line",
        )
    return found


def _continues(line: bytes) -> bool:
    """Whether the first line of an object leaves it open."""
    return not line.rstrip().endswith(b"}")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
