"""Detection on Ray: `detect` over datasets of Ray Data gives the report of `mad.detect`.

The workers judge partitions of services, and the driver groups the judged rows. docs/scale.md has
the commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mad import _core, partition
from mad.config import AnyConfig, Config
from mad.errors import MissingExtraError

try:
    import ray
    import ray.data
except ImportError as error:
    raise MissingExtraError("Ray needs ray: pip install 'mad-py[ray]'") from error


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
    """`mad.detect` over datasets of Ray Data with the columns that docs/files.md names.

    All records of a service are judged in one of `partitions`, which has to fit into the memory of
    a worker. Columns that mad does not know stay where they are.

    Raises ValueError as `mad.partition` does, and the errors of Ray.
    """
    count = partition.count(partitions)
    given = partition.given("dataset", requests, metrics, spans, logs, changes, edges)
    blocks = {
        kind: one.select_columns(partition.known_columns(kind, one.columns())).to_arrow_refs()
        for kind, one in given.items()
    }
    # of each partition the kinds and the bytes of its pieces, which stay with the workers
    found: list[tuple[str, list[Any]]] = []

    def survey(config: AnyConfig) -> Iterable[bytes]:
        settings = config.to_dict() if isinstance(config, Config) else config
        cut = ray.remote(_cut).options(num_returns=1 + count)
        found[:] = [
            (kind, cut.remote(f"{kind} {number}", kind, block, count, settings))
            for kind, own in blocks.items()
            for number, block in enumerate(own)
        ]
        surveys: list[bytes] = ray.get([of_block[0] for _, of_block in found])
        return surveys

    def judge(plan: bytes) -> Iterable[bytes]:
        kinds, plan_ref = [kind for kind, _ in found], ray.put(plan)
        task = ray.remote(_judge)
        parts: list[bytes] = ray.get(
            [
                task.remote(plan_ref, str(number), kinds, *(one[1 + number] for _, one in found))
                for number in range(count)
            ]
        )
        return parts

    names = [str(number) for number in range(count)]
    return partition.run(survey, judge, config=config, partitions=names)


def _cut(
    name: str, kind: str, block: Any, partitions: int, config: AnyConfig
) -> tuple[bytes | None, ...]:
    """The survey of a block, and its piece of each partition."""
    survey, pieces = partition.cut(name, kind, block, partitions, config=config)
    by_number = dict(pieces)
    return survey, *(by_number.get(number) for number in range(partitions))


def _judge(plan: bytes, name: str, kinds: list[str], *pieces: bytes | None) -> bytes:
    """The part of one partition."""
    found = ((kind, piece) for kind, piece in zip(kinds, pieces, strict=True) if piece is not None)
    return partition.judge(plan, name, **partition.joined(found))
