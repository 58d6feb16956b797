"""Readable names for the core's identifiers, and numbers with their units."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import TypeGuard

from mad import _core

DASH = "\u2013"
"""An en dash: between the ends of a range, and in place of a missing value."""

MARKS = {"Critical": "▲", "Warning": "◆", "Info": "●"}
"""A shape for each severity, so that colour is never the only sign."""

LATENCY, SHARE = "p95_latency_ms", "error_rate"
"""Signals whose units serve for other values in milliseconds and for other shares."""
LOG_LINES = "log_lines: "
"""The beginning of the signals that count the lines of one log template."""
_COUNTS = ("req_count", "log_errors", "log_warnings", "missing_spans")

_STATES = {
    "anomalous": "Anomalous",
    "suppressed": "Suppressed",
    "silent": "Silent",
    "too_few_requests": "Too few requests",
    "unknown": "Unknown",
    "muted": "Muted",
    "disabled": "Disabled",
    "normal": "Normal",
}


def visible(value: object) -> str:
    """Text with control, bidirectional and unpaired characters written as escapes.

    Names come from telemetry and may hold any character. A newline must not break a table, an
    escape sequence must not reach a terminal, and a NUL must not end up in an XML document.
    """
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        code = ord(character)
        return f"\\x{code:02x}" if code < 256 else f"\\u{{{code:x}}}"
    return character


def short(text: str, limit: int) -> str:
    """`text` with its middle left out where it is longer than `limit`."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def entity(record: Mapping[str, object] | None) -> str:
    """`payments /pay` for a record with service and endpoint."""
    if record is None:
        return "unknown"
    parts = (visible(record.get(key) or "") for key in ("service", "endpoint"))
    return " ".join(part for part in parts if part) or "unknown"


def signal_name(name: str) -> str:
    """`median latency` for `p50_latency_ms`; a metric keeps its name."""
    return visible(_core.describe_signal(name))


def of_metric(name: str) -> str:
    """A metric for `quantity`: a metric named `error_rate` need not be a share, as that of requests
    is."""
    return f"metric {name}"


def unit_of(signal: str) -> str:
    """The kind of axis of a signal: `ms`, `share`, `count`, or empty for any other number."""
    if signal in _COUNTS or signal.startswith(LOG_LINES):
        return "count"
    if signal.endswith("_ms"):
        return "ms"
    return "share" if _core.format_value(signal, 1.0).endswith("%") else ""


def suppression(reason: str) -> tuple[str, str]:
    """A short name and a sentence for the reason of a suppressed row."""
    known = _core.describe_reason(reason)
    return known or (visible(reason).replace("_", " ").capitalize(), "")


def state(name: object) -> str:
    """The state of an endpoint or metric as text."""
    return _STATES.get(str(name)) or visible(name).replace("_", " ").capitalize()


def rejection(reason: str) -> str:
    """The reason of a rejected record as text."""
    return _core.describe_rejection(reason) or visible(reason).replace("_", " ")


def is_number(value: object) -> TypeGuard[float]:
    """Whether the value is a finite number; booleans are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def count(value: object) -> str:
    """`12,345`."""
    return f"{value:,.0f}" if is_number(value) else DASH


def plural(value: object, one: str, many: str | None = None) -> str:
    """`1 incident`, `2 incidents`."""
    word = one if value == 1 else (many or one + "s")
    return f"{count(value)} {word}"


def significant(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits and separated thousands, without trailing zeros."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 15 or size < -6:
        return f"{value:.{digits - 1}e}"
    decimals = max(digits - 1 - size, 0)
    text = f"{round(value, digits - 1 - size):,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: object, signal: str) -> str:
    """A value of a signal with its unit, as explanations write it: `182 ms`, `12.4 %`, `1,204`."""
    if not is_number(value):
        return DASH
    # a share in percent must not overflow
    return _core.format_value(signal, value) if abs(value) < 1e15 else f"{value:.3g}"


def quantity_range(low: object, high: object, signal: str) -> str:
    """`180-420 ms`, with a shared unit once; `at most` and `at least` for a single bound."""
    if not is_number(low) and not is_number(high):
        return DASH
    if not is_number(low):
        return f"at most {quantity(high, signal)}"
    if not is_number(high):
        return f"at least {quantity(low, signal)}"
    first, last = quantity(low, signal), quantity(high, signal)
    if first == last:
        return first
    if first.startswith("-"):
        return f"{first} to {last}"
    number, _, ending = first.partition(" ")
    if first == "0 ms" or (ending and last.endswith(" " + ending)):
        return f"{number}{DASH}{last}"
    return f"{first} {DASH} {last}" if ending else f"{first}{DASH}{last}"


def z_score(value: object) -> str:
    """A z value with its sign and one decimal, from 100 on without decimals."""
    if not is_number(value):
        return DASH
    return f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.1f}"
