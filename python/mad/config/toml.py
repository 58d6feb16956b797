"""Writes nested settings as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def write_toml(fields: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """Nested settings as TOML text; None and empty lists are left out.

    `notes` are comments by dotted path.
    """
    lines: list[str] = []
    _write(lines, fields, "", notes or {})
    return "\n".join(lines).lstrip("\n") + "\n"


def _write(
    lines: list[str], fields: Mapping[str, Any], table: str, notes: Mapping[str, str]
) -> None:
    before = f"{table}." if table else ""
    for name, value in fields.items():
        if value not in (None, []) and not isinstance(value, Mapping) and not _is_tables(value):
            note = notes.get(before + name)
            lines.append(f"{name} = {_scalar(value)}" + (f"  # {note}" if note else ""))
    for name, value in fields.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{before}{name}]"]
            _write(lines, value, before + name, notes)
        elif _is_tables(value):
            note = notes.get(before + name)
            for entry in value:
                lines += ["", f"[[{before}{name}]]" + (f"  # {note}" if note else "")]
                _write(lines, entry, before + name, {})


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value)


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    # JSON scalars are TOML scalars, except for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
