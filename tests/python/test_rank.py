"""mad.rank_culprits: culprits over metrics, and abstention on normal data."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mad

NORMAL, ROWS = 40, 46
START = pd.Timestamp("2026-01-06T10:00:00Z")
EDGES = pd.DataFrame([("front", "cart"), ("front", "mail")], columns=["caller", "callee"])
TARGET = ("front", "latency/p95")


def shop() -> pd.DataFrame:
    """Three services with latency and cpu in normal operation."""
    rng = np.random.default_rng(1)
    frames = []
    for service, level in (("front", 0.2), ("cart", 0.1), ("mail", 0.05)):
        for metric, usual in (("latency/p95", level), ("cpu", 0.3)):
            times = START + pd.to_timedelta(np.arange(ROWS), unit="min")
            values = usual * (1 + 0.05 * rng.normal(size=ROWS))
            frames.append(
                pd.DataFrame(
                    {"timestamp": times, "service": service, "metric": metric, "value": values}
                )
            )
    return pd.concat(frames, ignore_index=True)


def broken() -> pd.DataFrame:
    """The cart is slow, and so is the front that calls it."""
    table = shop()
    late = table.timestamp >= START + pd.Timedelta(minutes=NORMAL)
    slow = table.service.isin(["front", "cart"]) & (table.metric == "latency/p95")
    table.loc[late & slow, "value"] += 0.5
    return table


def cut(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The incident and a normal period."""
    late = table.timestamp >= START + pd.Timedelta(minutes=NORMAL)
    return table[late], table[~late]


def result(ranking: mad.MetricRanking) -> list[tuple[str, str, float]]:
    return [(one.service, one.metric, one.score) for one in ranking.culprits]


def test_the_callee_is_named_with_its_evidence() -> None:
    incident, normal = cut(broken())
    ranking = mad.rank_culprits(incident, normal, EDGES, TARGET)
    assert not ranking.abstained
    first = ranking.culprits[0]
    assert (first.service, first.endpoint, first.metric) == ("cart", "", "latency/p95")
    assert 0.5 < first.score < 1.0
    assert first.onset == datetime(2026, 1, 6, 10, NORMAL, tzinfo=timezone.utc)
    evidence = first.evidence[0]
    assert evidence["service"] == "cart"
    assert evidence["kind"] == "latency"
    assert evidence["value"] == pytest.approx(0.6, abs=0.05)
    assert evidence["expected"] == pytest.approx(0.1, abs=0.02)
    assert len(ranking) == len(ranking.culprits)
    assert repr(ranking).startswith("MetricRanking([cart ")


def test_without_a_reference_the_onset_is_found() -> None:
    ranking = mad.rank_culprits(broken(), edges=EDGES, target=TARGET)
    assert ranking.culprits[0].service == "cart"
    assert ranking.start == datetime(2026, 1, 6, 10, NORMAL, tzinfo=timezone.utc)


def test_normal_data_gives_no_culprit() -> None:
    incident, normal = cut(shop())
    for target in (None, TARGET):
        ranking = mad.rank_culprits(incident, normal, EDGES, target)
        assert ranking.abstained
        assert ranking.culprits == []


def test_shuffled_rows_and_new_names_change_nothing() -> None:
    incident, normal = cut(broken())
    plain = mad.rank_culprits(incident, normal, EDGES, TARGET)
    shuffled = [
        table.sample(frac=1, random_state=seed, ignore_index=True)[
            ["value", "metric", "timestamp", "service"]
        ]
        for seed, table in enumerate((incident, normal))
    ]
    assert result(mad.rank_culprits(*shuffled, EDGES, TARGET)) == result(plain)
    names = {"front": "n7", "cart": "n9", "mail": "n1"}
    renamed = [table.assign(service=table.service.map(names)) for table in (incident, normal)]
    edges = EDGES.replace(names)
    answer = mad.rank_culprits(*renamed, edges, (names["front"], TARGET[1]))
    assert result(answer) == [(names[service], *rest) for service, *rest in result(plain)]


@pytest.mark.parametrize("kind", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_any_table_gives_the_same(kind: Any) -> None:
    incident, normal = cut(broken())
    plain = result(mad.rank_culprits(incident, normal, EDGES, TARGET))
    assert result(mad.rank_culprits(kind(incident), kind(normal), kind(EDGES), TARGET)) == plain


def test_each_resource_is_a_separate_series() -> None:
    incident, normal = cut(broken().assign(resource="pod-1"))
    calm, usual = cut(shop().assign(resource="pod-2"))
    ranking = mad.rank_culprits(
        pd.concat([incident, calm]), pd.concat([normal, usual]), EDGES, TARGET
    )
    assert (ranking.culprits[0].service, ranking.culprits[0].endpoint) == ("cart", "pod-1")


def test_gaps_and_bad_rows_stop_nothing() -> None:
    incident, normal = cut(broken())
    holes = incident.copy()
    holes.loc[holes.metric == "cpu", "value"] = np.nan
    holes = pd.concat([holes, holes.iloc[:3].assign(value=np.inf, service=["cart", "a", "b"])])
    holes = pd.concat([holes, holes.iloc[:1].assign(service=None)])
    ranking = mad.rank_culprits(holes, normal, EDGES, TARGET)
    assert ranking.culprits[0].service == "cart"
    assert ranking.rejected["counts"] == {"bad_value": 3, "missing_field": 1}
    assert ranking.rejected["first"][0]["position"] == len(incident) + 1
    empty = incident.iloc[:0]
    assert mad.rank_culprits(empty, normal, EDGES, TARGET).abstained
    assert mad.rank_culprits(empty, empty, EDGES.iloc[:0]).abstained
    unknown = mad.rank_culprits(incident, normal, EDGES, ("unknown", "latency/p95"))
    assert unknown.culprits[0].service == "cart"


@pytest.mark.parametrize("coded", [True, False])
def test_series_in_runs_are_read_like_single_rows(coded: bool) -> None:
    """With a column of counts each row is read alone, without it in runs."""
    table = broken()
    table.loc[3, "value"] = np.inf
    table.loc[[7, 48], "timestamp"] = pd.Timestamp("2262-01-01", tz="UTC")
    table.loc[60:70, "service"] = ""
    table.loc[100, "value"] = np.nan
    if coded:
        table = table.astype({"service": "category", "metric": "category"})
    incident, normal = cut(table)
    in_runs = mad.rank_culprits(incident, normal, EDGES)
    single = mad.rank_culprits(incident.assign(n=1), normal.assign(n=1), EDGES)
    assert result(in_runs) == result(single)
    assert in_runs.rejected == single.rejected
    assert in_runs.rejected["counts"] == {"bad_value": 1, "bad_timestamp": 2, "missing_field": 11}
    shuffled = table.sample(frac=1.0, random_state=2)
    incident, normal = cut(shuffled)
    assert result(mad.rank_culprits(incident, normal, EDGES)) == result(single)


def test_unreadable_input_is_named() -> None:
    incident, normal = cut(broken())
    with pytest.raises(ValueError, match="the metrics table has no column `value`"):
        mad.rank_culprits(incident.drop(columns="value"))
    with pytest.raises(ValueError, match="the reference table has no column `metric`"):
        mad.rank_culprits(incident, normal.drop(columns="metric"))
    with pytest.raises(ValueError, match="the edges table has no column `callee`"):
        mad.rank_culprits(incident, edges=EDGES[["caller"]])
    with pytest.raises(ValueError, match="has no time zone"):
        mad.rank_culprits(incident.assign(timestamp=incident.timestamp.dt.tz_localize(None)))


def test_spans_and_log_lines_count() -> None:
    incident, normal = cut(shop())
    spans, logs = [], []
    for row in range(ROWS):
        at = START + pd.Timedelta(minutes=row)
        bad = row >= NORMAL
        for call, (caller, callee) in enumerate([("front", "cart"), ("front", "mail")]):
            trace, took = f"{row} {call}", 900.0 if bad and callee == "mail" else 12.0
            spans.append((trace, "a", None, caller, "GET", at, took, None))
            spans.append((trace, "b", "a", callee, "get", at, 10.0 + row % 3, None))
        logs += [(at, service, "INFO", "Serve#1 done", None) for service in ("front", "cart")] * 4
        logs += [(at, "cart", "ERROR", "Serve#2 no item", None)] * 3 * bad
    span_columns = ["trace_id", "span_id", "parent_id", "service", "operation", "start"]
    traced = pd.DataFrame(spans, columns=[*span_columns, "duration_ms", "status"])
    written = pd.DataFrame(logs, columns=["timestamp", "service", "level", "body", "trace_id"])
    assert mad.rank_culprits(incident, normal).abstained
    first = mad.rank_culprits(incident, normal, spans=traced).culprits[0]
    assert (first.service, first.metric) == ("mail", "call gap")
    first = mad.rank_culprits(incident, normal, logs=written).culprits[0]
    assert (first.service, first.metric) == ("cart", "log errors")
    with pytest.raises(ValueError, match="the spans table has no column `parent_id`"):
        mad.rank_culprits(incident, normal, spans=traced.drop(columns="parent_id"))
    with pytest.raises(ValueError, match="the logs table has no column `body`"):
        mad.rank_culprits(incident, normal, logs=written.drop(columns="body"))


def test_the_chain_leads_from_the_target_to_the_culprit() -> None:
    incident, normal = cut(broken())
    for target in (TARGET, None):
        ranking = mad.rank_culprits(incident, normal, EDGES, target)
        assert ranking.culprits[0].chain == ["front", "cart"]
    assert mad.rank_culprits(incident, normal).culprits[0].chain == ["cart"]


def test_a_change_before_the_onset_is_evidence() -> None:
    incident, normal = cut(broken())
    onset = START + pd.Timedelta(minutes=NORMAL)
    rows = [
        (onset - pd.Timedelta(minutes=2), "cart", "deploy", "cart-api", "2.4.1"),
        (onset - pd.Timedelta(hours=2), "front", "config", "flags", ""),
        (onset + pd.Timedelta(minutes=1), "cart", "restart", "", ""),
    ]
    changes = pd.DataFrame(rows, columns=["timestamp", "service", "kind", "name", "version"])
    plain = mad.rank_culprits(incident, normal, EDGES, TARGET).culprits[0]
    first = mad.rank_culprits(incident, normal, EDGES, TARGET, changes=changes).culprits[0]
    assert first.score > plain.score
    result = first.evidence[-1]
    assert (result["kind"], result["change"], result["onset"]) == ("change", "deploy", rows[0][0])
    assert result["sentence"] == (
        "deploy cart-api 2.4.1 of cart at 2026-01-06T10:38:00Z, 120 s before its onset"
    )
    assert len(plain.evidence) == len(first.evidence) - 1
    sentence = first.evidence[0]["sentence"]
    # the usual level is that of the first 30 rows: a cause may move up to 10 rows before its target
    assert sentence.startswith("latency/p95 of cart was 0.5982 (usual 0.0998), 99.9 scales away")
    # a change after the onset, or of another service, is no evidence
    for late in (changes.iloc[1:], changes.iloc[:1].assign(service="mail")):
        answer = mad.rank_culprits(incident, normal, EDGES, TARGET, changes=late).culprits[0]
        assert (answer.score, answer.evidence) == (plain.score, plain.evidence)
    with pytest.raises(ValueError, match="the changes table has no column `kind`"):
        mad.rank_culprits(incident, changes=changes.drop(columns="kind"))


def test_metrics_that_move_with_the_culprit_are_listed() -> None:
    incident, normal = cut(broken())
    first, *others = mad.rank_culprits(incident, normal, EDGES, TARGET).culprits
    closest = first.correlated[0]
    assert (closest["service"], closest["metric"]) == ("front", "latency/p95")
    assert 0.5 <= closest["correlation_score"] <= 1.0
    assert "mail" not in {other["service"] for other in first.correlated}
    assert all(other.correlated == [] for other in others)


def test_parts_of_the_ranking_can_be_disabled() -> None:
    late = broken()
    begin = START + pd.Timedelta(minutes=NORMAL + 2)
    incident, normal = late[late.timestamp >= begin], late[late.timestamp < begin]
    result = mad.rank_culprits(incident, normal, EDGES, config={"find_onset": False})
    assert result.start == begin
    found = mad.rank_culprits(incident, normal, EDGES)
    assert found.start == begin - pd.Timedelta(minutes=2)
    with pytest.raises(ValueError, match="top_k"):
        mad.rank_culprits(incident, config={"top_k": 0})
    with pytest.raises(ValueError, match="no_such"):
        mad.rank_culprits(incident, config={"no_such": 1})


def test_the_kind_of_a_metric_can_be_given() -> None:
    incident = broken()
    with pytest.raises(ValueError, match=r"metric_kinds.*sums|unknown variant"):
        mad.rank_culprits(incident, config={"metric_kinds": {"cpu": "sums"}})
    with pytest.raises(ValueError, match=r"metric_kinds\.cpu"):
        mad.rank_culprits(incident, config={"metric_kinds": {"cpu": "logs"}})
    mad.rank_culprits(incident, config={"metric_kinds": {"c*": "latency"}})
