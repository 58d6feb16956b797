"""Numbers, units, durations and times in sentences, read without the code that wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"
UNIT = r"ms|%|s|B|kB|MB|GB|TB|MiB|GiB|minutes?|seconds?|hours?|days?"
VALUE = rf"{NUMBER}(?: (?:{UNIT})\b|(?: %))?"
LENGTH = rf"{NUMBER} (?:seconds?|minutes?|hours?|days?)"
CLOCK = r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d(?::\d\d)? UTC"

SIGNALS = {
    "median latency": "p50_latency_ms",
    "95th-percentile latency": "p95_latency_ms",
    "error rate": "error_rate",
    "client error rate": "client_error_rate",
    "share of slow requests": "slow_share",
    "number of requests": "req_count",
    "number of error lines": "log_errors",
    "number of new error lines": "log_new_errors",
    "number of warning lines": "log_warnings",
    "number of missing spans": "missing_spans",
    "network time of calls": "network_gap_ms",
    "time without requests": "silence",
}
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_SHARES = ("error_rate", "client_error_rate", "slow_share")


@dataclass(frozen=True)
class Quantity:
    """A number of a text with the distance to which it was rounded."""

    value: float
    within: float

    def is_close(self, value: float) -> bool:
        """Whether it is this value, rounded."""
        return abs(self.value - value) <= self.within * 1.001 + 1e-9 * abs(value)


def quantity(text: str, signal: str) -> Quantity:
    """A value of a signal in the unit of the files."""
    match = re.fullmatch(rf"({NUMBER})(?: (.+))?", text)
    assert match, text
    digits, unit = match[1].replace(",", ""), match[2] or ""
    mantissa, _, power = digits.partition("e")
    decimals = len(mantissa.partition(".")[2])
    factor = 10.0 ** int(power or 0) * _scale(unit, signal)
    within = 0.5 * 10.0**-decimals
    return Quantity(float(mantissa) * factor, within * factor)


def _scale(unit: str, signal: str) -> float:
    if unit == "%" and signal in _SHARES:
        return 0.01
    if unit in _BYTES and signal.endswith("bytes"):
        return _BYTES[unit]
    if unit == "s" and signal.endswith("ms"):
        return 1000.0
    return _SECONDS.get(unit.removesuffix("s"), 1.0) if len(unit) > 2 else 1.0


def seconds(text: str) -> Quantity:
    """A duration in seconds."""
    return quantity(text, "silence")


def clock(text: str, near: np.datetime64) -> np.datetime64:
    """A time of a text; without a date, the one closest to `near`."""
    bare = text.removesuffix(" UTC")
    if len(bare) > 8:
        return np.datetime64(bare.replace(" ", "T"), "ms")
    day = np.datetime64(near, "D")
    options = [np.datetime64(f"{day + shift}T{bare}", "ms") for shift in (-1, 0, 1)]
    return min(options, key=lambda one: abs(one - near))


def signal_of(name: str) -> str:
    """The signal with a name in a text; metrics keep their names."""
    lines = re.fullmatch(r"number of lines `(.+)`", name)
    return f"log_lines: {lines[1]}" if lines else SIGNALS.get(name, name)
