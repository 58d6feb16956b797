"""The facts of one incident in the written files, and comparisons of sentences with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from truth_files import Column, Entity, Files, moment
from truth_numbers import CLOCK, LENGTH, VALUE, clock, quantity, signal_of

Json = dict[str, Any]
MINUTE = np.timedelta64(60_000, "ms")
AGAINST = (
    rf"\((?:usual (?P<usual>{VALUE})|failing since first seen, (?P<assumed>{VALUE}) assumed)\)"
)
CHANGE = (
    rf"(?:(?P<slow>.+?) (?:has|had) (?P<way>climbed|fallen) from (?P<from>{VALUE})"
    rf" to (?P<to>{VALUE}) over (?P<over>{LENGTH})"
    rf"|(?P<share>{VALUE}) of the requests took longer than (?P<limit>{VALUE})"
    rf" \(usual (?P<tail>{VALUE})\)"
    rf"|(?P<name>.+?) (?P<verb>reached|was down to|was) (?P<value>{VALUE}) {AGAINST})"
)
CHANCE = r"(?:about 1 in (?P<once>[\d,]+)|less than 1 in 10\^(?P<power>\d+)) by chance"
QUIET = rf"It ended at (?P<ended>{CLOCK}) and reopened at (?P<back>{CLOCK}), .+"
_COUNTS = ("req_count", "log_errors", "log_new_errors", "log_warnings", "missing_spans")


@dataclass
class Checker:
    files: Files
    incident: Json
    found: list[str] = field(default_factory=list)
    usuals: dict[tuple[Entity, str], set[str]] = field(default_factory=dict)
    quiet: list[tuple[np.datetime64, np.datetime64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        one = self.incident
        self.lead: Entity = (one["service"], one["endpoint"])
        self.start, self.end = moment(one["start"]), moment(one["end"])
        ranked = one["ranking"]["culprits"]
        self.culprit: Json | None = ranked[0] if ranked else None
        self.members = {(m["service"], m["endpoint"]): m for m in one["members"]}
        self.of = (self.culprit["service"], self.culprit["endpoint"]) if self.culprit else self.lead
        seconds_of_step = float(self.files.document.get("step_seconds") or 60)
        self.step = np.timedelta64(int(seconds_of_step * 1000), "ms")
        # flagged rows between its end and its return are no part of it
        gaps = (re.fullmatch(QUIET, said) for said in one["explanation"]["impact"])
        self.quiet = [
            (clock(gap["ended"], self.end), clock(gap["back"], self.end)) for gap in gaps if gap
        ]

    def run(self, forms: dict[str, list[Rule]]) -> list[str]:
        text = self.incident["explanation"]
        self.peaks()
        for section, rules in forms.items():
            content = text[section]
            for sentence in [content] if isinstance(content, str) else content:
                self.sentence(section, sentence, rules)
        for (entity, signal), said in self.usuals.items():
            if len(said) > 1:
                self.wrong(f"{' '.join(entity)} {signal} has several usual values: {sorted(said)}")
        self.actions(text["recommended_actions"])
        return self.found

    def wrong(self, problem: str) -> None:
        self.found.append(problem)

    def sentence(self, section: str, sentence: str, rules: list[Rule]) -> None:
        for pattern, handler in rules:
            match = re.fullmatch(pattern, sentence)
            if match:
                before = len(self.found)
                handler(self, match)
                for place in range(before, len(self.found)):
                    self.found[place] = f"{section}: {sentence!r}: {self.found[place]}"
                return
        self.wrong(f"{section}: {sentence!r} has no known form")

    # values

    def column(self, entity: Entity, signal: str) -> Column | None:
        return self.files.columns.get((*entity, signal))

    def peaks_of(self, entity: Entity) -> Json:
        if entity == self.lead:
            return dict(self.incident["peaks"])
        return dict(self.members.get(entity, {}).get("peaks") or {})

    def peaks(self) -> None:
        """The numbers of incidents.json against the rows."""
        for entity in (self.lead, *self.members):
            for signal, peak in self.peaks_of(entity).items():
                column = self.column(entity, signal)
                if column is None:
                    if signal != "silence":
                        self.wrong(f"{entity} {signal} has no rows in the files")
                    continue
                there = column.at == moment(peak["at"])
                if not np.isclose(column.values[there], peak["value"], rtol=1e-4).any():
                    self.wrong(
                        f"{entity} {signal}: {peak['value']} is not in the row of {peak['at']}"
                    )
                expected = column.expected[there]
                expected = expected[np.isfinite(expected)]
                if len(expected) and not np.isclose(expected, peak["expected"], rtol=1e-4).any():
                    self.wrong(f"{entity} {signal}: expected {peak['expected']}, files {expected}")
                self.extreme(entity, signal, peak["value"], falls=peak["z"] < 0)

    def bounds(self, entity: Entity) -> tuple[np.datetime64, np.datetime64]:
        """The time of an entity in the incident."""
        member = self.members.get(entity)
        if entity == self.lead or member is None:
            return self.start, self.end
        return moment(member["start"]), moment(member["end"])

    def part(self, entity: Entity, column: Column) -> npt.NDArray[np.bool_]:
        """The flagged rows of a signal of an entity that are part of the incident."""
        rows = column.within(*self.bounds(entity))
        for ended, back in self.quiet:
            rows &= (column.at < ended) | (column.at >= back)
        return rows

    def times(self, entity: Entity) -> list[np.datetime64]:
        """The times of an entity's flagged rows that are part of the incident."""
        columns = (self.files.columns[(*entity, one)] for one in self.files.signals_of(entity))
        return sorted({at for one in columns for at in one.at[self.part(entity, one)]})

    def extreme(self, entity: Entity, signal: str, value: float, *, falls: bool) -> None:
        """Whether a value is the extreme of the flagged rows."""
        column = self.column(entity, signal)
        if column is None or signal == "slow_share":
            return
        values = column.values[self.part(entity, column)]
        values = values[np.isfinite(values)]
        if not len(values):
            return
        worst = float(values.min() if falls else values.max())
        if not np.isclose(worst, value, rtol=1e-4, atol=1e-9):
            self.wrong(f"the extreme of {signal} of {' '.join(entity)} is {worst:.6g}, not {value}")

    def change(self, match: re.Match[str], entity: Entity, at: np.datetime64 | None = None) -> None:
        """A change of a signal: to its extreme, or to its value in the row of `at`."""
        said = match.groupdict()
        name = said["slow"] or said["name"] or "share of slow requests"
        signal = signal_of(name.removeprefix("the "))
        value = said["to"] or said["share"] or said["value"]
        usual = said["from"] or said["tail"] or said["usual"] or said["assumed"]
        number, normal = quantity(value, signal), quantity(usual, signal)
        falls = said["way"] == "fallen" or said["verb"] == "was down to"
        peak = self.peaks_of(entity).get(signal)
        if said["verb"] == "was" and peak is not None:
            falls = peak["z"] < 0
        if at is not None:
            self.value_at(entity, signal, number.value, at, number.within)
        else:
            self.peak_is(entity, signal, value, falls=falls)
        is_equal = number.value == normal.value
        if not is_equal and (number.value < normal.value) != falls and said["verb"] != "was":
            self.wrong(f"{value} against {usual} is no {'fall' if falls else 'rise'}")
        if said["assumed"] is None:
            self.usual(entity, signal, usual, slow=said["slow"] is not None)
        else:
            self.usuals.setdefault((entity, signal), set()).add(usual)

    def peak_is(self, entity: Entity, signal: str, text: str, *, falls: bool) -> None:
        """Whether a text is the extreme of a signal in the files, or its evidence."""
        number = quantity(text, signal)
        column = self.column(entity, signal)
        if signal == "silence":
            self.silence(entity, number.value)
            return
        if column is None:
            self.wrong(f"{' '.join(entity)} has no {signal} in the files")
            return
        known = [peak["value"] for name, peak in self.peaks_of(entity).items() if name == signal]
        if not known:
            evidence = self.culprit["evidence"] if self.culprit and entity == self.of else []
            known = [one["value"] for one in evidence if one["signal"] == signal]
        if not any(number.is_close(value) for value in known):
            self.wrong(f"{text} is not the peak {known} of {signal}")
        elif self.peaks_of(entity):
            values = column.values[self.part(entity, column)]
            values = values[np.isfinite(values)]
            worst = float(values.min() if falls else values.max()) if len(values) else known[0]
            if not number.is_close(worst) and signal != "slow_share":
                self.wrong(f"{text} is not the extreme {worst:.6g} of {signal}")

    def value_at(
        self, entity: Entity, signal: str, value: float, at: np.datetime64, within: float
    ) -> None:
        column = self.column(entity, signal)
        if signal == "silence":
            return
        if column is None:
            self.wrong(f"{' '.join(entity)} has no {signal} in the files")
            return
        minute = np.timedelta64(1, "m")
        there = (column.at >= at) & (
            column.at < at + (minute if self.step >= minute else self.step)
        )
        values = column.values[there]
        if not (abs(values - value) <= within * 1.001 + 1e-9 * abs(value)).any():
            self.wrong(f"{signal} of {at} is {values}, not {value}")

    def usual(self, entity: Entity, signal: str, text: str, *, slow: bool = False) -> None:
        """Whether a usual value was expected in a flagged row, and is that of before the
        incident."""
        self.usuals.setdefault((entity, signal), set()).add(text)
        column = self.column(entity, signal)
        if column is None:
            return
        number = quantity(text, signal)
        start, end = self.bounds(entity)
        rows = column.within(start, end)
        evidence = self.evidence_beside(entity, signal)
        if evidence is not None:
            # its usual value is that of the first flagged row of the culprit
            start, at = moment(self.culprit["onset"]), moment(evidence["at"])
            rows = column.within(start, at + self.step)
        expected = column.expected[rows]
        expected = expected[np.isfinite(expected)]
        known = self.peaks_of(entity).get(signal, {}).get("usual")
        is_known = known is not None and number.is_close(known)
        if not is_known and not any(number.is_close(float(value)) for value in expected):
            self.wrong(f"usual {text} of {signal} was expected in no flagged row: {expected[:3]}")
        before = column.values[(column.at < start) & np.isfinite(column.values) & ~column.flagged]
        if len(before) < 10 or slow:
            return
        # a level that has crept away is compared with that of before it
        low, high = np.quantile(before, [0.01, 0.99])
        # a share is estimated with a prior; a level may have left its past slowly
        slack = 0.02 if signal.endswith(("rate", "share")) else 0.06 * abs(float(np.median(before)))
        is_count = signal in _COUNTS or signal.startswith("log_lines: ")
        slack = max(slack, 1.0) if is_count else slack
        if not low - slack - number.within <= number.value <= high + slack + number.within:
            self.wrong(f"usual {text} of {signal}: before it was {low:.4g} to {high:.4g}")

    def evidence_beside(self, entity: Entity, signal: str) -> Json | None:
        """The evidence of a culprit beside the incident, whose rows may lie before it."""
        if self.culprit is None or entity != self.of or entity in (self.lead, *self.members):
            return None
        found = (one for one in self.culprit["evidence"] if one["signal"] == signal)
        return next(found, None)

    def silence(self, entity: Entity, value: float) -> None:
        """Whether no request arrived for so long before the row of the peak.

        The silence of an entity beside the incident may have ended at any time before its end.
        """
        _, end = self.bounds(entity)
        peak = self.peaks_of(entity).get("silence")
        if peak is not None:
            end = min(end, moment(peak["at"]) + self.step)
        counts = self.files.counts.get(entity, {})
        length = np.timedelta64(int(value * 1000), "ms")
        arrived = sorted(at for at, (n, _) in counts.items() if n and at < end)
        if entity == self.lead or entity in self.members:
            spoken = [at for at in arrived if at >= end - length]
        else:
            pauses = np.diff([*arrived, end]) - self.step
            spoken = [] if (pauses >= length).any() else arrived[-1:]
        if spoken:
            self.wrong(f"requests of {' '.join(entity)} arrived at {spoken[0]}")

    # rows and counts

    def rows(self) -> list[np.datetime64]:
        return self.times(self.lead)

    def count_rows(self, said: int) -> None:
        rows = self.rows()
        flagged = len(rows)
        # the sentence gives the minute in which anomalies were back, and there are steps of seconds
        minute = np.timedelta64(60_000, "ms")
        unsure = sum(back <= at < back + minute for at in rows for _, back in self.quiet)
        is_silent = "silence" in self.incident["signals"]
        steps = int((self.end - self.start) / self.step)
        # of several times that it was closed, the last is known
        is_part = self.incident["reopened"] > 1 and 0 < said <= flagged
        is_right = flagged - unsure <= said <= flagged
        if not is_right and not is_part and not (is_silent and flagged <= said <= steps):
            self.wrong(f"{flagged} rows are flagged in the files, not {said}")
        if said != self.incident["rows"]:
            self.wrong(f"incidents.json counts {self.incident['rows']} rows, not {said}")

    def requests(self, entity: Entity | None = None) -> tuple[int, int]:
        """The requests of the flagged rows of an entity (default: the one that opened the
        incident), and how many of them failed."""
        entity = entity or self.lead
        counts = self.files.counts.get(entity, {})
        flagged = self.times(entity)
        mine = [counts[at] for at in flagged if at in counts]
        return sum(n for n, _ in mine), sum(failed for _, failed in mine)

    def front_door(self) -> list[Entity]:
        """The entities where the impact is counted, by the written incident."""
        return [
            (one["service"], one["endpoint"]) for one in self.incident["front_door"]["entities"]
        ]

    def entries(self) -> list[Entity]:
        """The affected entities that no other affected service calls, by the files."""
        affected = [one for one in (self.lead, *self.members) if self.requests(one)[0]]
        whole = {service for service, endpoint in affected if endpoint}
        affected = [one for one in affected if one[1] or one[0] not in whole]
        services = {service for service, _ in affected}
        called = {callee for caller, callee in self.files.edges if caller in services - {callee}}
        return [one for one in affected if one[0] not in called] or [self.lead]

    def span(self, text: str) -> None:
        match = re.fullmatch(rf"(\S+ \S+) to ({CLOCK})", text)
        assert match, text
        start, end = clock(match[1] + " UTC", self.start), clock(match[2], self.end)
        if start != self.start or end != self.end:
            self.wrong(f"the incident lasted from {self.start} to {self.end}")

    def evidence(self, match: re.Match[str], known: float) -> None:
        """A likelihood against `-log10 p`."""
        if match["power"] is not None:
            if int(match["power"]) != int(np.floor(known)):
                self.wrong(f"the evidence is {known:.2f}")
        elif not np.isclose(
            float(match["once"].replace(",", "")), 10.0**known, rtol=0.06, atol=0.6
        ):
            self.wrong(f"the evidence is {known:.2f}, one in {10.0**known:.3g}")

    def strongest(self) -> float:
        """The largest `-log10 p` of a row, from the scores of the files."""
        most = 0.0
        for entity in (self.lead, *self.members):
            for signal in self.files.signals_of(entity):
                column = self.files.columns[(*entity, signal)]
                scores = column.scores[self.part(entity, column)]
                if len(scores):
                    top = min(float(scores.max()), 1 - 1e-12)
                    most = max(most, 4 * top / (1 - top))
        return most

    # actions

    def actions(self, actions: list[str]) -> None:
        if self.culprit is None or self.of[0] == self.lead[0]:
            return
        culprit, lead = self.of[0], re.escape(self.lead[0])
        if actions and not actions[0].startswith(f"Start with {culprit}"):
            self.wrong(f"the first action is not about {culprit}: {actions[0]!r}")
        for action in actions:
            if re.search(rf"(?<![\w-]){lead}(?![\w-])", action.replace(" ".join(self.of), "")):
                self.wrong(f"an action speaks of {self.lead[0]} instead of {culprit}: {action!r}")


Rule = tuple[str, Callable[[Checker, re.Match[str]], None]]
"""The form of a sentence, and what checks its parts."""
