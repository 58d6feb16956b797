"""Detection on Dask: `detect` over Dask dataframes gives the report of `mad.detect`.

The workers judge partitions of services, and the client groups the judged rows. docs/scale.md has
the commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mad import _core, partition
from mad.config import AnyConfig
from mad.errors import MissingExtraError

try:
    import dask
    from dask.delayed import delayed
except ImportError as error:
    raise MissingExtraError("Dask needs dask: pip install 'mad-py[dask]'") from error


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
) -> _core.Report:
    """`mad.detect` over Dask dataframes with the columns that docs/files.md names.

    All records of a service are judged in one of `partitions`, which has to fit into the memory of
    a worker. The scheduler is that of Dask's settings.

    Raises ValueError as `mad.partition` does, and the errors of Dask.
    """
    partition.count(partitions)
    given = partition.given("dataframe", requests, metrics, spans, logs, changes, edges)
    frames = {
        kind: list(frame[partition.known_columns(kind, frame.columns)].to_delayed())
        for kind, frame in given.items()
    }
    # each piece is split once, and the shares of a partition come together
    shares = {
        kind: [_split(piece, kind, partitions) for piece in pieces]
        for kind, pieces in frames.items()
    }

    def survey(config: AnyConfig) -> Iterable[bytes]:
        tasks = [
            _survey(f"{kind} {number}", kind, piece, config)
            for kind, pieces in frames.items()
            for number, piece in enumerate(pieces)
        ]
        return list(dask.compute(*tasks))

    def judge(plan: bytes) -> Iterable[bytes]:
        tasks = [
            _judge(
                plan,
                str(number),
                {kind: [share[number] for share in of_kind] for kind, of_kind in shares.items()},
            )
            for number in range(partitions)
        ]
        return list(dask.compute(*tasks))

    names = [str(number) for number in range(partitions)]
    return partition.run(survey, judge, config=config, partitions=names)


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _survey(name: str, kind: str, piece: Any, config: AnyConfig) -> bytes:
    return partition.survey(name, config=config, **{kind: piece})


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _split(piece: Any, kind: str, partitions: int) -> list[Any]:
    return partition.split(piece, partitions, key=partition.key_of(kind))


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _judge(plan: bytes, name: str, shares: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa

    tables = {kind: pa.concat_tables(of_kind) for kind, of_kind in shares.items()}
    return partition.judge(plan, name, **tables)
