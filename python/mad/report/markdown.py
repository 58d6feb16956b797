"""Incidents as Markdown, for tickets and chats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mad._core import Catalogue
from mad.config.catalogue import ENGLISH
from mad.report import summary, words

Json = Mapping[str, Any]


def plain(value: Any) -> str:
    """Text of one line; characters with a meaning in Markdown or HTML are written as entities."""
    return re.sub(
        r"[&<>|`*_\[\]\\#]", lambda found: f"&#{ord(found[0])};", words.visible(str(value or ""))
    )


def incident(found: Json, more: Iterable[str] = (), catalogue: Catalogue = ENGLISH) -> str:
    """The explanation and the ranking of an incident, as `mad explain` prints them. `more` are
    paragraphs to add; the headings are in the language of `catalogue`. Ends with a line end."""
    explanation = found.get("explanation") or {}

    def label(name: str) -> str:
        return plain(summary.label(name, catalogue))

    severity = summary.severity(found.get("severity"), catalogue)
    lines = [
        f"## {plain(severity)}: {plain(words.entity(found))}",
        "",
        plain(explanation.get("summary")),
        "",
        f"**{label('culprit')}:** {plain(summary.blamed(found, catalogue))}",
    ]
    for heading, items in summary.parts(found, catalogue):
        lines += ["", f"**{plain(heading)}**", "", *(f"- {plain(item)}" for item in items)]
    if explanation.get("confidence"):
        rule = plain(explanation.get("confidence_rule"))
        confidence = plain(summary.confidence(explanation, catalogue))
        lines += ["", f"**{label('confidence')}:** {confidence}. {rule}"]
    culprits = (found.get("ranking") or {}).get("culprits") or ()
    if culprits:
        lines += ["", f"**{label('evidence')}**", ""]
    for one in culprits:
        lines.append(f"- {plain(words.entity(one))} ({one.get('score', 0):.0%})")
        lines += [f"  - {plain(each.get('text'))}" for each in one.get("evidence") or ()]
    for paragraph in more:
        lines += ["", plain(paragraph)]
    lines += ["", f"{label('incident')} {plain(found.get('id'))}"]
    return "\n".join(lines) + "\n"
