"""Statements about a detection document that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mad import times
from mad._core import Catalogue
from mad.config.catalogue import ENGLISH
from mad.report import words
from mad.severity import SEVERITIES

Json = Mapping[str, Any]


def label(name: str, catalogue: Catalogue = ENGLISH) -> str:
    """A heading or the name of a field of an explanation."""
    return catalogue.text(f"label.{name}")


def incidents(document: Json) -> list[Json]:
    """The incidents, newest first."""
    return list(document.get("incidents") or [])


def top_incident(found: Sequence[Json]) -> Json | None:
    """The incident to read first: the most severe, then open ones, then the longest, then the
    newest."""

    def order(incident: Json) -> tuple[int, bool, float]:
        severity = incident.get("severity")
        rank = -SEVERITIES.index(severity) if severity in SEVERITIES else 1
        rows = incident.get("rows")
        return rank, not is_open(incident), -float(rows) if words.is_number(rows) else 0.0

    return min(found, key=order, default=None)


def is_open(incident: Json) -> bool:
    """Whether the incident is not resolved."""
    return incident.get("status") != "resolved" and not incident.get("closed_at")


def bounds(incident: Json, step: float) -> tuple[datetime | None, datetime | None]:
    """Start and end of an incident; an empty interval lasts one step."""
    start = times.time_or_none(incident.get("start"))
    end = times.time_or_none(incident.get("end")) or start
    if start is not None and start == end:
        end = start + timedelta(seconds=step)
    return start, end


def culprit_of(incident: Json) -> Json | None:
    """The most likely culprit: the first of the ranking, else the incident's own culprit."""
    ranked = (incident.get("ranking") or {}).get("culprits") or []
    return ranked[0] if ranked else incident.get("culprit")


def peaks(incident: Json) -> list[dict[str, Any]]:
    """The extreme value of each flagged signal, the largest deviation first."""
    flagged = set(incident.get("signals") or [])
    found: list[dict[str, Any]] = []
    for name, peak in (incident.get("peaks") or {}).items():
        if flagged and name not in flagged:
            continue
        low, high = peak.get("expected_low"), peak.get("expected_high")
        value = peak.get("value")
        below = words.is_number(value) and words.is_number(low) and value < low
        above = words.is_number(value) and words.is_number(high) and value > high
        # an incident without requests is one of metrics, whatever their names
        is_metric = words.unit_of(name) == "share" and not incident.get("requests")
        signal = words.of_metric(name) if is_metric else name
        base, usual, expected = _base(peak, signal)
        # A factor over a value near zero would be huge and without meaning.
        large = above and words.is_number(usual) and 0 < 2 * usual <= value <= 1000 * usual
        found.append(
            {
                "signal": name,
                "name": words.visible(name) if is_metric else words.signal_name(name),
                "value": words.quantity(value, signal),
                "expected": expected,
                "z": words.z_score(peak.get("z")),
                "size": abs(peak["z"]) if words.is_number(peak.get("z")) else 0.0,
                "below": below,
                "times": f"{words.significant(value / usual, 2)} times the {base}" if large else "",
                "at": times.time_or_none(peak.get("at")),
            }
        )
    return sorted(found, key=lambda peak: -float(peak["size"]))


def _base(peak: Json, signal: str) -> tuple[str, Any, str]:
    """What a peak is compared with: its name, its number, and a remark on it.

    The explanation quotes the usual value, so this does too; the range only stands in for it.
    """
    usual, high = peak.get("usual", peak.get("expected")), peak.get("expected_high")
    if words.is_number(usual):
        text = f"usual {words.quantity(usual, signal)}"
        return text, usual, text
    between = words.quantity_range(peak.get("expected_low"), high, signal)
    remark = f"expected {between}" if between != words.DASH else ""
    return f"expected maximum {words.quantity(high, signal)}", high, remark


def peaks_text(incident: Json, limit: int = 2) -> str:
    """`p95 latency 5,100 ms (usual 361 ms), error rate 31 % (usual 3 %)`."""
    parts = [
        f"{peak['name']} {peak['value']}" + (f" ({peak['expected']})" if peak["expected"] else "")
        for peak in peaks(incident)[:limit]
    ]
    if parts:
        return ", ".join(parts)
    return ", ".join(words.signal_name(name) for name in incident.get("signals") or [])


def headline(document: Json) -> tuple[str, str]:
    """A headline sentence, and a second sentence with the peaks and the culprit.

    Inputs that were not read come first, because the results do not speak of them.
    """
    problem = words.visible(document.get("problem") or "")
    lost = [words.visible(one) for one in document.get("lost_services") or []]
    if not problem and lost:
        title, lead = _result(document)
        others = f" and of {words.plural(len(lost) - 1, 'other service')}" if lost[1:] else ""
        return f"{lost[0]}{others}. {title}", lead
    if not problem:
        return _result(document)
    hint = words.visible(document.get("hint") or "").rstrip(".")
    remedy = f"{hint[:1].upper()}{hint[1:]}." if hint else "Correct the input and repeat the run."
    if not document.get("accepted"):
        return problem, f"Nothing was analysed. {remedy}"
    title, lead = _result(document)
    return problem, f"{remedy} In the records that were accepted: {title}. {lead}"


def _result(document: Json) -> tuple[str, str]:
    """The headline of the incidents."""
    found = incidents(document)
    top = top_incident(found)
    if top is None:
        if not document.get("requests") and not document.get("points"):
            return "No requests were read", "There is nothing to report."
        flagged, whose = judged(document)[1], "endpoint"
        interval = "minute" if document.get("step_seconds") in (None, 60) else "interval"
        if of_metrics(document):
            interval, whose = "point", "metric"
        outcome = (
            f"{words.plural(flagged, interval)} flagged, too briefly or too weakly for an incident."
            if flagged
            else f"Every {interval} was within the normal range of its {whose}."
        )
        if not flagged and (new := _learning(document)):
            outcome = (
                f"{new}: lower guard.warm_up_minutes and guard.min_points, or give earlier data"
                " with --history."
            )
        return (
            "No incident found",
            f"{analysed(document)} were analysed. {outcome}{failures(document)}",
        )
    step = float(document.get("step_seconds") or 60)
    start, end = bounds(top, step)
    peak = next(iter(peaks(top)), None)
    if peak is not None:
        trouble = f"{peak['name']} {'below' if peak['below'] else 'above'} normal"
        if not peak["below"] and peak["expected"]:
            trouble = f"{peak['name']} {peak['value']} ({peak['expected']})"
        if peak["times"]:
            trouble = f"{peak['name']} {peak['times']}"
    else:
        trouble = "unusual behaviour"
    title = f"{words.short(words.entity(top), 90)}: {trouble}"
    if start is not None:
        dated = not same_day(document)
        title += (
            f" since {times.moment(start)}"
            if is_open(top)
            else (f", {times.span(start, end, with_day=dated)}")
        )
    culprit = culprit_of(top)
    if culprit is None:
        blame = "No single culprit stands out."
    elif words.entity(culprit) == words.entity(top):
        blame = f"The most likely culprit is {words.entity(culprit)} itself."
    else:
        blame = f"The most likely culprit is {words.entity(culprit)}."
    measured = peaks_text(top)
    measured = f"Strongest deviations: {measured}. " if measured else ""
    others = len(found) - 1
    more = f" {words.plural(others, 'more incident')} below." if others else ""
    return title, f"{measured}{blame}{more}"


def _learning(document: Json) -> str:
    """`All 7 metrics are too new to be judged`, where nothing has passed its warm-up; else empty.

    Failing requests are judged from the first row on."""
    counts = document.get("state_counts") or {}
    new = int(counts.get("unknown") or 0)
    if not new or new < sum(counts.values()):
        return ""
    what = "metric" if of_metrics(document) else "endpoint"
    if document.get("points") and document.get("requests"):
        what = "signal"
    which = f"The only {what} is" if new == 1 else f"All {words.plural(new, what)} are"
    except_for = "" if what == "metric" else ", except for failing requests"
    return f"{which} too new to be judged{except_for}"


def failures(document: Json) -> str:
    """` 826 of 12,086 requests failed (6.8 %), at rates that are usual for their endpoints.` Empty
    without failed requests."""
    failed, requests = int(document.get("errors") or 0), int(document.get("requests") or 0)
    if not failed or not requests:
        return ""
    share = words.quantity(failed / requests, words.SHARE)
    return (
        f" {failed:,} of {words.plural(requests, 'request')} failed ({share}), at rates that are"
        " usual for their endpoints."
    )


def of_metrics(document: Json) -> bool:
    """Whether the document covers metrics and no requests."""
    return bool(document.get("points")) and not document.get("requests")


def analysed(document: Json) -> str:
    """`10,000 requests to 12 endpoints and 400 points of 2 metrics`, as far as the document has
    them."""
    parts = []
    if not of_metrics(document):
        # With metrics beside requests, `entities` also counts services, so that it is left out.
        entities = words.plural(document.get("entities"), "endpoint")
        whose = "" if document.get("points") else f" to {entities}"
        parts.append(words.plural(document.get("requests"), "request") + whose)
    if document.get("points"):
        points = words.plural(document["points"], "point")
        parts.append(f"{points} of {words.plural(document.get('series'), 'metric')}")
    return " and ".join(parts)


def judged(document: Json) -> tuple[int, int]:
    """The number of judged rows and points, and how many of them were flagged."""
    rows = int(document.get("rows") or 0) + int(document.get("points") or 0)
    return rows, int(document.get("flagged") or 0) + int(document.get("flagged_points") or 0)


def same_day(document: Json) -> bool:
    """Whether the whole run lies within one day, so that times need no date."""
    first, last = (times.time_or_none(document.get(key)) for key in ("first", "last"))
    return first is not None and last is not None and first.date() == last.date()


def rejected_source(record: Json, document: Json) -> str:
    """The name of the input of a rejected record, if there were several inputs."""
    source = record.get("source")
    names = document.get("sources") or []
    if isinstance(source, int) and 0 <= source < len(names):
        return words.visible(names[source])
    return "" if source is None else words.visible(source)


def unflagged(document: Json) -> list[dict[str, str]]:
    """Entities that are not flagged now, worst first: name, state, reason and start of the
    state."""
    return [
        status(state)
        for state in document.get("states") or []
        if isinstance(state, Mapping) and state.get("state") != "anomalous"
    ]


def status(state: Json) -> dict[str, str]:
    """An entity's state as text."""
    metric = words.visible(state.get("metric") or "")
    since = times.time_or_none(state.get("since"))
    return {
        "name": f"{words.entity(state)} {metric}".strip(),
        "state": words.state(state.get("state")),
        "reason": words.visible(state.get("reason") or ""),
        "since": times.moment(since) if since else words.DASH,
    }


def states_line(document: Json) -> str:
    """`2 anomalous, 9 normal`: the number of entities in each state."""
    counts = document.get("state_counts") or {}
    rows = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{words.count(n)} {words.state(name).lower()}" for name, n in rows)


def suppressed(document: Json) -> list[tuple[str, str, int]]:
    """Why deviating rows were not flagged: name, sentence and number of rows, most frequent
    first."""
    counts = document.get("suppressed") or {}
    rows = [(*words.suppression(reason), int(n)) for reason, n in counts.items() if n]
    return sorted(rows, key=lambda row: -row[2])


_FINDINGS = ("root_cause", "first_failure", "impact")
_REASONS = (
    "why_flagged",
    "log_evidence",
    "chain",
    "likely_causes",
    "recommended_actions",
    "checks",
)


def findings(explanation: Json, catalogue: Catalogue = ENGLISH) -> list[tuple[str, list[str]]]:
    """The most likely root cause, the first failure and the impact, each with its heading."""
    return _parts(explanation, _FINDINGS, catalogue)


def reasons(explanation: Json, catalogue: Catalogue = ENGLISH) -> list[tuple[str, list[str]]]:
    """The other lists of an explanation that are not empty, each with its heading."""
    return _parts(explanation, _REASONS, catalogue)


def parts(incident: Json, catalogue: Catalogue = ENGLISH) -> list[tuple[str, list[str]]]:
    """Everything that an explanation lists, and earlier incidents of the same fault, each with its
    heading."""
    explanation = incident.get("explanation") or {}
    found = [*findings(explanation, catalogue), *reasons(explanation, catalogue)]
    earlier = similar(incident, catalogue)
    return [*found, *([(label("earlier", catalogue), earlier)] if earlier else [])]


def blamed(incident: Json, catalogue: Catalogue = ENGLISH) -> str:
    """The name of the culprit, or that none is known."""
    culprit = culprit_of(incident)
    return words.entity(culprit) if culprit else label("unclear", catalogue)


def confidence(explanation: Json, catalogue: Catalogue = ENGLISH) -> str:
    """The confidence: `High`; empty where it is unknown."""
    name = words.visible(explanation.get("confidence") or "")
    return label(name.lower(), catalogue) if name in ("High", "Medium", "Low") else name


def severity(name: Any, catalogue: Catalogue = ENGLISH) -> str:
    """The name of a severity."""
    text = words.visible(name or "Info")
    return catalogue.text(f"severity.{text.lower()}") if text in SEVERITIES else text


def _parts(
    explanation: Json, names: Sequence[str], catalogue: Catalogue
) -> list[tuple[str, list[str]]]:
    found = []
    for name in names:
        content = explanation.get(name) or []
        items = [content] if isinstance(content, str) else list(content)
        if items:
            found.append((label(name, catalogue), [words.visible(item) for item in items]))
    return found


def similar(incident: Json, catalogue: Catalogue = ENGLISH) -> list[str]:
    """`2026-01-05 10:00 to 10:12 UTC (Warning, INC-12)`: earlier incidents of the same fault."""
    found = []
    for one in incident.get("similar") or []:
        start, end = (times.time_or_none(one.get(key)) for key in ("start", "end"))
        name = words.visible(one.get("id") or "")
        found.append(
            f"{times.span(start, end)} ({severity(one.get('severity'), catalogue)}, {name})"
        )
    return found


def rejected_line(document: Json) -> str:
    """`3 of 524 records were rejected; the others were used`."""
    rejected = int((document.get("rejected") or {}).get("total") or 0)
    accepted = int(document.get("requests") or 0) + int(document.get("points") or 0)
    if not accepted:
        return f"None of the {words.plural(rejected, 'record')} could be read"
    verb = "was" if rejected == 1 else "were"
    total = words.plural(rejected + accepted, "record")
    return f"{words.count(rejected)} of {total} {verb} rejected; the others were used"
