"""What the parts of each form of a sentence are compared with."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from truth_checker import AGAINST, CHANCE, CHANGE, MINUTE, Checker
from truth_files import Entity, moment
from truth_numbers import CLOCK, NUMBER, VALUE, clock, quantity, seconds, signal_of

_BURNS = {"error": "errors", "latency": "latency"}
SILENT = "no request arrived any more"


def summary(of: Checker, match: re.Match[str]) -> None:
    if match["entity"] != " ".join(of.lead).strip():
        of.wrong(f"the incident is of {' '.join(of.lead)}")
    change = re.fullmatch(CHANGE, match["what"])
    rate = re.fullmatch(rf"error rate was (?P<value>{VALUE}) {AGAINST}", match["what"])
    if rate:
        share(of, rate["value"], rate["usual"] or rate["assumed"])
    elif change:
        of.change(change, of.lead)
    elif match["what"] != "flagged":
        of.wrong("the change has no known form")
    of.span(match["span"])
    rows = match["rows"]
    if rows.endswith(", all flagged"):
        length = seconds(rows.removesuffix(", all flagged"))
        lasted = float((of.end - of.start) / np.timedelta64(1, "s"))
        if not length.is_close(lasted):
            of.wrong(f"it lasted {lasted:g} s")
        of.count_rows(of.incident["rows"])
    else:
        of.count_rows(int(rows.split(" ")[0].replace(",", "")))
        between = np.diff(of.rows())
        if "minute" in rows and len(between) and between.min() < np.timedelta64(1, "m"):
            of.wrong(f"flagged rows lie {between.min()} apart")
    for part in re.split(r", | and ", match["others"] or ""):
        other = re.fullmatch(rf"(.+?) ({VALUE})", part)
        tail = re.fullmatch(rf"({VALUE}) of the requests took longer than {VALUE}", part)
        if tail:
            of.peak_is(of.lead, "slow_share", tail[1], falls=False)
        elif other:
            signal = signal_of(other[1])
            peak = of.incident["peaks"].get(signal)
            of.peak_is(of.lead, signal, other[2], falls=peak is not None and peak["z"] < 0)
    if match["errors"]:
        share(of, match["errors"], None)
    ranked(of, match["ranked"])


def ranked(of: Checker, said: str | None) -> None:
    if said is None:
        return
    first = " ".join(of.of).strip() if of.culprit else ""
    if said == "Nothing else was flagged around that time.":
        if first != " ".join(of.lead).strip() or of.members:
            of.wrong(f"the culprit is {first}, with {len(of.members)} members")
        return
    match = re.fullmatch(
        rf"(.+) ranks first(?: of ({NUMBER}) entities with anomalies around that time)?\.", said
    )
    assert match, said
    if match[1] != first:
        of.wrong(f"the culprit is {first}")
    if match[2] and int(match[2]) != len(of.incident["ranking"]["culprits"]):
        of.wrong(f"{len(of.incident['ranking']['culprits'])} entities are ranked")


def share(of: Checker, share: str, usual: str | None) -> None:
    requests, errors = of.requests()
    if not quantity(share, "error_rate").is_close(errors / max(requests, 1)):
        of.wrong(f"{errors} of {requests} requests failed")
    if usual is not None:
        of.usuals.setdefault((of.lead, "error_rate"), set()).add(usual)


def why(of: Checker, match: re.Match[str]) -> None:
    at = clock(match["at"], of.start)
    change = re.fullmatch(CHANGE, match["what"])
    if change is None:
        of.wrong("the change has no known form")
        return
    of.change(change, of.lead)
    name = change["slow"] or change["name"] or "share of slow requests"
    signal = signal_of(name.removeprefix("the "))
    peak = of.incident["peaks"].get(signal, {})
    if peak and not at <= moment(peak["at"]) < at + max(of.step, MINUTE):
        of.wrong(f"the peak is of {peak['at']}")
    chance = re.search(CHANCE, match["chance"] or "")
    if chance:
        of.evidence(chance, float(peak.get("neg_log10_p", np.nan)))


def failures(of: Checker, match: re.Match[str]) -> None:
    requests, errors = of.requests()
    said = int(match["requests"].replace(",", "")), int((match["errors"] or "0").replace(",", ""))
    if said != (requests, errors):
        of.wrong(f"{errors} of {requests} requests failed in the flagged rows")
    if match["silent"] and int(match["silent"].replace(",", "")) != of.incident["no_response"]:
        of.wrong(f"{of.incident['no_response']} had no response")
    if match["share"]:
        share(of, match["share"], match["usual"] or match["assumed"])


def nothing_failed(of: Checker, match: re.Match[str]) -> None:
    requests, errors = of.requests()
    if errors or int(match["requests"].replace(",", "")) != requests:
        of.wrong(f"{errors} of {requests} requests failed in the flagged rows")


def counted(of: Checker, match: re.Match[str]) -> None:
    """The requests of the front door, and which entities it is made of."""
    front = of.front_door()
    names = [" ".join(entity).strip() for entity in front]
    said = re.split(r", | and ", match["place"])
    more = len(names) - 3
    if said != [*names[:3], *([f"{more} more"] if more > 0 else [])]:
        of.wrong(f"the front door is {names}")
    if of.files.edges and sorted(front) != sorted(of.entries()):
        of.wrong(f"the affected entities without an affected caller are {of.entries()}")
    sums = [of.requests(entity) for entity in front]
    requests, errors = sum(n for n, _ in sums), sum(failed for _, failed in sums)
    written = of.incident["front_door"]
    if (written["requests"], written["errors"]) != (requests, errors):
        of.wrong(f"{errors} of {requests} requests failed in the flagged rows")
    count = int((match["all"] or match["requests"]).replace(",", ""))
    if (count, int((match["errors"] or "0").replace(",", ""))) != (requests, errors):
        of.wrong(f"{errors} of {requests} requests failed in the flagged rows")
    if match["silent"] and int(match["silent"].replace(",", "")) != written["no_response"]:
        of.wrong(f"{written['no_response']} had no response")
    if match["share"] and not quantity(match["share"], "error_rate").is_close(errors / requests):
        of.wrong(f"{errors} of {requests} requests failed")
    slo = written["slo"]
    if slo and written["slo_of"] is None and slo["errors"]["bad"] != errors:
        of.wrong(f"the budget counts {slo['errors']['bad']} failed requests, not {errors}")


def of_front(of: Checker, name: str | None) -> Entity:
    """The entity of the front door that a sentence names; without a name the lead."""
    found = [one for one in of.front_door() if " ".join(one).strip() == name]
    if name is not None and not found:
        of.wrong(f"{name} is not in the front door {of.front_door()}")
    return found[0] if found else of.lead


def slow(of: Checker, match: re.Match[str]) -> None:
    signal = "p50_latency_ms" if match["who"].startswith("half") else "p95_latency_ms"
    entity = of_front(of, match["entity"])
    of.peak_is(entity, signal, match["value"], falls=False)
    of.usual(entity, signal, match["usual"])
    at = clock(match["at"], of.start)
    of.value_at(entity, signal, of.peaks_of(entity)[signal]["value"], at, 1e-6)


def fewer(of: Checker, match: re.Match[str]) -> None:
    peak = of.peaks_of(of_front(of, match["entity"]))["req_count"]
    missing = round(max(peak["usual"] - peak["value"], 0.0))
    if abs(int(match["count"].replace(",", "")) - missing) > 1:
        of.wrong(f"{missing} were missing")


def used(of: Checker, match: re.Match[str]) -> None:
    which, written = _BURNS[match["which"]], of.incident["front_door"]
    whose, slo = written["slo_of"], written["slo"]
    if match["entity"] and (
        whose is None or match["entity"] != f"{' '.join(whose.values())}".strip()
    ):
        of.wrong(f"the budget is that of {whose}")
    share = quantity(match["share"], "error_rate")
    if not slo or not share.is_close(slo[which]["budget_share"]):
        of.wrong(f"the share is {slo and slo[which]['budget_share']}")


def used_up(of: Checker, match: re.Match[str]) -> None:
    """The pace of the entity that opened the incident."""
    lasts(of, match, of.incident["slo"])


def front_used_up(of: Checker, match: re.Match[str]) -> None:
    """The pace of the front door."""
    lasts(of, match, of.incident["front_door"]["slo"])


def lasts(of: Checker, match: re.Match[str], slo: dict[str, Any]) -> None:
    burn = slo[_BURNS[match["which"]]]
    days = slo["window_days"] / burn["burn_rate"]
    if match["rest"]:
        days = max(days * (1.0 - burn["budget_share"]), 1.0 / 1440.0)
    said = seconds(match["length"]).value / 86400.0
    if not 0.7 <= said / days <= 1.45:
        of.wrong(f"it lasts {days:.3g} days")


def statuses(of: Checker, match: re.Match[str]) -> None:
    failed = sum(int(n.replace(",", "")) for n in re.findall(r"\(([\d,]+) requests?\)", match[0]))
    requests = sum(of.requests(entity)[0] for entity in of.front_door())
    if failed > requests:
        of.wrong(f"only {requests} requests are in the flagged rows")


def joined(of: Checker, match: re.Match[str]) -> None:
    if int(match["count"].replace(",", "")) != of.incident["reached"]:
        of.wrong(f"{of.incident['reached']} entities joined")
    for name, at in re.findall(rf"(?:^|, | and )(\S.*?) at ({CLOCK})", match["names"] or ""):
        starts = [moment(m["start"]) for e, m in of.members.items() if " ".join(e).strip() == name]
        if not starts or not any(is_in(start, clock(at, of.start), of) for start in starts):
            of.wrong(f"{name} became anomalous at {starts}")
    for entity, member in of.members.items():
        start = moment(member["start"])
        flagged = of.times(entity)
        # a silence begins with a step that has no row
        is_silent = "silence" in (member.get("peaks") or {}) or member["signal"] == "silence"
        begins = (
            start <= flagged[0] if flagged and is_silent else is_silent or flagged[:1] == [start]
        )
        if not begins:
            of.wrong(f"the first flagged row of {' '.join(entity)} is {flagged[:1]}, not {start}")
        if not is_silent and len(flagged) != member["rows"]:
            of.wrong(f"{' '.join(entity)} has {len(flagged)} flagged rows, not {member['rows']}")


def is_in(time: np.datetime64, clock_time: np.datetime64, of: Checker) -> bool:
    return bool(clock_time <= time < clock_time + max(of.step, MINUTE))


def link(of: Checker, match: re.Match[str]) -> None:
    at = clock(match["at"], of.start)
    entity = named(of, match["entity"])
    if entity is None:
        of.wrong(f"{match['entity']} is no entity of the incident")
        return
    links = [link for link in of.incident["chain"] if (link["service"], link["endpoint"]) == entity]
    if not links or not is_in(moment(links[0]["at"]), at, of):
        of.wrong(f"its first row is {links[:1]}")
    change = re.fullmatch(CHANGE, match["what"])
    if match["what"] == SILENT:
        silent(of, entity, at)
    elif change is None:
        of.wrong("the change has no known form")
        return
    else:
        of.change(change, entity, at)
    calls = match["calls"] or match["called"]
    pair = (entity[0], calls) if match["calls"] else (calls, entity[0])
    if calls and of.files.edges and pair not in of.files.edges:
        of.wrong(f"no call from {pair[0]} to {pair[1]} is known")
    if match["change"]:
        after(of, entity, moment(links[0]["at"]), match["ago"], match["named"])


def silent(of: Checker, entity: Entity, at: np.datetime64) -> None:
    """No row of requests in the step that began at `at`."""
    column = of.files.columns.get((*entity, "req_count"))
    if column is not None and ((column.at >= at) & (column.at < at + of.step)).any():
        of.wrong(f"{' '.join(entity)} had requests")


def after(of: Checker, entity: Entity, at: np.datetime64, ago: str, what: str) -> None:
    """A change of a service shortly before `at`."""
    times = [of.files.columns[(*entity, s)].at for s in of.files.signals_of(entity)]
    # metrics can have a shorter step than requests and log lines of the same entity
    steps = {of.step, *(np.diff(np.unique(one)).min() for one in times if len(one) > 1)}
    for change in of.files.changes:
        name = f"{change['kind']} {change['name']} {change['version']}"
        since = at - moment(change["timestamp"])
        lengths = [float((since + step) / np.timedelta64(1, "s")) for step in steps]
        is_it = change["service"] == entity[0] and name == what
        if is_it and any(seconds(ago).is_close(length) for length in lengths):
            return
    of.wrong(f"no such change of {entity[0]} is in the input")


def named(of: Checker, name: str) -> Entity | None:
    known = (of.lead, *of.members, of.of)
    return next((entity for entity in known if " ".join(entity).strip() == name), None)


def first(of: Checker, match: re.Match[str]) -> None:
    entity = named(of, match["entity"])
    if entity is None:
        of.wrong(f"{match['entity']} is no entity of the incident")
        return
    at = clock(match["at"], of.start)
    starts = [of.start, *(moment(m["start"]) for m in of.members.values())]
    if min(starts) < at - max(of.step, MINUTE):
        of.wrong(f"an entity began at {min(starts)}")
    change = re.fullmatch(CHANGE, match["what"])
    if change:
        of.change(change, entity, at)
    elif match["what"] == SILENT:
        silent(of, entity, at)


def cause(of: Checker, match: re.Match[str]) -> None:
    if of.culprit is None or match["entity"] != " ".join(of.of).strip():
        of.wrong(f"the culprit is {of.of}")
        return
    since, onset = clock(match["since"], of.start), moment(of.culprit["onset"])
    if not is_in(onset, since, of) and not is_in(of.start, since, of):
        of.wrong(f"its onset is {onset}")
    if match["what"]:
        change = re.fullmatch(CHANGE, match["what"])
        if change is None:
            of.wrong("the change has no known form")
        else:
            of.change(change, of.of)
    if match["kind"]:
        standout(of, match)


def subsets(of: Checker, match: re.Match[str]) -> list[dict[str, Any]]:
    """The versions or hosts of the named entity in the written incident."""
    kind = match["kind"].lower()
    everyone = [of.incident, *of.incident["members"]]
    named = f"{match['entity']} ".split(" ", 1)
    own = [one for one in everyone if [one["service"], f"{one['endpoint']} "] == named]
    return [one for found in own for one in found.get("subsets", []) if one["kind"] == kind]


def standout(of: Checker, match: re.Match[str]) -> None:
    known = subsets(of, match)
    own = next((one for one in known if one["name"] == match["name"]), None)
    if own is None:
        of.wrong(f"the {match['kind'].lower()}s are {[one['name'] for one in known]}")
        return
    rest = [one for one in known if one is not own]
    if match["rate"]:
        said = int(match["bad"].replace(",", "")), int(match["all"].replace(",", ""))
        if said != (own["errors"], own["requests"]):
            of.wrong(f"{own['errors']} of {own['requests']} failed")
        others = sum(one["errors"] for one in rest) / sum(one["requests"] for one in rest)
        if not quantity(match["rate"], "error_rate").is_close(own["errors"] / own["requests"]):
            of.wrong("the error rate is another one")
        if not quantity(match["others"], "error_rate").is_close(others):
            of.wrong(f"that of the others is {others}")
        if any(one["errors"] > own["errors"] for one in rest):
            of.wrong("another one has more failures")
        return
    if not quantity(match["own"], "p50_latency_ms").is_close(own["typical_latency_ms"]):
        of.wrong(f"its typical latency is {own['typical_latency_ms']}")
    slower = [one for one in rest if one["typical_latency_ms"] > own["typical_latency_ms"]]
    if slower:
        of.wrong(f"{slower[0]['name']} is slower")
    times = [one["typical_latency_ms"] for one in rest]
    said_rest = quantity(match["rest"], "p50_latency_ms")
    if not (min(times) * 0.99 <= said_rest.value <= max(times) * 1.01):
        of.wrong(f"the others took {min(times)} to {max(times)}")


def alike(of: Checker, match: re.Match[str]) -> None:
    if len(subsets(of, match)) != int(match["count"].replace(",", "")):
        of.wrong(f"they are {len(subsets(of, match))}")


def logged(of: Checker, match: re.Match[str]) -> None:
    """The lines of a template and the usual ones are those of its peak."""
    peak = of.peaks_of(of.of).get(f"log_lines: {match['template']}")
    if peak is None:
        of.wrong(f"no lines {match['template']} are a peak of {' '.join(of.of)}")
        return
    for name, said in (("value", match["times"]), ("usual", match["usual"])):
        if not quantity(said, "log_lines").is_close(peak[name]):
            of.wrong(f"{said} is not the {name} {peak[name]}")


def any_number(of: Checker, match: re.Match[str]) -> None:
    """Each value with a unit is a peak, a usual value or the share of failed requests of the
    culprit, and each time is a start or that of a change."""
    text = match[0]
    requests, errors = of.requests()
    known: list[tuple[str, float]] = [("error_rate", errors / max(requests, 1))]
    known += [(s, p["value"]) for s, p in of.peaks_of(of.of).items()]
    known += [(s, p["usual"]) for s, p in of.peaks_of(of.of).items()]
    known += [(s, p["expected"]) for s, p in of.peaks_of(of.of).items()]
    if of.culprit:
        known += [(e["signal"], e["value"]) for e in of.culprit["evidence"]]
        known += [(e["signal"], e["expected"]) for e in of.culprit["evidence"]]
        known += [(e["signal"], e["usual"]) for e in of.culprit["evidence"]]
    times = {of.start, moment(of.culprit["onset"])} if of.culprit else {of.start}
    times |= {moment(change["timestamp"]) for change in of.files.changes}
    for name in (*of.of, *of.lead, of.lead[0]):
        text = text.replace(name, "") if name else text
    for time in re.findall(CLOCK, text):
        if not any(is_in(one, clock(time, of.start), of) for one in times):
            of.wrong(f"{time} is no time of the incident or of a change")
    text = re.sub(CLOCK, "", text)
    said = re.findall(rf"(?<![\w.^-]){NUMBER} (?:ms|%|s|MB|GB|kB|requests?)(?![\w])", text)
    for value in said:
        if value.endswith(("request", "requests")):
            number = value.split(" ")[0]
            if not any(
                quantity(number, s).is_close(round(v)) for s, v in known if s == "req_count"
            ):
                of.wrong(f"{value} is no number of requests of the culprit")
        elif not any(quantity(value, signal).is_close(v) for signal, v in known):
            of.wrong(f"{value} is no value of {' '.join(of.of)}")
    for usual in re.findall(rf"\(usual ({VALUE})\)", text):
        if not any(quantity(usual, signal).is_close(v) for signal, v in known) and "%" not in usual:
            of.wrong(f"usual {usual} is no value of {' '.join(of.of)}")


def no_change(of: Checker, match: re.Match[str]) -> None:
    at = clock(match["at"], of.start)
    for change in of.files.changes:
        age = at - moment(change["timestamp"])
        if change["service"] == match["service"] and of.step < age <= 30 * MINUTE:
            of.wrong(f"a change at {change['timestamp']} is in the input")


def history(of: Checker, match: re.Match[str]) -> None:
    first = [of.files.columns[(*of.lead, s)].at.min() for s in of.files.signals_of(of.lead)]
    known = float((of.start - min(first)) / np.timedelta64(1, "s")) if first else np.nan
    length = seconds(match["length"])
    if not (length.is_close(known) or abs(length.value - known) <= 60.0):
        of.wrong(f"the first row is {known:g} s earlier")


def alone(of: Checker, match: re.Match[str]) -> None:
    del match
    if of.members or of.incident["reached"]:
        of.wrong(f"{of.incident['reached']} entities joined")


def not_flagged(of: Checker, match: re.Match[str]) -> None:
    names = {
        "latency": ("p50_latency_ms", "p95_latency_ms", "slow_share"),
        "error rate": ("error_rate",),
        "number of requests": ("req_count",),
    }
    for name in match["names"].split(" and "):
        if set(names[name]) & set(of.incident["signals"]):
            of.wrong(f"{name} is flagged")


def rule(of: Checker, match: re.Match[str]) -> None:
    of.count_rows(int(match["rows"].replace(",", "")))
    chance = re.search(CHANCE, match["chance"])
    assert chance
    power = (
        int(chance["power"])
        if chance["power"]
        else np.log10(float(chance["once"].replace(",", "")))
    )
    written = of.incident["neg_log10_p"]
    # a power is rounded down, and a number to two digits
    if not (int(written) == power if chance["power"] else abs(written - power) < 0.03):
        of.wrong(f"the strongest evidence is {written:.2f}")
    if of.incident["ranking"]["abstained"] or of.incident["reached"] > len(of.members):
        return
    known = max([p["neg_log10_p"] for p in of.incident["peaks"].values()] or [0.0])
    known = max([known, *(m["neg_log10_p"] for m in of.members.values())])
    # a row combines its signals, so that it can have more evidence than each of them, and the
    # evidence of a series is at most that of all its rows
    most = max(of.strongest(), known)
    most *= max(of.incident["rows"], 1) if match["adds_up"] else 1
    if power < int(known) - 1 or power > most + 1:
        of.wrong(f"the strongest row has {known:.1f} to {most:.1f}")


def fine(of: Checker, match: re.Match[str]) -> None:
    del of, match


def severity(of: Checker, match: re.Match[str]) -> None:
    if match["share"]:
        share(of, match["share"], match["usual"] or match["assumed"])


def reached(of: Checker, match: re.Match[str]) -> None:
    if int(match["count"].replace(",", "")) != of.incident["reached"]:
        of.wrong(f"{of.incident['reached']} entities joined")


def peak_rate(of: Checker, match: re.Match[str]) -> None:
    of.peak_is(of.lead, "error_rate", match["value"], falls=False)
    of.usuals.setdefault((of.lead, "error_rate"), set()).add(match["usual"] or match["assumed"])


def line(of: Checker, match: re.Match[str]) -> None:
    if match["severity"] != of.incident["severity"]:
        of.wrong(f"the severity is {of.incident['severity']}")
    of.span(match["span"])
    if match["failed"]:
        share(of, match["failed"], None)
    tail = re.fullmatch(
        rf"({VALUE}) of the requests took longer than {VALUE} \(.+\)", match["what"]
    )
    if tail:
        of.peak_is(of.lead, "slow_share", tail[1], falls=False)
        return
    other = re.fullmatch(rf"(.+?) ({VALUE}) \((?:usual ({VALUE})|.+)\)", match["what"])
    if other:
        signal = signal_of(other[1])
        peak = of.incident["peaks"].get(signal)
        of.peak_is(of.lead, signal, other[2], falls=peak is not None and peak["z"] < 0)
        if other[3]:
            of.usual(of.lead, signal, other[3], slow=True)


def log_lines(of: Checker, match: re.Match[str]) -> None:
    """Counts the lines of the template in the input, within the stated times and before."""
    start = clock(match["from"] + " UTC", of.start)
    end = clock(match["to"], of.end)
    # lines are known by minute for the last 120 of them
    is_bounded = end - start >= np.timedelta64(120, "m")
    if (start > of.start and not is_bounded) or end < of.end:
        of.wrong(f"the incident lasted from {of.start} to {of.end}")
    text = re.escape(match["template"]).replace(re.escape("<*>"), ".*")
    is_error = bool(match["error"])
    times = np.array(
        [
            at
            for at, service, level, body in of.files.lines
            if service == match["service"]
            and (level == "ERROR") == is_error
            and re.fullmatch(text, body)
        ],
        "datetime64[ms]",
    )
    within = int(((times >= start) & (times < end)).sum())
    said = 0 if match["lines"] == "no" else int(match["lines"].replace(",", ""))
    if within != said:
        of.wrong(f"the input has {within} such lines in this time")
    before = int((times < start).sum())
    earlier = match["earlier"] or match["stopped"]
    if before != (int(earlier.replace(",", "")) if earlier else 0):
        of.wrong(f"the input has {before} such lines before")
    first = min(at for at, service, *_ in of.files.lines if service == match["service"])
    length = (start - np.datetime64(first, "m")) / np.timedelta64(1, "s")
    stated = match["none"] or match["over"] or match["length"]
    if stated and not seconds(stated).is_close(length):
        of.wrong(f"the log is known for {length} s before")
    if match["times"]:
        lasted = (end - start) / np.timedelta64(1, "s")
        if not quantity(match["times"], "").is_close(within / lasted / (before / length)):
            of.wrong(f"{within} lines in {lasted} s, {before} in {length} s")
