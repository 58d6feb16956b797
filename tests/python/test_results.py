"""Results pickled, copied, shown in a notebook, shared without a copy, and made while other
threads run."""

from __future__ import annotations

import copy
import html.parser
import pickle
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_kinds import HAVE, UTC, content, pandas, pyarrow, shop, small

import mad

START = datetime(2026, 1, 6, 10, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>&\"'\u202e"


def gauges(minutes: int = 90) -> dict[str, list[Any]]:
    """A gauge that is far out in its last ten minutes; one value is missing."""
    values = [10.0 + i * 37 % 11 / 10 for i in range(minutes - 10)] + [50.0] * 10
    return {
        "timestamp": [START + timedelta(minutes=i) for i in range(minutes)],
        "service": ["db"] * minutes,
        "metric": ["cpu"] * minutes,
        "value": [*values[:30], float("nan"), *values[31:]],
    }


@pytest.fixture(scope="module")
def report() -> mad.Report:
    """The shop with its incident, and a metric beside it."""
    return mad.detect(shop(), metrics=gauges())


def ranking() -> mad.MetricRanking:
    return mad.rank_culprits(gauges())


def reported(result: Any) -> Any:
    """All fields of a result."""
    if isinstance(result, mad.Table):
        return content(result)
    if isinstance(result, mad.Report):
        tables = (result.features, result.scored, result.scored_metrics, result.states)
        return [content(table) for table in tables], result.document(), result.read
    if isinstance(result, mad.Update):
        changes = [(name, reported(incident)) for name, incident in result.changes]
        return content(result.rows), content(result.points), changes, result.rejected
    if isinstance(result, mad.Pipeline):
        return result.checkpoint(), result.document()
    names = [name for name in dir(type(result)) if not name.startswith("_")]
    fields = {name: getattr(result, name) for name in names}
    plain = {name: field for name, field in fields.items() if not callable(field)}
    json = {name: field() for name, field in fields.items() if name == "to_json"}
    return repr(result), [(name, repr(field)) for name, field in (plain | json).items()]


def series() -> mad.SeriesScores:
    at = np.arange(100) * 60_000
    return mad.score_series(at, np.r_[np.arange(99) % 7, 500.0])


def updates() -> mad.Update:
    pipeline = mad.Pipeline()
    return pipeline.ingest(shop(), watermark=START + timedelta(minutes=50))


def pipeline() -> mad.Pipeline:
    live = mad.Pipeline({"guard": {"min_points": 25}})
    live.ingest({name: values[:4000] for name, values in shop().items()})
    return live


RESULTS: dict[str, Callable[[mad.Report], Any]] = {
    "Report": lambda report: report,
    "Incident": lambda report: report.incidents[0],
    "Culprit": lambda report: report.incidents[0].culprit,
    "Ranking": lambda report: report.culprits(at=report.incidents[0].end),
    "Explanation": lambda report: report.explain(report.incidents[0]),
    "Table": lambda report: report.scored,
    "states": lambda report: report.states,
    "Update": lambda _: updates(),
    "SeriesScores": lambda _: series(),
    "MetricRanking": lambda _: ranking(),
    "MetricCulprit": lambda _: ranking().culprits[0],
    "Rows": lambda _: mad.RowScorer().observe(mad.FeatureBuilder().push(shop())),
    "Score": lambda _: mad.MadScorer().observe(3.0),
    "Config": lambda _: mad.Config({"guard": {"min_points": 30}}),
    "Pipeline": lambda _: pipeline(),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_pickled_and_copied(report: mad.Report, name: str) -> None:
    result = RESULTS[name](report)
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        again = pickle.loads(pickle.dumps(result, protocol))
        assert type(again) is type(result)
        assert reported(again) == reported(result)
        assert reported(pickle.loads(pickle.dumps(again))) == reported(result), "once more"
    for duplicate in (copy.copy(result), copy.deepcopy(result)):
        assert reported(duplicate) == reported(result)


def test_unpickled_results_still_work(report: mad.Report) -> None:
    again = pickle.loads(pickle.dumps(report))
    incident = again.incidents[0]
    assert again.explain(incident).summary == report.explain(report.incidents[0]).summary
    assert again.why("payments", "/pay") == report.why("payments", "/pay")
    for name in ("score", "is_anomaly", "z"):
        got, expected = (getattr(one, name) for one in (copy.deepcopy(series()), series()))
        np.testing.assert_array_equal(got, expected)


def test_a_copied_pipeline_continues_independently() -> None:
    one = pipeline()
    other = copy.deepcopy(one)
    rest = {name: values[4000:] for name, values in shop().items()}
    before = one.document()
    other.ingest(rest)
    assert one.document() == before, "a copy shares nothing"
    one.ingest(rest)
    one.finish()
    other.finish()
    assert one.checkpoint() == other.checkpoint()
    assert one.incidents[0].id == other.incidents[0].id


def test_a_damaged_pickle_is_refused(report: mad.Report) -> None:
    make, (state,) = report.incidents[0].__reduce__()
    with pytest.raises(ValueError, match="another version"):
        make(state[:-5])
    make, (config, saved) = pipeline().__reduce__()
    with pytest.raises(ValueError, match=r"damaged|cut"):
        make(config, saved[:-5])


class Tags(html.parser.HTMLParser):
    """Checks that every tag is closed, and collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.all: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.open.append(tag)
        self.all.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


SHOWN = ("Report", "Incident", "Ranking", "Explanation", "Table", "states", "MetricRanking")
PLAIN = {"div", "p", "b", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_shows_plain_tags(report: mad.Report, name: str) -> None:
    shown = RESULTS[name](report)._repr_html_()
    tags = Tags()
    tags.feed(shown)
    assert not tags.open
    assert tags.all <= PLAIN
    assert len(shown) < 10_000
    if name not in ("Table", "states"):
        assert re.search("payments|db", shown)


def test_a_notebook_shows_hostile_names_as_text() -> None:
    hostile = {**shop(), "service": [HOSTILE] * 8000, "endpoint": ["/x"] * 8000}
    slow = [
        latency * (20 if 3000 <= i < 4000 else 1) for i, latency in enumerate(shop()["latency_ms"])
    ]
    report = mad.detect({**hostile, "latency_ms": slow})
    incident = report.incidents[0]
    shown = [
        report._repr_html_(),
        incident._repr_html_(),
        report.explain(incident)._repr_html_(),
        report.culprits(at=incident.end)._repr_html_(),
        report.scored._repr_html_(),
    ]
    for page in shown:
        assert "&lt;script&gt;" in page
        assert "<script" not in page
        assert "\u202e" not in page


def test_a_notebook_shows_ten_rows(report: mad.Report) -> None:
    shown = report.scored._repr_html_()
    assert shown.count("<tr>") == 11
    assert f"and {len(report.scored) - 10} more" in shown
    none = mad.detect(small(timestamp=["soon"] * 4))
    assert none.rejected["counts"] == {"bad_timestamp": 4}
    assert none.scored._repr_html_() == "<div><p>0 rows</p></div>"
    assert "<table>" not in none._repr_html_()


if "pyarrow" in HAVE:

    def test_arrow_reads_a_table_without_a_copy(report: mad.Report) -> None:
        table = report.scored
        first, second = pyarrow.table(table), pyarrow.table(table)
        for name in table.column_names:
            places = [
                [
                    buffer and buffer.address
                    for chunk in one.column(name).chunks
                    for buffer in chunk.buffers()
                ]
                for one in (first, second)
            ]
            assert places[0] == places[1], name
            assert any(places[0]), name
        values = first.column("score").to_numpy()
        del table
        assert values.tolist() == report.scored["score"].tolist(), "the memory outlives the table"


def test_scores_of_a_series_are_numpy_arrays() -> None:
    scores = series()
    for name in ("score", "is_anomaly", "alarm_score", "is_alarm", "z", "expected_low"):
        array = getattr(scores, name)
        assert not array.flags.owndata, f"{name} was copied into memory of numpy's own"
        assert array is getattr(scores, name)


@pytest.fixture
def ticks() -> Any:
    """Counts what another thread does during a call.

    Threads take turns only where one lets go by itself: the interpreter would wait a minute.
    """
    done, turns = threading.Event(), [0]

    def tick() -> None:
        while not done.is_set():
            turns[0] += 1
            time.sleep(0)

    def during(call: Callable[[], Any]) -> int:
        before = turns[0]
        for _ in range(100):  # a busy machine may wake the other thread too late
            call()
            if turns[0] > before:
                break
        return turns[0] - before

    other, interval = threading.Thread(target=tick), sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    other.start()
    yield during
    done.set()
    other.join()
    sys.setswitchinterval(interval)


def test_other_threads_run_during_detection(ticks: Callable[[Callable[[], Any]], int]) -> None:
    columns = shop(rows=60_000)
    columns |= {
        "timestamp": np.array([t.replace(tzinfo=None) for t in columns["timestamp"]], "M8[ns]")
    }
    columns["service"] = [f"service {i % 3000}" for i in range(60_000)]
    config = {"naive_offset_seconds": 0}
    values = np.arange(200_000) % 97 * 1.0
    at = np.arange(200_000) * 60_000
    live = mad.Pipeline(config)
    long = {
        "detect": lambda: mad.detect(columns, config=config),
        "ingest": lambda: live.ingest(columns),
        "checkpoint": live.checkpoint,
        "document": live.document,
        "states": live.states,
        "score_series": lambda: mad.score_series(at, values),
        "rolling_mad": lambda: mad.rolling_mad(values, 101),
        "modified_z": lambda: mad.modified_z(values),
        "observe_many": lambda: mad.MadScorer().observe_many(values),
    }
    turns = {name: ticks(call) for name, call in long.items()}
    assert all(count > 0 for count in turns.values()), turns
    assert ticks(lambda: sum(range(100_000))) == 0, "the count means nothing"


class NeedsPyarrow:
    """A table of a library that hands it over through pyarrow."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        raise ModuleNotFoundError("No module named 'pyarrow'")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    table = mad.detect(small()).scored
    for package in ("pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf"pip install 'mad-py\[{package}\]'") as caught:
            getattr(table, f"to_{package}")()
        assert caught.value.__cause__ is not None
    with pytest.raises(ImportError, match=r"pip install 'mad-py\[pyarrow\]'"):
        mad.detect(NeedsPyarrow())
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ValueError, match=r"pip install 'mad-py\[yaml\]'"):
        mad.Config.from_yaml(__file__)


def test_every_extra_that_is_named_exists() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    for extra in ("pandas", "polars", "pyarrow", "parquet", "yaml"):
        assert re.search(rf"^{extra} = \[", project.read_text(encoding="utf-8"), re.MULTILINE)


if pandas is not None:

    def test_frames_are_pickled_by_their_library(report: mad.Report) -> None:
        frame = report.scored.to_pandas()
        assert pickle.loads(pickle.dumps(frame)).equals(frame)
