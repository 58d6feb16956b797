"""Root causes of failing traces, from tables and files."""

from __future__ import annotations

from typing import Any

from mad import _core


def rank_traces(
    spans: Any,
    reference: Any = None,
    *,
    slow_effect: float = 6.0,
    slow_ms: float = 5000.0,
    min_traces: int = 1,
    top_k: int = 10,
) -> _core.TraceRanking:
    """Ranks services by the share of failing traces whose first cause they are.

    `spans` is the incident, a path or a table: trace_id, span_id, parent_id, service, operation,
    start (aware), duration_ms; optional status, kind, peer. `reference` is the same for normal
    time: a span is slow against it, and what failed as often then names nobody; without it `spans`
    holds both. A fault is followed from the entry to the deepest callee that explains it; lost
    spans and clocks that differ are allowed for. A span is slow when its own time, without its
    children's, is `slow_effect` scales above the usual, or above `slow_ms` where it has no past.

    The answer has `.culprits`, best first, each with `.service`, `.operation`, `.fault` (error,
    slow, network, missing), `.share` of the failing traces, `.onset`, `.sample_traces` and `.chain`
    (from the entry to the culprit); it has `.abstained` when nothing fails. Raises ValueError for a
    missing column and for times without a zone, OSError when a file cannot be opened.
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

    from mad.sources.files import Source

    return list(Source(os.fspath(source)).pieces("spans"))
