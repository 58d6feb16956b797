"""Two simulated systems, generated minute by minute: an API of two services under a load
pattern, and a service that is measured once a second."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

PATTERNS = ("normal", "high_traffic", "high_latency", "high_error", "degrading", "burst")
RADAR_SCENARIOS = ("calm", "drift", "saturation")
Minute = dict[str, tuple[list[float], list[bytes]]]
"""For each kind the seconds since the start in order, and one line for each."""
_Floats = npt.NDArray[np.float64]

_REQUEST = (
    '{"timestamp":"%sZ","service":"%s","endpoint":"%s","method":"GET","status_code":%d,'
    '"latency_ms":%.3f,"trace_id":"%s"}\n'
)
_METRIC = '{"timestamp":"%sZ","service":"radar","resource":"%s","metric":"%s","value":%.4f}\n'
_LOG = '{"timestamp":"%sZ","service":"radar","level":"%s","body":"%s"}\n'


class World(Protocol):
    """Telemetry by the minute, deterministic for a seed; about `per_minute` records."""

    per_minute: float

    def minute(self, number: int) -> Minute:
        """The minute with this number, counted from the start."""

    def truth(self, duration: float) -> list[dict[str, Any]]:
        """The incidents within `duration` seconds."""


class Api:
    """Service-a `/start` and `/test` call service-b `/ping` with 10 to 50 ms and 1 % errors; after
    `warm_up` seconds one of `PATTERNS` applies.

    high_traffic is five times the calls, high_latency 400 to 800 ms, high_error 30 % errors,
    degrading 5 % slower each minute, burst ten times the calls for ten seconds a minute.
    """

    def __init__(
        self, pattern: str, start: datetime, rate: float, warm_up: float, seed: int
    ) -> None:
        self._pattern, self._start, self._seed = pattern, start, seed
        self._calls, self._warm_up = rate * 60.0 / 2.0, warm_up
        self.per_minute = rate * 60.0

    def minute(self, number: int) -> Minute:
        draws = np.random.default_rng([self._seed, number])
        since = number - self._warm_up / 60.0
        pattern = self._pattern if since >= 0.0 else "normal"
        times = draws.uniform(0.0, 60.0, draws.poisson(self._calls * _more(pattern)))
        if pattern == "burst":
            burst = draws.uniform(20.0, 30.0, draws.poisson(self._calls * 9.0 / 6.0))
            times = np.concatenate([times, burst])
        times = np.sort(times) + number * 60.0
        count = len(times)
        low, high = (400.0, 800.0) if pattern == "high_latency" else (10.0, 50.0)
        slower = 1.05 ** max(since, 0.0) if pattern == "degrading" else 1.0
        below = draws.uniform(low, high, count) * slower
        own = draws.uniform(2.0, 10.0, count)
        failed = draws.random(count) < (0.3 if pattern == "high_error" else 0.01)
        status = np.where(failed, 500, 200)
        endpoint = np.where(draws.random(count) < 0.5, "/start", "/test")
        trace = [f"{value:016x}" for value in draws.integers(0, 2**63, count).tolist()]
        calls = _lines(
            _REQUEST,
            _iso(self._start, times),
            ["service-a"] * count,
            endpoint.tolist(),
            status.tolist(),
            (below + own).tolist(),
            trace,
        )
        later = times + own / 2e3
        pings = _lines(
            _REQUEST,
            _iso(self._start, later),
            ["service-b"] * count,
            ["/ping"] * count,
            status.tolist(),
            below.tolist(),
            trace,
        )
        return {"requests": _merged((times, calls), (later, pings))}

    def truth(self, duration: float) -> list[dict[str, Any]]:
        if self._pattern == "normal" or self._warm_up >= duration:
            return []
        where = {"service": "service-b", "endpoint": "/ping"}
        span = _span(self._start, self._warm_up, duration)
        affected = ["service-a /start", "service-a /test"]
        return [where | span | {"kind": self._pattern, "affected": affected}]


class Radar:
    """One service, measured once a second: `latency_ms` 120, `error_rate` 0.2 percent, `cpu_pct`
    40, and log lines; after `warm_up` seconds one of `RADAR_SCENARIOS`, which is also the resource.

    drift follows a deployment: within 20 minutes 120 to 180 ms and 0.2 to 0.6 %, and further at
    that rate. saturation is a database whose utilisation rises from 40 % by 5 % a minute, with the
    latency of an M/M/1 queue and bursts of timeouts beyond 90 %. The core's `simulate::Radar` is
    the same model.
    """

    def __init__(self, scenario: str, start: datetime, warm_up: float, seed: int) -> None:
        self._scenario, self._start = scenario, start
        self._warm_up, self._seed = warm_up, seed
        self.per_minute = 60.0 * 3.0 + 6.0

    def minute(self, number: int) -> Minute:
        draws = np.random.default_rng([self._seed, number])
        times = number * 60.0 + np.arange(60.0)
        since = np.maximum(times - self._warm_up, 0.0) / 60.0
        latency, errors, cpu = np.full(60, 120.0), np.full(60, 0.2), np.full(60, 40.0)
        bursts = np.zeros(60, dtype=bool)
        if self._scenario == "drift":
            latency, errors, cpu = latency + 3.0 * since, errors + 0.02 * since, cpu + 0.2 * since
        elif self._scenario == "saturation":
            used = np.minimum(0.4 + 0.05 * since, 0.985)
            bursts = (used > 0.9) & (draws.random(60) < 0.3)
            errors = np.where(bursts, draws.uniform(1.0, 4.0, 60), errors)
            latency, cpu = latency * 0.6 / (1.0 - used), 100.0 * used
        wide, few, busy = draws.normal(size=(3, 60))
        values = {
            "latency_ms": np.maximum(latency * (1.0 + 0.08 * wide), 1.0),
            "error_rate": np.clip(errors + 0.45 * np.sqrt(errors) * few, 0.0, 100.0),
            "cpu_pct": np.clip(cpu + 3.0 * busy, 0.0, 100.0),
        }
        iso = _iso(self._start, times)
        series = [
            (times, _lines(_METRIC, iso, [self._scenario] * 60, [name] * 60, column.tolist()))
            for name, column in values.items()
        ]
        minute: Minute = {"metrics": _merged(*series), "logs": self._log(times, iso, bursts)}
        if self._scenario == "drift" and number == int(self._warm_up // 60.0):
            line = f'{{"timestamp":"{_iso(self._start, times[:1])[0]}Z","service":"radar",'
            line += '"kind":"deployment","name":"radar","version":"2.4.1"}\n'
            minute["changes"] = ([float(times[0])], [line.encode()])
        return minute

    def _log(
        self, times: _Floats, iso: list[str], bursts: npt.NDArray[np.bool_]
    ) -> tuple[list[float], list[bytes]]:
        """An info line every ten seconds; three timeouts in each second of a burst."""
        calm = np.arange(0, 60, 10)
        lines = _lines(_LOG, [iso[at] for at in calm], ["INFO"] * 6, ["GET /orders 200"] * 6)
        struck = np.repeat(np.flatnonzero(bursts), 3)
        body = "DB timeout after 5000 ms on orders"
        count = len(struck)
        timeouts = _lines(_LOG, [iso[at] for at in struck], ["ERROR"] * count, [body] * count)
        return _merged((times[calm], lines), (times[struck], timeouts))

    def truth(self, duration: float) -> list[dict[str, Any]]:
        if self._scenario == "calm" or self._warm_up >= duration:
            return []
        span = _span(self._start, self._warm_up, duration)
        where = {"service": "radar", "endpoint": self._scenario}
        return [where | span | {"kind": self._scenario, "affected": []}]


def _more(pattern: str) -> float:
    return 5.0 if pattern == "high_traffic" else 1.0


def _iso(start: datetime, seconds: _Floats) -> list[str]:
    first = np.datetime64(start.replace(tzinfo=None), "us")
    return [str(time) for time in first + (seconds * 1e6).astype("timedelta64[us]")]


def _lines(template: str, *columns: Iterable[Any]) -> list[bytes]:
    """One line for each row of the columns, formatted in one call."""
    values = tuple(chain.from_iterable(zip(*columns, strict=True)))
    count = len(values) // len(columns)
    return ((template * count) % values).encode().splitlines(keepends=True)


def _merged(*parts: tuple[_Floats, list[bytes]]) -> tuple[list[float], list[bytes]]:
    """The rows of all parts in time order."""
    times = np.concatenate([part[0] for part in parts])
    lines = list(chain.from_iterable(part[1] for part in parts))
    order = np.argsort(times, kind="stable")
    return times[order].tolist(), [lines[at] for at in order]


def _span(start: datetime, begin: float, end: float) -> dict[str, str]:
    first, last = _iso(start, np.array([begin, end]))
    return {"start": f"{first}Z", "end": f"{last}Z"}
