"""The functions `detect`, `detect_metrics` and `read` over files and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mad import _core
from mad.config import AnyConfig, Config
from mad.detection.formats import Layout


def detect(
    requests: Any = None,
    *,
    metrics: Any = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    edges: Any = None,
    history: Any = None,
    map: Mapping[str, str] | None = None,
    format: str | None = None,
    service: str | None = None,
    pattern: str | None = None,
    config: AnyConfig = None,
    scorers: Sequence[str] = (),
) -> _core.Report:
    """Detects incidents in telemetry: requests, metrics, spans, logs, or several of them.

    Each input is a path (CSV, JSON Lines or Parquet; plain, gzip or zstd), a dataframe or Arrow
    object (pandas, polars, pyarrow, duckdb), a mapping of columns, or a list of dictionaries. A
    lazy frame of polars is collected. docs/files.md lists the columns of each kind; other columns
    are ignored. Requests need timestamp, service, endpoint,
    status_code (HTTP status) and latency_ms (milliseconds); a `request_id` drops repeated
    deliveries. Metrics need timestamp, service, metric and value. `edges` are pairs of caller and
    callee.

    Times are aware datetimes, RFC 3339 text, or seconds, ms, us or ns since 1970. Naive times need
    the setting `naive_offset_seconds`. A null, None or NaN is a missing field; a missing value of a
    metric is a gap.

    The detection is causal: a row is judged by earlier rows only. All inputs are merged by time.
    Tables are sorted first, and so are files that are not in order, up to `limits.sort_records`
    records. A span becomes a row of its service and operation, unless it is a client's span, and an
    edge of the service graph. A change is evidence against its service for half an hour. Error and
    warning lines of logs are counted by service.

    `history` is earlier telemetry: requests, or a mapping such as `{"requests": ..., "metrics":
    ...}`. It is learnt and never flagged, so that no warm-up is needed.

    `map` names the columns that hold fields, such as `{"service": "team"}`; it is the setting
    `intake.map`. Usual names of other programs are known without it. The setting `intake.service`
    is the service of inputs that name none.

    A path may also name a file of another tool, such as an access log, or a folder: `mad inspect`
    shows its records. `format` names the format instead of the detected one, `service` the service
    of the records of such files, and `pattern` the layout of log lines.

    `scorers` are other methods that judge the rows too: `ewma`, `zscore`, `isolation_forest`,
    `one_class_svm`, `lstm_autoencoder`, `log_level`, `event_kind`, `default`, or `all` but the
    default; `"ewma=2"` gives a weight. Their judgements are in `report.methods` and
    `report.method_summaries`, with two ensembles where several are chosen, and change nothing about
    incidents. docs/methods.md has their rules. They learn from this input alone, not from
    `history`.

    Records that cannot be read are counted in `report.rejected` and stop nothing. Empty input gives
    a report without incidents.

    Raises TypeError without any input, ValueError when an input as a whole cannot be read (such as
    a missing column) or the configuration or a name in `scorers` is not valid, OSError when a file
    cannot be opened, and ImportError when Parquet needs pyarrow.

    >>> import mad
    >>> minutes = [minute for minute in range(120) for _ in range(30)]
    >>> slow = [90 <= minute < 100 for minute in minutes]
    >>> report = mad.detect(
    ...     {
    ...         "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in minutes],
    ...         "service": ["payments"] * 3600,
    ...         "endpoint": ["/pay"] * 3600,
    ...         "status_code": [200] * 3600,
    ...         "latency_ms": [900.0 if bad else 20.0 + i % 9 for i, bad in enumerate(slow)],
    ...     }
    ... )
    >>> [(one.service, one.endpoint) for one in report.incidents]
    [('payments', '/pay')]
    """
    sources = {
        "requests": requests,
        "metrics": metrics,
        "spans": spans,
        "logs": logs,
        "changes": changes,
        "edges": edges,
    }
    config = _with_map(config, map)
    given = {kind: source for kind, source in sources.items() if source is not None}
    if not given:
        raise TypeError(
            "no input is given; give requests or another kind as a path, a dataframe, an Arrow "
            "table, a mapping of columns or a list of dictionaries"
        )
    state, layout = None, Layout(format, service, pattern)
    if history is not None:
        past = history if _is_by_kind(history) else {"requests": history}
        state = _detect(past, config, layout, learn=True).checkpoint()
    names = (scorers,) if isinstance(scorers, str) else tuple(scorers)
    return _detect(given, config, layout, state=state, scorers=names)


def _with_map(config: AnyConfig, map: Mapping[str, str] | None) -> AnyConfig:
    if not map:
        return config
    fields = config.to_dict() if isinstance(config, Config) else dict(config or {})
    intake = dict(fields.get("intake") or {})
    return {**fields, "intake": {**intake, "map": {**(intake.get("map") or {}), **map}}}


def _is_by_kind(source: Any) -> bool:
    return isinstance(source, Mapping) and bool(source) and set(source) <= {"requests", "metrics"}


def _detect(
    given: Mapping[str, Any],
    config: AnyConfig,
    layout: Layout,
    *,
    state: bytes | None = None,
    learn: bool = False,
    scorers: Sequence[str] = (),
) -> _core.Report:
    from mad.detection.files import detect_files, is_path

    if any(map(is_path, given.values())):
        return detect_files(given, config, layout, state=state, learn=learn, scorers=scorers)
    return _core.detect(config=config, state=state, learn=learn, scorers=scorers, **given)


def detect_metrics(metrics: Any, config: AnyConfig = None) -> _core.Report:
    """Detects incidents in metrics alone; the same as `detect(metrics=metrics)`.

    >>> import mad
    >>> report = mad.detect_metrics(
    ...     {
    ...         "timestamp": ["2026-01-06T10:00:00Z", "2026-01-06T10:01:00Z"],
    ...         "service": ["shop", "shop"],
    ...         "metric": ["cpu", "cpu"],
    ...         "value": [40.0, float("nan")],
    ...     }
    ... )
    >>> report.read["metrics"]["records"], report.incidents
    (2, [])
    """
    return detect(metrics=metrics, config=config)


def read(source: Any, kind: str = "requests", config: AnyConfig = None) -> _core.Telemetry:
    """Reads and validates a path or a table without judging it.

    `kind` is requests, metrics, spans, logs, changes or edges. Of `config`
    `naive_offset_seconds` and `intake` have an effect. The result has the number of accepted
    records as `len()` and the others by reason in `.rejected`. Empty input gives an empty result.

    Raises ValueError for an unknown kind and when the input as a whole cannot be read, OSError when
    a file cannot be opened, ImportError when Parquet needs pyarrow.

    >>> import mad
    >>> read = mad.read(
    ...     {
    ...         "timestamp": ["2026-01-06T10:00:00Z", "2026-01-06T10:00:00"],
    ...         "service": ["shop", "shop"],
    ...         "metric": ["cpu", "cpu"],
    ...         "value": [40.0, 41.0],
    ...     },
    ...     "metrics",
    ... )
    >>> len(read), read.rejected["counts"]
    (1, {'naive_timestamp': 1})
    """
    from mad.detection import files

    return files.read(source, kind, config)
