"""The share of records that the service accepted in the last minutes."""

from __future__ import annotations

from mad.engine.intake import MINUTES, RecentIntake

LATE = [{"reason": "late", "position": 3, "detail": "10 s behind"}]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def intake(min_accepted: float = 0.95) -> tuple[RecentIntake, Clock]:
    clock = Clock()
    return RecentIntake(min_accepted, clock=clock), clock


def test_nothing_yet_is_no_problem() -> None:
    recent, _ = intake()
    assert (recent.problem(), recent.shares()) == (None, {})


def test_a_kind_with_too_few_accepted_records_is_named() -> None:
    recent, clock = intake()
    recent.add("spans", 1_000)
    recent.add("requests", 94, [("late", 6)], LATE)
    assert recent.problem() == (
        "6 of 100 requests could not be accepted: the step of its time was already closed "
        "(10 s behind, position 3), in the last 15 minutes"
    )
    assert recent.shares() == {"spans": 1.0, "requests": 0.94}
    clock.now += 60
    recent.add("requests", 100)
    assert recent.problem() is None
    clock.now += 60 * (MINUTES + 1)
    assert recent.shares() == {}


def test_repeated_records_are_not_lost() -> None:
    recent, _ = intake()
    recent.add("requests", 10, [("duplicate", 90)])
    assert recent.problem() is None
    assert recent.shares() == {"requests": 1.0}


def test_unreadable_batches_count_while_nothing_is_accepted() -> None:
    recent, clock = intake()
    recent.unreadable("no header")
    assert recent.problem() == (
        "the only batch of the last 15 minutes could not be read: no header"
    )
    recent.unreadable("other")
    assert "none of 2 batches of the last 15 minutes could be read" in (recent.problem() or "")
    recent.add("logs", 1)
    assert recent.problem() is None
    clock.now += 3_600
    assert recent.problem() is None


def test_the_smallest_share_is_a_setting() -> None:
    recent, _ = intake(0.0)
    recent.add("requests", 1, [("late", 99)], LATE)
    assert recent.problem() is None
    recent.add("metrics", 0, [("late", 9)], LATE)
    assert "None of the 9 points could be accepted" in (recent.problem() or "")
