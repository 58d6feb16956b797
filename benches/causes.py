"""Why events are missed and false alarms are raised, by what the rows of the detector say.

    python benches/causes.py DATA [SCORER]

DATA is the folder of labelled series (microsoft, kpi, wsd), SCORER the script that scores them
(../../bench/detection.py of DATA unless given). Prints one line for each missed or false event with
`--events`, and always a table of causes. Each event has one cause, the first that applies.

Missed events, by the rows within which an event has to be flagged:

- missing rows: more than half of these steps have no value
- flagged before: a row up to 60 rows before the label is flagged
- usual level: the value is far out, and is not flagged because the series often has it
- mild and lasting: at least three of the rows score 0.35 to 0.5 by themselves, without decay
- calibration: the views would flag a row, but the past of the series says that it is not rare
- dilution: one view alone flags a row, and the mean of the four views does not
- late: a later row of the event is flagged
- not visible: no view flags any row of the event

False events, by their first row:

- near a label: up to 60 rows before or after a labelled run
- young: less than two days are known
- after a gap: the first value after three missing steps or more
- level change: the median of the next 30 rows is outside the expected range of the row
- at its time of day: on two of the seven days before, a row within 15 minutes scores 0.47 or more,
  which 3 to 5 % of quiet rows fulfil
- extreme: the value is beyond all earlier values of the series
- calibration: all others
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scorers import module

import mad
from mad import _core

# Rows after the start of an event within which it has to be flagged, as in the scorer.
DELAY = {"microsoft": 2, "kpi": 7, "wsd": 7}
# Score from which a row is mild evidence: one row in 140.
MILD = 0.35
# Distance in scales at which the views flag a row of a series without a past: the calibration has a
# prior of 0.64 natural logarithms a decade, and flags at 4 / 1.78 decades.
PRIOR_FLAGS_AT = float(np.expm1(0.64 * 4 / 1.78))
# Score from which a row recurs at its time of day: one row in 100 of a quiet series.
RECURS = 0.47
# Share of its `-log10 p` that a row inherits from the row before.
DECAY = 0.9
# Score of a row that is kept below the threshold.
KEPT_BELOW = 0.975 / 1.975
# Rows that count as near an event.
NEAR = 60
QUARTER = 900_000
DAY = 96 * QUARTER
VIEWS = ("double_mad", "long", "seasonal", "difference")


class Series:
    """One series with the answers of the detector."""

    def __init__(self, one: dict[str, Any], delay: int) -> None:
        self.at, self.x, self.label, self.start = one["ts"], one["x"], one["y"], one["start"]
        self.delay = delay
        self.judged = mad.score_series(self.at, self.x)
        self.step = int(np.diff(self.at)[np.diff(self.at) > 0].min())
        self._views: dict[str, Any] = {}
        # Scores that a row has by itself; one that it inherits counts as 0.
        score = self.judged.score
        evidence = 4 * score / (1 - np.minimum(score, 0.99))
        inherited = np.zeros(len(score), bool)
        inherited[1:] = np.isclose(evidence[1:], DECAY * evidence[:-1], rtol=1e-6)
        self.own = np.where(inherited, 0.0, score)

    def view(self, name: str) -> Any:
        """The flags of one scorer alone."""
        if name not in self._views:
            flags = _core.score_alone(self.at * 1_000_000, self.x, name).is_anomaly
            self._views[name] = flags
        return self._views[name]

    def events(self) -> list[tuple[int, int]]:
        """First row and end of each labelled run that is scored."""
        edges = np.diff(np.concatenate([[0], self.label.astype(np.int8), [0]]))
        runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
        return [(int(a), int(b)) for a, b in runs if a >= self.start]

    def missed(self, first: int, end: int) -> str | None:
        """Why an event is missed; None if it is found."""
        rows = slice(first, first + self.delay + 1)
        flags, score = self.judged.is_anomaly, self.own[rows]
        if flags[rows].any():
            return None
        values = np.isfinite(self.x[rows])
        lasts = (self.at[min(first + self.delay, len(self.at) - 1)] - self.at[first]) / self.step
        if values.sum() <= (lasts + 1) / 2:
            return "missing rows"
        if flags[max(first - NEAR, 0) : first].any():
            return "flagged before"
        if (np.isclose(score, KEPT_BELOW, atol=1e-6)).any():
            return "usual level"
        if (score >= MILD).sum() >= min(3, end - first):
            return "mild and lasting"
        if (np.abs(self.judged.z[rows]) >= PRIOR_FLAGS_AT).any():
            return "calibration"
        for name in VIEWS:
            if self.view(name)[rows].any():
                return f"dilution ({name})"
        return "late" if flags[first:end].any() else "not visible"

    def false_events(self) -> list[int]:
        """First rows of the false events, counted as the scorer does."""
        free = np.ones(len(self.x), bool)
        for first, end in self.events():
            free[first : end + self.delay] = False
        free[: self.start] = False
        rows: list[int] = []
        last = -(10**9)
        for row in np.flatnonzero(self.judged.is_anomaly & free):
            if row - last > self.delay:
                rows.append(int(row))
            last = int(row)
        return rows

    def false_because(self, row: int) -> str:
        """The cause of a false event."""
        if self.label[max(row - NEAR, 0) : row + NEAR].any():
            return "near a label"
        if self.at[row] - self.at[0] < 2 * DAY:
            return "young"
        if row and self.at[row] - self.at[row - 1] > 3 * self.step:
            return "after a gap"
        later = np.nanmedian(self.x[row : row + 30])
        if not self.judged.expected_low[row] <= later <= self.judged.expected_high[row]:
            return "level change"
        days = 0
        for day in range(1, 8):
            around = self.at[row] - day * DAY
            a, b = np.searchsorted(self.at, [around - QUARTER, around + QUARTER])
            days += bool((self.own[a:b] >= RECURS).any())
        if days >= 2:
            return "at its time of day"
        past = self.x[:row]
        if not np.nanmin(past) <= self.x[row] <= np.nanmax(past):
            return "extreme"
        return "calibration"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("scorer", type=Path, nargs="?")
    parser.add_argument("--events", action="store_true", help="print each event")
    arguments = parser.parse_args()
    scorer = arguments.scorer or arguments.data.parent.parent / "bench/detection.py"
    detection = module(scorer)
    for name, delay in DELAY.items():
        load, read, _ = detection.SETS[name]
        missed, false = Counter[str](), Counter[str]()
        found = days = 0.0
        series_missed: dict[str, set[str]] = {}
        series_false: dict[str, set[str]] = {}
        for key, one in load(arguments.data / name, **read).items():
            series = Series(one, delay)
            days += (series.at[-1] - series.at[series.start]) / DAY
            for first, end in series.events():
                cause = series.missed(first, end)
                if cause is None:
                    found += 1
                    continue
                missed[cause] += 1
                series_missed.setdefault(cause, set()).add(key)
                if arguments.events:
                    print(f"{name} {key} {series.at[first]} {end - first} rows missed: {cause}")
            for row in series.false_events():
                cause = series.false_because(row)
                false[cause] += 1
                series_false.setdefault(cause, set()).add(key)
                if arguments.events:
                    print(f"{name} {key} {series.at[row]} false: {cause}")
        events = found + missed.total()
        print(f"\n{name}: {events:.0f} events, {found:.0f} found, {false.total()} false alarms")
        for cause, count in missed.most_common():
            where = f"{count / events:6.1%} {len(series_missed[cause]):4d} series"
            print(f"  missed: {cause:28s}{count:5d} {where}")
        for cause, count in false.most_common():
            where = f"{count / days:6.3f} {len(series_false[cause]):4d} series"
            print(f"  false:  {cause:28s}{count:5d} {where}")


if __name__ == "__main__":
    main()
