"""Detection on Spark: batch over dataframes, and streams with the state of each service in Spark.

    from mad import spark

    report = spark.detect(session.read.parquet("s3://telemetry/requests"))

`detect` gives the report that `mad.detect` gives. The executors judge partitions of services, and
the driver groups the judged rows. `judge_stream` judges a stream. docs/scale.md has the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Any

from mad import _core, partition
from mad.config import AnyConfig, Config
from mad.errors import MissingExtraError

try:
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.stateful_processor import StatefulProcessor
except ImportError as error:
    raise MissingExtraError("Spark needs pyspark: pip install 'mad-py[spark]'") from error

# Records of one task, kind and partition, or their survey, whose partition is -1.
_PIECES = "kind string, partition int, task int, place int, bytes binary"
_PARTS = "partition int, bytes binary"


def detect(
    requests: Any = None,
    *,
    metrics: Any = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    edges: Any = None,
    config: AnyConfig = None,
    partitions: int = 0,
) -> _core.Report:
    """`mad.detect` over Spark dataframes with the columns that docs/files.md names.

    All records of a service are judged in one of `partitions` (0: as many as
    `spark.default.parallelism`), which has to fit into the memory of a worker. Columns that mad
    does not know stay where they are.

    Raises ValueError as `mad.partition` does, and the errors of Spark.
    """
    given = partition.given("dataframe", requests, metrics, spans, logs, changes, edges)
    session = next(iter(given.values())).sparkSession
    count = partition.count(partitions or session.sparkContext.defaultParallelism)
    kept: list[Any] = []

    def survey(config: AnyConfig) -> Iterable[bytes]:
        cut = [_cut(kind, frame, count, config) for kind, frame in given.items()]
        # both jobs read the pieces, so that the records are read once
        kept.append(reduce(DataFrame.union, cut).persist())
        return [bytes(row.bytes) for row in kept[-1].where("partition < 0").collect()]

    def judge(plan: bytes) -> Iterable[bytes]:
        pieces = kept[-1].where("partition >= 0").repartitionById(count, "partition")
        rows = pieces.mapInArrow(_judge_by(plan), _PARTS).collect()
        parts = {row.partition: bytes(row.bytes) for row in rows}
        empty = (number for number in range(count) if number not in parts)
        return [*parts.values(), *(partition.judge(plan, str(number)) for number in empty)]

    try:
        return partition.run(
            survey, judge, config=config, partitions=[str(number) for number in range(count)]
        )
    finally:
        for pieces in kept:
            pieces.unpersist()


def _cut(kind: str, frame: Any, count: int, config: AnyConfig) -> Any:
    """The records of a kind in pieces, and their surveys, both made in one pass."""
    settings = _plain(config)

    def cut(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        task = context.partitionId() if context is not None else 0
        for place, table in enumerate(partition.tables(batches)):
            name = f"{kind} {task} {place}"
            survey, pieces = partition.cut(name, kind, table, count, config=settings)
            numbers, found = zip((-1, survey), *pieces, strict=True)
            rows = len(numbers)
            columns = [[kind] * rows, numbers, [task] * rows, [place] * rows, found]
            types = [pa.string(), pa.int32(), pa.int32(), pa.int32(), pa.binary()]
            arrays = [pa.array(one, of) for one, of in zip(columns, types, strict=True)]
            yield pa.record_batch(arrays, [one.split()[0] for one in _PIECES.split(", ")])

    known = frame.select(partition.known_columns(kind, frame.columns))
    return known.mapInArrow(cut, _PIECES)


def _judge_by(plan: bytes) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """A function that judges the partitions of one task."""

    def judge(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        found: dict[int, list[tuple[tuple[int, int], str, Any]]] = {}
        for batch in batches:
            kinds, numbers, tasks, places = (batch.column(n).to_pylist() for n in range(4))
            for row, order in enumerate(zip(tasks, places, strict=True)):
                piece = batch.column(4)[row].as_buffer()
                found.setdefault(numbers[row], []).append((order, kinds[row], piece))
        for number, pieces in found.items():
            # a shuffle has no order
            pieces.sort(key=lambda piece: piece[0])
            tables = partition.joined((kind, piece) for _, kind, piece in pieces)
            part = partition.judge(plan, str(number), **tables)
            arrays = [pa.array([number], pa.int32()), pa.array([part], pa.binary())]
            yield pa.record_batch(arrays, ["partition", "bytes"])

    return judge


def _plain(config: AnyConfig) -> AnyConfig:
    """A configuration that workers can read."""
    return config.to_dict() if isinstance(config, Config) else config


JUDGED = (
    "bucket_ts timestamp, service string, endpoint string, req_count long, error_count long, "
    "error_rate double, p95_latency_ms double, is_anomaly boolean, severity string, score double, "
    "signal string, reason string, value double, expected double, expected_low double, "
    "expected_high double, z double"
)
"""The columns of a judged stream."""


class ServiceJudge(StatefulProcessor):  # type: ignore[misc]
    """The pipeline of each service as a stateful processor: its checkpoint is the value state."""

    def __init__(self, config: AnyConfig = None) -> None:
        self._config = _plain(config)

    def init(self, handle: Any) -> None:
        self._state = handle.getValueState("pipeline", "checkpoint binary")

    def handleInputRows(self, key: Any, rows: Iterator[Any], timerValues: Any) -> Iterator[Any]:
        import pandas as pd

        if self._state.exists():
            pipeline = _core.Pipeline.restore(self._config, bytes(self._state.get()[0]))
        else:
            pipeline = _core.Pipeline(self._config)
        records = pd.concat(list(rows))
        # Spark hands over aware times without their zone
        records["timestamp"] = pd.to_datetime(records["timestamp"]).dt.tz_localize("UTC")
        judged = pipeline.ingest(records.sort_values("timestamp", kind="stable")).rows
        self._state.update((pipeline.checkpoint(),))
        names = [column.split()[0] for column in JUDGED.split(", ")]
        yield judged.to_pandas()[names]

    def close(self) -> None:
        """Nothing is held beside the state."""


def judge_stream(requests: Any, config: AnyConfig = None) -> Any:
    """The judged rows of a stream of requests as a stream with the columns `JUDGED`.

    Each service has a pipeline whose checkpoint is the state of Spark (RocksDB), so that a query
    that starts again continues where it stopped. Steps close by the clock of the service: a service
    without requests has no rows. `mad.IncidentGrouper` groups the rows in `foreachBatch`.
    """
    return (
        requests.select(partition.known_columns("requests", requests.columns))
        .groupBy("service")
        .transformWithStateInPandas(
            statefulProcessor=ServiceJudge(config),
            outputStructType=JUDGED,
            outputMode="Append",
            timeMode="None",
        )
    )
