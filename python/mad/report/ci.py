"""Results for continuous integration: JUnit XML, and annotations of GitHub Actions."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree

from mad.report.markdown import plain
from mad.report.words import visible

Json = Mapping[str, Any]
FAILING = ("Warning", "Critical")
"""The severities that are failures unless a gate selects others."""
MOST_ANNOTATIONS = 10
"""GitHub shows at most this number of annotations of each level for a step."""
_LEVELS = {"Critical": "error", "Warning": "warning"}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(
    incidents: Sequence[Json],
    services: Sequence[str],
    gate: Sequence[str] = FAILING,
    problem: str = "",
) -> bytes:
    """A report in the form of JUnit: a test for each incident, and one for each service without an
    incident. An incident fails when its severity is in `gate`. A run with a `problem`, such as
    input that could not be read, is a test with an error."""
    cases: list[ElementTree.Element] = []
    for incident in incidents:
        name = f"{_endpoint(incident)} {incident.get('start') or ''}".strip()
        case = _case(str(incident.get("service") or "?"), name)
        explanation = incident.get("explanation") or {}
        lines = [
            *explanation.get("why_flagged", ()),
            *explanation.get("log_evidence", ()),
            *explanation.get("impact", ()),
            *explanation.get("recommended_actions", ()),
        ]
        is_failure = incident.get("severity") in gate
        inner = ElementTree.SubElement(case, "failure" if is_failure else "system-out")
        if is_failure:
            inner.set("type", _text(incident.get("severity")))
            inner.set("message", _text(_line(incident)))
            lines.insert(0, str(explanation.get("summary") or ""))
        else:
            lines.insert(0, _line(incident))
        inner.text = _text("\n".join(filter(None, lines)))
        cases.append(case)
    found = {str(incident.get("service")) for incident in incidents}
    cases += [_case(one, "no incident") for one in services if one not in found]
    if problem:
        cases.append(_case("detect", "input"))
        ElementTree.SubElement(cases[-1], "error", {"message": _text(problem)})
    counts = {"tests": str(len(cases))}
    for name, tag in (("failures", "failure"), ("errors", "error")):
        counts[name] = str(sum(case.find(tag) is not None for case in cases))
    top = ElementTree.Element("testsuites", {"name": "mad", **counts})
    suite = ElementTree.SubElement(top, "testsuite", {"name": "mad", **counts, "skipped": "0"})
    suite.extend(cases)
    ElementTree.indent(top)
    text: bytes = ElementTree.tostring(top, "utf-8", xml_declaration=True)
    return text + b"\n"


def is_github(asked: str | None) -> bool:
    """Whether to write annotations: as asked, else when this runs in GitHub Actions."""
    return asked == "github" if asked is not None else os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(incidents: Sequence[Json], stream: TextIO) -> None:
    """Writes an annotation for each of the most severe incidents, and the table of all of them to
    the summary of the step."""
    counts: dict[str, int] = {}
    for incident in sorted(incidents, key=_order):
        level = _LEVELS.get(str(incident.get("severity")), "notice")
        counts[level] = counts.get(level, 0) + 1
        if counts[level] <= MOST_ANNOTATIONS:
            title = f"{incident.get('severity')}: {_place(incident)}"
            summary = (incident.get("explanation") or {}).get("summary") or _line(incident)
            text = f"{summary} Culprit: {_culprit(incident)}."
            stream.write(f"::{level} title={_property(title)}::{_message(text)}\n")
    stream.flush()
    if summary_file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary_file).open("a", encoding="utf-8") as file:
            file.write(markdown(incidents))


def markdown(incidents: Sequence[Json]) -> str:
    """A table of incidents in Markdown."""
    if not incidents:
        return "### mad: no incidents\n"
    rows = [
        (
            plain(one.get("severity")),
            plain(_place(one)),
            plain(one.get("start")),
            plain(_culprit(one)),
        )
        for one in sorted(incidents, key=_order)[:100]
    ]
    word = "incident" if len(incidents) == 1 else "incidents"
    lines = [
        f"### mad: {len(incidents)} {word}",
        "",
        "| severity | service and endpoint | start | culprit |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _case(service: str, name: str) -> ElementTree.Element:
    return ElementTree.Element(
        "testcase", {"classname": f"mad.{_text(service)}", "name": _text(name), "time": "0"}
    )


def _order(incident: Json) -> tuple[int, str]:
    severity = str(incident.get("severity"))
    place = FAILING[::-1].index(severity) if severity in FAILING else len(FAILING)
    return place, str(incident.get("start"))


def _line(incident: Json) -> str:
    return str((incident.get("explanation") or {}).get("line") or _place(incident))


def _endpoint(incident: Json) -> str:
    return str(incident.get("endpoint") or "(service)")


def _place(incident: Json) -> str:
    return f"{incident.get('service') or '?'} {incident.get('endpoint') or ''}".strip()


def _culprit(incident: Json) -> str:
    culprit = incident.get("culprit")
    return _place(culprit) if isinstance(culprit, Mapping) else "none stands out"


def _text(value: Any) -> str:
    """Text without the characters that XML cannot represent."""
    return _NO_XML.sub("\ufffd", str(value))


def _message(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
