"""What a run accepted of its inputs, and why that was too little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mad.sources.files import InputFile

_JUDGED = ("requests", "metrics", "spans", "logs")
"""Kinds whose absence leaves nothing to judge. No change and no edge is a possible truth."""


def problem(
    document: Mapping[str, Any], sources: Sequence[tuple[str, InputFile]]
) -> tuple[str | None, str]:
    """The sentence about inputs that were not read, and the remedy; None when enough was accepted.

    The core finds the inputs of which too many records were rejected. This adds inputs without any
    record, and inputs of which every record had been accepted before.
    """
    found, hint = document.get("problem"), _hint(document)
    if found is not None:
        return str(found), hint
    if document.get("accepted"):
        return None, ""
    warnings = document.get("warnings") or []
    if (document.get("rejected") or {}).get("total"):
        return "; ".join(warnings) or "No record was accepted", hint
    judged = [source.name for kind, source in sources if kind in _JUDGED or ":" in kind]
    if not judged:
        return None, ""
    remedy = "check the export or the query behind it"
    if warnings:
        remedy = "correct the input as the checks below say"
    return f"There is no record in {_listed(judged)}", remedy


def summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of accepted and rejected records for the top of a file."""
    rejected = document.get("rejected") or {}
    return {
        "accepted": document.get("accepted", 0),
        "rejected": rejected.get("total", 0),
        "problem": document.get("problem"),
        "hint": document.get("hint") or "",
        "lost_services": list(document.get("lost_services") or []),
        "warnings": list(document.get("warnings") or []),
    }


def _hint(document: Mapping[str, Any]) -> str:
    """The remedy for the most frequent fault."""
    rejected = document.get("rejected") or {}
    counts = rejected.get("counts") or {}
    first = sorted(
        rejected.get("first") or [], key=lambda one: -int(counts.get(one.get("reason"), 0))
    )
    return str(first[0].get("hint") or "") if first else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} other inputs"
