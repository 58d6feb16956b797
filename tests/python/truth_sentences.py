"""Checks every number, time and comparison of an explanation against the written files.

Each sentence must have a known form. A sentence without one is a disagreement, so that a new
sentence needs a check before it can be written.
"""

from __future__ import annotations

from typing import Any

import truth_handlers as forms
from truth_checker import AGAINST, Checker, Rule
from truth_files import Files
from truth_numbers import CLOCK, LENGTH, NUMBER, VALUE

Json = dict[str, Any]


def check(files: Files, incident: Json) -> list[str]:
    """What the explanation of an incident says that the files do not."""
    return Checker(files, incident).run(RULES)


_PACE = (
    r"At (?:this rate the (?P<rest>rest of the )|that rate a )\S+-day (?P<which>error|latency)"
    rf" budget (?:is used up in|lasts) (?P<length>{LENGTH})\."
)
RULES: dict[str, list[Rule]] = {
    "summary": [
        (
            rf"(?P<entity>.+?): (?P<what>.+?), (?P<span>\d{{4}}-\S+ \S+ to {CLOCK})"
            r" \((?P<rows>[^)]*)\)\.(?: Also anomalous:"
            r" (?P<others>.+?)\.(?= [A-Z]| \S+ (?:\S+ )?ranks|$))?"
            rf"(?: The error rate was (?P<errors>{VALUE})\.)?(?: (?P<ranked>.+))?",
            forms.summary,
        )
    ],
    "root_cause": [
        (r"Unknown: no entity stands out\.", forms.fine),
        (
            rf"(?P<entity>.+), anomalous since (?P<since>{CLOCK})(?:: (?P<what>.+?))?\."
            r"(?: (?P<kind>Version|Host) (?P<name>\S+) (?:"
            rf"failed in (?P<rate>{VALUE}) of its requests \((?P<bad>{NUMBER}) of"
            rf" (?P<all>{NUMBER})\), the other \w+s in (?P<others>{VALUE})\."
            rf"|typically took (?P<own>{VALUE}), the other \w+s (?P<rest>{VALUE})"
            r" \(geometric means\)\.))?",
            forms.cause,
        ),
    ],
    "first_failure": [(rf"(?P<entity>.+?) at (?P<at>{CLOCK}): (?P<what>.+)\.", forms.first)],
    "why_flagged": [
        (
            rf"At (?P<at>{CLOCK}) (?P<what>.+?)(?:, (?P<chance>(?:about|less).+)|"
            r"\. Its least likely value was (?:about|less).+)?\.",
            forms.why,
        )
    ],
    "log_evidence": [
        (
            rf"Log of (?P<service>\S+), (?P<from>\d{{4}}-\S+ \S+) to (?P<to>{CLOCK}):"
            r" (?P<lines>no|[\d,]+) (?P<error>error )?lines? `(?P<template>.+)`"
            rf"(?:; (?P<unknown>the log is not known before)|, (?:none in the (?P<none>{LENGTH})"
            rf" before|(?P<stopped>[\d,]+) lines? in the (?P<over>{LENGTH}) before"
            rf"|(?:(?P<times>{NUMBER}) times the usual rate|fewer than usual)"
            rf" \((?P<earlier>[\d,]+) lines? in the (?P<length>{LENGTH}) before\)))\.",
            forms.log_lines,
        )
    ],
    "impact": [
        (
            r"No request failed in the flagged time \((?P<requests>[\d,]+) requests?\)\.",
            forms.nothing_failed,
        ),
        (
            r"(?P<errors>[\d,]+) of (?P<requests>[\d,]+) requests? failed in the flagged time"
            r"(?:, (?:all|(?P<silent>[\d,]+)) of them without a response)?\."
            rf"(?: The error rate was (?P<share>{VALUE})(?: {AGAINST})?\.)?",
            forms.failures,
        ),
        (
            r"Counted at (?P<place>.+?), which no other affected service calls: (?:no request"
            r" failed in the flagged time \((?P<all>[\d,]+) requests?\)\.|(?P<errors>[\d,]+) of"
            r" (?P<requests>[\d,]+) requests? failed in the flagged time"
            r"(?:, (?:all|(?P<silent>[\d,]+)) of them without a response)?\."
            rf" The error rate was (?P<share>{VALUE})\.)",
            forms.counted,
        ),
        (r"Statuses in the flagged time: .+\.", forms.statuses),
        (
            rf"At (?P<at>{CLOCK}) (?P<who>half of the requests|the slowest 5 % of the"
            r" requests)(?: of (?P<entity>.+?))? took"
            rf" (?P<value>{VALUE}) or longer \(usual (?P<usual>{VALUE})\)\.",
            forms.slow,
        ),
        (
            rf"At (?P<at>{CLOCK}) about (?P<count>[\d,]+) requests? fewer than usual arrived"
            r"(?: at (?P<entity>.+))?\.",
            forms.fewer,
        ),
        (
            rf"(?:(?P<entity>.+): )?(?:[Ff]ailed requests|[Rr]equests longer than {VALUE}) used"
            rf" (?P<share>{VALUE}) of the \S+-day (?P<which>error|latency) budget"
            r" \(objective .+\)\.",
            forms.used,
        ),
        (_PACE, forms.front_used_up),
        (
            rf"It ended at {CLOCK} and reopened at {CLOCK}, {LENGTH} later\."
            r"(?: It has reopened \d+ times\.)?",
            forms.fine,
        ),
        (r"It is flapping: .+", forms.fine),
        (
            r"(?P<count>[\d,]+) other (?:entity|entities) became anomalous: (?P<names>.+?)\."
            r"(?: They are grouped because their faults began at the same time; .+)?",
            forms.joined,
        ),
    ],
    "chain": [
        (
            rf"(?P<at>{CLOCK}): (?P<entity>.+?)(?:, which calls (?P<calls>[^:,]+)"
            r"|, which (?P<called>[^:,]+) calls|, same service as (?P<same>[^:]+))?: (?P<what>.+?)"
            rf"(?P<change>(?<=.), within (?P<ago>{LENGTH}) of a change: (?P<named>.+))?\.",
            forms.link,
        ),
        (r"[\d,]+ more entities followed\.", forms.fine),
    ],
    "likely_causes": [
        (
            r".+: `(?P<template>.+)` was logged (?P<times>[\d,]+) times? in one (?:minute|step)"
            rf" \(usual (?P<usual>{NUMBER})\)\.",
            forms.logged,
        ),
        (r".+\.", forms.any_number),
    ],
    "recommended_actions": [(r".+\.", forms.any_number)],
    "checks": [
        (
            r"Changes: none of (?P<service>.+) is known in the 30 minutes before"
            rf" (?P<at>{CLOCK})\.",
            forms.no_change,
        ),
        (r"Calls: no service that .+ is known to call became anomalous before it\.", forms.fine),
        (r"Signals of .+: (?P<names>.+) not flagged\.", forms.not_flagged),
        (
            rf"(?P<kind>Version|Host)s: none of the (?P<count>{NUMBER}) that served (?P<entity>.+)"
            r" explains the fault alone\.",
            forms.alike,
        ),
        (r"Other entities: none became anomalous with it\.", forms.alone),
        (
            rf"History: (?P<length>{LENGTH}) of .+ are known before the incident, too short"
            r" for a daily rhythm\.",
            forms.history,
        ),
    ],
    "confidence_rule": [
        (
            rf"(?P<rows>{NUMBER}) rows? (?:was|were) flagged, the strongest"
            r" (?P<chance>.+? by chance)(?P<adds_up>, alone or with the rows before it)?\."
            r" High needs 3 rows and 1 in 10\^8\. Medium needs 2 rows or 1 in 10\^6\.",
            forms.rule,
        )
    ],
    "severity_evidence": [
        (rf"(?P<share>{VALUE}) of its requests failed {AGAINST}\.", forms.severity),
        (rf"Its error rate reached (?P<value>{VALUE}) {AGAINST}\.", forms.peak_rate),
        (_PACE, forms.used_up),
        (r"(?P<count>[\d,]+) other (?:entity|entities) became anomalous\.", forms.reached),
    ],
    "line": [
        (
            rf"\[(?P<severity>\w+)\] (?P<entity>.+?): (?P<what>.+?)"
            rf"(?:, (?P<failed>{VALUE}) failed)?,"
            rf" (?P<span>\d{{4}}-\S+ \S+ to {CLOCK})",
            forms.line,
        )
    ],
}
