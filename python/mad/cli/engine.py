"""The one place where the command line meets the core.

Everything heavy happens behind these functions, with the GIL released; the command line only
moves bytes. ValueErrors of the core carry messages for users and become `CommandError`s here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mad.errors import InputError, UsageError

if TYPE_CHECKING:
    from mad import _core


class Detection(Protocol):
    """One pass over all inputs, fed piece by piece."""

    @property
    def requests(self) -> int: ...
    def feed(self, source: int, chunk: Any, /) -> None: ...
    def end(self, source: int, /) -> None: ...
    def wants(self) -> int | None: ...
    def take_features_csv(self) -> bytes: ...
    def take_scored_csv(self) -> bytes: ...
    def finish(self) -> None: ...
    def document(self) -> str: ...


class Simulation(Protocol):
    """A seeded stream of requests with known incidents."""

    @property
    def rows(self) -> int: ...
    def take_csv(self, max_rows: int, /) -> bytes: ...
    def truth_json(self) -> str: ...


class NotSorted(Exception):
    """An input is not ordered by time and has to be sorted in memory."""


def detection(
    config: str | None,
    kinds: Sequence[str],
    *,
    mode: str,
    sort: bool,
    state: bytes | None = None,
    learn: bool = False,
) -> Detection:
    """A run over one input of each of `kinds`; `config` is JSON text, `state` that of an earlier
    run; to `learn` is to flag nothing."""
    from mad import _core

    try:
        if mode == "reference":
            return _core.ReferenceRun(config, len(kinds), sort=sort)
        return _core.DetectRun(config, list(kinds), sort=sort, state=state, learn=learn)
    except ValueError as error:
        what = "the saved state" if "state" in str(error) else "the configuration"
        raise UsageError(f"{what} is not valid: {error}") from error


def feed(run: Detection, source: int, name: str, chunk: Any) -> None:
    """Hands `chunk` of input `source` to the run; None ends that input."""
    from mad import _core

    try:
        if chunk is None:
            run.end(source)
        else:
            run.feed(source, chunk)
    except _core.UnsortedError as error:
        raise NotSorted(str(error)) from error
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def finish(run: Detection, names: list[str]) -> dict[str, Any]:
    """Closes the run and returns its document."""
    from mad import _core

    try:
        run.finish()
    except _core.UnsortedError as error:
        raise NotSorted(str(error)) from error
    except ValueError as error:
        where = f"{names[0]}: " if len(names) == 1 else ""
        raise InputError(f"{where}{error}") from error
    document = dict(json.loads(run.document()))
    document["read"] = getattr(run, "read", {})
    return document


def checkpoint(run: Detection) -> bytes:
    """The state at the end of a run."""
    from mad import _core

    if not isinstance(run, _core.DetectRun):
        raise UsageError("--mode reference has no state to save")
    return run.checkpoint()


def scored_metrics(run: Detection) -> bytes:
    """Lines of the scored file of metrics since the last call."""
    from mad import _core

    return run.take_scored_metrics_csv() if isinstance(run, _core.DetectRun) else b""


def shop_simulation(
    rows: int,
    services: int,
    duration_seconds: float,
    start: str | None,
    seed: int,
    incidents: list[str] | None,
    labels: bool,
) -> Simulation:
    """The shop's traffic; `incidents` None means the default one, an empty list means none."""
    from mad import _core

    try:
        return _core.ShopSimulation(
            rows, services, duration_seconds, start, seed, incidents, labels
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def evaluate(
    scored: Iterator[bytes], incidents: str | None, culprits: str | None, truth: str
) -> dict[str, Any]:
    """How well a run found what the truth lists."""
    from mad import _core

    try:
        return dict(json.loads(_core.evaluate(scored, incidents, culprits, truth)))
    except ValueError as error:
        raise InputError(f"cannot evaluate: {error}") from error


def why(
    name: str,
    scored: Iterator[bytes],
    service: str,
    endpoint: str | None,
    metric: str | None,
    at: str | None,
) -> list[dict[str, Any]]:
    """The newest row by `at` of each endpoint of a service, and why it was flagged or not."""
    from mad import _core

    try:
        return list(json.loads(_core.why_from_scored(scored, service, endpoint, metric, at)))
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def culprits(
    name: str, scored: Iterator[bytes], at: str | None, minutes: float, top_k: int
) -> dict[str, Any]:
    """A ranking from scored rows, using only rows known at `at`."""
    from mad import _core

    try:
        return dict(json.loads(_core.culprits_from_scored(scored, at, minutes, top_k)))
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def graph(sources: Mapping[str, str]) -> dict[str, Any]:
    """The service graph of files by kind: spans, edges, requests."""
    from mad import _core
    from mad.sources.files import Source

    built = _core.ServiceGraph()
    for kind, path in sources.items():
        try:
            for piece in Source(path).pieces(kind):
                built.feed(kind, piece)
            built.end(kind)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
    return built.document() | {"rejected": built.rejected}


def rank_traces(spans: str, reference: str | None, top_k: int) -> dict[str, Any]:
    """Root causes of the failing traces in a file, as JSON has them."""
    import mad

    try:
        ranking = mad.rank_traces(spans, reference, top_k=top_k)
    except ValueError as error:
        raise InputError(f"{spans}: {error}") from error
    names = ("service", "operation", "fault", "share", "traces", "sample_traces", "chain")
    culprits = [
        {name: getattr(one, name) for name in names}
        | {"onset": one.onset.isoformat().replace("+00:00", "Z")}
        | {name: _number(getattr(one, name)) for name in ("duration_ms", "expected_ms")}
        for one in ranking.culprits
    ]
    return {
        "culprits": culprits,
        "abstained": ranking.abstained,
        "traces": ranking.traces,
        "failing": ranking.failing,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def trace_simulation(
    scenario: str,
    traces: int,
    duration_seconds: float,
    start: str | None,
    seed: int,
    depth: int,
    missing: float,
    skew_ms: float,
) -> _core.TraceSimulation:
    """Traces of a small system in which one service goes wrong."""
    from mad import _core

    try:
        return _core.TraceSimulation(
            scenario, traces, duration_seconds, start, seed, depth, missing, skew_ms
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
