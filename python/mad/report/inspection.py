"""The text of an inspection for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from mad.report.words import visible

_SHOWN = 8
"""Most names that one line lists."""


def print_inspection(console: Console, document: Mapping[str, Any]) -> None:
    """Prints what a file holds, and the command that reads it.

    Lines are not broken: a command with a line break inside could not be copied.
    """
    for line in lines(document):
        console.print(visible(line), soft_wrap=True)


def lines(document: Mapping[str, Any]) -> list[str]:
    """The lines of the text."""
    path = str(document["path"])
    files = document.get("files", 1)
    which = f" ({files} files)" if files > 1 else ""
    out = [f"{path}{which}: {document['format']}, {document['description']}", ""]
    rows = [
        ("records", f"{document['records']:,}{_kinds(document)}"),
        ("rejected", _rejected(document)),
        ("time", _range(document)),
        ("services", _counted(document["services"])),
        ("endpoints", f"{document['endpoints']:,}" if document["endpoints"] else ""),
        ("status", _counted(document["status"])),
        ("levels", _counted(document["levels"])),
        ("errors", f"{document['errors']:,}"),
        ("latency", _latency(document)),
        ("series", f"{document['series']:,}" if document["series"] else ""),
        ("edges", _edges(document)),
        ("fields", ", ".join(f"{field} from {c}" for field, c in document["mapping"].items())),
        ("judged", _judged(document)),
    ]
    out += [f"  {name:10}{text}" for name, text in rows if text]
    for reason, position, detail in document["first_rejected"][:3]:
        out.append(f"  {'':10}record {position} ({reason}): {detail}")
    out += [f"note: {note}" for note in document.get("notes") or []]
    if document["command"]:
        out += ["", f"Next: {document['command']}"]
    elif document["records"]:
        out += ["", "The file holds totals without times of day, so there is nothing to detect in."]
    else:
        out += ["", "No record can be read. Name the format with --format, or give --pattern."]
    return out


def _kinds(document: Mapping[str, Any]) -> str:
    kinds = document["kinds"]
    return f" ({', '.join(f'{n:,} {kind}' for kind, n in kinds.items())})" if kinds else ""


def _judged(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in document["judged"].items())


def _rejected(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in document["rejected"].items()) or "none"


def _range(document: Mapping[str, Any]) -> str:
    first, last = document["first"], document["last"]
    return f"{first} to {last}" if first else ""


def _latency(document: Mapping[str, Any]) -> str:
    n = document["latency_n"]
    if not n:
        return "not stated: only counts and errors are judged" if document["status"] else ""
    total = document["latency_ms_sum"]
    # latencies near the largest number have no sum
    mean = "too large to add up" if total is None else f"mean {total / n:.3g} ms"
    return f"{n:,} with a latency, {mean}"


def _counted(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{name} {n:,}" for name, n in most[:_SHOWN])
    return shown + (f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else "")


def _edges(document: Mapping[str, Any]) -> str:
    edges = [f"{one['caller']} to {one['callee']} {one['calls']:,}" for one in document["edges"]]
    return ", ".join(edges[:_SHOWN]) + (
        f" and {len(edges) - _SHOWN} more" if len(edges) > _SHOWN else ""
    )
