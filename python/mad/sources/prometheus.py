"""Range queries of Prometheus, VictoriaMetrics, Thanos and Mimir: the source type `prometheus`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mad.config.options import option
from mad.config.secret import Secret
from mad.sources.http_peer import HttpPeer, Refused
from mad.sources.polled import PolledSource
from mad.sources.promql import PRESETS, SERVICES
from mad.sources.protocol import Batch, Positions, SourceUnavailable

#: The part of the positions: all queries advance together.
PART = "time"
#: Most samples that one page may give: a page has fewer steps when there are many series.
_SAMPLES = 50_000


@dataclass(frozen=True, kw_only=True)
class PrometheusOptions:
    """What a source of the type `prometheus` reads."""

    url: str = option(help="Address, such as `http://prometheus:9090`")
    presets: tuple[str, ...] = option(
        (), help=f"Groups of queries: {', '.join(f'`{one}`' for one in PRESETS)}"
    )
    queries: dict[str, str] = option({}, help="PromQL by the name of the signal that it gives")
    matchers: str = option("", help='Label matchers of the presets, such as `namespace="shop"`')
    service_label: str = option(
        "", help=f"Label with the service; empty: the first of {', '.join(SERVICES)}"
    )
    username: str = option("", help="User")
    password: Secret | None = option(None, help="Password; needs `username`")
    token: Secret | None = option(None, help="Bearer token, in place of a user")
    ca_file: str = option("", help="File with the certificates of authorities")
    partition: str = option("", help="Partition of the event time")
    step_seconds: int = option(60, help="Step of the queries", least=1, most=86_400)
    delay_seconds: int = option(
        30,
        help="Age from which a step is read, so that its samples are there",
        least=0,
        most=86_400,
    )
    backfill_seconds: int = option(
        3_600, help="Time before the first start that is read too", least=0, most=31_536_000
    )
    poll_seconds: float = option(5.0, help="Pause between two looks", least=0.05, most=3_600)
    page_steps: int = option(60, help="Most steps of a page", least=1, most=10_000)

    def __post_init__(self) -> None:
        """Raises ValueError without a query, and for a preset that does not exist."""
        for preset in self.presets:
            if preset not in PRESETS:
                raise ValueError(f"presets has {preset!r}; expected {' or '.join(PRESETS)}")
        if not self.presets and not self.queries:
            raise ValueError("it has no query; name presets, or write queries")


class PrometheusSource(PolledSource):
    """Asks for the steps after the position, each step once, as soon as its samples are there.

    Counters that start again are the business of `rate` in the queries. A series that ended gives
    no samples after Prometheus marks it as stale, so that its silence is seen. NaN is a gap. The
    time is that of the peer.
    """

    Options = PrometheusOptions

    def __init__(self, options: PrometheusOptions) -> None:
        self.options = options
        self._peer = HttpPeer(
            options.url,
            username=options.username,
            password=options.password,
            token=options.token,
            ca_file=options.ca_file,
        )
        step = f"{max(4 * options.step_seconds, 60)}s"
        self.queries = dict(options.queries)
        for preset in options.presets:
            for name, query in PRESETS[preset].items():
                matchers = f"{{{options.matchers}}}" if options.matchers else ""
                more = f"{options.matchers}," if options.matchers else ""
                text = query.replace("{}", matchers).replace("{,", f"{{{more}")
                self.queries.setdefault(name, text.replace("$window", step))
        self._after: int | None = None
        #: When the next step is old enough, on the monotonic clock.
        self._step_due = float("-inf")
        self._steps = options.page_steps

    def open(self, positions: Positions) -> None:
        """Finds out where reading begins."""
        self.close()
        step = self.options.step_seconds
        after = positions.get(PART)
        if after is None:
            after = (self._now() - self.options.backfill_seconds) // step * step - step
        self._after, self._due = int(after), monotonic()

    def lags(self) -> bool:
        """Whether a step is due that was not read yet."""
        return monotonic() > self._step_due

    def acknowledge(self, positions: Positions) -> None:
        """Prometheus needs no acknowledgement."""

    def check(self) -> list[str]:
        """Asks every query for the present moment."""
        faults = []
        try:
            now = self._now()
            step = self.options.step_seconds
            at = (now - self.options.delay_seconds) // step * step
            for name, query in self.queries.items():
                try:
                    if not self._ask("query", {"query": query, "time": at}):
                        faults.append(f"{name}: the query gives no series: {query}")
                except Refused as error:
                    faults.append(f"{name}: {error}; mend the query: {query}")
        except SourceUnavailable as error:
            faults.append(f"{error}; {error.hint}")
        return faults

    def close(self) -> None:
        """Nothing stays open between two requests."""
        self._after = None

    def _now(self) -> int:
        """The time of the peer, in seconds since 1970."""
        found = self._peer.get("/api/v1/query", {"query": "time()"})
        try:
            return int(float(found["data"]["result"][1]))
        except (KeyError, TypeError, IndexError, ValueError, OverflowError) as error:
            raise SourceUnavailable(
                f"{self.options.url} does not answer like Prometheus", "check url"
            ) from error

    def _ask(self, route: str, parameters: Mapping[str, Any]) -> list[Any]:
        found = self._peer.form(f"/api/v1/{route}", parameters)
        try:
            result: list[Any] = found["data"]["result"]
        except (KeyError, TypeError) as error:
            raise SourceUnavailable(
                f"{self.options.url} does not answer like Prometheus", "check url"
            ) from error
        return result

    def _pause(self) -> float:
        """Until the next step is due, or sooner, because the clock of the peer may be set."""
        return min(self.options.poll_seconds, max(0.05, self._step_due - monotonic()))

    def _page(self) -> Batch | None:
        """The next page; None when no further step is due."""
        if self._after is None:
            raise SourceUnavailable("the source is not open")
        step = self.options.step_seconds
        now = self._now() - self.options.delay_seconds
        newest, first = now // step * step, self._after + step
        self._step_due = monotonic() + first - now
        if first > newest:
            return None
        last = min(newest, self._after + self._steps * step)
        samples: list[tuple[float, str]] = []
        infinite = 0
        of_page = {"start": first, "end": last, "step": step}
        for name, query in self.queries.items():
            for series in self._ask("query_range", {"query": query, **of_page}):
                of_series = self._fields(name, series["metric"])
                for at, value in series["values"]:
                    if math.isfinite(float(value)):
                        samples.append((at, f'{{"timestamp":{at},"value":{value},{of_series}'))
                    else:
                        infinite += value != "NaN"
        samples.sort(key=lambda sample: sample[0])
        self._after = last
        if len(samples) > _SAMPLES:
            self._steps = max(1, self._steps // 2)
        body = "\n".join(line for _, line in samples)
        return Batch(body.encode(), {PART: last}, "metrics", unreadable=infinite)

    def _fields(self, name: str, labels: Mapping[str, str]) -> str:
        """The fields of a series as the rest of a JSON object."""
        wanted = (self.options.service_label,) if self.options.service_label else SERVICES
        by = next((label for label in wanted if labels.get(label)), "")
        others = [
            f"{label}={value}"
            for label, value in sorted(labels.items())
            if label not in ("__name__", by)
        ]
        fields = {
            "service": labels.get(by, "prometheus"),
            "metric": name,
            "resource": ",".join(others),
        }
        return json.dumps(fields, ensure_ascii=False)[1:]
