"""The page and the terminal for metrics: metrics are named as such and drawn at their own times."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from table_kinds import UTC, shop, to_csv

import mad
from mad.report import charts, render_html, summary, words

START = datetime(2026, 1, 5, 10, tzinfo=UTC)


def points(hours: int = 60) -> dict[str, list[Any]]:
    """Over days: cpu every five minutes with a gap of an hour, disk every ten; both end far out."""
    out: dict[str, list[Any]] = {"timestamp": [], "service": [], "metric": [], "value": []}
    for name, step, level in (("cpu", 5, 20.0), ("disk", 10, -3.0)):
        count = hours * 60 // step
        for i in range(count):
            gone = name == "cpu" and count - 30 <= i < count - 18
            last = i >= count - 6
            value = level + i * 37 % 11 / 10 + (60.0 if last else 0.0)
            out["timestamp"].append(START + timedelta(minutes=step * i))
            out["service"].append("db")
            out["metric"].append(name)
            out["value"].append(float("nan") if gone else value)
    return out


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What a report of metrics shows."""
    found: dict[str, Any] = json.loads(mad.detect_metrics(points()).document())
    assert len(found["incidents"]) == 1
    return found


class Text(HTMLParser):
    """What people read of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.skip = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skip = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.skip = False

    def handle_data(self, data: str) -> None:
        if not self.skip:
            self.read.append(data)


def test_metrics_are_not_reported_as_requests(document: dict[str, Any]) -> None:
    text = Text()
    text.feed(render_html(document))
    result = " ".join(text.read)
    assert not re.findall(r"\w*(?:endpoint|request|Endpoint|Request)\w*", result)
    assert "Points" in result
    assert "1,080" in result, "720 points of cpu and 360 of disk"
    assert "of 1,080 judged" in result
    assert "nan" not in result.lower()


def test_the_headline_counts_points(document: dict[str, Any]) -> None:
    assert summary.analysed(document) == "1,080 points of 2 metrics"
    assert summary.judged(document)[0] == 1080
    quiet = {**document, "incidents": [], "flagged_points": 0}
    title, lead = summary.headline(quiet)
    assert title == "No incident found"
    assert lead == (
        "1,080 points of 2 metrics were analysed. "
        "Every point was within the normal range of its metric."
    )
    both = {**quiet, "requests": 5, "entities": 3}
    assert summary.analysed(both) == "5 requests and 1,080 points of 2 metrics"
    assert summary.analysed({"requests": 5, "entities": 3}) == "5 requests to 3 endpoints"


def test_each_metric_is_drawn_at_its_own_times(document: dict[str, Any]) -> None:
    page = render_html(document)
    _, *lines = re.findall(r'<path class="line" d="([^"]*)"', page)
    assert len(lines) == 3, "the first one wide and narrow, the other narrow"
    pieces = sorted({line.count("M") for line in lines})
    assert pieces == [1, 2], "disk in one, cpu around its gap; not a dot each"
    assert "2026-01-07" in page, "days are shown"


def test_a_series_alone_has_its_own_step() -> None:
    series = charts.Series(
        name="disk",
        buckets=[0.0, 5.0, 10.0, 15.0, 20.0, 40.0],
        step=5.0,
        values=[1.0, None, 2.0, None, 3.0, 4.0],
        low=[0.0] * 6,
        high=[None] * 6,
        flagged=[False] * 5 + [True],
        responsible=True,
        counts=[None] * 6,
    )
    own = charts.alone(series)
    assert (own.buckets, own.step) == ([0.0, 10.0, 20.0, 40.0], 10.0)
    assert charts.runs(own, [True] * 4) == [[0, 1, 2], [3]]
    assert own.flagged == [False, False, False, True]
    drawn = charts.chart(series, charts.NARROW, None, "disk")
    assert "request" not in drawn


@pytest.mark.parametrize(
    ("low", "high", "result"),
    [
        (-3.0, 2.0, "-3 to 2"),
        (-3.0, -1.0, "-3 to -1"),
        (1.0, 2.0, f"1{words.DASH}2"),
        (-1.0, -1.0, "-1"),
    ],
)
def test_a_range_below_zero_can_be_read(low: float, high: float, result: str) -> None:
    assert words.quantity_range(low, high, "cpu") == result


def test_the_terminal_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(to_csv(points()))
    (tmp_path / "requests.csv").write_bytes(to_csv(shop()))

    def run(*argv: object) -> str:
        command = [sys.executable, "-m", "mad.cli", "detect", *map(str, argv), "--out", "out"]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", cwd=tmp_path, check=True
        )
        return done.stdout

    alone = run("--metrics", "metrics.csv")
    assert "1,080 points of 2 metrics, " in alone
    assert "1,080 rows judged, " in alone
    assert not re.findall("[Ee]ndpoint|[Rr]equest", alone)
    assert "8,000 requests and 1,080 points of 2 metrics, " in run(
        "requests.csv", "--metrics", "metrics.csv"
    )
