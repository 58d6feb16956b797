"""Ranks the root causes of failing traces, from tables and files."""

from __future__ import annotations

from typing import Any

from mad import _core

MOST_BYTES = 512 << 20
"""Bytes of a file of spans, decompressed, because traces are put together in memory."""


def rank_traces(
    spans: Any,
    reference: Any = None,
    *,
    slow_effect: float = 6.0,
    slow_ms: float = 5000.0,
    min_traces: int = 1,
    top_k: int = 10,
) -> _core.TraceRanking:
    """Ranks services by the share of failing traces that they cause.

    `spans` is the incident, a path or a table with trace_id, span_id, parent_id, service,
    operation, start (aware time) and duration_ms (milliseconds); status, kind and peer are
    optional. `reference` is the same for a normal period. With it, a span is slow compared with the
    reference, and an error that was as frequent there counts for no culprit. Without it, `spans`
    holds both periods.

    A fault is followed from the entry of a trace to the deepest callee that explains it. Lost spans
    and clock skew between services are allowed for. A span is slow when its own time, without that
    of its children, is `slow_effect` scales above the usual, or above `slow_ms` milliseconds where
    the span has no past. A culprit needs `min_traces` failing traces; at most `top_k` are returned.

    The result has `.culprits`, best first, each with `.service`, `.operation`, `.fault` (error,
    slow, network or missing), `.share` of the failing traces, `.onset`, `.sample_traces` and
    `.chain` (from the entry to the culprit). Ties are ordered by name. `.abstained` is true when
    nothing fails, also for empty input.

    Raises ValueError for a missing column and for times without a zone, OSError when a file cannot
    be opened.

    >>> import mad
    >>> ranking = mad.rank_traces(
    ...     {
    ...         "trace_id": ["a", "a", "b", "b"],
    ...         "span_id": ["1", "2", "3", "4"],
    ...         "parent_id": ["", "1", "", "3"],
    ...         "service": ["front", "db", "front", "db"],
    ...         "operation": ["GET /", "query", "GET /", "query"],
    ...         "start": ["2026-01-06T10:00:00Z"] * 4,
    ...         "duration_ms": [10.0, 5.0, 12.0, 6.0],
    ...         "status": ["error", "error", "ok", "ok"],
    ...     }
    ... )
    >>> [(one.service, one.fault, one.chain) for one in ranking.culprits]
    [('db', 'error', ['front', 'db'])]
    """
    return _core.rank_traces(
        _pieces(spans),
        None if reference is None else _pieces(reference),
        slow_effect=slow_effect,
        slow_ms=slow_ms,
        min_traces=min_traces,
        top_k=top_k,
    )


def _pieces(source: Any) -> Any:
    from mad.detection.files import is_path

    if not is_path(source):
        return source
    import os

    from mad.sources.files import InputFile, bounded

    path = os.fspath(source)
    return list(bounded(InputFile(path).pieces("spans"), MOST_BYTES, path))
