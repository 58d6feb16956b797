"""Failures that are switched on and off while services run: delays and errors by endpoint."""

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
"""Milliseconds; longer delays are cut to this."""


class InjectedError(Exception):
    """An error that was asked for."""


class Faults:
    """What is switched on now; the services of a shop share it, so that each takes any endpoint."""

    def __init__(self, endpoints: Iterable[str], seed: int = 0) -> None:
        self._endpoints = frozenset(endpoints)
        self._delays: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._lock = threading.Lock()
        self._draws = random.Random(seed)
        self._stopped = threading.Event()

    def delay(self, endpoint: str, milliseconds: float) -> str:
        """Makes an endpoint slower, 0 ends that; its full name. KeyError for one not there."""
        return self._set(self._delays, endpoint, min(max(milliseconds, 0.0), LONGEST_DELAY))

    def error(self, endpoint: str, rate: float) -> str:
        """Makes a share of an endpoint's requests fail: 0 to 1, beyond that cut."""
        return self._set(self._rates, endpoint, min(max(rate, 0.0), 1.0))

    def clear(self, endpoint: str | None = None) -> None:
        """Ends what was switched on, for one endpoint or all."""
        names = self._endpoints if endpoint is None else {self.full(endpoint)}
        with self._lock:
            for name in names:
                self._delays.pop(name, None)
                self._rates.pop(name, None)

    def status(self) -> dict[str, dict[str, float]]:
        """Delays in ms and error rates by endpoint."""
        with self._lock:
            return {"delays": dict(self._delays), "error_rates": dict(self._rates)}

    def strike(self, endpoint: str) -> None:
        """Waits and fails as was asked for. InjectedError where a request is to fail."""
        with self._lock:
            delay, rate = self._delays.get(endpoint, 0.0), self._rates.get(endpoint, 0.0)
            fails = self._draws.random() < rate
        if delay:
            self._stopped.wait(delay / 1e3)
        if fails:
            raise InjectedError(f"{endpoint} failed as it was told to")

    def stop(self) -> None:
        """Ends every delay that is being waited for."""
        self._stopped.set()

    def full(self, endpoint: str) -> str:
        """`/payment` of `payment` and `/payment`; KeyError for one that is not there."""
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
    """The routes: `POST /simulate/delay?endpoint=payment&duration=2000` (ms),
    `/simulate/error?endpoint=inventory&rate=0.5`, `/simulate/clear[?endpoint=]` and
    `GET /simulate/status`. Status and JSON."""
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
    """An answer that tells what is wrong."""
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


def work(milliseconds: float) -> None:
    """Takes about so long, a tenth more or less."""
    time.sleep(milliseconds * random.uniform(0.9, 1.1) / 1e3)


def to_json(document: Mapping[str, Any]) -> bytes:
    """The body of an answer."""
    return json.dumps(document).encode() + b"\n"
