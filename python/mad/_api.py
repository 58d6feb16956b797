"""Detection over files and tables."""

from __future__ import annotations

import os
from typing import Any

from mad import _core
from mad._config import AnyConfig


def detect(requests: Any, *, config: AnyConfig = None) -> _core.Report:
    """Detects over a request log: a path (CSV or JSON Lines; plain, gzip or zstd), a dataframe or
    any Arrow object (pandas, polars, pyarrow, duckdb), or a mapping of columns.

    Needed columns: timestamp, service, endpoint, status_code, latency_ms; with `request_id`,
    repeated deliveries are dropped; others are ignored. Times are aware datetimes of any unit and
    zone, RFC 3339 text, or seconds, ms, us or ns since 1970; naive ones need the setting
    `naive_offset_seconds`. A null, None, or NaN of pandas or numpy is a missing field.

    Causal: each row is judged by what came before it. A table is sorted by time first; so is a file
    that is not in order, up to `limits.sort_records` records. Bad records are counted in
    `report.rejected` and stop nothing.

    Raises ValueError when the input as a whole cannot be read (a missing column, times without a
    zone), OSError when a file cannot be opened.
    """
    if isinstance(requests, str | os.PathLike):
        from mad._files import detect_file

        return detect_file(os.fspath(requests), config)
    return _core.detect(requests, config)
