"""Detection over an input that is split into partitions, on one machine or on an engine.

An input is split by service: all records of a service belong to one partition. Three steps give the
report that `mad.detect` gives for the whole input, row for row and incident for incident:

1. `survey` looks at the times of the records, wherever they are. `plan` puts the surveys together.
2. `judge` makes the rows of one partition, scores them and applies the guardrails. This is nearly
   all of the work, and partitions do not need each other.
3. `combine` groups the judged rows of all partitions into incidents, ranks and explains.

Surveys, plans and parts are bytes, so that any engine can move them. `mad.spark`, `mad.dask` and
`mad.ray` do: they read the records once, with `cut`. docs/scale.md describes the differences.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mad import _core
from mad.config import AnyConfig
from mad.errors import MissingExtraError

_UNLIKE = {"trace_id", "span_id", "parent_id", "request_id", "body", "timestamp", "start"}
"""Columns whose texts rarely repeat."""
KINDS = ("requests", "metrics", "spans", "logs", "changes", "edges")
MOST_PARTITIONS = 100_000
MOST_CUT_ROWS, MOST_CUT_BYTES = 1 << 20, 128 << 20


def survey(
    name: str,
    *,
    requests: Any = None,
    metrics: Any = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    edges: Any = None,
    config: AnyConfig = None,
) -> bytes:
    """Looks at the times of some records, in any order; gives a few bytes for each step.

    The tables are those of `mad.detect`, without paths. `name` is that of the partition. Where the
    records are not split as they are judged, it is any other name, and `plan` takes the names
    of the partitions.

    Raises ValueError as `mad.detect` does.
    """
    return _core.partition_survey(
        name,
        config,
        requests=requests,
        metrics=metrics,
        spans=spans,
        logs=logs,
        changes=changes,
        edges=edges,
    )


def plan(
    surveys: Iterable[bytes],
    *,
    config: AnyConfig = None,
    partitions: Sequence[str] | None = None,
) -> bytes:
    """The plan by which all partitions are judged: the settings and the times of all records.

    `partitions` are the names of the partitions; None: those of the surveys. A survey that comes
    twice counts once.

    Raises ValueError for two different surveys of one name, for a survey with another
    `features.step_seconds` or of another version of mad, and for bytes that are no survey.
    """
    return _core.partition_plan(list(surveys), config, partitions)


def settings(surveys: Iterable[bytes], config: AnyConfig = None) -> AnyConfig:
    """The settings for these records: shorter steps for a short recording, as in `mad.detect`.

    Where they differ from `config`, survey the records again with them.
    """
    short = _core.partition_config(list(surveys), config)
    return config if short is None else json.loads(short)


def judge(
    plan: bytes,
    name: str,
    *,
    requests: Any = None,
    metrics: Any = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    edges: Any = None,
) -> bytes:
    """Judges the records of the partition `name`; gives its part as bytes for `combine`.

    The part depends on nothing but the plan and the records, so that a partition whose worker died
    is judged again. Records of one time count in the order in which they stand.

    Raises ValueError where the plan has no such partition, where there are records in steps that no
    survey saw (late ones: survey again), and for a plan of another version of mad.
    """
    return _core.partition_judge(
        plan,
        name,
        requests=requests,
        metrics=metrics,
        spans=spans,
        logs=logs,
        changes=changes,
        edges=edges,
    )


def combine(plan: bytes, parts: Iterable[bytes]) -> _core.Report:
    """Combines the parts of all partitions into the report of the whole input.

    A part that comes twice counts once. Positions of rejected records are those within their
    partitions.

    Raises ValueError, and names the partitions, where a part is missing, differs from another one
    of its partition, comes from another plan or another version of mad, or where a service has rows
    in two partitions; with both numbers, where the parts have more or fewer records than the
    surveys saw.
    """
    return _core.partition_combine(plan, list(parts))


def run(
    survey: Callable[[AnyConfig], Iterable[bytes]],
    judge: Callable[[bytes], Iterable[bytes]],
    *,
    config: AnyConfig = None,
    partitions: Sequence[str] | None = None,
) -> _core.Report:
    """Runs the steps with functions that survey all records by a config, and judge all partitions
    by a plan. It is what an adapter of an engine needs."""
    surveys = list(survey(config))
    fitting = settings(surveys, config)
    if fitting is not config:
        config, surveys = fitting, list(survey(fitting))
    agreed = plan(surveys, config=config, partitions=partitions)
    return combine(agreed, judge(agreed))


def place(service: str, partitions: int) -> int:
    """The number of the partition of a service, 0 to `partitions` - 1: a hash of its name.

    >>> from mad import partition
    >>> partition.place("payments", 8)
    6

    Raises ValueError for other numbers of partitions than 1 to 100,000.
    """
    return zlib.crc32(service.encode()) % count(partitions)


def count(partitions: int) -> int:
    """A number of partitions. Raises ValueError for other numbers than 1 to 100,000."""
    is_number = isinstance(partitions, int) and not isinstance(partitions, bool)
    if not is_number or not 1 <= partitions <= MOST_PARTITIONS:
        raise ValueError(
            f"partitions = {partitions!r:.60}; expected a whole number, 1 to {MOST_PARTITIONS:,}"
        )
    return partitions


def key_of(kind: str) -> str:
    """The column by which records of a kind are split: the service, of edges the caller."""
    return "caller" if kind == "edges" else "service"


def given(what: str, *tables: Any) -> dict[str, Any]:
    """The given ones of the tables of all `KINDS`, by kind. Raises TypeError without any; `what`
    names their type."""
    found = {kind: one for kind, one in zip(KINDS, tables, strict=True) if one is not None}
    if not found:
        raise TypeError(f"no input is given; give requests or another kind as a {what}")
    return found


def known_columns(kind: str, names: Iterable[str]) -> list[str]:
    """Those of the columns that mad reads in records of a kind, in their order."""
    needed, more = _core.columns_of(kind)
    return [name for name in names if name in {*needed, *more}]


def split(table: Any, partitions: int, *, key: str = "service") -> list[Any]:
    """Splits a dataframe or an Arrow table by service into Arrow tables, one for each partition.
    `key` is the column of the service; edges are split by `caller`. The records of a partition keep
    their order, and columns of texts become dictionaries. Needs pyarrow.

    Raises ValueError for a table without one such column of texts or numbers, and for other numbers
    of partitions than 1 to 100,000.
    """
    whole = _as_arrow(table)
    pieces = dict(_pieces(whole, count(partitions), key))
    empty = whole.slice(0, 0)
    return [pieces.get(number, empty) for number in range(partitions)]


def cut(
    name: str,
    kind: str,
    table: Any,
    partitions: int,
    *,
    config: AnyConfig = None,
) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Surveys and splits records of one kind in one pass: the survey, and for each partition that
    has records its number and their bytes, which `joined` reads. Needs pyarrow.

    Columns that mad does not know are left out. Raises ValueError as `survey` and `split` do.
    """
    whole = _as_arrow(table)
    whole = whole.select(known_columns(kind, whole.column_names))
    pieces = [
        (number, _packed(piece))
        for number, piece in _pieces(whole, count(partitions), key_of(kind))
    ]
    return survey(name, config=config, **{kind: whole}), pieces


def tables(batches: Iterable[Any]) -> Iterator[Any]:
    """Record batches of Arrow as tables that are small enough to be cut beside others, in order: at
    most 1,048,576 records and 128 MiB, unless one batch is larger."""
    import pyarrow as pa

    waiting: list[Any] = []
    rows = size = 0
    for batch in batches:
        if waiting and (
            rows + batch.num_rows > MOST_CUT_ROWS or size + batch.nbytes > MOST_CUT_BYTES
        ):
            yield pa.Table.from_batches(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if waiting:
        yield pa.Table.from_batches(waiting)


def joined(pieces: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """The records in pieces of `cut`, given with their kinds, as one Arrow table of each kind. The
    pieces of a kind stay in order."""
    import pyarrow as pa

    found: dict[str, list[Any]] = {}
    for kind, piece in pieces:
        found.setdefault(kind, []).append(pa.ipc.open_stream(piece).read_all())
    return {kind: pa.concat_tables(own) for kind, own in found.items()}


def _packed(table: Any) -> bytes:
    """A table as an Arrow stream."""
    import pyarrow as pa

    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


def _pieces(whole: Any, partitions: int, key: str) -> Iterator[tuple[int, Any]]:
    """The records of each partition that has some, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = _services(whole, key).combine_chunks().dictionary_encode()
    # equal names have one number, whether they are texts or bytes
    numbers = [
        place(name, partitions) if isinstance(name, str) else zlib.crc32(name or b"") % partitions
        for name in names.dictionary.to_pylist()
    ]
    # a record without a service is rejected wherever it is
    of_rows = pc.fill_null(pa.array(numbers, pa.int32()).take(names.indices), 0)
    ordered = whole.take(pc.array_sort_indices(of_rows))  # a stable sort
    counts = {one["values"]: one["counts"] for one in pc.value_counts(of_rows).to_pylist()}
    start = 0
    for number in sorted(counts):
        piece = ordered.slice(start, counts[number])
        start += counts[number]
        for place_of, field in enumerate(piece.schema):
            if pa.types.is_dictionary(field.type):
                column = piece.column(place_of).combine_chunks()
                # a piece has the names of the whole table, unless these are many
                if 8 * len(column.dictionary) > len(column):
                    column = column.dictionary_decode().dictionary_encode()
                piece = piece.set_column(place_of, field.name, column)
        yield number, piece


def _as_arrow(table: Any) -> Any:
    """A table of Arrow without the types that it cannot filter, its texts as dictionaries."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            "to split tables needs pyarrow: pip install 'mad-py[pyarrow]'"
        ) from error
    try:
        if isinstance(table, list):
            whole = pa.Table.from_pylist(table)
        else:
            whole = table if isinstance(table, pa.Table) else pa.table(table)
    except (pa.ArrowException, AttributeError, TypeError) as error:
        raise ValueError(
            f"a {type(table).__name__} is no table that can be split: {error}; "
            "give a dataframe, an Arrow table, a mapping of columns or a list of dictionaries"
        ) from error
    of_text = {"string", "large_string", "string_view"}
    for number, field in enumerate(whole.schema):
        column = whole.column(number)
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if str(kind) == "binary_view":
            column = column.cast(pa.large_binary())
        elif str(kind) in of_text:
            column = column.cast(pa.large_string() if str(kind) != "string" else kind)
            if field.name not in _UNLIKE:
                column = column.combine_chunks().dictionary_encode()
        whole = whole.set_column(number, field.name, column)
    return whole


def _services(whole: Any, key: str) -> Any:
    """The column of the services as texts or bytes."""
    import pyarrow as pa

    if (found := whole.column_names.count(key)) != 1:
        has = ", ".join(whole.column_names[:20])
        raise ValueError(
            f"the table has {found or 'no'} column{'s' * (found > 1)} `{key}`, "
            f"by which it is split; it has {has}; name the column of the service `{key}`"
        )
    column = whole.column(key)
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        # bytes that are no text are rejected where they are judged
        return column
    try:
        return column.cast(pa.large_string())
    except pa.ArrowException as error:
        raise ValueError(
            f"column `{key}` is {column.type}, by which no table can be split; give texts"
        ) from error


def detect(
    requests: Any = None,
    *,
    metrics: Any = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    edges: Any = None,
    config: AnyConfig = None,
    partitions: int = 8,
    map_over: Callable[[Callable[[int], bytes], Iterable[int]], Iterable[bytes]] = map,
) -> _core.Report:
    """`mad.detect` over tables that are split into partitions. `map_over` runs a function for each
    partition, such as `ThreadPoolExecutor().map`. Needs pyarrow.

    >>> import mad
    >>> from mad import partition
    >>> minutes = [minute for minute in range(120) for _ in range(60)]
    >>> slow = [90 <= minute < 100 for minute in minutes]
    >>> requests = {
    ...     "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in minutes],
    ...     "service": ["payments", "cart"] * 3600,
    ...     "endpoint": ["/pay", "/add"] * 3600,
    ...     "status_code": [200] * 7200,
    ...     "latency_ms": [
    ...         900.0 if bad and i % 2 == 0 else 20.0 + i % 9 for i, bad in enumerate(slow)
    ...     ],
    ... }
    >>> report = partition.detect(requests, partitions=2)
    >>> [incident.id for incident in report.incidents] == [
    ...     incident.id for incident in mad.detect(requests).incidents
    ... ]
    True
    """
    numbers = range(count(partitions))
    tables_of = given("table", requests, metrics, spans, logs, changes, edges)
    parts: Mapping[str, list[Any]] = {
        kind: split(table, partitions, key=key_of(kind)) for kind, table in tables_of.items()
    }

    def tables(number: int) -> dict[str, Any]:
        return {kind: of_kind[number] for kind, of_kind in parts.items()}

    return run(
        lambda config: map_over(lambda n: survey(str(n), config=config, **tables(n)), numbers),
        lambda agreed: map_over(lambda n: judge(agreed, str(n), **tables(n)), numbers),
        config=config,
        partitions=[str(number) for number in numbers],
    )
