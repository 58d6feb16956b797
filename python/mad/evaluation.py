"""Compares the result of a detection with the truth."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from mad import _core

MOST_JSON, MOST_TABLE = 16 << 20, 512 << 20
"""Bytes of a truth in JSON, which is read at once, and of a table with labels, decompressed."""
#: Labels of most records, none of which is anomalous, as text.
_NORMAL = frozenset({"False", "false", "0", "0.0", "", "None", "nan", "<NA>"})
_LABELS = ("is_anomaly", "artificial_anomaly", "anomaly", "label")
_NAMES = ("service", "endpoint", "operation", "metric", "body", "kind")
_TIMES = ("timestamp", "bucket_ts", "start", "time")


def evaluate(report: _core.Report, truth: Any) -> dict[str, Any]:
    """Compares a report with the truth: precision, recall and F1 of rows, incidents and each kind
    of telemetry, delays, and ranks of the culprits.

    `truth` has one of these forms, as a path, as JSON text, or as the value itself:

    - a list of incidents with service, endpoint, start and end (a service without an endpoint is
      any endpoint of it), or of points with service, endpoint and timestamp;
    - windows or points by service as in NAB: `{"payments /pay": [["START", "END"]]}`;
    - a table with a column of labels (`is_anomaly`, `artificial_anomaly`, `anomaly` or `label`),
      the service and a time: a CSV file, a dataframe, or a mapping of columns.

    Times are aware datetimes or RFC 3339 text; naive ones are UTC. The kind of an incident may be
    request, metric, log, event or trace; then it is expected in telemetry of that kind only.

    The result has `rows`, `incidents`, `culprits`, `kinds` (tp, fp, fn, tn, accuracy, precision,
    recall and f1 for each kind that was judged), `median_delay_seconds`, `outcomes` of the true
    incidents, and `unknown_services`: services of the truth of which the report has no row. With
    `scorers`, it has `methods` too: the same figures for each method and kind. A share with the
    denominator 0 is None.

    Raises ValueError for a truth of none of these forms, with the forms; OSError when a file cannot
    be opened.

    >>> import mad
    >>> minutes = [minute for minute in range(120) for _ in range(30)]
    >>> report = mad.detect(
    ...     {
    ...         "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in minutes],
    ...         "service": ["payments"] * 3600,
    ...         "endpoint": ["/pay"] * 3600,
    ...         "status_code": [200] * 3600,
    ...         "latency_ms": [900.0 if 90 <= m < 100 else 20.0 for m in minutes],
    ...     }
    ... )
    >>> window = ["2026-01-06T11:30:00Z", "2026-01-06T11:39:00Z"]
    >>> result = mad.evaluate(report, {"payments /pay": [window]})
    >>> result["rows"]["recall"], result["incidents"]["found"], result["unknown_services"]
    (1.0, 1, [])
    """
    return dict(json.loads(_core.evaluate_report(report, truth_json(truth))))


def truth_json(truth: Any) -> str:
    """A truth of any form as JSON text; see `evaluate`."""
    if isinstance(truth, str) and truth.lstrip()[:1] in ("[", "{"):
        return truth
    if isinstance(truth, str | os.PathLike):
        return _of_file(Path(truth))
    if hasattr(truth, "to_pydict"):
        truth = truth.to_pydict()
    if _label(truth) is not None:
        return _core.truth_of_labels(iter([_labelled(truth)]))
    if isinstance(truth, Mapping | Sequence):
        return json.dumps(truth, default=_text)
    return json.dumps(str(type(truth).__name__))


def _of_file(path: Path) -> str:
    from mad.sources.files import InputFile, bounded

    content = InputFile(str(path)).contents()
    first = next(content, b"")
    is_json = first.lstrip()[:1] in (b"[", b"{") or b"," not in first[:10_000]
    most = MOST_JSON if is_json else MOST_TABLE
    pieces = bounded(chain((first,), content), most, str(path))
    if is_json:
        return b"".join(pieces).decode("utf-8", "replace")
    return _core.truth_of_labels(pieces)


def _label(table: Any) -> str | None:
    """The column of labels of a table; None where it has none or is no table."""
    columns = table if isinstance(table, Mapping) else getattr(table, "columns", None)
    if columns is None or isinstance(table, Sequence):
        return None
    names = [str(getattr(column, "name", column)) for column in columns]
    return next((name for name in _LABELS if name in names), None)


def _labelled(table: Any) -> bytes:
    """The labelled rows of a table as CSV."""
    label = _label(table)
    columns = {
        name: list(table[name])
        for name in (*_TIMES, *_NAMES, label)
        if name is not None and name in table
    }
    labels = map(str, columns[label or ""])
    # the core reads the labels of the others, and refuses unknown ones
    wanted = [row for row, text in enumerate(labels) if text not in _NORMAL]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in wanted:
        writer.writerow([_text(column[row]) for column in columns.values()])
    return out.getvalue().encode()


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
