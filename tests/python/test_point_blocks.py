"""Points of metrics in the journal: blocks of one time, read as single points."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mad.engine import Engine
from mad.journal import Entry, Journal, Retention
from mad.journal.reader import Reader
from mad.journal.selection import Page, Selection, TimeRange

START = 1_767_693_600
SECOND = 1_000_000_000
METRICS = ("cpu", "memory", "queue")


def body(minutes: range) -> bytes:
    """Three metrics of two hosts, one point a minute. JSON escapes characters of one host."""
    points = [
        {
            "timestamp": START + 60 * minute,
            "service": "db",
            "resource": resource,
            "metric": metric,
            "value": 900.0 if (minute, resource, metric) == (70, "a", "cpu") else minute * 7 % 5,
        }
        for minute in minutes
        for metric in METRICS
        for resource in ('b "1"\\é', "a")
    ]
    return "".join(json.dumps(point) + "\n" for point in points).encode()


@contextlib.contextmanager
def judged(directory: Path, **options: Any) -> Iterator[Reader]:
    """A reader of 75 minutes of points, which came in two batches."""
    engine = Engine(Journal(directory, **options), ticking=False)
    engine.start()
    for minutes in (range(30), range(30, 75)):
        engine.submit(Entry("metrics", body(minutes))).result(30)
    engine.tick((START + 60 * 90) * SECOND).result(30)
    engine.checkpoint().result(30)
    try:
        yield Reader(engine.journal.path)
    finally:
        engine.stop()


def names(found: list[str]) -> list[tuple[str, str, str]]:
    """Time, resource and metric of points."""
    points = [json.loads(one) for one in found]
    return [(one["bucket_ts"], one["resource"], one["metric"]) for one in points]


def test_points_are_listed_newest_first_and_by_name(tmp_path: Path) -> None:
    with judged(tmp_path) as reader:
        every = reader.points({}, Selection(page=Page(1_000)))
        assert len(every) == 75 * 6
        listed = names(every)
        assert listed == sorted(
            sorted(listed, key=lambda one: one[1:]), key=lambda one: one[0], reverse=True
        )
        assert json.loads(every[0]).keys() == {
            *("alarm_score", "bucket_ts", "expected_high", "expected_low", "is_alarm"),
            *("is_anomaly", "metric", "reason", "resource", "score", "service", "severity"),
            *("value", "z"),
        }
        # the fields stand in the order of their names
        assert list(json.loads(every[0])) == sorted(json.loads(every[0]))
        page = reader.points({}, Selection(page=Page(10, 5)))
        assert page == every[5:15]


def test_points_are_selected_by_name_time_and_flag(tmp_path: Path) -> None:
    with judged(tmp_path) as reader:
        everything = Selection(page=Page(1_000))
        escaped = reader.points({"resource": 'b "1"\\é', "metric": "queue"}, everything)
        assert len(escaped) == 75
        assert reader.points({"service": "other"}, everything) == []
        within = TimeRange((START + 600) * SECOND, (START + 720) * SECOND)
        assert len(reader.points({"service": "db"}, Selection(within))) == 12
        flagged = reader.points({}, Selection(flagged=True))
        assert ("2026-01-06T11:10:00Z", "a", "cpu") in names(flagged)
        assert all(json.loads(one)["is_anomaly"] for one in flagged)


def test_values_of_metrics_are_those_of_the_points(tmp_path: Path) -> None:
    with judged(tmp_path) as reader:
        values = reader.values(["cpu", "queue"], 9)
        assert [(one["resource"], one["metric"]) for one in values[:4]] == [
            ("a", "cpu"),
            ("a", "queue"),
            ('b "1"\\é', "cpu"),
            ('b "1"\\é', "queue"),
        ]
        assert len(values) == 9
        assert values[0] == {
            "at": (START + 60 * 74) * SECOND,
            "service": "db",
            "resource": "a",
            "metric": "cpu",
            "value": 74 * 7 % 5,
            "is_anomaly": 0,
        }
        one = {"service": "db", "resource": "a", "metric": "cpu"}
        newest = reader.point_values(one, Selection(page=Page(3)))
        assert newest == [minute * 7 % 5 for minute in (74, 73, 72)]


def test_of_two_judgements_of_a_point_the_newer_counts(tmp_path: Path) -> None:
    with judged(tmp_path) as reader:
        before = reader.points({}, Selection(page=Page(1_000)))
        with contextlib.closing(sqlite3.connect(tmp_path / "mad.db")) as db, db:
            db.execute(
                "INSERT INTO points SELECT at, seq + 1000, number, flagged, body FROM points"
            )
        assert reader.points({}, Selection(page=Page(1_000))) == before


def test_whole_blocks_leave_beyond_the_retention(tmp_path: Path) -> None:
    with judged(tmp_path, retention=Retention.parse(["points=100"])) as reader:
        kept = names(reader.points({}, Selection(page=Page(1_000))))
        # 17 times of six points: without the oldest one there would be fewer than 100
        assert len(kept) == 102
        assert kept[0][0] == "2026-01-06T11:14:00Z"


def test_a_damaged_block_is_an_error_of_the_storage(tmp_path: Path) -> None:
    with judged(tmp_path) as reader:
        for damage in (b"", b"\xff\xff\xff\xff", b"\x05\0\0\0\x50hello"):
            with contextlib.closing(sqlite3.connect(tmp_path / "mad.db")) as db, db:
                db.execute("UPDATE points SET body = ?", (damage,))
            with pytest.raises(sqlite3.OperationalError, match="damaged"):
                reader.points({})
