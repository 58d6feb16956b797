"""Keys of the settings files of earlier systems: mapped to fields of mad, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mad.config.options import Problem

_MODELS = "incidents come from the default detector; `mad detect --scorer NAME` adds other methods"

#: Keys without an effect in mad, and what to do about each.
REFUSED = {
    "services": "mad simulate has the option --services",
    "duration": "mad simulate has the option --duration",
    "model": _MODELS,
    "models": _MODELS,
    "contamination": _MODELS,
    "batch_size": "`--batch-size` and the variable BATCH_SIZE have the same meaning",
    "workers": "give `mad detect --workers N`",
    "log_level": "give --verbose, or set the variable LOG_LEVEL",
    "llm_api_key": "explanations come from templates, and a secret does not belong in this file",
}


def confidence_of(value: Any) -> float:
    """The `score.threshold` for a confidence above 0 and below 1. Raises ValueError.

    A row with the p-value p has the score e / (e + 4) with e = -log10 p, and the confidence c
    stands for p = 1 - c. The confidence 0.95 means one row in twenty and the score 0.245.
    """
    try:
        confidence = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        confidence = math.nan
    if not 0.0 < confidence < 1.0:
        raise ValueError("expected a number above 0 and below 1")
    evidence = -math.log10(1.0 - confidence)
    return evidence / (evidence + 4.0)


def _step_of(value: Any) -> int:
    """The `features.step_seconds` for an interval such as `1m`, `1min` or 60. Raises ValueError."""
    text = str(value).strip().lower()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    units = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "minutes": 60, "h": 3600}
    unit = text[len(digits) :].strip()
    if not digits.isdecimal() or unit not in units or not 1 <= int(digits) * units[unit] <= 3600:
        raise ValueError("expected an interval from 1s to 1h, such as 1m")
    return int(digits) * units[unit]


#: Keys with an equivalent: the field and the function that converts the value.
MAPPED: dict[str, tuple[tuple[str, str], Callable[[Any], Any]]] = {
    "threshold": (("score", "threshold"), confidence_of),
    "anomaly_threshold": (("score", "threshold"), confidence_of),
    "interval": (("features", "step_seconds"), _step_of),
}


def translate(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Settings with the keys of earlier systems replaced, and a problem for each that cannot be.
    A field that is given under its present name wins."""
    kept: dict[str, Any] = {}
    problems: list[Problem] = []
    found: list[tuple[tuple[str, str], Any]] = []
    for key, value in fields.items():
        name = str(key).lower().replace("-", "_")
        if name in MAPPED and not isinstance(value, Mapping):
            field, convert = MAPPED[name]
            try:
                found.append((field, convert(value)))
            except ValueError as error:
                text = f"config field `{key}` is {value!r}; {error}"
                problems.append(Problem(str(key), text))
        elif name in REFUSED and not isinstance(value, Mapping):
            text = f"config field `{key}` of an earlier system has no effect: {REFUSED[name]}"
            problems.append(Problem(str(key), text))
        else:
            kept[str(key)] = value
    for (stage, name), value in found:
        table = kept.get(stage)
        if table is None or isinstance(table, Mapping):
            kept[stage] = {name: value, **(table or {})}
    return kept, problems
