"""Runs a scorer over the public sets and compares its measures with published results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mad import _core
from mad.quality import measures
from mad.quality.nab import PROFILES, nab_score
from mad.quality.sets import Labelled
from mad.series import score_series

DEFAULT = "default"
SETS = ("microsoft", "kpi", "nab")
DELAY = {"microsoft": 2, "kpi": 7, "nab": 0}

Judge = Callable[[Labelled], _core.SeriesScores]
Judged = dict[str, tuple[Labelled, _core.SeriesScores]]


@dataclass(frozen=True)
class Measure:
    """One measure of one set; `baseline` is an expanding MAD with floors, `best` the best
    published result, `goal` the target."""

    set: str
    name: str
    value: float
    baseline: float | None = None
    best: float | None = None
    goal: float | None = None


ANCHORS: dict[tuple[str, str], tuple[float | None, float | None, float | None]] = {
    ("microsoft", "VUS-PR"): (0.606, 0.61, 0.68),
    ("microsoft", "event F1, delay 2"): (0.288, 0.43, 0.48),
    ("kpi", "delay-7 F1, pooled"): (0.277, 0.77, 0.78),
    ("kpi", "delay-7 F1, macro"): (0.343, 0.75, 0.62),
    ("kpi", "event F1, delay 7"): (0.142, 0.77, 0.45),
    ("nab", "standard, optimised"): (9.1, 75.1, 68.0),
    ("nab", "low FP, optimised"): (0.0, 65.4, 58.0),
    ("nab", "low FN, optimised"): (18.0, 80.6, 74.0),
    ("nab", "standard, as shipped"): (-1194.0, None, 45.0),
}
"""(baseline, best published, goal). The best are a tuned prototype (microsoft, event F1 with an
oracle threshold), SR-CNN and an oracle threshold for each series (kpi), and ARTime (nab)."""


def scorer_names() -> list[str]:
    """Names of the default and of all single scorers."""
    return [DEFAULT, *_core.scorer_names()]


def judge_of(scorer: str) -> Judge:
    """The function that judges a series with the named scorer."""
    if scorer == DEFAULT:
        return lambda one: score_series(one.times, one.values)
    return lambda one: _core.score_alone(one.times * 1_000_000, one.values, scorer)


def present(folder: Path) -> list[str]:
    """The sets that a folder contains."""
    return [name for name in SETS if (folder / name).is_dir()]


def measures_of(name: str, judged: Judged) -> Iterator[Measure]:
    """The measures of one set."""
    for label, value in _values(name, judged):
        yield Measure(name, label, value, *ANCHORS.get((name, label), (None, None, None)))


def _values(name: str, judged: Judged) -> Iterator[tuple[str, float]]:
    if name == "nab":
        scores = [(one, np.asarray(said.alarm_score)) for one, said in judged.values()]
        flags = [(one, said.is_alarm.astype(np.float64)) for one, said in judged.values()]
        for profile in PROFILES:
            yield f"{profile}, optimised", nab_score(scores, profile)
        for profile in PROFILES:
            yield f"{profile}, as shipped", nab_score(flags, profile, threshold=1.0)
    else:
        rows = [
            (one, said.score[one.start :], said.is_anomaly[one.start :], one.labels[one.start :])
            for one, said in judged.values()
        ]
        events = measures.event_f1([(flags, labels) for _, _, flags, labels in rows], DELAY[name])
        if name == "microsoft":
            yield (
                "VUS-PR",
                float(np.mean([measures.vus_pr(y, s) for _, s, _, y in rows if y.any()])),
            )
        else:
            grids = [
                tuple(measures.on_grid(one.times[one.start :], row) for row in (flags, labels))
                for one, _, flags, labels in rows
            ]
            pairs = [(flags, labels) for flags, labels in grids]
            yield "delay-7 F1, pooled", measures.delay_f1(pairs, 7)
            each = [measures.delay_f1([pair], 7) for pair in pairs if pair[1].any()]
            yield "delay-7 F1, macro", float(np.mean(each))
        yield f"event F1, delay {DELAY[name]}", events
    yield "false alarms a series and day", false_alarms_a_day(name, judged)


def false_alarms_a_day(name: str, judged: Judged) -> float:
    """Alarms outside labelled ranges, divided by the days of all series."""
    false = 0
    for one, said in judged.values():
        alarms = np.flatnonzero(said.is_alarm[one.start :]) + one.start
        right = np.zeros(len(one.times), np.bool_)
        for first, end in zip(*measures.runs(one.labels), strict=True):
            right[first : end + DELAY[name]] = True
        for first, last in one.windows:
            right |= (one.times >= first) & (one.times <= last)
        false += int((~right[alarms]).sum())
    return false / sum(one.days for one, _ in judged.values())
