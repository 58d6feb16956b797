"""Detection over metrics alone and beside requests, with the other kinds; Parquet."""

from __future__ import annotations

import json
import random
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kind_tables import BUILDS, FILES, GOOD, START, TIMES, changed, to_csv, to_parquet
from table_kinds import Columns, content, pandas, pyarrow, shop, small

import mad
from mad import errors
from mad.cli import main
from mad.sources import parquet


def metrics(gap: Any = None) -> Columns:
    """Two hours of three series, one after the other; the last one jumps."""
    rng = np.random.default_rng(1)
    columns: Columns = {name: [] for name in ("timestamp", "service", "metric", "value")}
    for service in ("a", "b", "c"):
        values = rng.normal(10.0, 1.0, 120)
        if service == "c":
            values[90:100] += 100.0
        columns["timestamp"] += [START + timedelta(minutes=i) for i in range(120)]
        columns["service"] += [service] * 120
        columns["metric"] += ["cpu"] * 120
        columns["value"] += values.tolist()
    columns["value"][5] = gap
    return columns


def whole(report: mad.Report) -> tuple[Any, ...]:
    found = [incident.to_json() for incident in report.incidents]
    return content(report.scored_metrics), found, report.rejected


@pytest.mark.parametrize("build", [name for name in BUILDS if name != "numpy"])
def test_metrics_of_every_build_give_the_same(build: str) -> None:
    expected = whole(mad.detect_metrics(metrics()))
    assert [json.loads(one)["service"] for one in expected[1]] == ["c"]
    assert expected[2]["total"] == 0
    assert whole(mad.detect_metrics(BUILDS[build](metrics()))) == expected


@pytest.mark.parametrize("suffix", FILES)
def test_metrics_of_every_file_give_the_same(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    path.write_bytes(FILES[suffix](metrics()))
    assert whole(mad.detect_metrics(path)) == whole(mad.detect_metrics(metrics()))


def test_gaps_of_a_metric() -> None:
    expected = whole(mad.detect_metrics(metrics()))
    gaps = [float("nan")] if pandas is None else [float("nan"), pandas.NA]
    for gap in [*gaps, ""]:
        assert whole(mad.detect_metrics(metrics(gap))) == expected


def test_the_order_of_rows_is_free() -> None:
    order = list(range(len(metrics()["value"])))
    random.Random(3).shuffle(order)
    shuffled = {name: [values[i] for i in order] for name, values in metrics().items()}
    assert whole(mad.detect_metrics(shuffled)) == whole(mad.detect_metrics(metrics()))


def test_requests_and_metrics_together(tmp_path: Path) -> None:
    apart, alone = mad.detect(shop()), mad.detect_metrics(metrics())
    both = mad.detect(shop(), metrics=metrics(), logs=GOOD["logs"])
    assert content(both.features) == content(apart.features)
    together = mad.detect(shop(), metrics=metrics(), spans=GOOD["spans"], logs=GOOD["logs"])
    assert len(together.features) > len(apart.features)
    measured = list(content(together.scored_metrics)["metric"])
    assert measured.count("cpu") == len(alone.scored_metrics)
    read = {kind: found["records"] for kind, found in together.read.items()}
    assert read == {"requests": 8000, "metrics": 360, "spans": 4, "logs": 4}
    paths = {kind: tmp_path / kind for kind in ("requests", "metrics", "spans", "logs")}
    given = (shop(), metrics(), GOOD["spans"], GOOD["logs"])
    for path, columns in zip(paths.values(), given, strict=True):
        path.write_bytes(to_csv(columns))
    files = mad.detect(paths.pop("requests"), **paths)
    assert files.document() == together.document()
    assert files.read == together.read
    others = {"metrics": metrics(), "spans": GOOD["spans"], "logs": GOOD["logs"]}
    mixed = mad.detect(tmp_path / "requests", **others)
    assert mixed.document() == together.document()


def traced(cause: str) -> dict[str, list[Any]]:
    """Two hours of calls from front to cart to store; from 01:30 on, calls wait for `cause`."""
    spans: dict[str, list[Any]] = {name: [] for name in GOOD["spans"]}
    chain = ["front", "cart", "store"]
    for second in range(0, 7_200, 5):
        slow = 5_400 <= second < 6_300
        for depth, service in enumerate(chain):
            waits = slow and chain.index(cause) >= depth
            took = 30.0 - 8.0 * depth + second % 7 + (900.0 if waits else 0.0)
            start = START + timedelta(seconds=second)
            row = {
                "trace_id": f"t{second}",
                "span_id": str(depth),
                "parent_id": str(depth - 1) if depth else None,
                "service": service,
                "operation": f"{service}.run",
                "start": start,
                "duration_ms": took,
                "status": "ok",
            }
            for name, values in spans.items():
                values.append(row.get(name))
    return spans


@pytest.mark.parametrize("cause", ["store", "cart"])
def test_a_chain_of_calls_is_one_incident_whose_last_callee_is_the_culprit(cause: str) -> None:
    report = mad.detect(spans=traced(cause))
    (incident,) = report.incidents
    members = {member["service"] for member in json.loads(incident.to_json())["members"]}
    chain = ["front", "cart", "store"]
    bad = set(chain[: chain.index(cause) + 1])
    assert members | {incident.service} == bad
    assert incident.culprit is not None
    assert incident.culprit.service == cause
    pipeline = mad.Pipeline()
    pipeline.ingest(traced(cause), kind="spans")
    pipeline.finish()
    culprit = pipeline.incidents[0].culprit
    assert culprit is not None
    assert culprit.service == cause


def test_edges_connect_metrics_of_services(tmp_path: Path) -> None:
    columns: Columns = {name: [] for name in ("timestamp", "service", "metric", "value")}
    rng = np.random.default_rng(3)
    for service in ("front", "store", "island"):
        values = rng.normal(10.0, 1.0, 120)
        values[90:105] += 60.0
        columns["timestamp"] += [START + timedelta(minutes=i) for i in range(120)]
        columns["service"] += [service] * 120
        columns["metric"] += ["latency"] * 120
        columns["value"] += list(values)
    # without known calls, three services that fail alike at once are grouped by time
    (together,) = (json.loads(one.to_json()) for one in mad.detect(metrics=columns).incidents)
    assert together["grouped_by_time"]
    assert together["affected"] == ["front", "island", "store"]
    edges = {"caller": ["front"], "callee": ["store"]}
    tied = mad.detect(metrics=columns, edges=edges)
    assert len(tied.incidents) == 2
    front, island = (json.loads(one.to_json()) for one in tied.incidents)
    assert not front["grouped_by_time"]
    assert (front["service"], island["service"]) == ("front", "island")
    assert [member["service"] for member in front["members"]] == ["store"]
    assert island["members"] == []
    for name, table in (("metrics", columns), ("edges", edges)):
        (tmp_path / name).write_bytes(to_csv(table))
    out = str(tmp_path / "out")
    paths = [f"--{name}={tmp_path / name}" for name in ("metrics", "edges")]
    assert main(["detect", *paths, "--out", out, "--json"]) == 0
    written = json.loads((tmp_path / "out" / "incidents.json").read_text())["incidents"]
    assert [one["id"] for one in written] == [one.id for one in tied.incidents]


def test_a_change_is_evidence() -> None:
    requests = shop()
    (incident,) = mad.detect(requests).incidents
    change = {
        "timestamp": [incident.start - timedelta(minutes=2)],
        "service": [incident.service],
        "kind": ["deploy"],
        "name": ["checkout"],
        "version": ["1.4.2"],
    }
    report = mad.detect(requests, changes=change)
    causes = report.explain(report.incidents[0]).likely_causes
    assert causes[0].startswith(f"A change of {incident.service}: deploy (checkout 1.4.2) at ")
    late = {**change, "timestamp": [incident.start + timedelta(minutes=2)]}
    for changes in (late, {**change, "service": ["elsewhere"]}):
        report = mad.detect(requests, changes=changes)
        assert "deploy" not in report.explain(report.incidents[0]).likely_causes[0]


def test_a_change_during_the_incident_is_no_evidence() -> None:
    requests: Columns = {
        name: [] for name in ("timestamp", "service", "endpoint", "status_code", "latency_ms")
    }
    for second in range(0, 9_000, 5):
        slow = 800.0 if second >= 5_400 else 0.0
        requests["timestamp"].append(START + timedelta(seconds=second))
        requests["service"].append("cart")
        requests["endpoint"].append("/add")
        requests["status_code"].append(200)
        requests["latency_ms"].append(40.0 + second % 17 + slow)

    def change(minute: int) -> object:
        at = START + timedelta(minutes=minute)
        deploy: Columns = {"timestamp": [at], "service": ["cart"], "kind": ["deploy"]}
        report = mad.detect(requests, changes={**deploy, "name": [""], "version": ["2"]})
        (incident,) = report.incidents
        return report.explain(incident).likely_causes[0].startswith("A change of cart")

    # the last quarter of an hour of the incident is ranked: a roll-back lies before it
    assert not change(120)
    assert mad.detect(requests).incidents[0].start == START + timedelta(minutes=90)


def test_rejected_records_name_their_kind(tmp_path: Path) -> None:
    bad = {"metrics": changed("metrics", "n", -1), "spans": changed("spans", "duration_ms", -1.0)}
    bad["changes"] = changed("changes", "kind", "")
    for kind, columns in bad.items():
        (tmp_path / kind).write_bytes(to_csv(columns))
    given: list[dict[str, Any]] = [bad, {kind: tmp_path / kind for kind in bad}]
    for one in given:
        rejected = mad.detect(small(), **one).rejected
        assert rejected["counts"] == {"bad_value": 2, "missing_field": 1}
        assert [first["kind"] for first in rejected["first"]] == ["metrics", "spans", "changes"]


def test_the_command_line_takes_every_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = {kind: tmp_path / f"{kind}.csv" for kind in ("metrics", "spans", "logs", "requests")}
    path["metrics"].write_bytes(to_csv(metrics()))
    path["requests"].write_bytes(to_csv(shop()))
    path["spans"].write_bytes(to_csv(changed("spans", "duration_ms", -1.0)))
    path["logs"].write_bytes(to_csv(GOOD["logs"]))
    out = tmp_path / "out"
    others = [f"--{kind}={path[kind]}" for kind in ("metrics", "spans", "logs")]
    # of the spans, less than `intake.min_accepted` were read
    assert main(["detect", *others, "--out", str(out), "--json"]) == errors.INPUT
    document = json.loads(capsys.readouterr().out)
    assert "1 of 4 spans could not be read" in document["problem"]
    assert document["read"]["metrics"]["records"] == 360
    assert document["read"]["logs"]["records"] == 4
    spans = document["read"]["spans"]
    assert (spans["records"], spans["rejected"]["total"]) == (3, 1)
    # spans are judged as requests, so that metrics have a separate file
    header = (out / "scored_metrics.csv").read_text().splitlines()[0]
    assert header.startswith("bucket_ts,service,resource,metric,value,z,is_anomaly")
    path["spans"].write_bytes(to_csv(GOOD["spans"]))
    assert main(["detect", str(path["requests"]), *others, "--out", str(out)]) == 0
    assert (out / "scored_metrics.csv").read_text().splitlines()[0] == header
    assert (out / "scored.csv").read_text().startswith("bucket_ts,service,endpoint,req_count")


if pyarrow is not None:

    def test_parquet_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet, "ROWS", 100)
        path = tmp_path / "requests.parquet"
        path.write_bytes(to_parquet(shop() | {"note": [1] * 8000}))
        expected = mad.detect(shop())
        assert mad.detect(path).document() == expected.document()
        backwards = {name: values[::-1] for name, values in shop().items()}
        path.write_bytes(to_parquet(backwards))
        assert content(mad.detect(path).features) == content(expected.features)
        with pytest.raises(ValueError, match=r"more than 100 records.*limits\.sort_records"):
            mad.detect(path, config={"limits": {"sort_records": 100}})
        latencies = [*shop()["latency_ms"]]
        latencies[7654] = -1.0
        path.write_bytes(to_parquet(shop() | {"latency_ms": latencies}))
        report = mad.detect(path)
        assert report.rejected["total"] == 0
        assert report.features["req_count"].sum() == 8000
        warnings = json.loads(report.document())["warnings"]
        assert not any("latency" in warning for warning in warnings)
        services = [*shop()["service"]]
        services[7654] = "a\x01"
        path.write_bytes(to_parquet(shop() | {"service": services}))
        (first,) = mad.detect(path).rejected["first"]
        assert (first["position"], first["reason"]) == (7655, "bad_name")

    def test_parquet_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "x.parquet"
        path.write_bytes(b"timestamp,service\n")
        with pytest.raises(ValueError, match=r"x\.parquet: damaged Parquet"):
            mad.detect(path)
        path.write_bytes(to_parquet({"timestamp": TIMES, "other": [1, 2, 3, 4]}))
        with pytest.raises(ValueError, match="no column `service`; it has timestamp, other"):
            mad.detect(path)
        path.write_bytes(to_parquet({name: [] for name in small()}))
        assert len(mad.detect(path).features) == 0
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ImportError, match=r"pip install 'mad-py\[parquet\]'"):
            mad.detect(path)
        assert main(["detect", str(path), "--out", str(tmp_path / "out")]) == 3
