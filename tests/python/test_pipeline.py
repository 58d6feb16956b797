"""The pipeline as a stream, stage by stage and with every configuration: always the same result."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_kinds import UTC, Columns, content, shop, small, to_csv

import mad

FUTURE = datetime(2026, 1, 6, 18, tzinfo=UTC)


@pytest.fixture(scope="module")
def report() -> mad.Report:
    """The shop's requests in one go."""
    found = mad.detect(shop())
    assert len(found.incidents) == 1
    return found


def joined(tables: list[mad.Table]) -> dict[str, list[Any]]:
    """Tables one under the other."""
    parts = [content(table) for table in tables]
    return {name: [x for part in parts for x in part[name]] for name in parts[0]}


def pieces(columns: Columns, cuts: list[int]) -> Iterator[Columns]:
    """The table cut at some rows."""
    edges = [0, *sorted(cuts), len(columns["timestamp"])]
    for start, end in itertools.pairwise(edges):
        yield {name: values[start:end] for name, values in columns.items()}


def fed(batches: Iterator[Any]) -> tuple[mad.Pipeline, list[mad.Update]]:
    """A pipeline that took all batches and was finished."""
    pipeline = mad.Pipeline()
    updates = [pipeline.ingest(batch) for batch in batches]
    return pipeline, [*updates, pipeline.finish()]


def without_reading(report: mad.Report) -> dict[str, Any]:
    """The document of a report without what only a run over a whole input knows of its records."""
    document: dict[str, Any] = json.loads(report.document())
    reading = {name: document.pop(name) for name in READING}
    assert reading["accepted"] == document["requests"]
    assert reading["read"]["requests"]["rejected"] == document["rejected"]
    assert reading["problem"] is None
    assert [reading[name] for name in ("lost_services", "warnings", "levels")] == [[], [], []]
    # the small charts of all endpoints
    assert reading["overview"]["endpoints"]
    return document


READING = ("accepted", "problem", "lost_services", "warnings", "levels", "read", "overview")


def assert_same(pipeline: mad.Pipeline, updates: list[mad.Update], report: mad.Report) -> None:
    assert joined([update.rows for update in updates]) == content(report.scored)
    assert joined([update.services for update in updates]) == content(report.services)
    assert [one.to_json() for one in pipeline.incidents] == [
        one.to_json() for one in report.incidents
    ]
    assert json.loads(pipeline.document()) == without_reading(report)
    assert pipeline.rejected == report.rejected


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 8000), max_size=30))
def test_any_split_gives_the_same(report: mad.Report, cuts: list[int]) -> None:
    assert_same(*fed(pieces(shop(), cuts)), report)


def test_row_by_row_gives_the_same() -> None:
    columns = {name: values[:600] for name, values in shop().items()}
    assert_same(*fed(pieces(columns, list(range(600)))), mad.detect(columns))


def test_bytes_give_the_same(report: mad.Report) -> None:
    header, *lines = to_csv(shop()).splitlines(keepends=True)
    batches = [header + b"".join(lines[at : at + 1000]) for at in range(0, len(lines), 1000)]
    assert_same(*fed(iter(batches)), report)
    rows = (dict(zip(shop(), row, strict=True)) for row in zip(*shop().values(), strict=True))
    text = [json.dumps(row, default=datetime.isoformat) + "\n" for row in rows]
    assert_same(*fed(iter(["".join(text).encode()])), report)


def test_an_unreadable_batch_does_not_change_the_pipeline(report: mad.Report) -> None:
    pipeline = mad.Pipeline()
    updates = []
    bad: list[Any] = [{}, b"", b"a,b\n1,2\n", 5, small(service=["a"])]
    for batch in pieces(shop(), [3000, 5000]):
        for wrong in bad:
            with pytest.raises((ValueError, TypeError)):
                pipeline.ingest(wrong)
        updates.append(pipeline.ingest(batch))
    assert_same(pipeline, [*updates, pipeline.finish()], report)


def test_incident_changes_follow_the_life_cycle() -> None:
    pipeline, updates = fed(pieces(shop(), list(range(0, 8000, 100))))
    changes = [change for update in updates for change in update.changes]
    (incident,) = pipeline.incidents
    kinds = [kind for kind, _ in changes]
    assert kinds[0] == "opened"
    assert kinds[-1] == "closed"
    assert set(kinds[1:-1]) <= {"updated"}
    assert {one.id for _, one in changes} == {incident.id}
    assert incident.status == "resolved"
    assert incident.closed_at is not None


def test_positions_are_rows_of_their_batch() -> None:
    pipeline = mad.Pipeline()
    for hours in (0, 1):
        times = [time + timedelta(hours=hours) for time in small()["timestamp"]]
        update = pipeline.ingest(small(timestamp=times, service=["a", "b", "", "b"]))
        assert update.rejected["counts"] == {"missing_field": 1}
        assert update.rejected["first"][0]["position"] == 3
    assert pipeline.rejected["counts"] == {"missing_field": 2}


# watermark, advance, commands


def test_the_watermark_follows_the_newest_requests() -> None:
    pipeline = mad.Pipeline()
    assert pipeline.watermark is None
    pipeline.ingest(shop())
    newest = shop()["timestamp"][-1] - timedelta(seconds=10)
    # the clock follows a quorum of the last records, which lags behind the newest by seconds
    assert newest - timedelta(seconds=40) < pipeline.watermark <= newest + timedelta(seconds=5)
    assert pipeline.watermark.utcoffset() == timedelta(0)


def whole_steps(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Without the last step, whose row is incomplete at the end of the stream."""
    last = max(rows["bucket_ts"])
    kept = [i for i, bucket in enumerate(rows["bucket_ts"]) if bucket < last]
    return {name: [column[i] for i in kept] for name, column in rows.items()}


def test_a_given_watermark_closes_steps() -> None:
    pipeline = mad.Pipeline()
    last = shop()["timestamp"][-1].replace(second=0) + timedelta(minutes=1)
    update = pipeline.ingest(shop(), watermark=last)
    assert len(update.rows) == len(mad.detect(shop()).scored)
    assert whole_steps(content(update.rows)) == whole_steps(content(mad.detect(shop()).scored))
    assert pipeline.watermark == last
    assert len(pipeline.finish().rows) == 0


def test_advance_closes_older_steps(report: mad.Report) -> None:
    pipeline = mad.Pipeline()
    updates = [pipeline.ingest(shop()), pipeline.advance(FUTURE)]
    closed = joined([update.rows for update in updates])
    assert len(closed["bucket_ts"]) == len(report.scored)
    assert whole_steps(closed) == whole_steps(content(report.scored))
    assert pipeline.watermark == FUTURE
    assert len(pipeline.advance(FUTURE - timedelta(hours=1)).rows) == 0
    assert pipeline.watermark == FUTURE
    late = pipeline.ingest(small())
    assert late.rejected["counts"] == {"late": 4}
    assert "watermark = 2026-01-06T18:00:00Z" in late.rejected["first"][0]["detail"]


def test_advance_ends_an_incident() -> None:
    pipeline = mad.Pipeline()
    until = [at for at, time in enumerate(shop()["timestamp"]) if time.hour == 10][-1]
    pipeline.ingest(next(pieces(shop(), [until])))
    pipeline.advance(datetime(2026, 1, 6, 10, 52, tzinfo=UTC))
    before = [one.status for one in pipeline.incidents]
    changes = pipeline.advance(FUTURE).changes
    assert [one.status for one in pipeline.incidents] == ["resolved"]
    assert before == ["resolved"] or [kind for kind, _ in changes] == ["closed"]


@pytest.mark.parametrize("year", [1, 1677, 1678, 2262, 2263, 9999])
def test_advance_accepts_any_time(year: int) -> None:
    pipeline = mad.Pipeline()
    pipeline.ingest(small())
    pipeline.advance(datetime(year, 1, 1, tzinfo=UTC))
    pipeline.ingest(small())
    pipeline.finish()
    assert pipeline.watermark is not None


def test_times_need_a_zone() -> None:
    pipeline = mad.Pipeline()
    naive = datetime(2026, 1, 6)
    for call in (
        lambda: pipeline.advance(naive),
        lambda: pipeline.ingest(small(), watermark=naive),
        lambda: pipeline.culprits(at=naive),
        lambda: pipeline.resolve("x", naive),
    ):
        with pytest.raises((TypeError, ValueError), match="no time zone; give an aware datetime"):
            call()
    for wrong in ("2026-01-06T10:00:00Z", 5, None, naive.date()):
        with pytest.raises(TypeError, match="expected an aware datetime"):
            pipeline.advance(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=-3.5)), ZoneInfo("Europe/Berlin")])
def test_times_may_have_any_zone(zone: tzinfo) -> None:
    at = datetime(2026, 1, 6, 12, tzinfo=zone)
    pipeline = mad.Pipeline()
    pipeline.advance(at)
    assert pipeline.watermark == at
    assert pipeline.culprits(at=at).at == at


def live_incident() -> tuple[mad.Pipeline, mad.Incident]:
    """A pipeline in the middle of an incident."""
    pipeline = mad.Pipeline()
    for batch in pieces(shop(), list(range(0, 8000, 50))):
        pipeline.ingest(batch)
        if pipeline.incidents:
            return pipeline, pipeline.incidents[0]
    raise AssertionError("no incident")


def test_commands() -> None:
    pipeline, incident = live_incident()
    assert (incident.status, incident.closed_at) == ("open", None)
    at = incident.opened_at + timedelta(minutes=1)
    (change,) = pipeline.acknowledge(incident.id, at).changes
    assert (change[0], change[1].status) == ("acknowledged", "acknowledged")
    (change,) = pipeline.resolve(incident.id, at).changes
    assert (change[0], change[1].status, change[1].closed_at) == ("closed", "resolved", at)
    assert [one.status for one in pipeline.incidents] == ["resolved"]
    for command in (pipeline.acknowledge, pipeline.resolve):
        with pytest.raises(KeyError):
            command(incident.id, at)


@pytest.mark.parametrize("name", ["", "x", "payments /pay", "\x00", "🦀" * 1000])
def test_unknown_incidents_are_a_key_error(name: str) -> None:
    pipeline, incident = live_incident()
    for command in (pipeline.acknowledge, pipeline.resolve):
        with pytest.raises(KeyError):
            command(name, incident.start)
    assert pipeline.incidents[0].status == "open"


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match='kind = "dreams"; there are: requests, metrics'):
        mad.Pipeline().ingest(small(), kind="dreams")


# stage by stage


def test_the_stages_one_by_one_are_the_pipeline(report: mad.Report) -> None:
    builder, scorer = mad.FeatureBuilder(), mad.RowScorer()
    guardrails, grouper = mad.Guardrails(), mad.IncidentGrouper()
    parts: list[mad.Rows] = []
    for batch in pieces(shop(), [1, 17, 4000, 4001]):
        parts.append(builder.push(batch))
    parts.append(builder.finish())
    features = joined([part.to_table() for part in parts])
    assert features == content(report.features)
    judged = [guardrails.judge(scorer.observe(part)) for part in parts]
    assert joined([part.to_table() for part in judged]) == content(report.scored)
    for part in judged:
        incidents = grouper.group(part)
    assert builder.rejected == report.rejected

    whole = mad.FeatureBuilder()
    first = whole.push(shop())
    assert len(first) + len(whole.finish()) == len(report.scored)

    expected = report.incidents
    reported = (
        "id",
        "fingerprint",
        "service",
        "endpoint",
        "start",
        "end",
        "opened_at",
        "closed_at",
        "close_reason",
    )
    reported += ("severity", "status", "signals", "rows", "requests", "errors")
    for mine, theirs in zip(incidents, expected, strict=True):
        for name in reported:
            assert getattr(mine, name) == getattr(theirs, name), name


def test_ranking_and_explanation_by_stages(report: mad.Report) -> None:
    builder = mad.FeatureBuilder()
    columns = shop() | {}
    columns = {name: [*values] for name, values in columns.items()}
    rows = builder.push(columns)
    judged = mad.Guardrails().judge(mad.RowScorer().observe(rows))
    (incident,) = mad.IncidentGrouper().group(judged)
    (expected,) = report.incidents
    at = expected.end - timedelta(minutes=1)
    ranking = mad.CulpritRanker(minutes=15.0, top_k=3).rank(judged, at=at)
    theirs = report.culprits(at=at)
    assert [reported(one) for one in ranking.culprits] == [reported(one) for one in theirs.culprits]
    assert (ranking.start, ranking.at, ranking.rows) == (theirs.start, theirs.at, theirs.rows)
    assert ranking.culprits[0].endpoint == "/pay"
    mine = mad.TemplateExplainer().explain(incident, ranking)
    full = report.explain(expected)
    for name in (
        *("summary", "why_flagged", "likely_causes", "recommended_actions"),
        *("confidence", "confidence_rule", "line"),
    ):
        assert getattr(mine, name) == getattr(full, name), name
    # only the pipeline knows the traffic and so the error budgets
    assert mine.impact == [said for said in full.impact if "budget" not in said]
    assert full.confidence in ("High", "Medium", "Low")
    assert mad.TemplateExplainer().explain(incident).summary


def reported(culprit: mad.Culprit) -> tuple[Any, ...]:
    return (
        *(culprit.service, culprit.endpoint, culprit.metric, culprit.score, culprit.onset),
        *(culprit.rows, culprit.severity, culprit.evidence),
    )


def test_stages_name_their_required_input() -> None:
    rows = mad.FeatureBuilder().push(shop())
    with pytest.raises(ValueError, match=r"RowScorer.observe"):
        mad.Guardrails().judge(rows)
    scored = mad.RowScorer().observe(rows)
    for call in (mad.IncidentGrouper().group, mad.CulpritRanker().rank):
        with pytest.raises(ValueError, match=r"Guardrails.judge"):
            call(scored)
    assert scored.to_table().column_names[:4] == ["bucket_ts", "service", "endpoint", "score"]


def test_no_rows_through_the_stages() -> None:
    rows = mad.FeatureBuilder().finish()
    judged = mad.Guardrails().judge(mad.RowScorer().observe(rows))
    assert (len(judged), mad.IncidentGrouper().group(judged)) == (0, [])
    ranking = mad.CulpritRanker().rank(judged)
    assert ranking.abstained
    assert len(ranking) == 0


# a scorer alone


VALUES = st.lists(
    st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 100.0]),
    max_size=80,
)
SCORERS = st.fixed_dictionaries(
    {},
    optional={
        "window": st.integers(3, 30),
        "direction": st.sampled_from(["up", "down", "both"]),
        "logarithm": st.booleans(),
        "threshold": st.floats(0.1, 0.9),
        "band": st.floats(0.5, 8.0),
    },
)


@settings(max_examples=60, deadline=None)
@given(VALUES, SCORERS)
def test_the_ways_to_observe_agree(values: list[float], config: dict[str, Any]) -> None:
    many = mad.MadScorer(**config).observe_many(values)
    assert sorted(many) == ["expected", "expected_high", "expected_low", "score", "z"]
    one, two = mad.MadScorer(**config), mad.MadScorer(**config)
    threshold = config.get("threshold", 0.5)
    for at, value in enumerate(values):
        before = one.score(value)
        score = one.observe(value)
        reported = scored(score)
        np.testing.assert_array_equal(reported, scored(before))
        np.testing.assert_array_equal(reported, [many[name][at] for name in SCORED])
        flagged = two.score(value)
        two.learn(value, how="clipped" if flagged.score >= threshold else "full")
        assert 0.0 <= score.score <= 1.0
        np.testing.assert_array_equal(flagged.z, score.z)
        if not math.isfinite(value):
            assert (math.isnan(score.z), score.score) == (True, 0.0)
    assert one.points == two.points == min(sum(map(math.isfinite, values)), one_window(config))


SCORED = ("z", "score", "expected", "expected_low", "expected_high")


def scored(score: mad.Score) -> list[float]:
    return [getattr(score, name) for name in SCORED]


def one_window(config: dict[str, Any]) -> int:
    window: int = config.get("window", 240)
    return window


def test_a_scorer_learns_only_given_values() -> None:
    scorer = mad.MadScorer(window=20)
    for value in range(20):
        scorer.learn(float(value % 5))
    before = scorer.score(1000.0)
    assert before.score > 0.5
    scorer.learn(1000.0, how="skip")
    assert scorer.score(1000.0).z == before.z
    assert before.points == 20
    with pytest.raises(ValueError, match="expected full, clipped or skip"):
        scorer.learn(1.0, how="half")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window", 0),
        ("window", 100_001),
        ("direction", "left"),
        ("absolute_floor", -1.0),
        ("relative_floor", float("nan")),
        ("tail_weight", float("inf")),
        ("band", 0.0),
        ("threshold", 0.0),
        ("threshold", 1.0),
        ("threshold", float("nan")),
    ],
)
def test_scorer_settings_outside_their_range(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field}.*expected"):
        mad.MadScorer(**{field: value})


# configuration


CHANGED: dict[str, Any] = {
    "features": {"step_seconds": 120.0},
    "guard": {"min_points": 10, "warm_up_minutes": 10.0},
    "naive_offset_seconds": 3600,
}
TOML = """
naive_offset_seconds = 3600
[features]
step_seconds = 120
[guard]
min_points = 10
warm_up_minutes = 10
"""


def test_configuration_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text(TOML)
    expected = content(mad.detect(shop(), config=CHANGED).scored)
    assert expected != content(mad.detect(shop()).scored)
    config = mad.Config(CHANGED)
    assert config == mad.Config.from_toml(path) == mad.Config.from_toml(str(path))
    assert hash(config) == hash(mad.Config.from_toml(path))
    assert config != mad.Config()
    assert mad.Config(config.to_dict()) == config
    assert config["guard"]["min_points"] == 10
    assert config["score"] == mad.Config()["score"]
    assert "step_seconds" in repr(config)
    for form in (config, CHANGED, config.to_dict()):
        assert content(mad.detect(shop(), config=form).scored) == expected
        pipeline = mad.Pipeline(form)
        rows = [pipeline.ingest(shop()).rows, pipeline.finish().rows]
        assert joined(rows) == expected


def test_a_config_is_a_copy() -> None:
    fields = {"guard": {"min_points": 30}}
    config = mad.Config(fields)
    fields["guard"]["min_points"] = 1
    config.to_dict()["guard"]["min_points"] = 1
    assert config["guard"]["min_points"] == 30


def test_every_default_is_accepted() -> None:
    assert mad.Config(mad.Config().to_dict()) == mad.Config({}) == mad.Config(None) == mad.Config()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"guard": {"min_points": 0}}, r"`guard.min_points` is 0; expected .* from 1 to 100000"),
    ({"features": {"step_seconds": 0}}, r"`features.step_seconds` is 0; expected 1 to 3600"),
    ({"features": {"step_seconds": 1e9}}, r"`features.step_seconds` is 1000000000; expected 1"),
    ({"features": {"lateness_seconds": -1}}, r"`features.lateness_seconds` is -1; expected 0"),
    ({"score": {"threshold": 1.5}}, r"`score.threshold` is 1.5; expected"),
    ({"score": {"window": 10**9}}, r"`score.window` is 1000000000; expected"),
    (
        {"incident": {"resolve_after_minutes": -5}},
        r"`incident.resolve_after_minutes` is -5; expected",
    ),
    ({"culprit": {"top_k": 0}}, r"`culprit.top_k` is 0; expected"),
    ({"limits": {"entities": 0}}, r"`limits.entities` is 0; expected an integer from 1"),
    ({"naive_offset_seconds": 100_000}, r"`naive_offset_seconds` is 100000; expected -86400 to"),
    ({"guard": {"min_points": -3}}, r"`guard.min_points` is -3; expected an integer, 0 or more"),
    ({"guard": {"min_points": 2.5}}, r"`guard.min_points` is 2.5; expected an integer"),
    ({"guard": {"min_points": "ten"}}, r'`guard.min_points` is "ten"; expected an integer'),
    ({"guard": {"min_points": None}}, r"`guard.min_points` is null; expected an integer"),
    ({"score": {"threshold": []}}, r"`score.threshold` is \[\]; expected a number"),
    ({"score": {"threshold": math.nan}}, r"`threshold` is not a finite number"),
    ({"guard": {"warm_up_minutes": -math.inf}}, r"`warm_up_minutes` is not a finite number"),
    ({"guard": 5}, r"`guard` is 5; expected fields by name"),
    ({"naive_offset_seconds": "UTC"}, r'`naive_offset_seconds` is "UTC"; expected an integer'),
    ({"guard": {"min_point": 3}}, r"`guard.min_point` does not exist; did you mean `min_points`"),
    ({"guards": {}}, r"`guards` does not exist; did you mean `guard`"),
    ({"guards": {"min_points": 3}}, r"`guards` does not exist"),
    ({"x": 1}, r"`x` does not exist; there are `naive_offset_seconds`, `intake`, `features`"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_config_errors_name_field_value_and_range(fields: dict[str, Any], message: str) -> None:
    for call in (
        mad.Config,
        mad.Pipeline,
        mad.FeatureBuilder,
        mad.RowScorer,
        mad.Guardrails,
        mad.IncidentGrouper,
        lambda config: mad.detect(small(), config=config),
    ):
        with pytest.raises(ValueError, match=message):
            call(fields)


def test_invalid_configurations_are_refused() -> None:
    for wrong in (5, [1], [], {"guard": [15.0]}, object()):
        with pytest.raises((TypeError, ValueError)):
            mad.Pipeline(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="config"):
        mad.Pipeline("{")


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text("guard = ")
    with pytest.raises(ValueError):
        mad.Config.from_toml(path)
    with pytest.raises(OSError):
        mad.Config.from_toml(tmp_path / "none.toml")


# rankings


@pytest.mark.parametrize(
    ("minutes", "top_k"), [(0.0, 3), (-1.0, 3), (math.nan, 3), (math.inf, 3), (15.0, 0)]
)
def test_rankings_have_a_range(report: mad.Report, minutes: float, top_k: int) -> None:
    for call in (report.culprits, mad.Pipeline().culprits, mad.CulpritRanker):
        with pytest.raises(ValueError, match=r"culprit\.(minutes|top_k)` is .*; expected"):
            call(minutes=minutes, top_k=top_k)


def test_rankings_use_only_rows_known_at_the_time(report: mad.Report) -> None:
    (incident,) = report.incidents
    early = report.culprits(at=incident.start - timedelta(minutes=30))
    assert (early.abstained, len(early)) == (True, 0)
    assert report.culprits(at=incident.end, top_k=1).culprits[0].service == "payments"
    assert report.culprits(at=datetime(9999, 1, 1, tzinfo=UTC)).abstained


def test_a_host_with_a_wrong_clock_is_named_and_costs_only_its_records() -> None:
    start = datetime(2026, 1, 6, 10, tzinfo=timezone.utc)
    hosts = [f"web-{second % 7}" for second in range(3_000)]
    shift = {"web-2": 1_200, "web-5": -7_200}
    rows = {
        "timestamp": [
            start + timedelta(seconds=second + shift.get(host, 0))
            for second, host in enumerate(hosts)
        ],
        "service": ["cart"] * 3_000,
        "endpoint": ["/add"] * 3_000,
        "status_code": [200] * 3_000,
        "latency_ms": [9.0] * 3_000,
        "host": hosts,
    }
    pipeline = mad.Pipeline()
    pipeline.ingest(rows)
    pipeline.finish()
    faults = {fault["host"]: fault for fault in pipeline.clock_faults}
    assert set(faults) == {"web-2", "web-5"}
    assert faults["web-2"]["text"].startswith("host web-2: ")
    assert "about 20 minutes ahead" in faults["web-2"]["text"]
    assert "about 2 hours behind" in faults["web-5"]["text"]
    wrong = sum(host in faults for host in hosts)
    assert pipeline.rejected["total"] <= wrong
    assert json.loads(pipeline.document())["clock_faults"] == pipeline.clock_faults


def test_a_source_says_what_its_times_are() -> None:
    def served(request_time: Any) -> list[int]:
        pipeline = mad.Pipeline({"features": {"request_time": "start"}})
        table = {
            "timestamp": ["2026-01-06T10:00:30Z", "2026-01-06T10:01:05Z"],
            "service": ["shop", "shop"],
            "endpoint": ["/pay", "/pay"],
            "status_code": [200, 200],
            # Dated by its start, the first request ended in the second minute.
            "latency_ms": [40_000.0, 10.0],
        }
        pipeline.ingest(table, request_time=request_time)
        return list(pipeline.finish().rows["req_count"])

    assert served(None) == served("start") == [2]
    assert served("end") == [1, 1]
    with pytest.raises(ValueError, match=r'request_time = "now"; expected "start" or "end"'):
        served("now")
