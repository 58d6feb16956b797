"""Detection over files and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mad import _core
from mad.config import AnyConfig


def detect(
    requests: Any = None,
    *,
    metrics: Any = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    edges: Any = None,
    history: Any = None,
    config: AnyConfig = None,
) -> _core.Report:
    """Detects over requests, metrics or both. Each is a path (CSV, JSON Lines or Parquet; plain,
    gzip or zstd), a dataframe or any Arrow object (pandas, polars, pyarrow, duckdb), or a mapping
    of columns.

    Needed columns of requests: timestamp, service, endpoint, status_code, latency_ms; with
    `request_id`, repeated deliveries are dropped. Of metrics: timestamp, service, metric, value (a
    missing one or NaN is a gap); optional resource and n. docs/files.md has those of all kinds.
    Others are ignored. Times are aware datetimes of any unit and zone, RFC 3339 text, or seconds,
    ms, us or ns since 1970; naive ones need the setting `naive_offset_seconds`. A null, None, or
    NaN of pandas or numpy is a missing field.

    Causal: each row is judged by what came before it. Tables are sorted by time first; so are files
    that are not in order, and a file with a table beside it, up to `limits.sort_records` records.
    All are merged by time. A span is a row of its service and operation, unless it is a client's
    view, and tells who calls whom, as `edges` (caller, callee) do; a change is evidence against its
    service in the half hour after. Log lines are read, checked and counted in `report.read`. Bad
    records are counted in `report.rejected` and stop nothing.

    `history` is what came before: requests, or a mapping such as `{"requests": ..., "metrics":
    ...}`. It is learnt and nothing of it is flagged or counted, so that there is no warm-up.

    Raises ValueError when an input as a whole cannot be read (a missing column, times without a
    zone), OSError when a file cannot be opened, ImportError when Parquet needs pyarrow.
    """
    sources = {
        "requests": requests,
        "metrics": metrics,
        "spans": spans,
        "logs": logs,
        "changes": changes,
        "edges": edges,
    }
    given = {kind: source for kind, source in sources.items() if source is not None}
    if not given:
        raise TypeError(
            "requests is absent, and so is all else; give a path, a dataframe, an Arrow table or a "
            "mapping of columns"
        )
    state = None
    if history is not None:
        past = history if _is_by_kind(history) else {"requests": history}
        state = _detect(past, config, learn=True).checkpoint()
    return _detect(given, config, state=state)


def _is_by_kind(source: Any) -> bool:
    return isinstance(source, Mapping) and bool(source) and set(source) <= {"requests", "metrics"}


def _detect(
    given: Mapping[str, Any], config: AnyConfig, *, state: bytes | None = None, learn: bool = False
) -> _core.Report:
    from mad.detection.files import detect_files, is_path

    if any(map(is_path, given.values())):
        return detect_files(given, config, state=state, learn=learn)
    return _core.detect(config=config, state=state, learn=learn, **given)


def detect_metrics(metrics: Any, config: AnyConfig = None) -> _core.Report:
    """Detects over metrics alone: `detect(metrics=metrics)`."""
    return detect(metrics=metrics, config=config)


def read(source: Any, kind: str = "requests", config: AnyConfig = None) -> _core.Telemetry:
    """Reads and checks a path or a table without judging it: `len()` tells the good records,
    `.rejected` the others.

    `kind` is requests, metrics, spans, logs, changes or edges; of `config`, only
    `naive_offset_seconds` matters. Raises as `detect` does, and ValueError for another kind.
    """
    from mad.detection import files

    return files.read(source, kind, config)
