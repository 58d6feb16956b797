"""The script that Streamlit runs: filters on the left, one page on the right."""

from __future__ import annotations

import sys
import time
from typing import Any

import streamlit as st

from mad import errors
from mad.dashboard import figures, pages, player
from mad.dashboard.figures import Filters
from mad.dashboard.store import Store, shared_store
from mad.report import words
from mad.severity import SEVERITIES

PAGES = (
    "Overview",
    "Incidents",
    "Culprits",
    "Why",
    "Service map",
    "Training and monitor",
    "Replay",
)
_HOURS = {"whole run": None, "1 hour": 1.0, "6 hours": 6.0, "24 hours": 24.0}
_EVERY = (2, 5, 10, 30)
_KEPT_SECONDS = 1.5


class CachedStore:
    """A store whose rows, incidents and states are read at most once in a short time."""

    def __init__(self, store: Store) -> None:
        self.name, self.is_live = store.name, store.is_live
        self.graph, self.culprits = store.graph, store.culprits
        self.why, self.top_log = store.why, store.top_log
        self._store = store
        self._found: dict[str, tuple[float, object]] = {}

    def rows(self) -> Any:
        return self._kept("rows")

    def incidents(self) -> Any:
        return self._kept("incidents")

    def states(self) -> Any:
        return self._kept("states")

    def _kept(self, name: str) -> Any:
        at, found = self._found.get(name, (float("-inf"), None))
        if found is None or (self.is_live and time.monotonic() - at > _KEPT_SECONDS):
            found = getattr(self._store, name)()
            self._found[name] = time.monotonic(), found
        return found


@st.cache_resource(show_spinner="Reading results", max_entries=4)  # type: ignore[untyped-decorator]
def opened(target: str) -> CachedStore:
    """The results of a target, shared by all visitors."""
    return CachedStore(shared_store(target))


def main(target: str) -> None:
    """Draws the whole page."""
    st.set_page_config(page_title="mad", layout="wide")
    try:
        store = opened(target)
        filters, every = _sidebar(store)
        shown = st.segmented_control(
            "Page", PAGES, default=PAGES[0], key="page", label_visibility="collapsed"
        )
        st.fragment(_page, run_every=every)(store, filters, shown or PAGES[0], target)
    except errors.CommandError as error:
        st.error(f"{error}. {error.hint}")


def _page(store: CachedStore, filters: Filters, shown: str, target: str) -> None:
    try:
        if shown == "Overview":
            pages.overview(store, filters)
        elif shown == "Incidents":
            pages.incidents(store, filters)
        elif shown == "Culprits":
            pages.culprits(store)
        elif shown == "Why":
            pages.why(store)
        elif shown == "Service map":
            pages.service_map(store)
        elif shown == "Training and monitor":
            pages.overviews(store, filters)
        else:
            player.page(target)
    except errors.CommandError as error:
        st.error(f"{error}. {error.hint}. The page asks again by itself.")


def _sidebar(store: CachedStore) -> tuple[Filters, float | None]:
    """The filters, and the seconds between two updates; None without live updates."""
    with st.sidebar:
        st.title("mad")
        st.caption(words.visible(store.name))
        known = figures.names(store.rows())
        services = sorted({service for service, _ in known})
        of = st.multiselect("Services", services, key="services")
        endpoints = sorted({endpoint for service, endpoint in known if not of or service in of})
        severities = st.multiselect("Severity", list(reversed(SEVERITIES)), key="severities")
        chosen = st.multiselect("Endpoints", endpoints, key="endpoints")
        hours = st.selectbox("Time", list(_HOURS), key="hours")
        every: float | None = None
        if store.is_live and st.toggle("Live", value=True, key="live"):
            every = float(st.select_slider("Seconds between updates", _EVERY, value=5, key="every"))
        st.caption("Times are UTC. Wall screens and phones: the live page of mad serve.")
    return Filters(tuple(of), tuple(chosen), tuple(severities), _HOURS[hours]), every


if __name__ == "__main__":
    main(sys.argv[1])
