"""The pages of the dashboard. Each is a fragment, so that an update redraws nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from mad import plot, times
from mad.dashboard import figures
from mad.dashboard.figures import Filters
from mad.dashboard.store import Store
from mad.report import summary, words

CARDS = 20
"""Most incident cards of a page."""
_LOOK_BACK = {"15 minutes": 15, "1 hour": 60, "6 hours": 360, "24 hours": 1440}
_BADGES = {"Critical": "red", "Warning": "orange", "Info": "blue"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")


def plain(text: object) -> str:
    """Text from telemetry for Markdown: control characters are visible, and nothing is markup."""
    return _SPECIAL.sub(r"\\\1", words.visible(text))


def overview(store: Store, filters: Filters) -> None:
    """Tiles, latency, errors, traffic, anomalies over time, the alert feed and the endpoints."""
    rows = figures.chosen(store.rows(), filters)
    incidents = fitting(store.incidents(), filters)
    _tiles(rows, incidents)
    if not rows.num_rows:
        st.info("No row fits the filters.")
        return
    flagged = figures.flagged(rows, filters.severities, most=2_000)
    if len(filters.endpoints) == 1 and len(filters.services) == 1:
        series: Any = figures.of_endpoint(rows, filters.services[0], filters.endpoints[0])
    else:
        series = figures.over_time(rows)
    left, right = st.columns(2)
    with left:
        st.markdown("**Latency** (slowest 95th percentile of each step)")
        _chart(plot.latency(series), "latency")
        st.markdown("**Anomalies** by endpoint")
        _chart(plot.anomalies(flagged, figures.span(rows)), "anomalies")
    with right:
        st.markdown("**Error rate**")
        _chart(plot.errors(series), "errors")
        st.markdown("**Traffic** (requests)")
        _chart(plot.traffic(series), "traffic")
    left, right = st.columns([3, 2])
    with left:
        st.markdown("**Endpoints**")
        st.dataframe(
            figures.endpoints(rows, store.states())[:500],
            hide_index=True,
            height=320,
            column_config={
                "error rate": st.column_config.NumberColumn(format="percent"),
                "slowest p95 (ms)": st.column_config.NumberColumn(format="%.0f"),
            },
        )
    with right:
        st.markdown("**Alert feed** (newest first)")
        _feed(flagged.slice(0, figures.FEED), incidents)


def _tiles(rows: Any, incidents: list[dict[str, Any]]) -> None:
    found = figures.tiles(rows)
    active = [one for one in incidents if summary.is_open(one)]
    tiles = [
        ("Open incidents", words.count(len(active))),
        ("Incidents", words.count(len(incidents))),
        ("Requests", words.count(found["requests"])),
        ("Error rate", words.quantity(found["error_rate"], words.SHARE)),
        ("Anomalous rows", words.count(found["flagged"])),
        ("Endpoints", words.count(found["endpoints"])),
    ]
    for column, (name, value) in zip(st.columns(len(tiles)), tiles, strict=True):
        column.metric(name, value)


def _chart(chart: Any, name: str) -> None:
    # the height includes axes and legends here
    st.altair_chart(chart.properties(width="container", height=240), key=name)


def _feed(flagged: Any, incidents: list[dict[str, Any]]) -> None:
    lines = [
        {
            "time": times.moment(at) if (at := one["bucket_ts"]) else "",
            "severity": one["severity"],
            "where": words.entity(one),
            "signal": words.signal_name(str(one["signal"] or "")),
            "score": one["score"],
        }
        for one in flagged.to_pylist()
    ]
    opened = [
        {
            "time": times.moment(times.time_or_none(one.get("opened_at"))),
            "severity": one["severity"],
            "where": words.entity(one),
            "signal": "incident opened",
            "score": None,
        }
        for one in incidents
        if one.get("opened_at")
    ]
    lines = sorted([*lines, *opened], key=lambda one: str(one["time"]), reverse=True)
    column = {"score": st.column_config.NumberColumn(format="%.2f")}
    st.dataframe(lines[: figures.FEED], hide_index=True, height=320, column_config=column)


def incidents(store: Store, filters: Filters) -> None:
    """A card for each incident."""
    found = fitting(store.incidents(), filters)
    if not found:
        st.success("No incident fits the filters.")
        return
    st.caption(f"{words.plural(len(found), 'incident')}, newest first")
    for one in found[:CARDS]:
        with st.container(border=True):
            _card(store, one)
    if len(found) > CARDS:
        st.caption(f"{len(found) - CARDS} older incidents are left out; choose fewer hours.")


def _card(store: Store, one: Mapping[str, Any]) -> None:
    start, end = summary.bounds(one, 60.0)
    severity = words.visible(one.get("severity"))
    severity = severity if severity in _BADGES else "Info"
    culprit = summary.culprit_of(one)
    explanation = one.get("explanation") or {}
    culprits = (one.get("ranking") or {}).get("culprits") or []
    score = culprits[0].get("score") if culprits else None
    badge = f":{_BADGES.get(severity, 'gray')}-badge[{words.MARKS.get(severity, '●')} {severity}]"
    facts = (times.span(start, end), one.get("status") or "", one.get("id") or "")
    st.markdown(
        f"{badge} **{plain(words.entity(one))}** · {' · '.join(plain(fact) for fact in facts)}"
    )
    named = plain(words.entity(culprit)) if culprit else "unclear from the evidence"
    share = f", {score:.0%} of the evidence" if words.is_number(score) else ""
    st.markdown(f"Culprit: **{named}**{share}")
    st.markdown(plain(explanation.get("summary") or summary.peaks_text(one)))
    if cluster := store.top_log(dict(one)):
        st.markdown(f"Most frequent log line: {plain(cluster)}")
    parts = [*summary.findings(explanation), *summary.reasons(explanation)]
    if parts:
        with st.expander("Explanation"):
            for heading, items in parts:
                listed = "\n".join(f"- {plain(item)}" for item in items)
                st.markdown(f"**{plain(heading)}**\n\n{listed}")


def culprits(store: Store) -> None:
    """The ranking of a window that ends at a chosen incident or at the newest row."""
    known = store.incidents()
    ends: dict[str, str | None] = {"newest row": None}
    for one in known[:200]:
        ends[f"{one.get('id')} {words.entity(one)}"] = one.get("end") or one.get("start")
    left, right = st.columns(2)
    # without present anomalies the newest incident is of more interest than the newest row
    active = any(summary.is_open(one) for one in known)
    end = left.selectbox(
        "Window ends at", list(ends), index=0 if active or not known else 1, key="culprit end"
    )
    back = right.segmented_control(
        "Look back", list(_LOOK_BACK), default="15 minutes", key="look back"
    )
    ranking = store.culprits(ends[end], _LOOK_BACK[back or "15 minutes"])
    found = ranking.get("culprits") or []
    if not found:
        st.info("No endpoint stands out in this window. Look further back.")
        return
    _chart(plot.culprits(ranking), "culprits")
    for place, one in enumerate(found, 1):
        st.markdown(f"**{place}. {plain(words.entity(one))}**, since {plain(one.get('onset'))}")
        st.dataframe(
            [
                {
                    "signal": words.signal_name(str(item.get("signal") or "")),
                    "value": words.quantity(item.get("value"), str(item.get("signal") or "")),
                    "usual": words.quantity(item.get("expected"), str(item.get("signal") or "")),
                    "z": words.z_score(item.get("z")),
                    "rows": item.get("rows"),
                }
                for item in one.get("evidence") or []
            ],
            hide_index=True,
        )


def why(store: Store) -> None:
    """Why an endpoint was flagged at a time, or why it was not."""
    rows = store.rows()
    known = figures.names(rows)
    if not known:
        st.info("No row was judged yet.")
        return
    left, right = st.columns(2)
    service, endpoint = left.selectbox(
        "Endpoint", known, format_func=lambda pair: " ".join(map(words.visible, pair)), key="why of"
    )
    at = None
    if store.is_live:
        right.caption("A server answers for the present.")
    else:
        series = figures.of_endpoint(rows, service, endpoint)
        moments = [one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in series["bucket_ts"].to_pylist()]
        moments = moments[-2_000:]
        if len(moments) > 1:
            at = right.select_slider("Time (UTC)", moments, value=moments[-1], key="why at")
    st.markdown(f"**{plain(store.why(service, endpoint, at))}**")
    series = figures.of_endpoint(rows, service, endpoint)
    _chart(plot.latency(series), "why latency")
    _chart(plot.errors(series), "why errors")
    states = [one for one in store.states() if one.get("service") == service]
    st.markdown("**States of this service**")
    st.dataframe(
        [
            {name: one.get(name) for name in ("endpoint", "metric", "state", "reason", "since")}
            for one in states[:200]
        ],
        hide_index=True,
    )


def service_map(store: Store) -> None:
    """The services and their calls; the path to the culprit of the top incident is red."""
    graph = store.graph()
    if not graph or not graph.get("nodes"):
        st.info(
            "No calls between services are known. Spans, edges, or requests with a trace_id show "
            "them: mad detect --spans FILE."
        )
        return
    top = summary.top_incident(store.incidents())
    culprit = summary.culprit_of(top) if top else None
    chain = [str(culprit["service"])] if culprit else []
    _chart(plot.service_map(graph, chain), "map")


def overviews(store: Store, filters: Filters) -> None:
    """The panels of training and of monitoring."""
    rows = figures.chosen(store.rows(), filters)
    if not rows.num_rows:
        st.info("No row fits the filters.")
        return
    st.markdown("**Monitor**: slowest latency and error rate of each step")
    st.altair_chart(plot.monitor(figures.over_time(rows)), key="monitor")
    st.markdown("**Training**: the baselines by verdict")
    st.altair_chart(plot.training(figures.sample(rows)), key="training")


def fitting(found: list[dict[str, Any]], filters: Filters) -> list[dict[str, Any]]:
    """The incidents of the chosen services, endpoints and severities."""
    return [
        one
        for one in found
        if (not filters.services or one.get("service") in filters.services)
        and (not filters.endpoints or one.get("endpoint") in filters.endpoints)
        and (not filters.severities or one.get("severity") in filters.severities)
    ]
