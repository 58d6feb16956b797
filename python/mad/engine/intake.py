"""The share of records that the service accepted in the last minutes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from mad import _core

#: Minutes over which the share is taken.
MINUTES = 15
#: Examples kept of a minute.
_EXAMPLES = 8
#: Senders counted apart in one minute, and the name of all others.
_SOURCES = 256
_OTHERS = "(other)"


@dataclass(slots=True)
class _Minute:
    """Counts of one minute of the clock of the process."""

    at: int
    accepted: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Counter[str]] = field(default_factory=dict)
    first: list[tuple[str, str, int, str]] = field(default_factory=list)
    #: Accepted, rejected and late records of each sender.
    sources: dict[str, Counter[str]] = field(default_factory=dict)
    #: Batches that could not be read at all, and why the first of them was not.
    unreadable: int = 0
    message: str = ""


class RecentIntake:
    """Counts accepted and rejected records, and unreadable batches, of the last 15 minutes.

    The service is degraded while less than `min_accepted` of the records of a kind was accepted, or
    while batches arrive of which none could be read. Threads may share it.
    """

    def __init__(
        self, min_accepted: float = 0.95, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self.min_accepted = min_accepted
        self._clock = clock
        self._minutes: deque[_Minute] = deque(maxlen=MINUTES + 1)
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        accepted: int,
        counts: Iterable[tuple[str, int]] = (),
        first: Iterable[Mapping[str, Any]] = (),
        source: str = "",
    ) -> None:
        """Counts a batch of a sender: accepted records, rejected ones by reason, and examples of
        these."""
        reasons = dict(counts)
        with self._lock:
            now = self._now()
            now.accepted[kind] += accepted
            now.rejected.setdefault(kind, Counter()).update(reasons)
            known = source in now.sources or len(now.sources) < _SOURCES
            of_source = now.sources.setdefault(source if known else _OTHERS, Counter())
            of_source["accepted"] += accepted
            of_source["rejected"] += sum(reasons.values())
            of_source["late"] += reasons.get("late", 0)
            for one in first:
                if len(now.first) < _EXAMPLES:
                    now.first.append((kind, one["reason"], one["position"], one["detail"]))

    def unreadable(self, message: str) -> None:
        """Counts a batch of which no record could be read."""
        with self._lock:
            now = self._now()
            now.unreadable += 1
            now.message = now.message or message

    def shares(self) -> dict[str, float]:
        """The accepted share of the records of each kind that arrived."""
        accepted, rejected = self._sums()
        offered = {
            kind: accepted[kind] + sum(counts.values()) - counts["duplicate"]
            for kind, counts in rejected.items()
        }
        return {kind: accepted[kind] / n for kind, n in offered.items() if n}

    def sources(self, most: int) -> list[dict[str, Any]]:
        """Senders of which records were rejected, the largest share first: `source`, `accepted`,
        `rejected` and `late` records, and the share that was accepted."""
        sums: dict[str, Counter[str]] = {}
        with self._lock:
            self._forget()
            for minute in self._minutes:
                for source, counts in minute.sources.items():
                    sums.setdefault(source, Counter()).update(counts)
        found: list[dict[str, Any]] = [
            {
                "source": source,
                **{name: counts[name] for name in ("accepted", "rejected", "late")},
                "share": counts["accepted"] / (counts["accepted"] + counts["rejected"]),
            }
            for source, counts in sums.items()
            if counts["rejected"]
        ]
        return sorted(found, key=_share)[:most]

    def problem(self) -> str | None:
        """Why the service is degraded; None when it is not."""
        accepted, rejected = self._sums()
        with self._lock:
            first = [one for minute in self._minutes for one in minute.first]
            unreadable = sum(minute.unreadable for minute in self._minutes)
            message = next((one.message for one in self._minutes if one.message), "")
        found = []
        for kind, counts in rejected.items():
            examples = [one[1:] for one in first if one[0] == kind]
            text = _core.describe_shortfall(
                kind, accepted[kind], dict(counts), examples, self.min_accepted, "position"
            )
            if text is not None:
                found.append(f"{text}, in the last {MINUTES} minutes")
        if unreadable and not sum(accepted.values()):
            batches = "the only batch" if unreadable == 1 else f"none of {unreadable} batches"
            verb = "could not" if unreadable == 1 else "could"
            found.append(f"{batches} of the last {MINUTES} minutes {verb} be read: {message}")
        return "; ".join(found) or None

    def _now(self) -> _Minute:
        at = int(self._clock() // 60)
        if not self._minutes or self._minutes[-1].at != at:
            self._minutes.append(_Minute(at))
        return self._minutes[-1]

    def _forget(self) -> None:
        """Drops the minutes that are too old; the caller holds the lock."""
        oldest = int(self._clock() // 60) - MINUTES
        while self._minutes and self._minutes[0].at < oldest:
            self._minutes.popleft()

    def _sums(self) -> tuple[Counter[str], dict[str, Counter[str]]]:
        accepted: Counter[str] = Counter()
        rejected: dict[str, Counter[str]] = {}
        with self._lock:
            self._forget()
            for minute in self._minutes:
                accepted.update(minute.accepted)
                for kind, counts in minute.rejected.items():
                    rejected.setdefault(kind, Counter()).update(counts)
        return accepted, rejected


def _share(source: dict[str, Any]) -> float:
    return float(source["share"])
