"""The core's classes with Python configuration, and detection over files."""

from __future__ import annotations

import os
from typing import Any

from mad import _core
from mad._config import AnyConfig, config_json


class Pipeline(_core.Pipeline):
    """Requests in, batch by batch; judged rows and incident changes out."""

    def __new__(cls, config: AnyConfig = None) -> Pipeline:
        return super().__new__(cls, config_json(config))


class FeatureBuilder(_core.FeatureBuilder):
    """Requests to one row per service, endpoint and step."""

    def __new__(cls, config: AnyConfig = None) -> FeatureBuilder:
        return super().__new__(cls, config_json(config))


class RowScorer(_core.RowScorer):
    """Judges each signal of each row by what came before it, then learns it."""

    def __new__(cls, config: AnyConfig = None) -> RowScorer:
        return super().__new__(cls, config_json(config))


class Guardrails(_core.Guardrails):
    """Holds back what is not worth waking anyone."""

    def __new__(cls, config: AnyConfig = None) -> Guardrails:
        return super().__new__(cls, config_json(config))


class IncidentGrouper(_core.IncidentGrouper):
    """Groups flagged rows into incidents."""

    def __new__(cls, config: AnyConfig = None) -> IncidentGrouper:
        return super().__new__(cls, config_json(config))


def detect(requests: Any, *, config: AnyConfig = None) -> _core.Report:
    """Detects over a request log: a path (CSV or JSON Lines; plain, gzip or zstd), a dataframe or
    any Arrow object (pandas, polars, pyarrow, duckdb), or a mapping of columns.

    Causal: each row is judged by what came before it. A table is sorted by time first; so is a file
    that is not in order, up to `limits.sort_records` records. Bad records are counted in
    `report.rejected` and stop nothing.

    Raises ValueError when the input as a whole cannot be read (a missing column, times without a
    zone), OSError when a file cannot be opened.
    """
    if isinstance(requests, str | os.PathLike):
        from mad._files import detect_file

        return detect_file(os.fspath(requests), config_json(config))
    return _core.detect(requests, config_json(config))
