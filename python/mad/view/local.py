"""Snapshots of a pipeline in this process."""

from __future__ import annotations

import json
import threading
from typing import Any

from mad import _core
from mad.times import time_or_none
from mad.view.snapshot import EntityTable, Snapshot

_STATES = ("service", "endpoint", "metric", "state", "reason", "score")


class LocalFeed:
    """A pipeline that judges what it is given, and its state as snapshots."""

    def __init__(self, name: str, config: Any = None) -> None:
        self._pipeline = _core.Pipeline(config)
        self._table, self._name = EntityTable(), name
        self._accepted = self._rejected = 0
        self._lock = threading.Lock()
        self.note = self.problem = ""

    def take(self, body: bytes, kind: str, records: int) -> None:
        """Judges lines of CSV or JSON of a kind. Raises ValueError when they cannot be read."""
        update = self._pipeline.ingest(body, kind)
        with self._lock:
            refused = int(update.rejected.get("total") or 0)
            self._accepted += records - refused
            self._rejected += refused
            self._add(update.rows, self._table)

    def finish(self) -> None:
        """Closes the last steps, because the input has ended."""
        update = self._pipeline.finish()
        with self._lock:
            self._add(update.rows, self._table)

    def snapshot(self) -> Snapshot:
        """The present state."""
        return self._snapshot(self._pipeline, self._table)

    def _snapshot(self, pipeline: _core.Pipeline, table: EntityTable) -> Snapshot:
        states = pipeline.states()
        incidents = [json.loads(one.to_json()) for one in pipeline.incidents]
        with self._lock:
            columns = [states[name] for name in _STATES]
            for service, endpoint, metric, state, reason, score in zip(*columns, strict=True):
                if not metric:
                    view = table.of(service, endpoint)
                    view.state, view.reason = state, reason
                    view.score = 0.0 if score != score else float(score)
            incidents.sort(key=lambda one: str(one.get("start")), reverse=True)
            return Snapshot(
                self._name,
                pipeline.watermark,
                table.worst_first(),
                incidents,
                self._accepted,
                self._rejected,
                problem=self.problem,
                note=self.note,
            )

    def close(self) -> None:
        """Nothing is open."""

    @staticmethod
    def _add(rows: _core.Table, table: EntityTable) -> None:
        names = ("service", "endpoint", "req_count", "error_rate", "p95_latency_ms", "is_anomaly")
        columns = [rows[name] for name in names]
        times = rows["bucket_ts"].astype("datetime64[s]").tolist()
        for at, *values in zip(times, *columns, strict=True):
            row = dict(zip(names, values, strict=True))
            table.of(row["service"], row["endpoint"]).add(time_or_none(f"{at}Z"), row)
