"""Injected faults: delays and errors by endpoint, switched on and off while services run."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

ROUTES = "/simulate"
LONGEST_DELAY = 60_000.0
"""Longest delay in milliseconds; larger values are reduced to it."""


class InjectedError(Exception):
    """An injected error."""


class Faults:
    """The active faults. The services of a shop share one object, so that each of them can
    switch faults of all endpoints."""

    def __init__(self, endpoints: Iterable[str], seed: int = 0) -> None:
        self._endpoints = frozenset(endpoints)
        self._delays: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._lock = threading.Lock()
        self._draws = random.Random(seed)
        self._stopped = threading.Event()

    def delay(self, endpoint: str, milliseconds: float) -> str:
        """Delays an endpoint by `milliseconds`; 0 ends the delay. Returns its full name; raises
        KeyError for an unknown endpoint."""
        return self._set(self._delays, endpoint, min(max(milliseconds, 0.0), LONGEST_DELAY))

    def error(self, endpoint: str, rate: float) -> str:
        """Lets a share (0 to 1) of an endpoint's requests fail; other values are clamped."""
        return self._set(self._rates, endpoint, min(max(rate, 0.0), 1.0))

    def clear(self, endpoint: str | None = None) -> None:
        """Ends the faults of one endpoint or of all."""
        names = self._endpoints if endpoint is None else {self.full(endpoint)}
        with self._lock:
            for name in names:
                self._delays.pop(name, None)
                self._rates.pop(name, None)

    def status(self) -> dict[str, dict[str, float]]:
        """Delays in ms and error rates by endpoint."""
        with self._lock:
            return {"delays": dict(self._delays), "error_rates": dict(self._rates)}

    def apply(self, endpoint: str) -> None:
        """Applies the faults of an endpoint: waits, and raises `InjectedError` for a failing
        request."""
        with self._lock:
            delay, rate = self._delays.get(endpoint, 0.0), self._rates.get(endpoint, 0.0)
            fails = self._draws.random() < rate
        if delay:
            self._stopped.wait(delay / 1e3)
        if fails:
            raise InjectedError(f"{endpoint} failed because of an injected fault")

    def stop(self) -> None:
        """Ends all pending delays."""
        self._stopped.set()

    def full(self, endpoint: str) -> str:
        """`/payment` for `payment` and `/payment`; raises KeyError for an unknown endpoint."""
        name = "/" + endpoint.strip().strip("/")
        if name not in self._endpoints:
            raise KeyError(name)
        return name

    def _set(self, values: dict[str, float], endpoint: str, value: float) -> str:
        name = self.full(endpoint)
        with self._lock:
            if value > 0.0:
                values[name] = value
            else:
                values.pop(name, None)
        return name


def answer(faults: Faults, method: str, path: str, query: str) -> tuple[int, Mapping[str, Any]]:
    """Serves `POST /simulate/delay?endpoint=payment&duration=2000` (ms),
    `/simulate/error?endpoint=inventory&rate=0.5`, `/simulate/clear[?endpoint=]` and `GET
    /simulate/status`. Returns status and JSON."""
    asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    routes: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "/delay": ("POST", lambda: _delay(faults, asked)),
        "/error": ("POST", lambda: _error(faults, asked)),
        "/clear": ("POST", lambda: _clear(faults, asked)),
        "/status": ("GET", faults.status),
    }
    wanted, act = routes.get(path.removeprefix(ROUTES), ("", dict))
    if not wanted:
        return 404, problem("not_found", f"there is no {path}", f"see GET {ROUTES}/status")
    if method != wanted:
        return 405, problem("method_not_allowed", f"{method} {path}", f"use {wanted}")
    try:
        return 200, act()
    except KeyError as error:
        known = ", ".join(sorted(faults._endpoints))
        return 404, problem("not_found", f"there is no endpoint {error.args[0]}", f"use {known}")
    except ValueError as error:
        return 400, problem("bad_request", str(error), f"such as {_EXAMPLES[path]}")


_EXAMPLES = {
    "/simulate/delay": "/simulate/delay?endpoint=payment&duration=2000",
    "/simulate/error": "/simulate/error?endpoint=inventory&rate=0.5",
    "/simulate/clear": "/simulate/clear?endpoint=payment",
}


def problem(error: str, message: str, hint: str = "") -> dict[str, str]:
    """The JSON of an error response."""
    return {"error": error, "message": message, "hint": hint}


def _delay(faults: Faults, asked: Mapping[str, str]) -> dict[str, Any]:
    milliseconds = _number(asked, "duration")
    endpoint = faults.delay(_endpoint(asked), milliseconds)
    return {"status": "ok", "endpoint": endpoint, "delay_ms": min(milliseconds, LONGEST_DELAY)}


def _error(faults: Faults, asked: Mapping[str, str]) -> dict[str, Any]:
    endpoint = _endpoint(asked)
    rate = min(max(_number(asked, "rate"), 0.0), 1.0)
    return {"status": "ok", "endpoint": faults.error(endpoint, rate), "error_rate": rate}


def _clear(faults: Faults, asked: Mapping[str, str]) -> dict[str, Any]:
    endpoint = faults.full(_endpoint(asked)) if "endpoint" in asked else None
    faults.clear(endpoint)
    return {"status": "ok", "cleared": endpoint or "all"}


def _endpoint(asked: Mapping[str, str]) -> str:
    if not asked.get("endpoint", "").strip():
        raise ValueError("endpoint is missing")
    return asked["endpoint"]


def _number(asked: Mapping[str, str], name: str) -> float:
    _endpoint(asked)
    text = asked.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and (value >= 0.0 or name == "rate")):
        raise ValueError(f"{name} is {text!r}; expected a number" if text else f"{name} is missing")
    return value


def simulate_work(milliseconds: float) -> None:
    """Sleeps for about `milliseconds`, plus or minus a tenth."""
    time.sleep(milliseconds * random.uniform(0.9, 1.1) / 1e3)


def to_json(document: Mapping[str, Any]) -> bytes:
    """The JSON body of a response."""
    return json.dumps(document).encode() + b"\n"
