"""The failing traces of one incident: which call failed first, and which calls it took with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from mad.api.service import Service, query_time
from mad.traces import rank_traces

Call = dict[str, Any]
SAMPLES = 3


def correlation(service: Service, incident: dict[str, Any]) -> dict[str, Any]:
    """The traces in which an entity of the incident failed during it. The root endpoint of a trace
    is the first cause that `mad.rank_traces` finds in it; the chain names the failed calls from the
    entry to it, each once. The traces of the most frequent cause come first."""
    start = query_time(incident["start"], "start") or 0
    end = query_time(incident["end"], "end") or 0
    names = [name_of(one) for one in (incident, *incident["members"])]
    culprits = incident["ranking"]["culprits"][:1]
    found = service.reader.failed_calls([*names, *map(name_of, culprits)], start, end)
    traces: dict[str, list[Call]] = {}
    for call in found:
        traces.setdefault(call["trace_id"], []).append(call)
    traces = {trace: linked(calls) for trace, calls in traces.items()}
    order = list(
        dict.fromkeys([*_samples([c for calls in traces.values() for c in calls]), *traces])
    )
    samples = [_sample(trace, traces[trace]) for trace in order[:SAMPLES]]
    return {
        "trace_id": samples[0]["trace_id"] if samples else None,
        "correlated_failures": samples[0]["affected_chain"] if samples else [],
        "total_traces": len(traces),
        "sample_traces": samples,
    }


def name_of(record: dict[str, Any]) -> str:
    """`payments /pay` for a record with service and endpoint."""
    return f"{record['service']} {record['endpoint']}".strip()


def linked(calls: Sequence[Call]) -> list[Call]:
    """The failed calls of one trace, each work once and with its parent.

    A request whose work is also a span counts as that span. Requests have no parents: each is
    called by the one that began before it."""
    spans = [call for call in calls if call["span_id"]]
    traced = {name_of(call) for call in spans}
    requests = [call for call in calls if not call["span_id"] and name_of(call) not in traced]
    parent = ""
    for number, call in enumerate(requests):
        call["span_id"], call["parent_id"] = f"request-{number}", parent
        parent = call["span_id"]
    return sorted([*spans, *requests], key=lambda call: call["at"])


def _samples(calls: Sequence[Call]) -> list[str]:
    """Traces of the most frequent first cause."""
    ranking = rank_traces(_table(calls)) if calls else None
    return list(ranking.culprits[0].sample_traces) if ranking and ranking.culprits else []


def _sample(trace: str, calls: list[Call]) -> dict[str, Any]:
    ranking = rank_traces(_table(calls))
    last = calls[-1]
    root = last
    if ranking.culprits:
        first = ranking.culprits[0]
        own = [call for call in calls if call["service"] == first.service]
        named = [call for call in own if call["endpoint"] == first.operation]
        root = (named or own or [last])[-1]
    return {
        "trace_id": trace,
        "root_endpoint": name_of(root),
        "root_status": root["status"],
        "affected_chain": _chain(calls, root),
    }


def _chain(calls: Sequence[Call], root: Call) -> list[str]:
    """The names of the failed calls from the entry of a trace to its root cause, each once."""
    by_id = {call["span_id"]: call for call in calls}
    chain: list[str] = []
    call: Call | None = root
    for _ in range(len(calls)):
        if call is None:
            break
        if name_of(call) not in chain:
            chain.append(name_of(call))
        call = by_id.get(call["parent_id"])
    return chain[::-1]


def _table(calls: Sequence[Call]) -> dict[str, list[Any]]:
    """The calls as a table of spans, without links to spans that did not fail."""
    known = {(call["trace_id"], call["span_id"]) for call in calls}
    parents = [
        call["parent_id"] if (call["trace_id"], call["parent_id"]) in known else ""
        for call in calls
    ]
    return {
        "trace_id": [call["trace_id"] for call in calls],
        "span_id": [call["span_id"] for call in calls],
        "parent_id": parents,
        "service": [call["service"] for call in calls],
        "operation": [call["endpoint"] for call in calls],
        "start": [_rfc3339(call["at"]) for call in calls],
        "duration_ms": [call["duration_ms"] for call in calls],
        # only failures are kept: by status, or by their length
        "status": [call["status"] or "error" for call in calls],
    }


def _rfc3339(nanos: int) -> str:
    moment = datetime.fromtimestamp(nanos // 10**9, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z"
