"""Spark gives the report of one process, in batches and as a stream."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from fleet import fleet, same, simulated
from processes import started

import mad

spark = pytest.importorskip("mad.spark")


def frames(session: Any, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    arrow = {
        kind: pa.Table.from_pandas(table, preserve_index=False) for kind, table in tables.items()
    }
    return {kind: session.createDataFrame(table) for kind, table in arrow.items()}


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("system", ["shop", "melt"])
def test_simulated_systems(session: Any, system: str, count: int, tmp_path: Path) -> None:
    tables = simulated(system, tmp_path)
    # records of one time keep their order only within a partition of Spark
    report = spark.detect(**frames(session, tables), partitions=count)
    same(report, mad.detect(**tables))


def test_a_fleet_of_several_kinds(session: Any) -> None:
    tables = fleet()
    same(spark.detect(**frames(session, tables)), mad.detect(**tables))


def test_settings_and_other_columns(session: Any) -> None:
    requests = fleet(3, 2.0)["requests"].assign(region="eu", weight=1.5)
    config = {"features": {"step_seconds": 30.0}}
    report = spark.detect(session.createDataFrame(requests), config=config, partitions=3)
    same(report, mad.detect(requests, config=config))
    with pytest.raises(TypeError, match="no input"):
        spark.detect()


def test_own_types_skew_and_empty_partitions(session: Any) -> None:
    from pyspark.sql import functions as f

    requests = fleet(3, 2.0)["requests"].reset_index(drop=True)
    # nine of ten records belong to one service
    rare = requests.index % 10 == 0
    requests["service"] = requests["service"].where(rare, "hot")
    frame = (
        frames(session, {"requests": requests})["requests"]
        .withColumn("status_code", f.col("status_code").cast("decimal(12,2)"))
        .repartition(6, "endpoint")
    )
    # of six pieces four are empty, and of twenty partitions most
    same(spark.detect(frame, partitions=20), mad.detect(requests))
    texts = frame.withColumn("status_code", f.col("status_code").cast("int").cast("string"))
    same(spark.detect(texts, partitions=2), mad.detect(requests))
    same(spark.detect(frame.where("false"), partitions=3), mad.detect(requests.iloc[:0]))


def workers() -> list[int]:
    """The Python workers of this Spark: the children of its daemon."""
    own = started()
    daemons = {
        one
        for one, (_, command) in own.items()
        if b"pyspark.daemon" in command or b"pyspark/daemon" in command
    }
    return [one for one, (parent, _) in own.items() if parent in daemons]


def test_a_worker_is_killed(session: Any) -> None:
    tables = fleet()
    whole = mad.detect(**tables)
    given = frames(session, tables)
    done, killed = threading.Event(), []

    def kill() -> None:
        known = set(workers())
        while not done.is_set() and len(killed) < 2:
            new = [one for one in workers() if one not in known]
            if new or (known and len(killed) == 0):
                process = (new or list(known))[0]
                try:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
                except ProcessLookupError:
                    pass
                known.add(process)
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        report = spark.detect(**given, partitions=8)
    finally:
        done.set()
        killer.join()
    assert killed
    same(report, whole)


def run_stream(session: Any, to: Path, files: int) -> None:
    """Judges the files that are there, each as a batch."""

    def keep(batch: Any, number: int) -> None:
        batch.toPandas().to_pickle(to / f"batch-{number:04}.pickle")

    source = (
        session.readStream.schema(
            "timestamp timestamp, service string, endpoint string, status_code int, "
            "latency_ms double"
        )
        .option("maxFilesPerTrigger", files)
        .parquet(str(to / "in"))
    )
    query = (
        spark.judge_stream(source)
        .writeStream.foreachBatch(keep)
        .option("checkpointLocation", str(to / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(300)


def test_a_stream_continues_after_a_restart(session: Any, tmp_path: Path) -> None:
    requests = fleet(4, 4.0)["requests"].assign(
        status_code=lambda table: table["status_code"].astype("int32"),
        timestamp=lambda table: table["timestamp"].dt.floor("us").astype("datetime64[us, UTC]"),
    )
    (tmp_path / "in").mkdir()
    pieces = [piece for _, piece in requests.groupby(requests["timestamp"].dt.floor("20min"))]
    for half in (pieces[:6], pieces[6:]):
        for piece in half:
            start = piece["timestamp"].iloc[0]
            file = tmp_path / "in" / f"{start:%H%M}.parquet"
            piece.to_parquet(file, index=False)
            os.utime(file, (start.timestamp(), start.timestamp()))
        run_stream(session, tmp_path, 1)
    batches = [pd.read_pickle(file) for file in sorted(tmp_path.glob("batch-*.pickle"))]
    judged = pd.concat(batches)
    key = ["bucket_ts", "service", "endpoint"]
    judged = judged.assign(bucket_ts=pd.to_datetime(judged["bucket_ts"], utc=True))
    assert not judged.duplicated(key).any()
    # one pipeline for each service, over the same batches without an interruption
    rows = []
    for _, own in requests.groupby("service"):
        pipeline = mad.Pipeline()
        for piece in pieces:
            part = own[own["timestamp"].isin(piece["timestamp"])]
            if len(part):
                rows.append(pipeline.ingest(part).rows.to_pandas())
    expected = pd.concat(rows)
    columns = [one.split()[0] for one in spark.JUDGED.split(", ")]
    order = {"by": key, "ignore_index": True}
    pd.testing.assert_frame_equal(
        judged[columns].sort_values(**order),
        expected[columns].sort_values(**order),
        check_dtype=False,
    )
    incidents = mad.IncidentGrouper().group(expected.sort_values(key))
    assert any(one.service == "svc-01" for one in incidents)
