"""The page that replays a scenario or a recording: speed, pause, seek."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from mad import _core, plot, times
from mad.dashboard import pages
from mad.report import summary, words
from mad.view import Replay, Snapshot, lines_of, timed_lines

SCENARIOS = {
    "outage": "kind=outage",
    "latency": "kind=latency,factor=6",
    "errors": "kind=errors,add=0.4",
    "traffic": "kind=traffic,factor=0.2",
}
"""Incidents of the simulated shop."""
_ROWS = 10_000
_SPEEDS = (1, 10, 60, 300, 1200)
_EVERY = 1.0


def page(target: str) -> None:
    """The controls, and the fragment that plays."""
    recording = target if Path(target).is_file() else None
    choices = [*([Path(target).name] if recording else []), *SCENARIOS]
    left, middle, right = st.columns([2, 2, 3])
    scenario = left.selectbox("Scenario", choices, key="scenario")
    speed = middle.select_slider("Speed", _SPEEDS, value=60, format_func="{}x".format, key="speed")
    state = st.session_state
    if state.get("playing") != scenario:
        state["playing"] = scenario
        lines = timed_lines(target) if recording and scenario == choices[0] else simulated(scenario)
        state["replay"] = Replay(lines, scenario)
        state["replay at"] = time.monotonic()
        state["seek"] = 0
    replay: Replay = state["replay"]
    replay.speed = float(speed)
    minutes = max(int(replay.length // 60), 1)

    def sought() -> None:
        state["replay"].seek(60.0 * state["seek"])

    def paused() -> None:
        state["replay"].is_paused = not state["replay"].is_paused

    right.slider("Go to minute", 0, minutes, key="seek", on_change=sought)
    st.button("Go on" if replay.is_paused else "Pause", on_click=paused, key="pause")
    st.fragment(_play, run_every=None if replay.is_paused else _EVERY)()


def simulated(kind: str) -> Any:
    """Two hours of a shop with an incident of this kind from minute 45 to 54."""
    incident = f"service=payments,endpoint=/pay,start=45m,length=9m,{SCENARIOS[kind]}"
    shop = _core.ShopSimulation(_ROWS, 4, 7200.0, None, 42, [incident], False)
    content = b""
    while chunk := shop.take_csv(_ROWS):
        content += chunk
    return lines_of(kind, content)


def _play() -> None:
    state = st.session_state
    replay: Replay = state["replay"]
    now = time.monotonic()
    replay.advance(now - state["replay at"])
    state["replay at"] = now
    snapshot = replay.snapshot()
    share = replay.position / replay.length if replay.length else 1.0
    done = "ended" if replay.has_ended else "paused" if replay.is_paused else "playing"
    st.progress(share, text=f"{times.moment(replay.time)}, {done}")
    active = [one for one in snapshot.incidents if summary.is_open(one)]
    rows = st.columns(3)
    rows[0].metric("Open incidents", len(active))
    rows[1].metric("Incidents", len(snapshot.incidents))
    rows[2].metric("Records", words.count(snapshot.accepted))
    worst = snapshot.entities[:3]
    if worst:
        st.altair_chart(plot.latency(columns_of(snapshot, worst)), key="replay latency")
    for one in snapshot.incidents[:3]:
        with st.container(border=True):
            explanation = one.get("explanation") or {}
            st.markdown(f"**{pages.plain(words.entity(one))}** {pages.plain(one.get('status'))}")
            st.markdown(pages.plain(explanation.get("summary") or ""))


def columns_of(snapshot: Snapshot, entities: Any) -> dict[str, list[Any]]:
    """The last rows of some endpoints as columns for a chart."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("bucket_ts", "service", "endpoint", "p95_latency_ms", "is_anomaly")
    }
    for one in entities:
        columns["bucket_ts"] += list(one.times)
        columns["service"] += [one.service] * len(one.times)
        columns["endpoint"] += [one.endpoint] * len(one.times)
        columns["p95_latency_ms"] += list(one.latencies)
        columns["is_anomaly"] += list(one.flagged)
    return columns
