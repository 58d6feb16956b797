"""Checks the numbers of a report page and of the text of `mad explain` against an incident."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
from rich.console import Console
from truth_files import moment
from truth_numbers import NUMBER, VALUE, quantity

from mad.report import text

Json = dict[str, Any]
_MEASURED = re.compile(rf"(?<![\w.^-]){NUMBER} (?:ms|%|s|B|kB|MB|GB)(?![\w])")

_LENGTH = re.compile(r"(?<![\w.])(?:(\d+) h )?(?:(\d+) min )?(\d+) s(?!\w)")


class _Article(HTMLParser):
    """The visible text of the article with an id, without drawings."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.inside, self.drawn = name, False, 0
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self.inside = dict(attrs).get("id") == self.name
        self.drawn += tag == "svg"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "article"
        self.drawn -= tag == "svg"

    def handle_data(self, data: str) -> None:
        if self.inside and not self.drawn:
            self.parts.append(" ".join(data.split()))


def sentences(incident: Json) -> list[str]:
    """All sentences of the explanation of an incident."""
    out: list[str] = []
    for content in incident["explanation"].values():
        out.extend([content] if isinstance(content, str) else content)
    return out


def check_page(incident: Json, page: str) -> list[str]:
    """What the page says of an incident that its document does not."""
    article = _Article(incident["id"])
    article.feed(page)
    shown = "\n".join(part for part in article.parts if part)
    if not shown:
        return []
    left = shown
    explanation = incident["explanation"]
    found = []
    for name in ("root_cause", "first_failure", *explanation):
        content = explanation[name]
        if name in ("line", "severity_evidence", "confidence"):
            continue
        for sentence in [content] if isinstance(content, str) else content:
            if sentence not in shown:
                found.append(f"the page lacks {name}: {sentence!r}")
            left = left.replace(sentence, "")
    start, end, opened = (moment(incident[name]) for name in ("start", "end", "opened_at"))
    lengths = {int(time / np.timedelta64(1, "s")) for time in (end - start, opened - start)}
    for length in _LENGTH.finditer(left):
        parts = zip(length.groups(), (3600, 60, 1), strict=True)
        if sum(int(count or 0) * scale for count, scale in parts) not in lengths:
            found.append(f"the page says {length[0]}: known are {sorted(lengths)} s")
    left = _LENGTH.sub("", left)
    known = _values(incident)
    for value in _MEASURED.findall(left):
        if not any(quantity(value, signal).is_close(number) for signal, number in known):
            found.append(f"the page says {value}, which is no value of the incident")
    facts = re.search(r"(\d[\d,]*) of (\d[\d,]*) requests? failed", left)
    said = tuple(int(part.replace(",", "")) for part in facts.groups()) if facts else None
    door = incident["front_door"]
    if said is not None and said != (door["errors"], door["requests"]):
        found.append(f"the page says {said}: {door['errors']} of {door['requests']}")
    rows = re.search(r"(\d[\d,]*) flagged rows?", left)
    if rows and int(rows[1].replace(",", "")) != incident["rows"]:
        found.append(f"the page says {rows[1]} rows, not {incident['rows']}")
    usual = set(re.findall(rf"\(usual ({VALUE})\)", " ".join(sentences(incident))))
    for value in re.findall(rf"strongest deviation .+?, usual ({VALUE})", left):
        if value not in usual and not any(value in one for one in sentences(incident)):
            found.append(f"the page says usual {value}, the explanation {sorted(usual)}")
    return found


def check_text(incident: Json) -> list[str]:
    """What `mad explain` leaves out of the explanation of an incident."""
    out = io.StringIO()
    text.print_incident(Console(file=out, width=10_000), incident, full=True)
    shown = " ".join(out.getvalue().split())
    missing = []
    for name, content in incident["explanation"].items():
        if name in ("line", "severity_evidence"):
            continue
        for sentence in [content] if isinstance(content, str) else content:
            if " ".join(sentence.split()) not in shown:
                missing.append(f"mad explain lacks {name}: {sentence!r}")
    return missing


def _values(incident: Json) -> list[tuple[str, float]]:
    """All values of an incident's document with their signals."""
    known = []
    fields = ("value", "usual", "expected", "expected_low", "expected_high")
    for one in (incident, *incident["members"]):
        for signal, peak in (one.get("peaks") or {}).items():
            known += [(signal, peak[name]) for name in fields if peak[name] is not None]
    for culprit in incident["ranking"]["culprits"]:
        for item in culprit["evidence"]:
            signal = item["signal"]
            known += [(signal, item[n]) for n in fields if item.get(n) is not None]
            shown = re.findall(rf"(?<= ){VALUE}(?= \(usual)|(?<=usual ){VALUE}", item["text"])
            known += [(signal, quantity(value, signal).value) for value in shown]
    return known
