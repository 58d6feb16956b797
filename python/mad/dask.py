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
    cuts: dict[str, list[Any]] = {}

    def survey(config: AnyConfig) -> Iterable[bytes]:
        # each piece is read and split once, with its survey
        for kind, pieces in frames.items():
            names = (f"{kind} {number}" for number in range(len(pieces)))
            own = [
                _cut(name, kind, piece, partitions, config)
                for name, piece in zip(names, pieces, strict=True)
            ]
            cuts[kind] = list(dask.persist(*own))
        return list(dask.compute(*(_survey(cut) for own in cuts.values() for cut in own)))

    def judge(plan: bytes) -> Iterable[bytes]:
        tasks = [
            _judge(
                plan,
                str(number),
                {kind: [_piece(cut, number) for cut in own] for kind, own in cuts.items()},
            )
            for number in range(partitions)
        ]
        return list(dask.compute(*tasks))

    names = [str(number) for number in range(partitions)]
    return partition.run(survey, judge, config=config, partitions=names)


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _cut(
    name: str, kind: str, piece: Any, partitions: int, config: AnyConfig
) -> tuple[bytes, dict[int, bytes]]:
    survey, pieces = partition.cut(name, kind, piece, partitions, config=config)
    return survey, dict(pieces)


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _survey(cut: tuple[bytes, dict[int, bytes]]) -> bytes:
    return cut[0]


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _piece(cut: tuple[bytes, dict[int, bytes]], number: int) -> bytes | None:
    return cut[1].get(number)


@delayed(pure=True)  # type: ignore[untyped-decorator]
def _judge(plan: bytes, name: str, pieces: dict[str, list[bytes | None]]) -> bytes:
    found = ((kind, one) for kind, own in pieces.items() for one in own if one is not None)
    return partition.judge(plan, name, **partition.joined(found))
