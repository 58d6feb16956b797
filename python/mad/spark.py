"""Detection on Spark: batch over dataframes, and streams with the state of each service in Spark.

    from mad import spark

    report = spark.detect(session.read.parquet("s3://telemetry/requests"))

`detect` gives the report that `mad.detect` gives. The executors judge partitions of services, and
the driver groups the judged rows. `judge_stream` judges a stream. docs/scale.md has the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mad import _core, partition
from mad.config import AnyConfig, Config
from mad.errors import MissingExtraError

try:
    from pyspark.sql import functions as f
    from pyspark.sql.streaming.stateful_processor import StatefulProcessor
except ImportError as error:
    raise MissingExtraError("Spark needs pyspark: pip install 'mad-py[spark]'") from error

# The column of the kind of a record, beside those of the records.
_KIND = "mad_kind"
_BYTES = "bytes binary"


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
    frames = {
        kind: frame.select(partition.known_columns(kind, frame.columns))
        for kind, frame in given.items()
    }
    session = next(iter(frames.values())).sparkSession
    count = partition.count(partitions or session.sparkContext.defaultParallelism)
    whole = _together(frames)
    keys = [f.col(f"{kind} {partition.key_of(kind)}") for kind in frames]
    # without a sort, which a groupBy would make
    placed = whole.repartition(count, f.coalesce(*keys))

    def survey(config: AnyConfig) -> Iterable[bytes]:
        for kind, frame in frames.items():
            needed, _ = _core.columns_of(kind)
            wanted = [name for name in frame.columns if name in {*needed, "kind", "resource"}]
            times = frame.select(wanted)
            yield from _collected(times.mapInArrow(_survey_of(kind, config), _BYTES))

    def judge(plan: bytes) -> Iterable[bytes]:
        judging = _judge_by(plan, {kind: frame.columns for kind, frame in frames.items()})
        return _collected(placed.mapInArrow(judging, _BYTES))

    names = [str(number) for number in range(count)]
    return partition.run(survey, judge, config=config, partitions=names)


def _together(frames: dict[str, Any]) -> Any:
    """All records in one frame. Kinds may use one name for different types, so it has the kind."""
    whole = None
    for kind, frame in frames.items():
        columns = [f.col(name).alias(f"{kind} {name}") for name in frame.columns]
        own = frame.select(f.lit(kind).alias(_KIND), *columns)
        whole = own if whole is None else whole.unionByName(own, allowMissingColumns=True)
    return whole


def _collected(frame: Any) -> list[bytes]:
    return [bytes(row[0]) for row in frame.collect()]


def _survey_of(kind: str, config: AnyConfig) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """A function that surveys the batches of one task."""
    settings = _plain(config)

    def survey(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        all_batches = list(batches)
        if context is None or not all_batches:
            return
        records = {kind: pa.Table.from_batches(all_batches)}
        found = partition.survey(f"{kind} {context.partitionId()}", config=settings, **records)
        yield pa.record_batch({"bytes": pa.array([found], pa.binary())})

    return survey


def _judge_by(plan: bytes, columns: dict[str, list[str]]) -> Callable[[Any], Any]:
    """A function that judges the records of one partition, which is one task."""

    def judge(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyspark import TaskContext

        context, all_batches = TaskContext.get(), list(batches)
        if context is None:
            return
        tables = {}
        if all_batches:
            table = pa.Table.from_batches(all_batches)
            for kind, of_kind in columns.items():
                own = table if len(columns) == 1 else table.filter(pc.equal(table[_KIND], kind))
                own = own.select([f"{kind} {column}" for column in of_kind])
                tables[kind] = own.rename_columns(of_kind)
        part = partition.judge(plan, str(context.partitionId()), **tables)
        yield pa.record_batch({"bytes": pa.array([part], pa.binary())})

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
