"""Reads incidents, what happened to them, and what people did about them."""

from __future__ import annotations

from mad.journal.query import LISTED, NEWEST, Found, Names, Queries, Record, Where, like_pattern
from mad.journal.selection import Page, Selection, TimeRange

#: Newest incidents that are searched for those in which a service or endpoint takes part.
RECENT = 1_000


def _add_entity(where: Where, service: str, endpoint: str | None) -> None:
    """Selects incidents that a service or endpoint opened or takes part in."""
    affected = "EXISTS (SELECT 1 FROM json_each(data, '$.affected') AS affected WHERE {})"
    if endpoint is None:
        one = affected.format("affected.value = ? OR affected.value LIKE ? ESCAPE '\\'")
        where.add(f"(service = ? OR {one})", service, service, like_pattern(service) + " %")
    else:
        one = affected.format("affected.value = ?")
        name = f"{service} {endpoint}".strip()
        where.add(f"(service = ? AND endpoint = ? OR {one})", service, endpoint, name)


class IncidentReader(Queries):
    """Reads incidents."""

    def incidents(
        self, names: Names, select: Selection = NEWEST, *, active: bool = False
    ) -> Found[str]:
        """Incidents that overlap the time range, newest start first, each as JSON without the rows
        around it. Names: service, endpoint, status."""
        where = Where(names)
        where.add(LISTED)
        where.holds("status <> 'resolved'", active)
        if select.within.start is not None:
            where.add("end > ?", select.within.start)
        if select.within.end is not None:
            where.add("start < ?", select.within.end)
        return self._texts(
            f"SELECT data FROM incidents {where} ORDER BY start DESC, id LIMIT ? OFFSET ?",
            where.values_of(select.page),
        )

    def incident_lines(
        self,
        names: Names,
        select: Selection = NEWEST,
        *,
        active: bool = False,
        search: str | None = None,
    ) -> tuple[int, Found[str]]:
        """The number of incidents, and a page of them, newest start first, each as a line of JSON.
        Names: severity, status, and the service and endpoint that opened one or take part in it, of
        which the newest `RECENT` incidents are searched; `search` is part of the name."""
        service, endpoint = names.get("service"), names.get("endpoint")
        where = Where({"severity": names.get("severity"), "status": names.get("status")})
        where.add(LISTED)
        if service is not None:
            recent = f"SELECT id FROM incidents WHERE {LISTED} ORDER BY start DESC, id"
            where.add(f"id IN ({recent} LIMIT {RECENT})")
            _add_entity(where, service, endpoint)
        elif endpoint is not None:
            where.add("endpoint = ?", endpoint)
        where.holds("status <> 'resolved'", active)
        if search:
            pattern = f"%{like_pattern(search)}%"
            where.add("(service || ' ' || endpoint) LIKE ? ESCAPE '\\'", pattern)
        (total,) = self._all(f"SELECT count(*) FROM incidents {where}", where.values_of_order())[0]
        found = self._texts(
            f"""SELECT json_object('id', id, 'service', service, 'endpoint', endpoint,
            'severity', severity, 'status', status, 'close_reason', data -> '$.close_reason',
            'start', data -> '$.start',
            'end', data -> '$.end', 'line', data -> '$.explanation.line',
            'culprit', data -> '$.culprit', 'reached', data -> '$.reached',
            'requests', data -> '$.requests', 'errors', data -> '$.errors')
            FROM incidents {where} ORDER BY start DESC, id LIMIT ? OFFSET ?""",
            where.values_of(select.page),
        )
        return int(total), found

    def incident(self, incident: str) -> str | None:
        """One incident with the rows around it, as JSON; None when the id is unknown."""
        found = self._texts("SELECT document FROM incidents WHERE id = ?", [incident])
        return found[0] if found else None

    def incidents_of(self, service: str, endpoint: str, within: TimeRange) -> list[str]:
        """Incidents to which an endpoint belongs and that overlap the time range, each as JSON:
        those that it leads, then those of which it is a member, then those in whose time it or
        its service was anomalous, the newest first."""
        where = Where({})
        where.add(LISTED)
        if within.start is not None:
            where.add("end > ?", within.start)
        if within.end is not None:
            where.add("start < ?", within.end)
        member = (
            "EXISTS (SELECT 1 FROM json_each(data, '$.members') AS member "
            "WHERE member.value ->> 'service' = ? AND member.value ->> 'endpoint' IN (?, ''))"
        )
        where.add(
            f"(service = ? AND endpoint = ? OR {member} OR EXISTS (SELECT 1 "
            "FROM json_each(data, '$.affected') AS affected WHERE affected.value IN (?, ?)))",
            service,
            endpoint,
            service,
            endpoint,
            f"{service} {endpoint}".strip(),
            service,
        )
        return self._texts(
            f"SELECT data FROM incidents {where} "
            f"ORDER BY (service = ? AND endpoint = ?) DESC, {member} DESC, start DESC, id LIMIT 10",
            where.values_of_order(service, endpoint, service, endpoint),
        )

    def open_incidents(self, service: str) -> list[str]:
        """The ids of the open incidents that a service opened or takes part in, at most 20."""
        where = Where({})
        where.add("status <> 'resolved'")
        _add_entity(where, service, None)
        query = f"SELECT id FROM incidents {where} ORDER BY start DESC LIMIT 20"
        found = self._all(query, where.values_of_order())
        return [incident for (incident,) in found]

    def severities_of_open_incidents(self) -> list[tuple[str, str]]:
        """Service and severity of every open incident, and of each of its members."""
        return self._all(
            """SELECT service, severity FROM incidents WHERE status <> 'resolved'
            UNION ALL SELECT DISTINCT member.value ->> 'service', severity
            FROM incidents, json_each(data, '$.members') AS member
            WHERE status <> 'resolved' AND member.value ->> 'service' <> incidents.service""",
            (),
        )

    def flagged_incidents(self, limit: int) -> list[Record]:
        """Incidents with figures of the flagged rows of their own entity, newest start first:
        service, endpoint, start, end, last flagged row, highest p95 latency and error rate,
        severity, number of rows."""
        flagged = """FROM all_rows r WHERE r.service = i.service AND r.endpoint = i.endpoint
            AND r.at >= i.start AND r.at < i.end AND r.is_anomaly"""
        return self._records(
            f"""SELECT service, endpoint, start, end,
            (SELECT max(r.at) {flagged}) AS last,
            (SELECT max(r.p95_latency_ms) {flagged}) AS p95_latency_ms,
            (SELECT max(r.error_count * 1.0 / r.req_count) {flagged}) AS error_rate,
            severity, data ->> 'rows' AS rows
            FROM incidents i WHERE {LISTED} ORDER BY start DESC, id LIMIT ?""",
            [limit],
        )

    def history(self, incident: str, page: Page = NEWEST.page) -> Found[str]:
        """Changes of an incident, oldest first, each as JSON."""
        return self._texts(
            "SELECT data FROM history WHERE incident = ? ORDER BY seq, position LIMIT ? OFFSET ?",
            [incident, page.limit, page.offset],
        )

    def changes_after(self, seq: int, position: int, limit: int) -> Found[tuple[int, int, str]]:
        """Changes of all incidents after a position in the journal, oldest first."""
        return self._bounded(
            "SELECT seq, position, data FROM history WHERE (seq, position) > (?, ?) "
            "ORDER BY seq, position LIMIT ?",
            [seq, position, limit],
        )

    def activity(self, incident: str, entity: str) -> list[Record]:
        """What people did about an incident, oldest first: notes on it, commands on it, and mutes
        with patterns that match its entity (`payments /pay`), with their reasons."""
        return self._records(
            """SELECT written_at, who, kind AS action, text FROM notes WHERE incident = ?
            UNION ALL SELECT written_at, who, action, text FROM audit WHERE refused = 0
            AND outcome = 'done' AND (action IN ('acknowledge', 'resolve') AND target = ?
            OR action IN ('mute', 'unmute') AND (target = ? OR ? GLOB target))
            ORDER BY written_at""",
            (incident, incident, entity, entity),
        )

    def notes(self, incident: str) -> list[Record]:
        """Comments and feedback on an incident, oldest first."""
        return self._records(
            "SELECT written_at, who, kind, text FROM notes WHERE incident = ? ORDER BY id",
            [incident],
        )

    def note_count(self, incident: str) -> int:
        """Number of comments and feedback on an incident."""
        (count,) = self._all("SELECT count(*) FROM notes WHERE incident = ?", [incident])[0]
        return int(count)
