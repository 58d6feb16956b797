"""Whole simulated systems as files: their telemetry, and the truth about the injected anomalies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mad import _core

SYSTEMS = ("shop", "melt", "api", "radar", "aiops")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIELDS = {
    "shop": {"rows", "services", "duration", "incidents"},
    "melt": {"services", "duration", "interval", "anomalous", "missing"},
    "api": {"pattern", "calls_per_minute", "anomalies", "warm_up", "duration"},
    "radar": {"scenario", "warm_up", "duration", "interval"},
    "aiops": {
        "scenario",
        "traces",
        "duration",
        "depth",
        "missing",
        "skew_ms",
        "delay_ms",
        "error_rate",
    },
}
#: Most requests of a shop that is held in memory, of about 100 bytes each.
MOST_ROWS = 20_000_000
_SECONDS = ("duration", "interval", "warm_up")
_TRUTH = "truth.json"


@dataclass(frozen=True)
class World:
    """The telemetry of one run of a system."""

    system: str
    files: Mapping[str, bytes]
    """CSV by name, such as `requests.csv`: one file for each kind of records."""
    truth: list[dict[str, Any]]
    """The injected anomalies: service, endpoint, start, end, kind and affected."""
    truth_json: str
    """The same as the text of truth.json."""
    records: int
    """Number of records in all files."""

    def write(self, directory: str | Path) -> list[Path]:
        """Writes all files and truth.json into the directory; returns their paths.

        Raises `mad.errors.UsageError` when the directory cannot be written.
        """
        from mad.sinks import files

        with files.Outputs(directory) as outputs:
            for name, content in self.files.items():
                outputs.append(name, content)
            outputs.write(_TRUTH, self.truth_json)
            return outputs.commit()


def world(
    system: str,
    *,
    seed: int = 0,
    start: str | datetime | None = None,
    labels: bool = True,
    **settings: Any,
) -> World:
    """Simulates a system. The same arguments give the same bytes on every machine.

    `start` is an aware datetime or RFC 3339 text (default 2026-01-06T10:00:00Z); `labels` adds a
    column `is_anomaly` to every kind but spans. Times in `settings` are seconds. A setting that is
    None has its default.

    | system | settings and defaults |
    |---|---|
    | shop | rows 10,000 (at most 20,000,000), services 4, duration 7,200, incidents (a list) |
    | melt | services 3, duration 43,200, interval 60, anomalous 0.05, missing 0.2 |
    | api | pattern `normal`, calls_per_minute 20, anomalies 20, warm_up 1,500, duration 14,400 |
    | radar | scenario `drift`, warm_up 3,600, duration 7,200, interval 1 |
    | aiops | scenario `slow-payment`, traces 900, duration 1,800, depth 4, missing 0, skew_ms 0 |

    The faulty service of aiops has `delay_ms` and `error_rate`; their defaults depend on the
    scenario.

    docs/worlds.md describes the systems. Raises ValueError for an unknown system and for a setting
    that the system does not have or that is outside its limits.

    >>> import mad.simulate
    >>> melt = mad.simulate.world("melt", duration=3600, seed=7)
    >>> sorted(melt.files)
    ['changes.csv', 'logs.csv', 'metrics.csv', 'spans.csv']
    >>> {one["kind"] for one in melt.truth} == {"metric", "log", "event", "trace"}
    True
    """
    known = _FIELDS.get(system)
    if known is None:
        raise ValueError(f"system is {system!r}; expected one of {', '.join(SYSTEMS)}")
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given:
        if name not in known:
            raise ValueError(f"{name} is no setting of {system}; it has {', '.join(sorted(known))}")
    if system == "shop":
        return _shop(seed, start, labels, given)
    fields = {"seed": seed, **{_core_name(name): given[name] for name in given}}
    if start is not None:
        fields["start"] = _nanos(start)
    if system == "radar" and "warm_up" in given:
        minutes, rest = divmod(float(fields.pop("warm_up_seconds")), 60.0)
        if rest:
            raise ValueError(f"warm_up is {given['warm_up']}; radar takes whole minutes")
        fields["warm_up_minutes"] = int(minutes)
    if system == "api" and given.get("pattern", "normal") != "normal":
        fields.setdefault("anomalies", 0)
    simulation = _core.WorldSimulation(system, json.dumps(fields))
    return _world(system, dict(simulation.files(labels)), simulation.truth_json(), len(simulation))


def _core_name(name: str) -> str:
    return f"{name}_seconds" if name in _SECONDS else name


def _shop(seed: int, start: str | datetime | None, labels: bool, given: Mapping[str, Any]) -> World:
    text = start.isoformat() if isinstance(start, datetime) else start
    simulation = _core.ShopSimulation(
        given.get("rows", 10_000),
        given.get("services", 4),
        given.get("duration", 7200.0),
        text,
        seed,
        given.get("incidents"),
        labels,
    )
    rows = simulation.rows
    if rows > MOST_ROWS:
        raise ValueError(
            f"rows is {rows:,}; a world in memory has at most {MOST_ROWS:,}, and mad simulate "
            "--out writes more"
        )
    content = simulation.take_csv(rows)
    return _world("shop", {"requests.csv": content}, simulation.truth_json(), rows)


def _world(system: str, contents: Mapping[str, bytes], truth: str, records: int) -> World:
    text = truth if truth.endswith("\n") else truth + "\n"
    return World(system, contents, json.loads(truth), text, records)


def _nanos(start: str | datetime) -> int:
    """Nanoseconds since 1970; text is cut to microseconds."""
    from mad.times import parse_time

    at = parse_time(start) if isinstance(start, str) else start
    if at.tzinfo is None:
        raise ValueError(f"start is {start}, a time without a zone; give one, such as UTC")
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000
