"""Detection over files into a directory: tables, incidents, culprits and the report of one run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mad import _core, errors
from mad._core import Catalogue
from mad.config.catalogue import in_language
from mad.detection import formats, intake
from mad.detection.formats import Layout
from mad.detection.repeated import Inputs, once
from mad.sinks import files
from mad.sources.files import CHUNK, InputFile

_T = TypeVar("_T")
REPORT = "report.html"
SCORED, SCORED_METRICS, SERVICES = "scored.csv", "scored_metrics.csv", "services.csv"
METHODS = "methods.csv"


class Meter(Protocol):
    """Shows how far a long step has got."""

    def reached(self, done: int) -> None:
        """`done` bytes of the total are read."""


class Observer:
    """Receives notes and progress while a run is under way. This one discards both."""

    def note(self, text: str) -> None:
        """Receives a sentence about a change of plan."""

    def progress(self, label: str, total: int) -> AbstractContextManager[Meter]:
        """Returns the meter for a step over `total` bytes."""
        return nullcontext(_Silent())


class _Silent:
    def reached(self, done: int) -> None:
        pass


@dataclass
class Outcome:
    """The result of a run: its document, the files that were written and notes for the user."""

    document: dict[str, Any]
    paths: list[Path]
    seconds: float
    notes: list[str] = field(default_factory=list)


class _ShortRecording(Exception):
    """The recording is too short for the length of the rows; `config` are the settings for it."""

    def __init__(self, config: str) -> None:
        super().__init__(config)
        self.config = config


class Run(Protocol):
    """One pass of the core over all inputs, fed piece by piece."""

    @property
    def requests(self) -> int: ...
    def feed(self, source: int, chunk: Any, /) -> None: ...
    def end(self, source: int, /) -> None: ...
    def wants(self) -> int | None: ...
    def take_features_csv(self) -> bytes: ...
    def take_scored_csv(self) -> bytes: ...
    def finish(self) -> None: ...
    def document(self) -> str: ...


def detect_into(
    out: str | Path,
    inputs: Mapping[str, Sequence[str]],
    *,
    config: str | None = None,
    mode: str = "default",
    batch_size: int = CHUNK,
    sort: bool = False,
    report: bool = True,
    history: Mapping[str, Sequence[str]] | None = None,
    resume: str | None = None,
    save: str | None = None,
    observer: Observer | None = None,
    layout: Layout | None = None,
    scorers: Sequence[str] = (),
    workers: int = 1,
    catalogue: Catalogue | None = None,
) -> Outcome:
    """Reads all inputs in one pass and writes the result files to the directory `out`.

    `inputs` and `history` are paths by kind; `history` is learnt first and never flagged. `config`
    is JSON text. A path may be a folder; `layout` says how files of other tools
    are written. `resume` and `save` name files of saved state. Without `sort`, the run starts
    again with sorting when an input is not ordered by time. `scorers` are methods that judge the
    rows too, over `workers` threads; their judgements are written to methods.csv. `catalogue` is
    the language of explanations, English without one.

    Raises `UsageError` for a configuration or state that is not valid, and for a directory that
    cannot be written; `InputError` for an input that cannot be read.
    """
    started = time.perf_counter()
    plan = _Plan(layout or Layout(), config, mode, Path(out))
    sources, repeated = once(plan.sources(inputs))
    watcher = observer or Observer()
    job = _Job(Path(out), config, mode, batch_size, report, save, watcher, sources, plan.layout)
    job.scorers, job.workers, job.catalogue = tuple(scorers), workers, catalogue
    past, again = once(plan.sources(history or {}))
    repeated += again
    stateful = bool(past or resume or save)
    if mode == "reference" and (stateful or {kind for kind, _ in job.sources} - {"requests"}):
        raise errors.UsageError("--mode reference reads requests alone and keeps no state")
    if mode == "reference" and scorers:
        raise errors.UsageError(
            "--scorer needs --mode default", "methods judge the rows of the default mode"
        )
    if sum(source.standard for _, source in (*past, *job.sources)) > 1:
        raise errors.UsageError("standard input can be named once only")
    state = files.read_bytes(resume) if resume else None
    if past:
        state = job.in_order(past, lambda sort: job.learn(past, sort, state), sort)
    # rows of saved state keep their length, and a pipe cannot be read again
    job.adapts = not stateful and mode != "reference" and all(one.size for _, one in job.sources)
    try:
        outcome = job.in_order(job.sources, lambda sort: job.detect(sort, state), sort)
    except _ShortRecording as short:
        watcher.note("the recording is short: starting again with shorter rows")
        job.config, job.adapts = short.config, False
        outcome = job.in_order(job.sources, lambda sort: job.detect(sort, state), sort)
    outcome.notes[:0] = repeated
    outcome.seconds = time.perf_counter() - started
    for stale in (job.out / REPORT, job.out / SCORED_METRICS, job.out / METHODS):
        if stale not in outcome.paths and stale.exists():
            outcome.notes.append(f"{stale} is from an earlier run")
    return outcome


@dataclass(frozen=True)
class _Plan:
    """How paths become inputs."""

    layout: Layout
    config: str | None
    mode: str
    out: Path
    """Results of an earlier run, which are no input where a folder holds them."""

    def sources(self, named: Mapping[str, Sequence[str]]) -> Inputs:
        """The inputs with the kind or format of each; a folder is its files."""
        return [
            (self._kind(kind, source), source)
            for kind, paths in named.items()
            for path in paths
            for source in map(InputFile, formats.expanded(path, self.out))
        ]

    def _kind(self, kind: str, source: InputFile) -> str:
        if self.mode == "reference":
            return kind
        return formats.resolved(kind, source, self.layout, self.config)


@dataclass
class _Job:
    """The inputs and settings of `detect_into`."""

    out: Path
    config: str | None
    mode: str
    batch_size: int
    report: bool
    save: str | None
    observer: Observer
    sources: Inputs
    layout: Layout
    scorers: Sequence[str] = ()
    """Names of methods that judge the rows too."""
    workers: int = 1
    """Threads of these methods."""
    catalogue: Catalogue | None = None
    """The language of explanations."""
    adapts: bool = False
    """Whether a recording that is too short for its rows is read again with shorter ones."""

    def in_order(self, sources: Inputs, attempt: Callable[[bool], _T], sort: bool) -> _T:
        """Calls `attempt` with `sort`, and again with sorting when the inputs need it."""
        try:
            return attempt(sort)
        except _core.UnsortedError as problem:
            if any(source.standard for _, source in sources):
                raise errors.InputError(
                    f"standard input is not ordered by time: {problem}",
                    "give --sort to sort it in memory, or save it to a file first",
                ) from problem
            note = f"not ordered by time ({problem}): starting again, sorting in memory"
            self.observer.note(note)
            return attempt(True)

    def learn(self, past: Inputs, sort: bool, state: bytes | None) -> bytes:
        """Learns from `past` without flagging anything; returns the state after it."""
        run = self._started(past, sort, state, learn=True)
        for _ in self._read(run, past, "learning"):
            # rows of the history are not written
            _ = (run.take_features_csv(), run.take_scored_csv(), _scored_metrics(run))
            _ = _services(run)
        document = _finish(run, past)
        if document["problem"]:
            raise errors.InputError(f"history: {document['problem']}", document["hint"])
        return _checkpoint(run)

    def detect(self, sort: bool, state: bytes | None) -> Outcome:
        """Judges all inputs and writes the files."""
        run = self._started(self.sources, sort, state)
        kinds = set().union(*(formats.kinds_of(kind) for kind, _ in self.sources))
        with files.Outputs(self.out) as outputs:
            for _ in self._read(run, self.sources, "sorting" if sort else "reading"):
                _drain(run, outputs, kinds)
                if self.scorers and isinstance(run, _core.DetectRun):
                    outputs.append(METHODS, run.take_methods_csv())
            document = _finish(run, self.sources)
            if (
                self.adapts
                and isinstance(run, _core.DetectRun)
                and (short := run.short_recording())
            ):
                raise _ShortRecording(short)
            _drain(run, outputs, kinds)
            if self.scorers and isinstance(run, _core.DetectRun):
                outputs.append(METHODS, run.take_methods_csv())
            if self.catalogue is not None:
                incidents = document["incidents"]
                document["incidents"] = [in_language(one, self.catalogue) for one in incidents]
            document["sources"] = [source.name for _, source in self.sources]
            outputs.write("incidents.json", files.to_json(incidents_file(document)))
            outputs.write("culprits.json", files.to_json(culprits_file(document)))
            if self.report:
                from mad.report import render_html

                outputs.write(REPORT, render_html(document))
            outcome = Outcome(document, outputs.commit(), 0.0)
        if self.save and document["problem"]:
            outcome.notes.append(f"the state was not saved to {self.save}: repeat the run first")
        elif self.save:
            # the state is written last, so that an interrupted run can be repeated from the old one
            files.write_bytes(self.save, _checkpoint(run))
        return outcome

    def _started(
        self, sources: Inputs, sort: bool, state: bytes | None, *, learn: bool = False
    ) -> Run:
        kinds = [kind for kind, _ in sources]
        names = [source.name for _, source in sources]
        try:
            if self.mode == "reference":
                return _core.ReferenceRun(self.config, len(kinds), sort=sort)
            return _core.DetectRun(
                self.config,
                kinds,
                sort=sort,
                state=state,
                learn=learn,
                names=names,
                service=self.layout.service,
                pattern=self.layout.pattern,
                scorers=() if learn else self.scorers,
                workers=self.workers,
            )
        except ValueError as error:
            what = "the saved state" if "state" in str(error) else "the configuration"
            raise errors.UsageError(f"{what} is not valid: {error}") from error

    def _read(self, run: Run, sources: Inputs, label: str) -> Iterator[None]:
        """Feeds all sources piece by piece, in the order in which the run wants them."""
        readers: dict[int, Iterator[Any]] = {}
        total = sum(source.size for _, source in sources)
        with self.observer.progress(label, total) as meter:
            while (wanted := run.wants()) is not None:
                kind, source = sources[wanted]
                if wanted not in readers:
                    readers[wanted] = formats.pieces(kind, source, self.batch_size)
                _feed(run, wanted, source.name, next(readers[wanted], None))
                yield
                meter.reached(sum(source.consumed for _, source in sources))


def _feed(run: Run, source: int, name: str, chunk: Any) -> None:
    try:
        if chunk is None:
            run.end(source)
        else:
            run.feed(source, chunk)
    except _core.UnsortedError:
        raise
    except ValueError as error:
        raise errors.InputError(f"{name}: {error}") from error


def _finish(run: Run, sources: Inputs) -> dict[str, Any]:
    """Closes the run and returns its document."""
    try:
        run.finish()
    except _core.UnsortedError:
        raise
    except ValueError as error:
        where = f"{sources[0][1].name}: " if len(sources) == 1 else ""
        raise errors.InputError(f"{where}{error}") from error
    document = dict(json.loads(run.document()))
    document["problem"], document["hint"] = intake.problem(document, sources)
    return document


def _checkpoint(run: Run) -> bytes:
    if not isinstance(run, _core.DetectRun):
        raise errors.UsageError("--mode reference has no state to save")
    return run.checkpoint()


def _scored_metrics(run: Run) -> bytes:
    return run.take_scored_metrics_csv() if isinstance(run, _core.DetectRun) else b""


def _services(run: Run) -> bytes:
    return run.take_services_csv() if isinstance(run, _core.DetectRun) else b""


def _drain(run: Run, outputs: files.Outputs, kinds: set[str]) -> None:
    """Writes the rows that were judged since the last call."""
    outputs.append("features.csv", run.take_features_csv())
    # spans are judged as requests, and their missing spans and network times as points
    has_points = not {"metrics", "logs", "spans"}.isdisjoint(kinds)
    has_requests = not {"requests", "spans"}.isdisjoint(kinds) or not has_points
    if has_requests:
        outputs.append(SCORED, run.take_scored_csv())
        outputs.append(SERVICES, _services(run))
    if has_points:
        name = SCORED_METRICS if has_requests else SCORED
        outputs.append(name, _scored_metrics(run))


def without_series(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The incidents of a document without the points of their charts."""
    return [
        {key: value for key, value in incident.items() if key != "series"}
        for incident in document.get("incidents") or []
    ]


def incidents_file(document: dict[str, Any]) -> dict[str, Any]:
    """The content of incidents.json."""
    return {
        "schema_version": document.get("schema_version", 1),
        "generator": document.get("generator"),
        **intake.summary(document),
        "step_seconds": document.get("step_seconds"),
        "incidents": without_series(document),
        "states": document.get("states") or [],
    }


def culprits_file(document: dict[str, Any]) -> dict[str, Any]:
    """The content of culprits.json: the ranking at the end of the run and that of each incident."""
    return {
        "schema_version": document.get("schema_version", 1),
        **intake.summary(document),
        "ranking": document.get("ranking"),
        "by_incident": {
            incident["id"]: incident.get("ranking")
            for incident in document.get("incidents") or []
            if "id" in incident
        },
    }
