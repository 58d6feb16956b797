"""Reads the tables of a journal: records with times in nanoseconds, and JSON of the core."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from mad import _core
from mad.journal import alerts
from mad.journal.alerts import Delivery
from mad.journal.incidents import IncidentReader
from mad.journal.query import NEWEST, QUERY_SECONDS, Found, Names, Record, Where
from mad.journal.selection import Page, Selection, TimeRange
from mad.severity import SEVERITIES

#: The signals of requests by the fields of the JSON of a row.
ROW_SIGNALS = frozenset(
    {
        "p50_latency_ms",
        "p95_latency_ms",
        "p99_latency_ms",
        "error_rate",
        "client_error_rate",
        "slow_share",
        "req_count",
    }
)
ALL_TIMES = TimeRange()
T = TypeVar("T")


class FrequentProblem(NamedTuple):
    """The most frequent kind of log line among warnings and errors."""

    pattern: str
    """What its lines have in common, with `<*>` for each variable part."""
    sample: str
    """The first line."""
    lines: int
    of: int
    """Number of all warnings and errors."""
    first: int
    """Time of the first line, nanoseconds since 1970."""


class Reader(IncidentReader):
    """Reads all that the journal keeps."""

    def rows(self, names: Names, select: Selection = NEWEST) -> Found[str]:
        """Judged rows, newest first, each as JSON. Names: service, endpoint, severity."""
        severity = names.get("severity")
        rank = SEVERITIES.index(severity) if severity else None
        return self._judged("rows", "service, endpoint", {**names, "severity": rank}, select)

    def services(self, names: Names, select: Selection = NEWEST) -> Found[str]:
        """Judged rows of services across their endpoints, newest first, each as JSON. Names:
        service, severity."""
        severity = names.get("severity")
        rank = SEVERITIES.index(severity) if severity else None
        return self._judged("services", "service, endpoint", {**names, "severity": rank}, select)

    def points(self, names: Names, select: Selection = NEWEST) -> Found[str]:
        """Judged points, newest first, each as JSON. Names: service, resource, metric."""
        wanted = (names.get("service"), names.get("resource"), names.get("metric"))
        points = self._of_blocks(
            lambda blocks: _core.stored_points(blocks, *wanted, select.flagged),
            select.within,
            flagged=select.flagged,
        )
        page = select.page
        texts = ((text,) for _, text in islice(points, page.offset, page.offset + page.limit))
        found = self._within_bytes(texts)
        return Found((text for (text,) in found), is_cut=found.is_cut)

    def features(self, names: Names, select: Selection = NEWEST) -> Found[Record]:
        """Features of rows, newest first. Names: service, endpoint."""
        where = Where(names, select.within)
        return self._records(
            f"""SELECT at, service, endpoint, req_count, error_count,
            error_count * 1.0 / req_count AS error_rate, avg_latency_ms, p95_latency_ms
            FROM features {where} ORDER BY at DESC, service, endpoint LIMIT ? OFFSET ?""",
            where.values_of(select.page),
        )

    def logs(
        self, names: Names, select: Selection = NEWEST, *, text: str | None = None
    ) -> Found[Record]:
        """Log lines that contain `text`, newest first. Names: service, level, trace_id."""
        others = {name: value for name, value in names.items() if name != "level"}
        level = names.get("level")
        where = Where({**others, "upper(level)": level.upper() if level else None}, select.within)
        if text:
            where.add("instr(body, ?) > 0", text)
        return self._records(
            f"""SELECT at, service, level, body, trace_id
            FROM log_lines {where} ORDER BY at DESC, seq DESC, position DESC LIMIT ? OFFSET ?""",
            where.values_of(select.page),
        )

    def service_steps(self, entities: Sequence[tuple[str, str]], within: TimeRange) -> list[Record]:
        """Figures of services by step, oldest first: the sums of the requests and errors of their
        endpoints, the 95th percentile of latency of the whole service, or else of its slowest
        endpoint, and whether a row was flagged. `entities` are pairs of service and endpoint."""
        names = json.dumps(entities)
        return self._records(
            """WITH asked AS (SELECT value ->> 0 AS service, value ->> 1 AS endpoint
            FROM json_each(?)) SELECT r.service, r.at, sum(r.req_count) AS req_count,
            sum(r.error_count) AS error_count, max(r.is_anomaly) AS is_anomaly,
            coalesce((SELECT s.p95_latency_ms FROM services s WHERE s.service = r.service
            AND s.endpoint = '' AND s.at = r.at), max(r.p95_latency_ms)) AS p95_latency_ms
            FROM asked CROSS JOIN rows r ON r.service = asked.service
            AND r.endpoint = asked.endpoint AND r.at >= ? AND r.at < ?
            GROUP BY r.service, r.at ORDER BY r.at""",
            (names, within.start, within.end),
        )

    def row_values(self, signal: str, names: Names, select: Selection) -> list[float | None]:
        """The values of one of `ROW_SIGNALS` in rows, newest first. Names: service, endpoint."""
        where = Where(names, select.within)
        found = self._all(
            f"SELECT data ->> '$.{signal}' FROM all_rows {where} ORDER BY at DESC LIMIT ? OFFSET ?",
            where.values_of(select.page),
        )
        return [value for (value,) in found]

    def point_values(self, names: Names, select: Selection) -> list[float | None]:
        """The values of a metric, newest first. Names: service, resource, metric."""
        return [json.loads(point)["value"] for point in self.points(names, select)]

    def due(self, sink: str, severities: Sequence[str] = SEVERITIES) -> list[Delivery]:
        """The deliveries of some severities that wait for a sink, the oldest first."""
        rows = self._all(alerts.DUE, (sink, json.dumps(severities)))
        return [Delivery(*row) for row in rows]

    def deliveries(self, names: Names, page: Page = NEWEST.page) -> Found[Record]:
        """Deliveries of notifications, newest first. Names: sink, status, incident."""
        query, values = alerts.listing(names)
        return self._records(query, (*values, page.limit, page.offset))

    def delivery_counts(self) -> dict[tuple[str, str], int]:
        """The number of deliveries by sink and status."""
        return {(sink, status): count for sink, status, count in self._all(alerts.COUNTS, ())}

    def audit(self, page: Page = NEWEST.page, *, refused: bool | None = None) -> Found[Record]:
        """The audit trail, newest first: who did what to which target, and the outcome. `refused`
        selects commands (False) or refused requests (True)."""
        where = Where({"refused": None if refused is None else int(refused)})
        return self._records(
            f"SELECT written_at, who, action, target, outcome, text FROM audit {where} "
            "ORDER BY id DESC LIMIT ? OFFSET ?",
            where.values_of(page),
        )

    def totals(self) -> dict[str, Any]:
        """Number of rows, flagged rows and services, flagged rows by severity, oldest and newest
        time."""
        (total,) = self._all("SELECT count(*) FROM rows", [])[0]
        by_rank = dict(
            self._all("SELECT severity, count(*) FROM rows WHERE is_anomaly GROUP BY severity", [])
        )
        oldest, newest = self._all("SELECT min(at), max(at) FROM rows", [])[0]
        (services,) = self._all("SELECT count(DISTINCT service) FROM rows", [])[0]
        flagged = sum(by_rank.values())
        by_severity = {name: by_rank.get(rank, 0) for rank, name in enumerate(SEVERITIES)}
        by_severity["Info"] += total - flagged
        return {
            "rows": total,
            "flagged": flagged,
            "by_severity": by_severity,
            "oldest": oldest,
            "newest": newest,
            "services": services,
        }

    def flagged_between(self, start: int, end: int) -> int:
        """Number of flagged rows in [start, end]."""
        (count,) = self._all(
            "SELECT count(*) FROM rows WHERE is_anomaly AND at BETWEEN ? AND ?", [start, end]
        )[0]
        return int(count)

    def flagged_rows(self, service: str, endpoint: str, start: int, end: int) -> Record:
        """Figures of the flagged rows of one endpoint in [start, end]; `rows` and `avg_errors` are
        of all its rows."""
        return self._records(
            """SELECT coalesce(sum(is_anomaly), 0) AS points,
            max(abs(mad_z)) FILTER (WHERE is_anomaly) AS peak_abs_mad,
            avg(abs(mad_z)) FILTER (WHERE is_anomaly) AS avg_abs_mad,
            max(p95_latency_ms) FILTER (WHERE is_anomaly) AS peak_p95,
            max(error_count * 1.0 / req_count) FILTER (WHERE is_anomaly) AS peak_errors,
            max(severity) FILTER (WHERE is_anomaly) AS severity,
            min(at) FILTER (WHERE is_anomaly) AS first,
            max(at) FILTER (WHERE is_anomaly) AS last,
            count(*) AS rows, avg(error_count * 1.0 / req_count) AS avg_errors
            FROM all_rows WHERE service = ? AND endpoint = ? AND at BETWEEN ? AND ?""",
            [service, endpoint, start, end],
        )[0]

    def endpoint_totals(self, since: int) -> list[tuple[Any, ...]]:
        """Service, endpoint, requests, errors, mean latency and baseline since a time."""
        return self._all(
            """SELECT service, endpoint, sum(req_count), sum(error_count),
            sum(avg_latency_ms * req_count) / sum(req_count), avg(baseline_ms)
            FROM rows WHERE at >= ? GROUP BY service, endpoint ORDER BY service, endpoint""",
            [since],
        )

    def values(self, metrics: Sequence[str], limit: int) -> list[Record]:
        """The newest `limit` values of some metrics by time, service and resource."""
        names = ("at", "service", "resource", "metric", "value", "is_anomaly")
        values = self._of_blocks(lambda blocks: _core.stored_values(blocks, list(metrics)))
        newest = islice(values, limit)
        return [dict(zip(names, (at, *value), strict=True)) for at, value in newest]

    def failed_calls(
        self, entities: Sequence[str], start: int, end: int, traces: int = 500
    ) -> list[Record]:
        """The failed calls in a time range of the first traces in which an entity failed, in order
        of time."""
        return self._records(
            """SELECT trace_id, span_id, parent_id, at, service, endpoint, status, duration_ms
            FROM failures WHERE at >= ? AND at < ? AND trace_id IN (
            SELECT trace_id FROM failures WHERE at >= ? AND at < ?
            AND trim(service || ' ' || endpoint) IN (SELECT value FROM json_each(?))
            GROUP BY trace_id ORDER BY min(at), trace_id LIMIT ?)
            ORDER BY at, seq, position LIMIT 20000""",
            [start, end, start, end, json.dumps(list(entities)), traces],
        )

    def most_frequent_problem(
        self, services: Sequence[str], start: int, end: int
    ) -> FrequentProblem | None:
        """The most frequent template of the warnings and errors of some services in a time range,
        of the newest 10,000 lines, of which the first 2,000 characters count. None without any."""
        marks = ", ".join("?" * len(services))
        lines = self._all(
            f"""SELECT at, substr(body, 1, 2000) FROM log_lines
            WHERE service IN ({marks}) AND at >= ? AND at < ?
            AND upper(level) IN ('WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL')
            ORDER BY at DESC LIMIT 10000""",
            [*services, start, end],
        )[::-1]
        if not lines:
            return None
        templates = _core.LogTemplates()
        ids = templates.learn([body for _, body in lines]).tolist()
        merged = templates.final_ids()
        of = [merged.get(one, one) for one in ids]
        # the first of equally frequent ones
        frequent, count = Counter(of).most_common(1)[0]
        at, sample = lines[of.index(frequent)]
        texts = {one: text for one, text, _ in templates.templates()}
        return FrequentProblem(texts.get(frequent, sample), sample, count, len(lines), at)

    def _judged(
        self, table: str, order: str, names: Mapping[str, str | int | None], select: Selection
    ) -> Found[str]:
        where = Where(names, select.within)
        where.holds("is_anomaly", select.flagged)
        return self._texts(
            f"SELECT data FROM {table} {where} ORDER BY at DESC, {order} LIMIT ? OFFSET ?",
            where.values_of(select.page),
        )

    def _of_blocks(
        self,
        read: Callable[[list[bytes]], list[T]],
        within: TimeRange = ALL_TIMES,
        *,
        flagged: bool = False,
    ) -> Iterator[tuple[int, T]]:
        """What `read` finds in the blocks of points of each time, which it gets with the newest
        first. The newest time comes first."""
        where = Where({}, within)
        where.holds("flagged > 0", flagged)
        query = f"SELECT at, body FROM points {where} ORDER BY at DESC, seq DESC"
        end = monotonic() + QUERY_SECONDS
        for at, blocks in groupby(self._execute(query, where.values_of_order()), itemgetter(0)):
            if monotonic() > end:
                raise sqlite3.OperationalError("interrupted")
            try:
                found = read([body for _, body in blocks])
            except ValueError as error:
                raise sqlite3.OperationalError(str(error)) from error
            for one in found:
                yield at, one
