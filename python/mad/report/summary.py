"""What the terminal and the page both say about a document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mad import times
from mad.report import words

Json = Mapping[str, Any]


def incidents(document: Json) -> list[Json]:
    """The incidents, newest first as the core lists them."""
    return list(document.get("incidents") or [])


def top_incident(found: Sequence[Json]) -> Json | None:
    """The incident to read first: the most severe, open before over, longest, newest."""

    def order(incident: Json) -> tuple[int, bool, float]:
        severity = incident.get("severity")
        rank = words.SEVERITIES.index(severity) if severity in words.SEVERITIES else 9
        rows = incident.get("rows")
        return rank, not is_open(incident), -float(rows) if words.is_number(rows) else 0.0

    return min(found, key=order, default=None)


def is_open(incident: Json) -> bool:
    """True while the incident goes on."""
    return incident.get("status") != "resolved" and not incident.get("closed_at")


def bounds(incident: Json, step: float) -> tuple[datetime | None, datetime | None]:
    """First and last moment: the last flagged step counts to its end."""
    start = times.time_or_none(incident.get("start"))
    end = times.time_or_none(incident.get("end")) or start
    series = incident.get("series") or {}
    buckets, flags = series.get("bucket") or [], series.get("flagged") or []
    for bucket, flagged in zip(buckets, flags, strict=False):
        moment = times.time_or_none(bucket) if flagged else None
        if moment is not None and start is not None and end is not None and start <= moment <= end:
            end = max(end, moment + timedelta(seconds=step))
    if start is not None and start == end:
        end = start + timedelta(seconds=step)
    return start, end


def culprit_of(incident: Json) -> Json | None:
    """Who is blamed: the first of the ranking, else the incident's own culprit."""
    ranked = (incident.get("ranking") or {}).get("culprits") or []
    return ranked[0] if ranked else incident.get("culprit")


def peaks(incident: Json) -> list[dict[str, Any]]:
    """The extreme of each signal that was flagged, the most surprising first."""
    flagged = set(incident.get("signals") or [])
    found: list[dict[str, Any]] = []
    for name, peak in (incident.get("peaks") or {}).items():
        if flagged and name not in flagged:
            continue
        unit = words.unit_of(name, peak.get("unit"))
        low, high = peak.get("expected_low"), peak.get("expected_high")
        value = peak.get("value")
        below = words.is_number(value) and words.is_number(low) and value < low
        above = words.is_number(value) and words.is_number(high) and value > high
        # the band ends right at a value that only rows before it or signals beside it make unlikely
        alone = not any(
            words.is_number(value) and words.is_number(end) and math.isclose(value, end)
            for end in (low, high)
        )
        usual = words.quantity(peak.get("expected"), unit)
        # of next to nothing anything is a thousand times
        much = above and 0 < 2 * high <= value <= 1000 * high
        found.append(
            {
                "signal": name,
                "name": words.signal_name(name),
                "value": words.quantity(value, unit),
                "expected": words.quantity_range(low, high, unit) if alone else usual,
                "z": words.z_score(peak.get("z")),
                "size": abs(peak["z"]) if words.is_number(peak.get("z")) else 0.0,
                "below": below,
                "times": words.significant(value / high, 2) if much else "",
                "at": times.time_or_none(peak.get("at")),
            }
        )
    return sorted(found, key=lambda peak: -float(peak["size"]))


def what(incident: Json, limit: int = 2) -> str:
    """`p95 latency 5.1 s (expected 180-420 ms), error rate 31 % (expected 0-8 %)`."""
    parts = [
        f"{peak['name']} {peak['value']}"
        + (f" (expected {peak['expected']})" if peak["expected"] != words.DASH else "")
        for peak in peaks(incident)[:limit]
    ]
    if parts:
        return ", ".join(parts)
    return ", ".join(words.signal_name(name) for name in incident.get("signals") or [])


def headline(document: Json) -> tuple[str, str]:
    """One sentence that says it all, and a second that says the rest."""
    found = incidents(document)
    top = top_incident(found)
    if top is None:
        if not document.get("requests") and not document.get("points"):
            return "No requests were read", "So nothing can be said about what they were like."
        flagged, whose = judged(document)[1], "endpoint"
        interval = "minute" if document.get("step_seconds") in (None, 60) else "interval"
        if of_metrics(document):
            interval, whose = "point", "metric"
        stood_out = (
            f"{words.plural(flagged, interval)} stood out, none of them long or strongly enough."
            if flagged
            else f"No {interval} stood out from what was normal for its {whose}."
        )
        return "No incident found", f"{looked_at(document)} were looked at. {stood_out}"
    step = float(document.get("step_seconds") or 60)
    start, end = bounds(top, step)
    peak = next(iter(peaks(top)), None)
    if peak is not None:
        trouble = f"{peak['name']} {'below' if peak['below'] else 'above'} normal"
        if not peak["below"] and peak["expected"] != words.DASH:
            trouble = f"{peak['name']} {peak['value']} (expected {peak['expected']})"
        if peak["times"]:
            trouble = f"{peak['name']} {peak['times']} times the expected maximum"
    else:
        trouble = "not itself"
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
        blame = f"{words.entity(culprit)} is itself the most likely culprit."
    else:
        blame = f"The most likely culprit is {words.entity(culprit)}."
    measured = what(top)
    measured = f"Peaks: {measured}. " if measured else ""
    others = len(found) - 1
    more = f" {words.plural(others, 'more incident')} below." if others else ""
    return title, f"{measured}{blame}{more}"


def of_metrics(document: Json) -> bool:
    """Whether there are metrics and no requests."""
    return bool(document.get("points")) and not document.get("requests")


def looked_at(document: Json) -> str:
    """`10,000 requests to 12 endpoints and 400 points of 2 metrics`, what there is of it."""
    parts = []
    if not of_metrics(document):
        # of metrics beside requests the services are among the endpoints: then nobody counts them
        entities = words.plural(document.get("entities"), "endpoint")
        whose = "" if document.get("points") else f" to {entities}"
        parts.append(words.plural(document.get("requests"), "request") + whose)
    if document.get("points"):
        points = words.plural(document["points"], "point")
        parts.append(f"{points} of {words.plural(document.get('series'), 'metric')}")
    return " and ".join(parts)


def judged(document: Json) -> tuple[int, int]:
    """Rows of requests and points of metrics that were judged, and how many were flagged."""
    rows = int(document.get("rows") or 0) + int(document.get("points") or 0)
    return rows, int(document.get("flagged") or 0) + int(document.get("flagged_points") or 0)


def same_day(document: Json) -> bool:
    """Whether the whole run lies within one day, so that times need no date."""
    first, last = (times.time_or_none(document.get(key)) for key in ("first", "last"))
    return first is not None and last is not None and first.date() == last.date()


def rejected_source(record: Json, document: Json) -> str:
    """The name of the input a rejected record came from, where there were several."""
    source = record.get("source")
    names = document.get("sources") or []
    if isinstance(source, int) and 0 <= source < len(names):
        return words.visible(names[source])
    return "" if source is None else words.visible(source)


def quiet(document: Json) -> list[dict[str, str]]:
    """What is not flagged now and why, worst first: name, state, reason and since when."""
    return [
        standing(state)
        for state in document.get("states") or []
        if isinstance(state, Mapping) and state.get("state") != "anomalous"
    ]


def standing(state: Json) -> dict[str, str]:
    """A state of the core in words."""
    metric = words.visible(state.get("metric") or "")
    since = times.time_or_none(state.get("since"))
    return {
        "name": f"{words.entity(state)} {metric}".strip(),
        "state": words.state(state.get("state")),
        "reason": words.visible(state.get("reason") or ""),
        "since": times.moment(since) if since else words.DASH,
    }


def states_line(document: Json) -> str:
    """`2 anomalous, 9 normal`: of how many there is what."""
    counts = document.get("state_counts") or {}
    rows = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{words.count(n)} {words.state(name).lower()}" for name, n in rows)


def suppressed(document: Json) -> list[tuple[str, str, int]]:
    """Why rows that stood out were not flagged: name, sentence, rows; most frequent first."""
    counts = document.get("suppressed") or {}
    rows = [(*words.suppression(reason), int(n)) for reason, n in counts.items() if n]
    return sorted(rows, key=lambda row: -row[2])
