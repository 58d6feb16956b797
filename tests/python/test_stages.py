"""Each stage alone, from tables of every library, compared with the whole run."""

from __future__ import annotations

import copy
import csv
import io
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from table_kinds import HAVE, content, pandas, pyarrow, shop

import mad

TableOf = Callable[[mad.Table], Any]


def as_csv(table: mad.Table) -> dict[str, list[str]]:
    """What a CSV reader gives of a file: text in every column."""
    names = table.column_names
    columns = [table.column(name) for name in names]
    times = [f"{one}Z" for one in columns[0]]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    writer.writerows(zip(times, *columns[1:], strict=True))
    read = list(csv.reader(io.StringIO(file.getvalue())))
    return {name: [row[i] for row in read[1:]] for i, name in enumerate(read[0])}


FORMS: dict[str, TableOf] = {"mad": lambda table: table, "csv": as_csv}
if pandas is not None:
    FORMS["pandas"] = lambda table: table.to_pandas()
if pyarrow is not None:
    FORMS["pyarrow"] = lambda table: table.to_pyarrow()
if "polars" in HAVE:
    FORMS["polars"] = lambda table: table.to_polars()

each_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(scope="module")
def report() -> mad.Report:
    return mad.detect(shop())


def flagged(table: mad.Table) -> set[tuple[str, str, str]]:
    rows = zip(*(table[name] for name in ("bucket_ts", "service", "endpoint")), strict=True)
    return {
        (str(at), service, endpoint)
        for (at, service, endpoint), is_anomaly in zip(rows, table["is_anomaly"], strict=True)
        if is_anomaly
    }


@each_form
def test_the_row_scorer_takes_a_table_of_features(report: mad.Report, form: str) -> None:
    scored = mad.RowScorer().observe(FORMS[form](report.features)).to_table()
    assert len(scored) == len(report.features)
    theirs = report.scored["score"]
    mine = scored["score"]
    # the last minute of the stream is not whole, which a table of features does not say
    assert abs(mine - theirs)[:-10].max() < 1e-9
    assert mine.max() >= 0.5


@each_form
def test_guardrails_take_a_scored_table(report: mad.Report, form: str) -> None:
    judged = mad.Guardrails().judge(FORMS[form](report.scored)).to_table()
    assert flagged(judged) == flagged(report.scored)


@each_form
def test_the_grouper_takes_a_scored_table(report: mad.Report, form: str) -> None:
    incidents = mad.IncidentGrouper().group(FORMS[form](report.scored))
    mine = [(one.service, one.endpoint, one.start, one.end, one.rows) for one in incidents]
    theirs = [(one.service, one.endpoint, one.start, one.end, one.rows) for one in report.incidents]
    assert mine == theirs


@each_form
def test_the_ranker_takes_a_scored_table(report: mad.Report, form: str) -> None:
    at = report.incidents[0].end
    mine = mad.CulpritRanker().rank(FORMS[form](report.scored), at)
    theirs = report.culprits(at=at)
    assert [one.service for one in mine.culprits] == [one.service for one in theirs.culprits]


@each_form
def test_rows_of_every_stage_are_the_same_from_their_table(form: str) -> None:
    features = mad.FeatureBuilder().build(shop())
    scored = mad.RowScorer().observe(features)
    judged = mad.Guardrails().judge(scored)
    for rows in (features, scored, judged):
        table = rows.to_table(signals=True)
        again = mad.Rows(FORMS[form](table))
        assert repr(again) == repr(rows)
        assert again.to_table(signals=True).column_names == table.column_names
        for name in table.column_names:
            mine, theirs = again.to_table(signals=True)[name], table[name]
            if isinstance(theirs, list) or theirs.dtype.kind in "bM":
                assert list(mine) == list(theirs), name
            else:
                # evidence below the price of looking at several signals is lost
                assert mine == pytest.approx(theirs, abs=1e-6, nan_ok=True), name
    incident = mad.IncidentGrouper().group(judged)[0]
    again = mad.IncidentGrouper().group(FORMS[form](judged.to_table(signals=True)))[0]
    explain = mad.TemplateExplainer().explain
    assert explain(again).why_flagged == explain(incident).why_flagged


def test_a_table_in_any_order_gives_rows_in_order_of_time(report: mad.Report) -> None:
    columns = {name: list(report.scored[name])[::-1] for name in report.scored.column_names}
    columns["bucket_ts"] = [f"{one}Z" for one in columns["bucket_ts"]]
    (mine, *_), (theirs, *_) = mad.IncidentGrouper().group(columns), report.incidents
    assert (mine.start, mine.end) == (theirs.start, theirs.end)


def test_the_parts_of_a_table_are_as_the_whole(report: mad.Report) -> None:
    guardrails, scorer = mad.Guardrails(), mad.RowScorer()
    rows: list[Any] = []
    for part in (slice(0, 300), slice(300, None)):
        columns = {name: list(report.features[name])[part] for name in report.features.column_names}
        columns["bucket_ts"] = [f"{one}Z" for one in columns["bucket_ts"]]
        # endpoints come in another order, and so with other numbers
        judged = guardrails.judge(scorer.observe(columns)).to_table()
        rows.extend(judged["score"].tolist())
    whole = mad.RowScorer().observe(report.features).to_table()
    assert rows == pytest.approx(whole["score"].tolist())


ROW = {
    "bucket_ts": ["2026-01-06T10:00:00Z", "2026-01-06T10:01:00Z"],
    "service": ["shop", "shop"],
    "endpoint": ["/pay", "/pay"],
    "req_count": [60, 58],
    "is_anomaly": [False, True],
    "signal": ["error_rate", "error_rate"],
    "score": [0.0, 0.8],
}


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("req_count", None, r"no column `req_count`.*needed are bucket_ts"),
        ("req_count", [60, -1], r"-1 in column `req_count`, row 2; expected a whole number"),
        ("req_count", [60, 1.5], r"1.5 in column `req_count`, row 2"),
        ("bucket_ts", ["2026-01-06T10:00:00Z", "soon"], r"\"soon\" in column `bucket_ts`, row 2"),
        ("bucket_ts", ["2026-01-06T10:00:00Z", None], r"missing in column `bucket_ts`, row 2"),
        (
            "bucket_ts",
            ["2026-01-06T10:00:00Z", "2026-01-06T10:01:00"],
            r"\"2026-01-06T10:01:00\" in column `bucket_ts`, row 2; expected a time with a zone",
        ),
        (
            "bucket_ts",
            ["2026-01-06T10:00:00", "2026-01-06T10:01:00"],
            r"column `bucket_ts` has no time zone: localize it",
        ),
        ("bucket_ts", ["2026-01-06T10:00:00Z"] * 2, r"two rows of shop /pay at .*: rows 1 and 2"),
        ("signal", ["error_rate", "noise"], r"\"noise\" in column `signal`, row 2; .*error_rate"),
        ("score", [0.0, "high"], r"\"high\" in column `score`, row 2; expected a number"),
        ("is_anomaly", ["no", "yes"], r"\"no\" in column `is_anomaly`, row 1; .*true or false"),
        ("severity", ["Info", "Bad"], r"\"Bad\" in column `severity`, row 2; .*Critical"),
    ],
)
def test_an_error_names_column_row_value_and_remedy(
    column: str, values: list[Any] | None, message: str
) -> None:
    table = {name: value for name, value in ROW.items() if name != column}
    if values is not None:
        table[column] = values
    with pytest.raises(ValueError, match=message):
        mad.Rows(table)


def test_an_input_that_is_no_table_is_a_type_error() -> None:
    for value in (3, "rows.csv", None):
        with pytest.raises(TypeError, match="rows is a"):
            mad.IncidentGrouper().group(value)


def test_empty_tables_give_no_rows() -> None:
    empty: dict[str, list[Any]] = {name: [] for name in ROW}
    assert len(mad.Rows(empty)) == 0
    assert mad.IncidentGrouper().group(empty) == []
    assert mad.CulpritRanker().rank(empty).abstained
    assert len(mad.Guardrails().judge(empty)) == 0


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_stage_continues_like_the_original(how: str) -> None:
    requests = shop()
    parts = [{name: values[part] for name, values in requests.items()} for part in HALVES]
    stages: list[Any] = [
        mad.FeatureBuilder(),
        mad.RowScorer({"score": {"threshold": 0.6}}),
        mad.Guardrails({"guard": {"min_points": 25}}),
        mad.IncidentGrouper(),
        mad.CulpritRanker(minutes=30.0),
    ]

    def run(stages: list[Any], part: dict[str, Any]) -> list[Any]:
        builder, scorer, guardrails, grouper, ranker = stages
        judged = guardrails.judge(scorer.observe(builder.push(part)))
        incidents = [one.to_json() for one in grouper.group(judged)]
        return [content(judged.to_table()), incidents, repr(ranker.rank(judged))]

    run(stages, parts[0])
    copies = [COPIES[how](stage) for stage in stages]
    first = run(copies, parts[1])
    assert first == run(stages, parts[1]), "a copy shares nothing with its original"


HALVES = (slice(0, 4000), slice(4000, None))


def test_threads_share_a_scorer_and_a_graph() -> None:
    scorer = mad.MadScorer(window=60)
    graph = mad.ServiceGraph()
    values = np.arange(50_000, dtype=float) % 17

    def work(place: int) -> None:
        scorer.observe_many(values)
        scorer.observe(float(place))
        graph.add({"caller": [f"web-{place}"] * 500, "callee": ["shop"] * 500}, kind="edges")
        graph.callers("shop")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert graph.callers("shop") == sorted(f"web-{place}" for place in range(16))
    assert scorer.points == 60


def test_rows_without_a_zone_name_no_setting() -> None:
    rows = {
        "bucket_ts": ["2026-01-06T10:00:00"],
        "service": ["shop"],
        "endpoint": ["/pay"],
        "req_count": [1],
    }
    with pytest.raises(ValueError, match="has no time zone") as raised:
        mad.RowScorer().observe(rows)
    assert "naive_offset_seconds" not in str(raised.value)


def test_a_stray_row_before_the_traffic_is_forgotten_as_in_the_whole_run() -> None:
    def request(minute: int, ms: float) -> dict[str, Any]:
        moment = f"2026-01-06T{minute // 60:02}:{minute % 60:02}:05Z"
        return {
            "timestamp": moment,
            "service": "shop",
            "endpoint": "/pay",
            "status_code": 200,
            "latency_ms": ms,
        }

    minutes = [(0, 9_000.0), *((at, 40.0 + at * 7 % 5) for at in range(300, 400))]
    report = mad.detect([request(minute, ms) for minute, ms in minutes])
    mine = mad.RowScorer().observe(report.features).to_table()["score"]
    assert abs(mine - report.scored["score"])[:-1].max() < 1e-9
    columns = {
        "team": ["shop", "shop"],
        "endpoint": ["/pay", "/pay"],
        "timestamp": ["2026-01-06T10:00:05Z", "2026-01-06T10:00:20Z"],
        "status_code": [200, 200],
        "latency_ms": [1.0, 2.0],
    }
    builder = mad.FeatureBuilder({"intake": {"map": {"service": "team"}}})
    assert builder.build(columns).to_table()["req_count"].tolist() == [2]
