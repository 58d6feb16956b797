"""Alarms of each sensitivity on a recording of one's own, with a recommended setting."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SENSITIVITIES = ("low", "medium", "high")
WEEK = 7 * 86_400.0
LEAST_WEEKS = 1 / 7


@dataclass(frozen=True)
class Trial:
    """What one sensitivity finds in a recording.

    `rows_per_week` are flagged rows of one series (an endpoint or a metric) in a week, and
    `incidents_per_week` are incidents of all series. `found`, `missed` and `false` count incidents
    against the truth, and are None without one.
    """

    sensitivity: str
    series: int
    rows: int
    flagged: int
    incidents: int
    weeks: float
    found: int | None = None
    missed: int | None = None
    false: int | None = None

    @property
    def rows_per_week(self) -> float:
        """Flagged rows of a series in a week."""
        return self.flagged / max(self.series, 1) / self.weeks

    @property
    def incidents_per_week(self) -> float:
        """Incidents of the whole recording in a week."""
        return self.incidents / self.weeks

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall of incidents; None without a truth."""
        if self.found is None or self.missed is None or self.false is None:
            return None
        return 2 * self.found / max(2 * self.found + self.missed + self.false, 1)


def trials(
    recording: str | os.PathLike[str], truth: Any = None, config: dict[str, Any] | None = None
) -> Iterator[Trial]:
    """Judges a recording (a file or a folder that `mad.detect` reads) with each sensitivity.

    `truth` has a form that `mad.evaluate` takes. `config` are further settings as nested names; its
    threshold is replaced. Raises ValueError for a recording without a row and for settings that do
    not exist, OSError when a file cannot be read.
    """
    from mad.detection import detect
    from mad.evaluation import evaluate

    for name in SENSITIVITIES:
        fields = dict(config or {})
        score = {key: one for key, one in fields.get("score", {}).items() if key != "threshold"}
        settings = {**fields, "score": {**score, "threshold": name}}
        report = detect(os.fspath(recording), config=settings)
        document = json.loads(report.document())
        weeks = _weeks(document)
        found: dict[str, Any] = {}
        if truth is not None:
            found = evaluate(report, truth)["incidents"]
        yield Trial(
            sensitivity=name,
            series=document["series"] + (document["entities"] if document["rows"] else 0),
            rows=document["rows"] + document["points"],
            flagged=document["flagged"] + document["flagged_points"],
            incidents=len(document["incidents"]),
            weeks=weeks,
            found=found.get("found"),
            missed=found.get("missed"),
            false=found.get("false_incidents"),
        )


def recommended(tried: list[Trial], per_week: float = 1.0) -> Trial | None:
    """With a truth, the trial with the best F1 of incidents; else, for a recording without a fault,
    the most sensitive one with at most `per_week` incidents a week. The least sensitive one of
    those that are equal, or if none is quiet enough. None for a recording of less than a day
    without a truth, because a few hours say nothing of a week."""
    if tried[0].f1 is not None:
        return max(tried, key=lambda one: one.f1 or 0.0)
    if tried[0].weeks < LEAST_WEEKS:
        return None
    quiet = [one for one in tried if one.incidents_per_week <= per_week]
    return quiet[-1] if quiet else tried[0]


def _weeks(document: dict[str, Any]) -> float:
    if not document["first"]:
        raise ValueError("the recording has no row that can be judged")
    first, last = (datetime.fromisoformat(document[end]) for end in ("first", "last"))
    step = float(document["step_seconds"])
    return max((last - first).total_seconds(), step) / WEEK
