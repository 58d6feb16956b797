"""Situations whose explanations have the messages that random worlds seldom or never have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mad import simulate

T0 = np.datetime64("2026-03-09T00:00:00", "ms")
MINUTES, FAULT = 130, range(100, 112)

Answer = tuple[str, float]
"""Status and latency of a request."""
HEADS = {
    "requests": "timestamp,service,endpoint,status_code,latency_ms,version,host",
    "logs": "timestamp,service,level,body",
    "metrics": "timestamp,service,resource,metric,value",
    "changes": "timestamp,service,kind,name,version",
    "edges": "caller,callee",
}


@dataclass
class Situation:
    """Rows by kind, without their headers, and settings."""

    rows: dict[str, list[str]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    text: dict[str, bytes] = field(default_factory=dict)
    """JSON lines by kind, instead of rows."""

    def add(self, kind: str, *rows: str) -> Situation:
        self.rows.setdefault(kind, []).extend(rows)
        return self

    def write(self, folder: Path) -> dict[str, list[str]]:
        paths = {}
        for kind, rows in self.rows.items():
            path = folder / f"{kind}.csv"
            order = rows if kind == "edges" else sorted(rows)
            path.write_text("\n".join([HEADS[kind], *order]) + "\n")
            paths[kind] = [str(path)]
        for kind, text in self.text.items():
            path = folder / f"{kind}.jsonl"
            path.write_bytes(text)
            paths[kind] = [str(path)]
        return paths

    def settings(self) -> str | None:
        return json.dumps(self.config) if self.config else None


def stamp(second: float) -> str:
    return str(T0 + np.timedelta64(int(second * 1000), "ms")) + "Z"


def usual(second: int) -> Answer:
    return "200", 60.0 + second * 37 % 41


def served(
    answer: Callable[[int, int, Answer], Answer | None],
    place: str = "till,/buy",
    *,
    every: int = 2,
    minutes: int = MINUTES,
    served_by: Callable[[int], str] = lambda second: ",",
    surge: int = 1,
) -> list[str]:
    """A request every few seconds. `answer` says how it ends, by its second and minute, and `surge`
    is how many there are for each in the fault."""
    rows = []
    for second in range(0, minutes * 60, every):
        for one in range(surge if second // 60 in FAULT else 1):
            ended = answer(second + one, second // 60, usual(second + one))
            if ended:
                status, latency = ended
                rows.append(
                    f"{stamp(second + one / 20)},{place},{status},{latency:g},{served_by(second)}"
                )
    return rows


def in_fault(status: str | None = None, slower: float = 1.0, share: int = 3) -> Any:
    """Of a few requests of the fault one is as usual. The others have a status or are slower."""

    def answer(second: int, minute: int, well: Answer) -> Answer:
        if minute not in FAULT or (second // 2) % share == 0:
            return well
        return well[0] if status is None else status, well[1] * slower

    return answer


def lines(bad: str, *, every: int = 2, level: str = "ERROR", well: bool = True) -> list[str]:
    """A line every ten seconds, and in the fault lines of another kind."""
    rows = []
    for second in range(0, MINUTES * 60, 2):
        if well and second % 10 == 0:
            rows.append(f"{stamp(second)},till,INFO,a request was served")
        if second // 60 in FAULT and second % every == 0:
            rows.append(f"{stamp(second + 0.5)},till,{level},{bad}")
    return rows


def metric(value: Callable[[int], float], name: str, minutes: int = MINUTES) -> list[str]:
    noise = np.random.default_rng(5).normal(size=minutes)
    return [f"{stamp(60 * m)},db,,{name},{value(m) + noise[m]:.3f}" for m in range(minutes)]


LINES = (
    "x509: certificate has expired",
    "connection pool exhausted",
    "DB timeout",
    "java.lang.OutOfMemoryError: heap",
    "write failed: no space left on device",
    "lookup of db: no such host",
    "access denied for user",
    "upstream said: too many requests",
    "dial of ledger: connection refused",
)


def of_rules() -> Iterator[Situation]:
    for line in LINES:
        yield Situation().add("requests", *served(in_fault("500"))).add("logs", *lines(line))
    # a line of each request that is no longer written
    quiet = [line for line in lines("x", level="INFO") if "served" in line]
    silent = [line for line in quiet if not "01:40" <= line[11:16] < "01:52"]
    yield Situation().add("requests", *served(in_fault("500"))).add("logs", *silent)
    yield Situation().add("logs", *lines("slow answer of the ledger", level="WARN"))
    # the log begins with the fault
    only_bad = lines("the gateway is gone", well=False)
    yield Situation().add("requests", *served(in_fault("500"))).add("logs", *only_bad)
    yield Situation().add("requests", *served(in_fault("503"), surge=6))
    for name in ("disk_used_pct", "rss_mb", "cpu_percent", "queue_depth", "open_connections"):
        rises = metric(lambda m: 80.0 if m in FAULT else 50.0, name)
        yield Situation().add("metrics", *rises)


def of_statuses() -> Iterator[Situation]:
    for status in ("401", "404", "429", "499", "400", "302", "451"):
        yield Situation().add("requests", *served(in_fault(status)))
    for share in (10_000, 3):
        # requests without a response: a part of the failures, and all of them
        some = served(in_fault("", share=share))
        yield Situation().add("requests", *some)
    mixed = served(lambda s, m, well: ("" if s % 4 else "500", well[1]) if m in FAULT else well)
    yield Situation().add("requests", *mixed)
    for status in ("500", ""):
        inner = served(in_fault(status), "store,/get")

        def outer(second: int, minute: int, well: Answer, bad: str = status) -> Answer:
            if minute in FAULT and second % 3:
                return ("" if second % 4 or not bad else bad), well[1]
            return well

        both = Situation().add("requests", *inner, *served(outer, "till,/buy"))
        yield both.add("edges", "till,store")
    flags = served(lambda s, m, well: ("false" if m in FAULT else "true", well[1]))
    yield Situation().add("requests", *flags)


def of_places() -> Iterator[Situation]:
    for place in ("till,/search", "till,/cart", "till,/login", "till,/pay"):
        yield Situation().add("requests", *served(in_fault(slower=8.0, share=99), place))
    slow_both = served(in_fault(slower=8.0, share=99), "store,/get")
    behind = served(in_fault(slower=6.0, share=99), "till,/buy")
    yield Situation().add("requests", *slow_both, *behind).add("edges", "till,store")
    tails = [served(in_fault(slower=9.0, share=2), place) for place in ("till,/buy", "store,/get")]
    yield Situation().add("requests", *tails[0], *tails[1]).add("edges", "till,store")
    # eleven services fail together
    many = Situation()
    for place in range(12):
        many.add("requests", *served(in_fault("500", 3.0), f"part{place},/x", every=5))
        many.add("edges", f"part{place},part{place + 1}")
    yield many


def of_traffic() -> Iterator[Situation]:
    less = served(lambda s, m, well: None if m in FAULT and s % 12 else well)
    yield Situation().add("requests", *less)
    inner = served(lambda s, m, well: None if m in FAULT and s % 12 else well, "store,/get")
    yield Situation().add("requests", *less, *inner).add("edges", "till,store")
    crowd = served(in_fault(slower=5.0, share=99), surge=5)
    yield Situation().add("requests", *crowd)
    always = served(lambda s, m, well: ("500", well[1]))
    yield Situation().add("requests", *always, *served(lambda s, m, well: well, "store,/get"))


def of_versions() -> Iterator[Situation]:
    def canary(second: int) -> str:
        return "1.5.0,canary" if second // 60 in FAULT and second % 5 == 0 else f"1.4,h{second % 4}"

    bad = served(
        lambda s, m, well: ("500", well[1]) if m in FAULT and s % 10 == 0 else well,
        every=1,
        served_by=canary,
    )
    slow = served(
        lambda s, m, well: (well[0], well[1] * 20) if m in FAULT and s % 5 == 0 else well,
        every=1,
        served_by=canary,
    )
    host = served(
        lambda s, m, well: (well[0], well[1] * 20) if m in FAULT and s % 4 == 2 else well,
        every=1,
        served_by=lambda second: f"1.4,h{second % 4}",
    )
    failing = served(
        lambda s, m, well: ("500", well[1]) if m in FAULT and s % 8 == 2 else well,
        every=1,
        served_by=lambda second: f"1.4,h{second % 4}",
    )
    for rows in (bad, slow, host, failing):
        yield Situation().add("requests", *rows)


def of_life_cycles() -> Iterator[Situation]:
    for period, length, times in ((22, 7, 3), (12, 5, 12)):

        def fails(
            second: int,
            minute: int,
            well: Answer,
            of: tuple[int, int, int] = (period, length, times),
        ) -> Answer:
            since = minute - 100
            is_bad = 0 <= since < of[0] * of[2] and since % of[0] < of[1]
            return ("500", well[1]) if is_bad and second // 3 % 3 else well

        rows = served(fails, minutes=min(100 + period * times + 90, 460), every=3)
        yield Situation().add("requests", *rows)
    for minute in (99, 100):
        deploy = Situation().add("requests", *served(in_fault("500", 2.0)))
        yield deploy.add("changes", f"{stamp(60 * minute + 5)},till,deploy,till,7.4")
    # two entries with budgets of their own
    apart = {"slo": {"latency_objective_ms": 100.0}}
    apart["override"] = [{"service": "mail", "error_objective": 0.99, "latency_objective": 0.95}]
    places = ("till,/buy", "mail,/send", "store,/get")
    many = Situation(config=apart)
    for place in places:
        many.add("requests", *served(in_fault("500", 4.0), place))
    yield many.add("edges", "till,store", "mail,store")


def of_metrics() -> Iterator[Situation]:
    for way in (1.0, -1.0):
        for until in (700, 500):

            def drifts(minute: int, way: float = way, until: int = until) -> float:
                return 400.0 + way * max(0, min(minute, until) - 400) * 0.12

            slow = metric(drifts, "rss_mb", 700)
            yield Situation().add("metrics", *slow)
    names = [f"gauge_{place}" for place in range(6)]
    rows = [metric(lambda m: 90.0 if m in FAULT else 50.0, name) for name in names]
    yield Situation().add("metrics", *(row for part in rows for row in part))


def of_short_steps() -> Iterator[Situation]:
    config = {"features": {"step_seconds": 20}}
    rows = served(lambda s, m, well: ("500", well[1]) if m in FAULT and s % 4 else well, every=1)
    yield Situation(config=config).add("requests", *rows)
    gaps = served(
        lambda s, m, well: ("500", 9 * well[1]) if m in FAULT and s % 120 < 40 else well, every=1
    )
    yield (
        Situation(config=config)
        .add("requests", *gaps)
        .add("changes", f"{stamp(6005)},till,deploy,till,7.4")
    )


TEXTS = {
    "GET /orders took <*> ms": 60,
    "payment <*> settled": 42,
    "cart <*> loaded": 30,
    "stock of item <*> read": 24,
    "session <*> renewed": 16,
}
"""Usual lines of each template in a step of a quarter of an hour."""


def of_log(change: Callable[[int, str], float]) -> list[str]:
    """Four days of a log. `change` is a factor by the step and the template."""
    draw = np.random.default_rng(3)
    rows = []
    for step in range(390):
        for text, mean in TEXTS.items():
            near = mean + np.sqrt(mean) * draw.uniform(-1, 1)
            count = round(near * change(step, text))
            for one in range(count):
                at = stamp(step * 900 + one * 890 / count)
                rows.append(f"{at},pay,INFO,{text.replace('<*>', str(step * 1000 + one))}")
    return rows


def of_templates() -> Iterator[Situation]:
    for factor in (0.0, 10.0):

        def change(step: int, text: str, factor: float = factor) -> float:
            return factor if step in range(370, 380) and text.startswith("payment") else 1.0

        config = {"features": {"step_seconds": 900}, "limits": {"service_log_rates": 16}}
        made = Situation(config=config)
        yield made.add("logs", *of_log(change))


def of_spans() -> Iterator[Situation]:
    """Traces of a checkout: a slow network, a dead service, a caller that fails early."""
    start = datetime(2026, 3, 9, tzinfo=timezone.utc)
    for scenario in ("slow-network", "cascade", "silent-inventory", "failing-inventory"):
        run = simulate.Run(start, 1_800.0, 1_080.0, 4.0, 3)
        stream = simulate.traces(run, scenario, 4, 0.0, 0.0)
        made = Situation()
        for piece in stream.due(stream.duration, 1_000):
            made.text[piece.kind] = made.text.get(piece.kind, b"") + piece.lines
        yield made


def situations() -> Iterator[Situation]:
    for group in (
        of_rules,
        of_statuses,
        of_places,
        of_traffic,
        of_versions,
        of_life_cycles,
        of_metrics,
        of_short_steps,
        of_spans,
        of_templates,
    ):
        yield from group()
