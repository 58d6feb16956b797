"""The time axis of a chart: proportional, without long stretches that have no rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from mad import times
from mad.report.scales import time_ticks

LONG_GAP = 20
"""Steps without a row beyond which a gap may be left out."""
_FOLD = 10.0
"""Width of a left-out gap in pixels; less where there are many."""
_MOST_FOLDS = 0.3
"""The largest share of the axis that all gaps together may take."""
_DIGIT = 6.3
"""Width of one character of a tick label, in pixels."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def stretches(buckets: Sequence[float], step: float) -> list[tuple[float, float]]:
    """The stretches of time to draw for ascending `buckets`: all of it, or only stretches with
    rows.

    Gaps of more than `LONG_GAP` steps are left out when they cover most of the time and rows are
    still grouped, as in a recording with long pauses.
    """
    found: list[tuple[float, float]] = []
    for bucket in buckets:
        if found and bucket - found[-1][1] <= LONG_GAP * step:
            found[-1] = (found[-1][0], max(bucket + step, found[-1][1]))
        else:
            found.append((bucket, bucket + step))
    if not found:
        return []
    whole = (found[0][0], found[-1][1])
    covered = sum(end - start for start, end in found)
    apart = 2 * len(found) > len(buckets)
    return [whole] if apart or 2 * covered > whole[1] - whole[0] else found


@dataclass(frozen=True)
class TimeAxis:
    """Positions of times between `left` and `right`, in pixels."""

    pieces: Sequence[tuple[float, float]]
    left: float
    right: float

    @property
    def fold(self) -> float:
        """Width of a left-out gap, in pixels."""
        gaps = len(self.pieces) - 1
        return min(_FOLD, _MOST_FOLDS * (self.right - self.left) / gaps) if gaps else 0.0

    def folds(self) -> list[float]:
        """The positions of the left-out gaps."""
        return [self.at(start) - self.fold / 2 for start, _ in self.pieces[1:]]

    def at(self, time: float) -> float:
        """The position of a time. A time within a gap is at its middle, a time beyond the ends
        at the nearest one."""
        covered = sum(end - start for start, end in self.pieces)
        scale = (self.right - self.left - self.fold * (len(self.pieces) - 1)) / covered
        x = self.left
        for index, (start, end) in enumerate(self.pieces):
            if time < start:
                return x - self.fold / 2 if index else x
            if time <= end:
                return x + (time - start) * scale
            x += (end - start) * scale + self.fold
        return self.right

    def ticks(self, most: int, mark: float | None) -> list[tuple[float, str, str]]:
        """About `most` labelled positions, each with the anchor of its label.

        With gaps left out, the start of each piece is labelled as far as the width allows, first
        that of the piece with the time `mark`.
        """
        if len(self.pieces) == 1:
            start, end = self.pieces[0]
            return [(self.at(at), label, "") for at, label in time_ticks(start, end, most)]
        inside = [i for i, (start, end) in enumerate(self.pieces) if start <= (mark or 0.0) <= end]
        room = (self.right - self.left) / most
        wanted = []
        for index in dict.fromkeys([*inside, 0, *range(len(self.pieces))]):
            x, label = self.at(self.pieces[index][0]), self._label(index)
            late = x + len(label) * _DIGIT > self.right
            wanted.append((self.right if late else x, label, "end" if late else "start"))
        for start, end in self.pieces:
            fitting = int((self.at(end) - self.at(start)) / room)
            if fitting > 1:
                found = time_ticks(start, end, fitting)
                wanted += [(self.at(at), label, "middle") for at, label in found]
        occupied: list[tuple[float, float]] = []
        ticks = []
        for x, label, anchor in wanted:
            width = len(label) * _DIGIT
            begin = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
            clear = max(room - width, 8.0)
            apart = all(begin >= e + clear or begin + width + clear <= b for b, e in occupied)
            if apart and begin + width <= self.right + 8.0:
                occupied.append((begin, begin + width))
                ticks.append((x, label, "" if anchor == "middle" else anchor))
        return sorted(ticks)

    def _label(self, index: int) -> str:
        time = _EPOCH + timedelta(seconds=self.pieces[index][0])
        days = {int(start // 86400) for start, _ in self.pieces}
        clock = times.clock(time)
        return f"{time.month:02}-{time.day:02} {clock}" if len(days) > 1 else clock
