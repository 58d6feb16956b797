"""Incidents as Markdown, for tickets and chats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mad.report import summary, words

Json = Mapping[str, Any]


def plain(value: Any) -> str:
    """Text of one line; characters with a meaning in Markdown or HTML are written as entities."""
    return re.sub(
        r"[&<>|`*_\[\]\\#]", lambda found: f"&#{ord(found[0])};", words.visible(str(value or ""))
    )


def incident(found: Json, more: Iterable[str] = ()) -> str:
    """The explanation and the ranking of an incident, as `mad explain` prints them. `more` are
    paragraphs to add. Ends with a line end."""
    explanation = found.get("explanation") or {}
    culprit = summary.culprit_of(found)
    blamed = words.entity(culprit) if culprit else "unclear from the evidence"
    lines = [
        f"## {plain(found.get('severity'))}: {plain(words.entity(found))}",
        "",
        plain(explanation.get("summary")),
        "",
        f"**Culprit:** {plain(blamed)}",
    ]
    parts = [*summary.findings(explanation), *summary.reasons(explanation)]
    earlier = summary.similar(found)
    for heading, items in [*parts, *([(summary.EARLIER, earlier)] if earlier else [])]:
        lines += ["", f"**{plain(heading)}**", "", *(f"- {plain(item)}" for item in items)]
    if explanation.get("confidence"):
        rule = plain(explanation.get("confidence_rule"))
        lines += ["", f"**Confidence:** {plain(explanation['confidence'])}. {rule}"]
    culprits = (found.get("ranking") or {}).get("culprits") or ()
    if culprits:
        lines += ["", "**Evidence**", ""]
    for one in culprits:
        lines.append(f"- {plain(words.entity(one))} ({one.get('score', 0):.0%})")
        lines += [f"  - {plain(each.get('text'))}" for each in one.get("evidence") or ()]
    for paragraph in more:
        lines += ["", plain(paragraph)]
    lines += ["", f"Incident {plain(found.get('id'))}"]
    return "\n".join(lines) + "\n"
