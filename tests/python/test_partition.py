"""An input that is split by service gives the report of the whole input."""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fleet import fleet, same, simulated

import mad
from mad import _core, partition

Tables = Mapping[str, pd.DataFrame]


def surveyed(tables: Tables, count: int, config: Any = None) -> tuple[bytes, list[Tables]]:
    """A plan, and the tables of each partition."""
    split = {
        kind: partition.split(table, count, key="caller" if kind == "edges" else "service")
        for kind, table in tables.items()
    }
    parts = [{kind: of_kind[n] for kind, of_kind in split.items()} for n in range(count)]
    surveys = [partition.survey(str(n), config=config, **part) for n, part in enumerate(parts)]
    return partition.plan(surveys, config=config), parts


@pytest.fixture(scope="module")
def mixed() -> tuple[dict[str, pd.DataFrame], mad.Report]:
    tables = fleet()
    report = mad.detect(**tables)
    # the fleet has what partitions could change: silence, calls, changes, several incidents
    assert len(report.incidents) >= 3
    assert any("silence" in incident.signals for incident in report.incidents)
    return tables, report


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("system", ["shop", "melt"])
def test_simulated_systems(system: str, count: int, tmp_path: Path) -> None:
    tables = simulated(system, tmp_path)
    whole = mad.detect(**tables)
    assert whole.incidents
    same(partition.detect(**tables, partitions=count), whole)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_fleet_of_several_kinds(count: int, mixed: Any) -> None:
    tables, whole = mixed
    with ThreadPoolExecutor(2) as pool:
        report = partition.detect(**tables, partitions=count, map_over=pool.map)
    same(report, whole)


@pytest.mark.parametrize("kind", ["requests", "metrics", "logs"])
def test_one_kind(kind: str, mixed: Any) -> None:
    tables = {kind: mixed[0][kind]}
    same(partition.detect(**tables, partitions=3), mad.detect(**tables))


def test_the_order_of_records_and_of_parts_does_not_matter(mixed: Any) -> None:
    tables, whole = mixed
    mixed_up = {kind: table.sample(frac=1.0, random_state=1) for kind, table in tables.items()}
    plan, parts = surveyed(mixed_up, 4)
    judged = [partition.judge(plan, str(n), **part) for n, part in enumerate(parts)]
    random.Random(1).shuffle(judged)
    # points of one time have no order but that of the table
    report = partition.combine(plan, judged)
    assert {one.id for one in report.incidents} == {one.id for one in whole.incidents}
    assert report.scored.to_pandas().equals(whole.scored.to_pandas())


def test_a_part_is_judged_again_after_a_kill(mixed: Any) -> None:
    tables, whole = mixed
    plan, parts = surveyed(tables, 3)
    judged = [partition.judge(plan, str(n), **part) for n, part in enumerate(parts)]
    again = partition.judge(plan, "1", **parts[1])
    # the first result arrives as well as the second one
    same(partition.combine(plan, [*judged, again]), whole)


def test_a_killed_process_is_started_again(mixed: Any, tmp_path: Path) -> None:
    import pickle
    import signal
    import subprocess
    import sys

    tables, whole = mixed
    plan, parts = surveyed(tables, 2)
    given = tmp_path / "given"
    given.write_bytes(pickle.dumps((plan, parts[1])))
    code = (
        "import os, pickle, signal, sys\n"
        "from mad import partition\n"
        "plan, part = pickle.load(open(sys.argv[1], 'rb'))\n"
        "judged = partition.judge(plan, '1', **part)\n"
        "if sys.argv[3] == 'die':\n"
        "    open(sys.argv[2], 'wb').write(judged[: len(judged) // 2])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "open(sys.argv[2], 'wb').write(judged)\n"
    )
    out = tmp_path / "out"

    def worker(end: str) -> int:
        command = [sys.executable, "-c", code, str(given), str(out), end]
        return subprocess.run(command, check=False, timeout=300).returncode

    first = partition.judge(plan, "0", **parts[0])
    assert worker("die") == -signal.SIGKILL
    with pytest.raises(ValueError, match="the saved state is cut"):
        partition.combine(plan, [first, out.read_bytes()])
    assert worker("live") == 0
    same(partition.combine(plan, [first, out.read_bytes()]), whole)


def test_missing_and_foreign_parts_are_named(mixed: Any) -> None:
    tables, _ = mixed
    plan, parts = surveyed(tables, 3)
    judged = [partition.judge(plan, str(n), **part) for n, part in enumerate(parts)]
    with pytest.raises(ValueError, match="missing: `0`, `2`"):
        partition.combine(plan, judged[1:2])
    with pytest.raises(ValueError, match="no partition `7`"):
        partition.judge(plan, "7", **parts[0])
    short = {kind: table.slice(0, 10) for kind, table in parts[1].items()}
    other = partition.judge(plan, "1", **short)
    with pytest.raises(ValueError, match="two different parts of partition `1`"):
        partition.combine(plan, [*judged, other])
    elsewhere, _ = surveyed({"requests": tables["requests"]}, 3)
    with pytest.raises(ValueError, match="partition `0` was judged by another plan"):
        partition.combine(elsewhere, judged)


def test_a_service_belongs_to_one_partition(mixed: Any) -> None:
    requests = mixed[0]["requests"]
    halves = [requests.iloc[::2], requests.iloc[1::2]]
    surveys = [partition.survey(str(n), requests=half) for n, half in enumerate(halves)]
    plan = partition.plan(surveys)
    judged = [partition.judge(plan, str(n), requests=half) for n, half in enumerate(halves)]
    with pytest.raises(ValueError, match="all records of a service have to be in one partition"):
        partition.combine(plan, judged)


@pytest.mark.parametrize("kind", ["requests", "metrics", "logs", "changes", "edges"])
def test_lost_and_repeated_records_are_noticed(kind: str, mixed: Any) -> None:
    """A shuffle that loses a record of any kind, or delivers one twice, gives no report."""
    plan, parts = surveyed(mixed[0], 2)
    at = next(n for n, part in enumerate(parts) if len(part[kind]))
    whole = parts[at][kind]
    records = sum(len(table) for part in parts for table in part.values())
    for table, found in (
        (whole.slice(1), records - 1),
        (pa.concat_tables([whole.slice(0, 1), whole]), records + 1),
    ):
        changed = [{**part, kind: table} if n == at else part for n, part in enumerate(parts)]
        judged = [partition.judge(plan, str(n), **part) for n, part in enumerate(changed)]
        with pytest.raises(ValueError, match=f"from {found} records and the surveys saw {records}"):
            partition.combine(plan, judged)


def test_records_that_no_survey_saw_are_late(mixed: Any) -> None:
    requests = mixed[0]["requests"]
    early = requests[requests["timestamp"] < "2026-01-06T13:00:00Z"]
    plan = partition.plan([partition.survey("0", requests=early)])
    with pytest.raises(ValueError, match="survey it again"):
        partition.judge(plan, "0", requests=requests)
    # surveyed again, the late records count
    plan = partition.plan([partition.survey("0", requests=requests)])
    report = partition.combine(plan, [partition.judge(plan, "0", requests=requests)])
    same(report, mad.detect(requests))


def test_surveys_of_other_pieces(mixed: Any) -> None:
    """An engine surveys the records where they lie, and judges them by service."""
    tables, whole = mixed
    pieces = [
        partition.survey(f"{kind} {n}", **{kind: table.iloc[n::5]})
        for kind, table in tables.items()
        for n in range(5)
    ]
    _, parts = surveyed(tables, 3)
    # a survey that a task repeated counts once
    plan = partition.plan([*pieces, pieces[0]], partitions=["0", "1", "2"])
    judged = [partition.judge(plan, str(n), **part) for n, part in enumerate(parts)]
    same(partition.combine(plan, judged), whole)
    changed = partition.survey("requests 0", requests=tables["requests"].iloc[:9])
    with pytest.raises(ValueError, match="two different surveys of partition `requests 0`"):
        partition.plan([*pieces, changed])


def test_most_records_in_one_service() -> None:
    """Skew: one service has 90 % of the records, and the other partitions are nearly empty."""
    requests = fleet(6, 2.0)["requests"]
    hot = requests[requests["service"] == "svc-01"]
    copies = [hot.assign(timestamp=hot["timestamp"] + pd.Timedelta(n, "ms")) for n in range(45)]
    requests = pd.concat([requests, *copies]).sort_values("timestamp", kind="stable")
    assert (requests["service"] == "svc-01").mean() > 0.85
    same(partition.detect(requests, partitions=8), mad.detect(requests))


def test_a_partition_is_silent_for_an_hour() -> None:
    requests = fleet(4, 5.0, seed=7)["requests"]
    at = requests["timestamp"]
    hour = (at >= "2026-01-06T13:00:00Z") & (at < "2026-01-06T14:00:00Z")
    requests = requests[~(hour & (requests["service"] == "svc-00"))]
    whole = mad.detect(requests)
    assert any("silence" in incident.signals for incident in whole.incidents)
    # one service in each partition
    names = sorted(requests["service"].unique())
    tables = [requests[requests["service"] == name] for name in names]
    surveys = [
        partition.survey(name, requests=table) for name, table in zip(names, tables, strict=True)
    ]
    plan = partition.plan(surveys)
    parts = [
        partition.judge(plan, name, requests=table)
        for name, table in zip(names, tables, strict=True)
    ]
    same(partition.combine(plan, parts), whole)


def test_clocks_of_sources_differ() -> None:
    """A service whose clock is ahead counts at the times that it names, as in one process."""
    requests = fleet(4, 3.0, seed=8)["requests"]
    ahead = requests["service"] == "svc-02"
    at = requests["timestamp"].where(~ahead, requests["timestamp"] + pd.Timedelta(minutes=20))
    requests = requests.assign(timestamp=at)
    same(partition.detect(requests, partitions=4), mad.detect(requests))


def test_a_short_recording_gets_short_steps() -> None:
    requests = fleet(3, 0.2, seed=9)["requests"]
    requests = pd.concat([requests] * 9).sort_values("timestamp", kind="stable")
    whole = mad.detect(requests)
    assert len(whole.scored.to_pandas()["bucket_ts"].unique()) > 30
    same(partition.detect(requests, partitions=3), whole)


@pytest.mark.parametrize("count", [0, -1, 1.5, "3", True, None, 10**9])
def test_a_wrong_number_of_partitions_is_refused(count: Any) -> None:
    table = {"timestamp": ["2026-01-06T10:00:00Z"], "service": ["a"], "endpoint": ["/"]}
    table |= {"status_code": [200], "latency_ms": [1.0]}
    for call in (
        lambda: partition.detect(table, partitions=count),
        lambda: partition.split(table, count),
        lambda: partition.place("a", count),
    ):
        with pytest.raises(ValueError, match="expected a whole number, 1 to 100,000"):
            call()


def test_a_map_that_loses_its_partitions_is_refused(mixed: Any) -> None:
    with pytest.raises(ValueError, match="parts of these partitions are missing: `0`, `1`"):
        partition.detect(**mixed[0], partitions=2, map_over=lambda function, numbers: [])


def test_tables_of_every_type_are_split_or_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    shop = {
        "timestamp": ["2026-01-06T10:00:00Z", "2026-01-06T10:00:01Z"],
        "endpoint": ["/", "/"],
        "status_code": [200, 200],
        "latency_ms": [1.0, 2.0],
    }

    def split(services: Any, key: str = "service") -> list[int]:
        table = pa.table({**shop, "service": services})
        return [piece.num_rows for piece in partition.split(table, 3, key=key)]

    names = ["payments", "cart"]
    wanted = [sum(partition.place(name, 3) == number for name in names) for number in range(3)]
    for of in (pa.string(), pa.large_string(), pa.binary(), pa.string_view(), pa.binary_view()):
        assert split(pa.array(names, of)) == wanted, of
    assert split(pa.array(names).dictionary_encode()) == wanted
    # bytes that are no text are rejected one by one, where they are judged
    report = partition.detect(
        pa.table({**shop, "service": pa.array([b"\xff", b"cart"])}), partitions=2
    )
    document = json.loads(report.document())
    assert (document["accepted"], document["rejected"]["total"]) == (1, 1)
    rows = [dict(zip(shop, of, strict=True)) for of in zip(*shop.values(), strict=True)]
    same(
        partition.detect([{**row, "service": "cart"} for row in rows], partitions=2),
        mad.detect({**shop, "service": ["cart", "cart"]}),
    )
    with pytest.raises(ValueError, match="`service` is list"):
        split(pa.array([["a"], ["b"]]))
    with pytest.raises(ValueError, match="no column `team`"):
        split(names, "team")
    for wrong in ("requests.csv", 7, [7], {"service": [1, "a"]}):
        with pytest.raises(ValueError, match="give a dataframe, an Arrow table"):
            partition.split(wrong, 3)


def test_bad_records_are_counted() -> None:
    requests = fleet(3, 1.0)["requests"]
    requests["latency_ms"] = requests["latency_ms"].astype(object)
    requests.iloc[5, requests.columns.get_loc("timestamp")] = pd.NaT
    requests.iloc[9, requests.columns.get_loc("service")] = None
    report = partition.detect(requests, partitions=3)
    assert report.rejected["total"] == mad.detect(requests).rejected["total"] == 2


def test_nothing() -> None:
    empty = fleet(1, 1.0)["requests"].iloc[:0]
    same(partition.detect(empty, partitions=2), mad.detect(empty))
    with pytest.raises(TypeError, match="no input"):
        partition.detect()


def sealed(saved: bytes, payload: bytes, version: int = 1) -> bytes:
    head = saved[:8] + version.to_bytes(4, "little") + len(payload).to_bytes(8, "little")
    return head + zlib.crc32(payload).to_bytes(4, "little") + payload


def test_state_of_another_version_is_refused(mixed: Any) -> None:
    requests = mixed[0]["requests"]
    plan, parts = surveyed({"requests": requests}, 1)
    survey = partition.survey("0", requests=requests)
    part = partition.judge(plan, "0", **parts[0])
    own = mad.__version__.encode()
    for saved, use in [
        (survey, lambda changed: partition.plan([changed])),
        (plan, lambda changed: partition.judge(changed, "0", **parts[0])),
        (part, lambda changed: partition.combine(plan, [changed])),
    ]:
        payload = saved[24:]
        assert sealed(saved, payload) == saved
        other = payload.replace(own, b"9" + own[1:], 1)
        with pytest.raises(ValueError, match=r"made by mad 9.* make it again"):
            use(sealed(saved, other))
        with pytest.raises(ValueError, match="upgrade mad"):
            use(sealed(saved, payload, 99))
        with pytest.raises(ValueError, match="is cut"):
            use(saved[: len(saved) // 2])
        with pytest.raises(ValueError, match="damaged"):
            use(saved[:-1] + bytes([saved[-1] ^ 1]))
        with pytest.raises(ValueError, match="this is no saved"):
            use(b"something else, which is no state of mad")


def test_the_report_continues(mixed: Any) -> None:
    """The state at the end is that of one process, so that a pipeline continues from it."""
    tables, whole = mixed
    requests = tables["requests"]
    whole = mad.detect(requests)
    split = partition.detect(requests, partitions=4)
    later = requests.assign(timestamp=requests["timestamp"] + pd.Timedelta(hours=4))
    rows = [
        mad.Pipeline.restore(None, report.checkpoint()).ingest(later).rows.to_pandas()
        for report in (split, whole)
    ]
    assert len(rows[0]) > 100
    pd.testing.assert_frame_equal(*rows)


def test_how_metrics_move_together_continues_from_the_parts() -> None:
    """Metrics that are weakly off together are judged by how they moved in all partitions."""
    rng = np.random.default_rng(5)

    def metrics(rows: int, off: float, start: str) -> pd.DataFrame:
        at = pd.date_range(start, periods=rows, freq="min", tz="UTC")
        frames = []
        for service in ("cart", "payments", "search"):
            load = rng.normal(size=rows)
            for number in range(10):
                value = 100.0 + 5.0 * (0.7 * load + rng.normal(size=rows))
                value[-8:] += 5.0 * off * (number < 5)
                name = f"metric_{number}"
                frame = {"timestamp": at, "service": service, "metric": name, "value": value}
                frames.append(pd.DataFrame(frame))
        return pd.concat(frames)

    table = metrics(600, 0.0, "2026-01-06T00:00:00")
    later = metrics(20, 2.5, "2026-01-06T10:00:00")
    points = [
        _core.detect(metrics=later, state=report.checkpoint()).scored_metrics.to_pandas()
        for report in (partition.detect(metrics=table, partitions=2), mad.detect(metrics=table))
    ]
    pd.testing.assert_frame_equal(*points)
    flagged = points[0][points[0]["is_anomaly"]]
    # several of one row share the evidence
    assert flagged.groupby(["service", "bucket_ts", "score"]).size().max() >= 3


def ranks(values: np.ndarray[Any, Any], estimate: float, q: float) -> float:
    """How far the rank of an estimate is from `q`, as a share of it."""
    low = np.searchsorted(values, estimate, "left") / values.size
    high = np.searchsorted(values, estimate, "right") / values.size
    return max(0.0, low - q, q - high) / q


@pytest.mark.parametrize("shape", ["lognormal", "two levels", "whole numbers", "one value"])
def test_a_hundred_shards_merge(shape: str) -> None:
    rng = np.random.default_rng(4)
    count = 200_000
    latency = {
        "lognormal": rng.lognormal(3.0, 0.5, count),
        "two levels": np.where(rng.random(count) < 0.06, 900.0, 20.0) + rng.exponential(1, count),
        "whole numbers": np.round(rng.gamma(4.0, 9.0, count)),
        "one value": np.full(count, 41.5),
    }[shape]
    requests = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2026-01-06T10:00:00Z")
            + pd.to_timedelta(rng.uniform(0, 1800, count), unit="s"),
            "service": "hot",
            "endpoint": "/all",
            "status_code": np.where(rng.random(count) < 0.01, 500, 200),
            "latency_ms": latency,
        }
    )
    shards = [mad.StepSketches(requests.iloc[n::100]) for n in range(100)]

    def merged(order: list[int]) -> mad.Rows:
        while len(order) > 1:
            left, right = order.pop(), order.pop()
            shards.append(shards[left].merge(shards[right]))
            order.insert(len(order) // 2, len(shards) - 1)
        return shards[order[0]].rows()

    rows = merged(list(range(100))).to_table().to_pandas()
    for seed in (1, 2):
        order = list(range(100))
        random.Random(seed).shuffle(order)
        pd.testing.assert_frame_equal(merged(order).to_table().to_pandas(), rows)
    ordered = requests.sort_values("timestamp")
    exact = mad.FeatureBuilder().build(ordered).to_table().to_pandas()
    for column in ("bucket_ts", "req_count", "error_count", "gap_steps", "max_latency_ms"):
        assert rows[column].tolist() == exact[column].tolist(), column
    minute = requests["timestamp"].dt.floor("min")
    for at, row in rows.set_index("bucket_ts").iterrows():
        values = np.sort(requests.loc[minute == at, "latency_ms"].to_numpy())
        for q, column in [(0.5, "p50_latency_ms"), (0.95, "p95_latency_ms")]:
            assert ranks(values, row[column], q) <= 0.01
            assert row[column] == pytest.approx(np.quantile(values, q), rel=0.002)


def test_merged_rows_are_judged() -> None:
    requests = fleet(2, 4.0)["requests"]
    shards = [mad.StepSketches(requests.iloc[n::3]) for n in range(3)]
    rows = shards[2].merge(shards[0]).merge(shards[1]).rows()
    judged = mad.Guardrails().judge(mad.RowScorer().observe(rows))
    incidents = mad.IncidentGrouper().group(judged)
    assert any(one.service == "svc-01" for one in incidents)
    other = mad.StepSketches(requests, {"features": {"step_seconds": 30.0}})
    with pytest.raises(ValueError, match="different lengths"):
        shards[0].merge(other)


MICROSOFT = Path(os.environ.get("DATA") or "/nothing") / "detection" / "microsoft"


@pytest.mark.skipif(not MICROSOFT.is_dir(), reason="needs DATA=DIR with detection/microsoft")
def test_real_metrics() -> None:
    tables = []
    for file in sorted(MICROSOFT.glob("*/*.csv.gz")):
        table = pd.read_csv(file).iloc[:, :2]
        table.columns = ["timestamp", "value"]
        table["timestamp"] = pd.to_datetime(table["timestamp"], utc=True)
        tables.append(table.assign(service=file.parent.name, resource=file.stem, metric="value"))
    metrics = pd.concat(tables).sort_values("timestamp", kind="stable")
    whole = mad.detect(metrics=metrics)
    assert whole.incidents
    for count in (1, 2, 8):
        same(partition.detect(metrics=metrics, partitions=count), whole)
