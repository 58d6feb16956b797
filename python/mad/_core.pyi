"""The Rust core. Times out are aware (UTC); heavy calls release the GIL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, final, type_check_only

import numpy as np
import numpy.typing as npt

__version__: str
#: Whether a record of the service `mad.panic` panics: built with the feature `faults`.
HAS_FAULTS: bool

__all__ = [
    "HAS_FAULTS",
    "BinomialScorer",
    "Catalogue",
    "Culprit",
    "CulpritRanker",
    "DetectRun",
    "EnginePipeline",
    "EngineUpdate",
    "Explanation",
    "FeatureBuilder",
    "Guardrails",
    "Incident",
    "IncidentGrouper",
    "Inspector",
    "InternalError",
    "IsolationForest",
    "LogTemplates",
    "MadScorer",
    "MetricCulprit",
    "MetricRanking",
    "Pipeline",
    "Ranking",
    "ReferenceRun",
    "Report",
    "RowScorer",
    "Rows",
    "Score",
    "SeriesScores",
    "ServiceGraph",
    "SettingsError",
    "ShopSimulation",
    "SilenceScorer",
    "SlopeScorer",
    "StepSketches",
    "Table",
    "Telemetry",
    "TemplateExplainer",
    "TraceCulprit",
    "TraceRanking",
    "TraceSimulation",
    "UnsortedError",
    "Update",
    "WorldSimulation",
    "ZstdDecoder",
    "__version__",
    "check_arrow_stream",
    "check_config",
    "check_scorers",
    "columns_of",
    "config_problems",
    "count_records",
    "culprits_from_scored",
    "default_config",
    "describe_reason",
    "describe_rejection",
    "describe_shortfall",
    "describe_signal",
    "detect",
    "detect_format",
    "evaluate",
    "evaluate_report",
    "file_formats",
    "format_value",
    "json_lines",
    "kinds_of_format",
    "modified_z",
    "own_share",
    "partition_combine",
    "partition_config",
    "partition_judge",
    "partition_plan",
    "partition_survey",
    "rank_culprits",
    "rank_traces",
    "reference_detect",
    "rolling_mad",
    "rolling_z",
    "score_alone",
    "score_series",
    "scorer_names",
    "stored_points",
    "stored_values",
    "toml_places",
    "truth_of_labels",
    "unfinished_bytes",
    "why_from_scored",
]

_Floats: TypeAlias = npt.NDArray[np.float64]
_Numbers: TypeAlias = npt.ArrayLike

@type_check_only
class _ToJson(Protocol):
    def to_json(self) -> str: ...

_Config: TypeAlias = str | Mapping[str, Any] | _ToJson | None

class InternalError(RuntimeError):
    """A fault of mad itself. The object of the call cannot be used again, because its state may be
    half changed; restore it from its last checkpoint."""

class SettingsError(ValueError):
    """Two processes that work together have settings that do not fit."""

class UnsortedError(ValueError):
    """An input that is read as it comes is not ordered by time."""

def modified_z(values: _Numbers) -> _Floats:
    """Modified z-scores of a whole array: 0.6745 (x - median) / MAD.

    Values that are not finite are left out and score NaN. Where more than half of the values are
    equal (MAD 0), the mean absolute deviation takes the MAD's place; where all are, every z is 0.
    Iglewicz and Hoaglin, 1993.

    `values` is one-dimensional: a float64 array, strided or not, is read where it stands; other
    numbers (lists, integers, float32) are copied. An empty array gives an empty array.

    Raises TypeError for other values, ValueError for more than one dimension.

    >>> import mad
    >>> mad.modified_z([1.0, 2.0, 3.0, 4.0, 100.0]).round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 65.43]
    """

def rolling_z(values: _Numbers, window: int, min_points: int) -> _Floats:
    """Causal modified z-scores: each value by the at most `window` finite values before it.

    The result is as long as `values`. It is NaN until `min_points` values have come, and where the
    value is not finite. An empty array gives an empty array.

    Raises ValueError for a window outside 1 to 100,000, and for `min_points` outside 1 to the
    window.

    >>> import mad
    >>> z = mad.rolling_z([10.0, 11.0, 10.0, 12.0, 11.0, 30.0], window=5, min_points=5)
    >>> z.round(2).tolist()
    [nan, nan, nan, nan, nan, 12.82]
    """

def rolling_mad(values: _Numbers, window: int) -> tuple[_Floats, _Floats]:
    """Rolling median and MAD of the last `window` values, each value's own included; exact.

    Both results are as long as `values` and NaN until the window is full of finite values. An empty
    array gives empty arrays.

    Raises ValueError for a window outside 1 to 100,000.

    >>> import mad
    >>> median, mad_ = mad.rolling_mad([1.0, 2.0, 3.0, 10.0], window=3)
    >>> median.tolist(), mad_.tolist()
    ([nan, nan, 2.0, 3.0], [nan, nan, 1.0, 1.0])
    """

def check_config(json: str) -> str:
    """Checks a configuration in JSON and gives it back with every default filled in."""

def config_problems(json: str) -> list[tuple[str, str]]:
    """Every problem of a configuration in JSON: the field's dotted path, and a message."""

def default_config() -> str:
    """The default configuration in JSON."""

def detect(
    requests: Any | None = None,
    config: _Config = None,
    *,
    metrics: Any | None = None,
    spans: Any | None = None,
    logs: Any | None = None,
    changes: Any | None = None,
    edges: Any | None = None,
    state: bytes | None = None,
    learn: bool = False,
    scorers: Sequence[str] | None = None,
) -> Report:
    """Detects over tables in memory: they are sorted by time, and then the stream runs to its end.
    The rates of error and warning lines of each service are judged like other signals.
    `state` is the checkpoint of the pipeline to continue from; with `learn`, nothing is flagged.
    `scorers` are methods that judge the rows too."""

def check_scorers(names: Sequence[str]) -> None:
    """Checks the names of methods. Raises ValueError for a name or a weight that is not valid."""

def partition_survey(
    name: str,
    config: _Config = None,
    *,
    requests: Any | None = None,
    metrics: Any | None = None,
    spans: Any | None = None,
    logs: Any | None = None,
    changes: Any | None = None,
    edges: Any | None = None,
) -> bytes:
    """Looks at the times of the records of one partition; returns them as bytes for
    `partition_plan`."""

def partition_config(surveys: Sequence[bytes], config: _Config = None) -> str | None:
    """The settings that fit a short recording, as JSON; None where those in use fit."""

def partition_plan(
    surveys: Sequence[bytes], config: _Config = None, partitions: Sequence[str] | None = None
) -> bytes:
    """The plan of all partitions as bytes, from their surveys; `partitions` are the names of the
    partitions where the surveys are of other pieces."""

def partition_judge(
    plan: bytes,
    name: str,
    *,
    requests: Any | None = None,
    metrics: Any | None = None,
    spans: Any | None = None,
    logs: Any | None = None,
    changes: Any | None = None,
    edges: Any | None = None,
) -> bytes:
    """Judges one partition by a plan; returns its part as bytes for `partition_combine`."""

def partition_combine(plan: bytes, parts: Sequence[bytes]) -> Report:
    """Combines the parts of all partitions of a plan into the report of the whole input."""

@final
class StepSketches:
    """Counts of requests by service, endpoint and step, which merge in any order. It is for one
    endpoint with too many requests for one process: each shard counts its own.

    Counts, extremes and means are exact. Percentiles are at most 0.2 % from the exact ones, and
    their rank is at most the share of requests that lie within 0.2 % of one latency from the wanted
    one. The rows have no share of slow requests, statuses, versions or hosts. Sketches can be
    pickled and copied.

    Records that cannot be read are left out.

    >>> import mad
    >>> requests = {
    ...     "timestamp": ["2026-01-06T10:00:05Z", "2026-01-06T10:00:20Z", "2026-01-06T10:01:02Z"],
    ...     "service": ["shop", "shop", "shop"],
    ...     "endpoint": ["/pay", "/pay", "/pay"],
    ...     "status_code": [200, 500, 200],
    ...     "latency_ms": [40.0, 60.0, 45.0],
    ... }
    >>> merged = mad.StepSketches(requests).merge(mad.StepSketches(requests))
    >>> merged.rows().to_table()["req_count"].tolist()
    [4, 2]
    """

    def __new__(cls, requests: Any, config: _Config = None) -> StepSketches: ...
    def merge(self, other: StepSketches) -> StepSketches:
        """The counts of both. ValueError for steps of different lengths."""
    def rows(self) -> Rows:
        """The rows by time, for `RowScorer` and the stages after it."""

def json_lines(body: bytes) -> bytes: ...
def columns_of(kind: str) -> tuple[list[str], list[str]]:
    """The columns of a kind: those a table needs, and those it may have."""

def reference_detect(
    requests: Any,
    min_points: int = 20,
    warmup: int = 15,
    min_requests: int = 20,
    threshold: float = 3.5,
) -> Table:
    """The numbers of the original system for a request table."""

def format_value(signal: str, value: float) -> str:
    """A value of a signal with its unit, as explanations write it.

    `signal` is a signal of request rows or the name of a metric.

    >>> format_value("p95_latency_ms", 3260.4)
    '3,260 ms'
    """

def describe_signal(signal: str) -> str:
    """The name of a signal in text; a metric keeps its name.

    >>> describe_signal("p50_latency_ms")
    'median latency'
    """

def describe_reason(reason: str) -> tuple[str, str] | None:
    """A short name and a sentence for the reason of a row; None for an unknown reason.

    >>> describe_reason("warm_up")
    ('Warm-up', 'The series was still in its warm-up period.')
    """

def describe_rejection(reason: str) -> str | None:
    """The reason of a rejected record as part of a sentence; None for an unknown reason.

    >>> describe_rejection("naive_timestamp")
    'the timestamp has no time zone'
    """

def describe_shortfall(
    kind: str,
    accepted: int,
    counts: dict[str, int],
    first: Sequence[tuple[str, int, str]],
    min_accepted: float,
    place: str,
) -> str | None:
    """The sentence about records of a kind of which nothing, or less than the share `min_accepted`,
    was accepted; None when enough was accepted.

    `counts` has the rejected records by reason, `first` the reason, position and detail of some of
    them, `place` the word for a position. Unknown reasons are left out.

    >>> first = [("bad_status", 2, 'status_code = "x"')]
    >>> describe_shortfall("requests", 0, {"bad_status": 3}, first, 0.95, "line")[:52]
    'None of the 3 requests could be read: the status is '
    >>> describe_shortfall("requests", 97, {"bad_status": 3}, first, 0.95, "line") is None
    True
    """

def evaluate(
    scored: list[Iterable[bytes]],
    incidents_json: str | None,
    culprits_json: str | None,
    truth_json: str,
    methods: Iterable[bytes] | None = None,
) -> str:
    """Precision, recall, F1, delay and culprit rank as JSON, from a run's files; `scored` are those
    of requests and of metrics, `methods` is methods.csv."""

def evaluate_report(report: Report, truth_json: str) -> str:
    """The same of a report in memory."""

def truth_of_labels(chunks: Iterable[bytes]) -> str:
    """The truth of a CSV file with a column of labels, as JSON."""

def culprits_from_scored(
    scored: Iterable[bytes], at: str | None = None, minutes: float = 15.0, top_k: int = 3
) -> str:
    """Ranks by the flagged rows of a scored file, as JSON."""

def why_from_scored(
    scored: Iterable[bytes],
    service: str,
    endpoint: str | None = None,
    metric: str | None = None,
    at: str | None = None,
) -> str:
    """Of each endpoint of a service the newest row of a scored file by `at`, and why it was
    flagged or not: a list as JSON."""

@final
class Table:
    """A table in Arrow's memory, for anything that reads the Arrow stream interface."""

    @property
    def column_names(self) -> list[str]: ...
    @property
    def num_rows(self) -> int: ...
    def column(self, name: str) -> Any:
        """A column: numbers and flags as numpy arrays, times as datetime64[ns] in UTC, names as a
        list of str."""
    def to_pandas(self) -> Any:
        """As a pandas DataFrame, with or without pyarrow."""
    def to_polars(self) -> Any:
        """As a polars DataFrame."""
    def to_pyarrow(self) -> Any:
        """As a pyarrow Table."""
    def __len__(self) -> int: ...
    def __getitem__(self, name: str, /) -> Any: ...
    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...

def file_formats() -> list[tuple[str, str]]:
    """The names of the formats of files, and what each is."""

def count_records(format: str, body: bytes) -> int:
    """Decodes a body of a format and drops it; returns the number of its records. For
    measurements."""

def detect_format(name: str, first: bytes) -> str | None:
    """The format of a file from its name and its first bytes; None where no rule fits."""

def kinds_of_format(name: str) -> list[str]:
    """The kinds of records that files of a format can give."""

def unfinished_bytes(format: str, lines: bytes) -> int:
    """The bytes at the end of whole lines of a format that belong to records whose further lines
    may follow; 0 for text with the fields of mad."""

def own_share(kind: str, first: bytes, config: _Config = None) -> float:
    """The share of the first records of a CSV or JSON file that can be read as a kind."""

@final
class Inspector:
    """Counts what a file holds, or the bodies of a folder that belong together."""

    def __new__(
        cls,
        config: _Config = None,
        format: str | None = None,
        service: str | None = None,
        pattern: str | None = None,
    ) -> Inspector: ...
    def begin(self, path: str, format: str | None = None, kind: str | None = None) -> None:
        """Begins the file of a path or a body without one, with this format and kind where they
        are known."""
    def feed(self, chunk: bytes) -> None:
        """Reads the next bytes, cut anywhere."""
    def end(self) -> None:
        """Ends the file or body."""
    @property
    def format(self) -> str | None: ...
    @property
    def notes(self) -> list[str]: ...
    def document(self) -> str:
        """The counts as JSON."""

@final
class Telemetry:
    """Counts of the records of one kind of telemetry: the good ones, and the rejected ones by
    reason."""

    def __new__(cls, kind: str, config: _Config = None) -> Telemetry: ...
    def feed(self, chunk: Any) -> None:
        """Reads a piece: bytes, cut anywhere, or a table."""
    def end(self) -> None:
        """Ends the input."""
    @property
    def kind(self) -> str: ...
    @property
    def rejected(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...

@final
class Rows:
    """Rows that one stage hands to the next: features of each service, endpoint and step; then with
    scores; then with verdicts.

    `Rows(table)` reads them from a dataframe, an Arrow table or a mapping of columns: that of
    `report.features` or `report.scored`, of `features.csv` or `scored.csv`, or of `to_table()`.
    Needed columns are bucket_ts (aware), service, endpoint and req_count. A table with the columns
    `signal` and `score` has scores, and one with `is_anomaly` has verdicts too. Of a table without
    separate columns for every signal, only the leading signal of each row is known.

    NaN and missing numbers are unknown; an empty table gives no rows. The rows are sorted by time.
    Every stage takes such a table in place of `Rows`.

    Raises ValueError for a missing column, for a value that cannot be read (named with its column
    and row), for naive times, and for two rows of one service, endpoint and time.

    >>> import mad
    >>> rows = mad.Rows({
    ...     "bucket_ts": ["2026-01-06T10:00:00Z", "2026-01-06T10:01:00Z"],
    ...     "service": ["shop", "shop"],
    ...     "endpoint": ["/pay", "/pay"],
    ...     "req_count": [60, 58],
    ...     "error_count": [0, 1],
    ...     "p50_latency_ms": [40.0, 41.0],
    ...     "p95_latency_ms": [80.0, 82.0],
    ... })
    >>> rows
    Rows(2 rows, features)
    >>> rows.to_table()["error_count"].tolist()
    [0, 1]
    """

    def __new__(cls, table: Any) -> Rows: ...
    def to_table(self, *, signals: bool = False) -> Table:
        """The rows as a table: their features; their scores and verdicts where they are known.

        Features have the columns of `features.csv`, judged rows those of `scored.csv`. With
        `signals`, the table has the scores of every signal too, so that `Rows(table)` gives the
        same rows again.
        """
    def __len__(self) -> int: ...

@final
class Incident:
    """A stretch of anomalous rows of one service and endpoint."""

    @property
    def id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def closed_at(self) -> datetime | None: ...
    @property
    def merged_into(self) -> str | None: ...
    @property
    def close_reason(self) -> Literal["quiet", "expired", "command", "merged"] | None: ...
    @property
    def severity(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def signals(self) -> list[str]: ...
    @property
    def affected(self) -> list[str]: ...
    @property
    def culprit(self) -> Culprit | None: ...
    @property
    def rows(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def reopened(self) -> int:
        """How often it reopened after it had closed."""

    @property
    def flapping(self) -> bool:
        """Whether the same fault came and went three times or more."""

    @property
    def grouped_by_time(self) -> bool:
        """Whether services without known calls between them share it, because the same kind of
        fault began in them at the same time."""

    @property
    def slo(self) -> dict[str, Any] | None:
        """The share of the error budgets that its rows used up; None without requests."""

    def to_json(self) -> str:
        """The whole incident as JSON, as in incidents.json."""

@final
class Catalogue:
    """The sentences of explanations in one language, by their keys.

    `texts` are texts by key; that of a message that counts may be `{"one": ..., "other": ...}`.
    Each has the placeholders of the English one (`Catalogue.english()`), each once, in any order.
    Messages without a text are in English; `missing` names them.

    Raises ValueError for a key that does not exist, and for a text with other placeholders.

    >>> import mad
    >>> german = mad.Catalogue("de", {"count.row": {"one": "{n} Zeile", "other": "{n} Zeilen"}})
    >>> german.language, len(german.missing) > 100
    ('de', True)
    >>> mad.Catalogue("de", {"signal.error_rate": "Fehlerquote"}).signal("error_rate")
    'Fehlerquote'
    """

    def __new__(cls, language: str, texts: Mapping[str, str | Mapping[str, str]]) -> Catalogue: ...
    @staticmethod
    def problems(
        language: str, texts: Mapping[str, str | Mapping[str, str]]
    ) -> list[tuple[str, str]]:
        """Every reason why texts are no catalogue, as pairs of a key and a message."""
    @staticmethod
    def english() -> dict[str, str | dict[str, str]]:
        """The English texts by key, in the order of catalogue files."""
    @property
    def language(self) -> str:
        """The name of the language."""
    @property
    def texts(self) -> dict[str, str | dict[str, str]]:
        """The texts by key."""
    @property
    def missing(self) -> list[str]:
        """The keys of the messages that are in English."""
    def text(self, key: str) -> str:
        """The text of a message without placeholders, such as `label.impact`. KeyError for other
        keys."""
    def signal(self, name: str) -> str:
        """The name of a signal; a metric keeps its name."""
    def translate(self, incident: str) -> str:
        """The JSON of an incident with its texts in this language, from its field `messages`. Texts
        without a message stay as they are."""

@final
class Explanation:
    """The explanation of an incident in sentences; each holds numbers of its evidence."""

    @property
    def summary(self) -> str: ...
    @property
    def root_cause(self) -> str: ...
    @property
    def first_failure(self) -> str: ...
    @property
    def why_flagged(self) -> list[str]: ...
    @property
    def impact(self) -> list[str]: ...
    @property
    def chain(self) -> list[str]: ...
    @property
    def log_evidence(self) -> list[str]:
        """The log template that changed most of each ranked service."""
    @property
    def likely_causes(self) -> list[str]: ...
    @property
    def recommended_actions(self) -> list[str]: ...
    @property
    def checks(self) -> list[str]: ...
    @property
    def confidence(self) -> str: ...
    @property
    def confidence_rule(self) -> str: ...
    @property
    def severity_evidence(self) -> list[str]: ...
    @property
    def line(self) -> str: ...

@final
class Culprit:
    """A culprit of a ranking: a service and endpoint with its evidence."""

    @property
    def service(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def onset(self) -> datetime: ...
    @property
    def rows(self) -> int: ...
    @property
    def severity(self) -> str: ...
    @property
    def evidence(self) -> list[dict[str, Any]]: ...
    @property
    def log(self) -> dict[str, Any] | None:
        """The template of its service's log that changed most in the incident: template, level,
        lines from `from` to `to`, and lines_before since known_since."""

@final
class Ranking:
    """Culprits by their flagged rows, best first."""

    @property
    def culprits(self) -> list[Culprit]: ...
    @property
    def abstained(self) -> bool: ...
    @property
    def start(self) -> datetime: ...
    @property
    def at(self) -> datetime: ...
    @property
    def rows(self) -> int: ...
    def __len__(self) -> int: ...

@final
class MetricCulprit:
    """A culprit of a ranking over metrics."""

    @property
    def service(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def onset(self) -> datetime: ...
    @property
    def evidence(self) -> list[dict[str, Any]]:
        """A dict per series, the strongest first, then one of kind `change` for each change before
        the onset, with `lead_seconds`: deploys, then feature flags, then others; with sentences."""
    @property
    def chain(self) -> list[str]:
        """Services from the target, or the uppermost caller, to this one, each calling the next."""
    @property
    def correlated(self) -> list[dict[str, Any]]:
        """Of the first culprit: service, resource, metric and correlation_score (0.5 to 1) of
        each other series that moved like its strongest metric."""

@final
class MetricRanking:
    """Culprits by their metrics, best first."""

    @property
    def culprits(self) -> list[MetricCulprit]: ...
    @property
    def abstained(self) -> bool: ...
    @property
    def start(self) -> datetime | None: ...
    @property
    def target(self) -> dict[str, Any] | None:
        """The anomaly of the target, if one was declared and changed for the worse."""
    @property
    def calm_target(self) -> bool:
        """Whether no service stands out in the anomalous rows of the target, so that the services
        that it calls were ranked by their own changes."""
    @property
    def unnamed(self) -> list[dict[str, Any]]:
        """If no culprit is named: the strongest anomaly of each of the three services that would
        be named first."""
    @property
    def summary(self) -> str:
        """The result as sentences: the first culprit, or the anomaly of the target, the
        best-supported candidate and the next largest changes, which are too small to name a
        cause."""
    @property
    def rejected(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...

def rank_culprits(
    metrics: Any,
    reference: Any = None,
    edges: Any = None,
    target: tuple[str, str] | None = None,
    spans: Any = None,
    logs: Any = None,
    changes: Any = None,
    config: Any = None,
) -> MetricRanking:
    """Ranks the services of an incident by the changes of their metrics.

    `metrics` is the incident window in long form: timestamp (aware), service, metric, value;
    optional resource. `reference` is the same for normal time, which may be months away; without
    it `metrics` holds both and the onset of the incident is found; where it runs into `metrics`, an
    onset earlier than its first row is found too. `edges` are caller, callee;
    `target` is the (service, metric) that showed the symptom. `spans` (trace_id, span_id,
    parent_id, service, start, duration_ms) and `logs` (timestamp, service, level, body) hold the
    incident and normal time; `changes` (timestamp, service, kind; optional name, version) before a
    culprit's onset are evidence. `config` is a mapping of settings: min_effect, min_lasting_effect,
    min_target_effect, top_k, metric_kinds (kinds of metrics by name or pattern, such as
    {"*_backlog": "traffic"}) and find_onset (False: the start of the given incident is its onset).
    Rows stand in any order; NaN and null values are gaps; rows that cannot be read are counted in
    `.rejected`. An empty table gives no culprits.

    The answer has `.culprits`, best first, one a service, each with `.service`, `.endpoint` (the
    resource), `.metric`, `.score` (0 to 1), `.onset`, `.evidence`, `.chain` and `.correlated`; it
    has `.abstained` when no service stands out, and `.summary` states the largest changes. Raises
    ValueError for a missing column, for times without a zone and for a wrong setting.

    >>> import mad
    >>> minutes, services = range(120), ("web", "db")
    >>> metrics = {
    ...     "timestamp": [60_000 * i for _ in services for i in minutes],
    ...     "service": [name for name in services for _ in minutes],
    ...     "metric": ["cpu" for _ in services for _ in minutes],
    ...     "value": [
    ...         80.0 if name == "db" and i >= 90 else 20.0 + i % 5
    ...         for name in services
    ...         for i in minutes
    ...     ],
    ... }
    >>> ranking = mad.rank_culprits(metrics)
    >>> [culprit.service for culprit in ranking.culprits], ranking.abstained
    (['db'], False)
    """

@final
class TraceCulprit:
    """A culprit of a ranking over traces."""

    @property
    def service(self) -> str: ...
    @property
    def operation(self) -> str:
        """The operation that fails, is slow or is missing."""
    @property
    def fault(self) -> str:
        """error, slow, network (the caller fails or waits, the callee is well) or missing."""
    @property
    def share(self) -> float:
        """Its share of the failing traces, 0 to 1."""
    @property
    def traces(self) -> int:
        """Failing traces in which it is the first cause."""
    @property
    def onset(self) -> datetime:
        """The first failing call; single failures long before the others are left out."""
    @property
    def duration_ms(self) -> float:
        """Median duration of the failing calls; NaN for missing calls."""
    @property
    def expected_ms(self) -> float:
        """Its usual duration; NaN where too few calls came before."""
    @property
    def sample_traces(self) -> list[str]:
        """The first failing traces from the onset on, at most five."""
    @property
    def chain(self) -> list[str]:
        """Services from the entry to the culprit, as most traces have it."""

@final
class TraceRanking:
    """Culprits by failing traces, best first."""

    @property
    def culprits(self) -> list[TraceCulprit]: ...
    @property
    def abstained(self) -> bool:
        """Whether no culprit is named because nothing fails, or no more than usual."""
    @property
    def traces(self) -> int: ...
    @property
    def failing(self) -> int:
        """Traces in which a call fails, is slow or is missing."""
    @property
    def accepted(self) -> int:
        """The number of accepted spans, without those of the reference."""
    def problem(self, min_accepted: float = 0.95) -> str | None:
        """Why the spans, or those of the reference, were not read: nothing, or less than the share
        `min_accepted`, was accepted; None when enough was accepted."""
    @property
    def rejected(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...

def rank_traces(
    spans: Any,
    reference: Any = None,
    *,
    slow_effect: float = 6.0,
    slow_ms: float = 5000.0,
    min_traces: int = 1,
    top_k: int = 10,
) -> TraceRanking:
    """As `mad.rank_traces`; of tables, or of lists of tables and of bytes cut anywhere."""

@final
class Report:
    """The result of a detection: rows, incidents, rankings and explanations."""

    @property
    def features(self) -> Table: ...
    @property
    def scored(self) -> Table:
        """Judged rows of requests; where there are none, judged points of metrics."""
    @property
    def services(self) -> Table:
        """Judged rows of services with two endpoints or more, across their endpoints.

        They have the columns of `scored` with an empty `endpoint`. Their requests are those of
        `scored`; their latencies are adjusted for the mix of endpoints.
        """
    @property
    def scored_metrics(self) -> Table: ...
    @property
    def methods(self) -> Table:
        """The judgements of the methods that `scorers` named, one for each method and row.

        Columns: bucket_ts, service, endpoint (of a metric its resource), method, is_anomaly,
        severity, score (0 to 1, 0.5 at the threshold), signal, value, expected, expected_low,
        expected_high, health (of `ewma`, 0 to 100), members and votes (of the ensembles `vote` and
        `weighted`), kind (request, metric, log, trace or event). NaN where a method has no such
        number; empty without `scorers`."""
    @property
    def method_summaries(self) -> Table:
        """One line for each of these methods: method, weight, rows, flagged, entities (with a
        flagged row), first (time of the first flagged row), first_service, first_endpoint, drifts
        (times that the rows no longer resembled those of the model's last fit)."""
    @property
    def incidents(self) -> list[Incident]: ...
    @property
    def rejected(self) -> dict[str, Any]: ...
    @property
    def read(self) -> dict[str, Any]:
        """The records read, by kind: the number of good `records`, and the `rejected` ones."""
    def culprits(
        self, at: datetime | None = None, minutes: float = 15.0, top_k: int = 3
    ) -> Ranking:
        """Ranks by the flagged rows of the `minutes` up to `at` (default: the newest row)."""
    def explain(self, incident: Incident, catalogue: Catalogue | None = None) -> Explanation:
        """Explains an incident. `catalogue` is the language of the sentences; English without
        one."""
    @property
    def states(self) -> Table:
        """The state of each service and endpoint, and of each metric, at the end; worst first:
        service, endpoint (of a metric its resource), metric, state, reason, points, since,
        last_seen, score, ready_at (null but for unknown ones). The states are anomalous,
        suppressed, silent, too_few_requests, unknown (learning), muted, disabled, normal."""
    def why(
        self,
        service: str,
        endpoint: str = "",
        at: datetime | None = None,
        *,
        metric: str | None = None,
    ) -> str:
        """Why the newest row by `at` (default: of all) was flagged or not, in sentences; of a
        metric, `endpoint` is its resource. KeyError where there are no such rows."""
    def document(self) -> str:
        """Everything a report shows, as JSON."""
    def checkpoint(self) -> bytes:
        """The state at the end, for `Pipeline.restore`."""
    def to_html(self, path: str | PathLike[str]) -> None:
        """Writes the report as one self-contained page with plots."""

@final
class Update:
    """The result of a batch, a tick or a command: rows that closed, and changes of incidents."""

    @property
    def rows(self) -> Table: ...
    @property
    def services(self) -> Table:
        """Rows of services that closed, across their endpoints, judged."""
    @property
    def points(self) -> Table: ...
    @property
    def changes(self) -> list[tuple[str, Incident]]: ...
    @property
    def levels(self) -> list[dict[str, Any]]:
        """New levels that became the baseline of their signals, in order, as dicts: service,
        endpoint, signal, at, since, before, level, by_command."""
    @property
    def rejected(self) -> dict[str, Any]: ...
    @property
    def repeated(self) -> bool:
        """Whether the batch id was known, so that nothing of the batch was taken."""

@final
class Pipeline:
    """Telemetry in, batch by batch; judged rows and changes of incidents out.

    `ingest` takes tables of requests, metrics, spans, logs, changes or edges in the order in which
    they arrive, and gives the rows that closed, their verdicts and the changes of incidents. Times
    in and out are aware (UTC), latencies are in ms. Records that cannot be read are counted in
    `rejected` and stop nothing; an empty table changes nothing. Run to its end, a pipeline gives
    what `mad.detect` gives.

    Threads can share a pipeline: each call waits for its turn, with the GIL released. After a call
    that failed half-way, calls raise RuntimeError. A pipeline can be pickled and copied.

    >>> from datetime import datetime, timedelta, timezone
    >>> import mad
    >>> start = datetime(2026, 1, 6, 10, tzinfo=timezone.utc)
    >>> pipeline = mad.Pipeline()
    >>> update = pipeline.ingest({
    ...     "timestamp": [start + timedelta(seconds=second) for second in range(300)],
    ...     "service": ["shop" for _ in range(300)],
    ...     "endpoint": ["/pay" for _ in range(300)],
    ...     "status_code": [200 for _ in range(300)],
    ...     "latency_ms": [40.0 for _ in range(300)],
    ... })
    >>> update.rows["req_count"].tolist(), str(pipeline.watermark)
    ([60, 60, 60, 60], '2026-01-06 10:04:32.040000+00:00')
    >>> again = mad.Pipeline.restore(None, pipeline.checkpoint())
    >>> again.finish().rows["req_count"].tolist()
    [60]
    """

    def __new__(cls, config: _Config = None) -> Pipeline: ...
    @staticmethod
    def restore(config: _Config, saved: bytes) -> Pipeline:
        """A pipeline that continues where the saved one stopped, byte for byte.

        Thresholds, guardrails and most other fields of the config may differ: they apply from now
        on, and the baselines stay. ValueError names a field that has to be the same.
        ValueError for bytes that are cut, damaged, of a newer version or no saved state.
        """
    def checkpoint(self) -> bytes:
        """The whole state as bytes, with version and checksum."""
    def apply(self, command: dict[str, Any]) -> Update:
        """Applies a command: a dict with its name as `command` and its time as `at`.

        `acknowledge` and `resolve` have the incident's `id`; `mute` has `service` and `endpoint`
        (patterns such as `pay*`, default all), `until` and maybe a `reason`; `unmute` has `service`
        and `endpoint` as they were muted. KeyError when the incident is not open or nothing is
        muted so.
        """
    def backfill(self, on: bool) -> None:
        """Starts (`True`) or ends (`False`) a backfill, in which rows are learnt but never flagged.
        Call `finish()` before it ends to close its last steps."""
    def export(self, entity: tuple[str, str]) -> bytes:
        """The state of one entity, `(service, endpoint)`: its baselines, its recent rows and its
        open incident. KeyError when it is not known."""
    def load(self, entity: tuple[str, str], part: bytes) -> None:
        """Takes over the state of an entity that another pipeline exported, under this name.

        ValueError when this pipeline has rows of the entity already, or the bytes are damaged.
        """
    def merge(self, other: Pipeline) -> None:
        """Takes over the state of a pipeline of other entities; both have to be finished.

        ValueError when they have an entity in common, because two histories cannot be merged.
        """
    def ingest(
        self,
        table: Any,
        kind: str = "requests",
        *,
        partition: str = "",
        batch_id: str | None = None,
        watermark: datetime | None = None,
        request_time: Literal["start", "end"] | None = None,
    ) -> Update:
        """Takes a batch of a kind in the order in which it stands: a table, or bytes of CSV or JSON
        Lines.

        Each `partition` has its own clock; all records of an entity come in one. Of batches
        with one `batch_id` the first is taken and the others are left out: `Update.repeated`.
        `watermark` then closes every older step. `request_time` says whether requests are dated by
        their start or their end; None is the setting `features.request_time`.
        """
    def advance(self, at: datetime) -> Update:
        """Moves the watermark to `at`: a tick of a source that went idle."""
    def finish(self) -> Update:
        """Closes every open step: the stream has ended."""
    def acknowledge(self, id: str, at: datetime) -> Update:
        """Marks an incident as acknowledged. KeyError when it is not open."""
    def resolve(self, id: str, at: datetime) -> Update:
        """Resolves an incident. KeyError when it is not open."""
    @property
    def incidents(self) -> list[Incident]: ...
    @property
    def rejected(self) -> dict[str, Any]: ...
    @property
    def clock_faults(self) -> list[dict[str, Any]]: ...
    @property
    def watermark(self) -> datetime | None: ...
    def culprits(
        self, at: datetime | None = None, minutes: float = 15.0, top_k: int = 3
    ) -> Ranking:
        """Ranks by the flagged rows of the `minutes` up to `at` (default: the newest row)."""
    def explain(self, incident: Incident, catalogue: Catalogue | None = None) -> Explanation:
        """Explains an incident. `catalogue` is the language of the sentences; English without
        one."""
    def states(self) -> Table:
        """The state of each service and endpoint, and of each metric, now; see `Report.states`."""
    def document(self) -> str:
        """Everything a report shows, as JSON."""

@final
class Score:
    """The score of one value."""

    @property
    def z(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def neg_log10_p(self) -> float: ...
    @property
    def expected(self) -> float: ...
    @property
    def expected_low(self) -> float: ...
    @property
    def expected_high(self) -> float: ...
    @property
    def points(self) -> int: ...

def score_series(
    timestamps: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    n: npt.NDArray[np.int64] | None = None,
    kind: str = "gauge",
    config: _Config = None,
) -> SeriesScores:
    """Scores one series; `timestamps` in nanoseconds. See `mad.score_series`."""

def score_alone(
    timestamps: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    scorer: str,
) -> SeriesScores:
    """Scores one series by one of `scorer_names`; `timestamps` in nanoseconds."""

def scorer_names() -> list[str]:
    """Names of the scorers that `score_alone` takes."""

@final
class SeriesScores:
    """One score for each value of a series, as arrays of one length."""

    @property
    def score(self) -> _Floats: ...
    @property
    def is_anomaly(self) -> npt.NDArray[np.bool_]: ...
    @property
    def alarm_score(self) -> _Floats: ...
    @property
    def is_alarm(self) -> npt.NDArray[np.bool_]: ...
    @property
    def z(self) -> _Floats: ...
    @property
    def expected_low(self) -> _Floats: ...
    @property
    def expected_high(self) -> _Floats: ...
    def __len__(self) -> int: ...

@final
class LogTemplates:
    """Finds the templates of log lines while they come in: the text that lines have in common, with
    `<*>` for each variable part.

    The id of a line depends on the lines before it alone, however they are cut into calls. Later
    lines may show that two templates are one; `final_ids` then maps the younger id to the older.
    `config` is a `mad.Config`, a dict or None. At most `limits.log_templates` templates are kept.
    When there are that many, those without a recent line are forgotten; if all have one, lines of
    further kinds share the template `<*>` with the id 0. An object can be pickled and copied with
    all that it has learnt, and threads can share it. Raises ValueError for a setting outside its
    range.

    >>> import mad
    >>> templates = mad.LogTemplates()
    >>> templates.learn(["order 17 took 12 ms", "gateway is silent", "order 18 took 9 ms"])
    array([1, 2, 1])
    >>> templates.templates()
    [(1, 'order <*> took <*> ms', 2), (2, 'gateway is silent', 1)]
    """

    def __new__(cls, config: _Config = None) -> LogTemplates: ...
    def learn(self, lines: Iterable[str | bytes]) -> npt.NDArray[np.int64]:
        """Learns lines, an iterable of str or bytes; returns the ids of their templates as an array
        of int64. Raises TypeError for other elements."""
    def templates(self) -> list[tuple[int, str, int]]:
        """All templates that are kept, as tuples of id, text and lines so far, by id."""
    def final_ids(self) -> dict[int, int]:
        """The ids that were merged, each with the id that it belongs to by now. An id that is
        missing stands for itself."""
    def clusters(self, clusters: int = 8) -> list[tuple[int, list[str], list[int]]]:
        """The templates grouped by their words (TF-IDF and k-means without random numbers) into at
        most `clusters` clusters, those with most lines first: tuples of lines, the words that
        describe the cluster best, and the ids of its templates, those with most lines first."""
    @property
    def max_templates(self) -> int:
        """The most templates that are kept at a time."""

@final
class MadScorer:
    """Scores single values by the median and the MAD (median absolute deviation) of the values
    before them: a causal modified z-score (Iglewicz and Hoaglin, 1993).

    `z = (x - median) / scale`, where the scale is the MAD of the last `window` values over 0.6745,
    or the floor `absolute_floor + relative_floor * |median|` where that is larger. The score is
    `-log10` of the tail probability under Student's t, whose degrees of freedom follow the number
    of values, on a scale from 0 to 1 on which one in ten thousand is 0.5. `direction` (up, down or
    both) says which side counts; with `logarithm`, values are compared by their logarithm, as for
    latencies. Values and band have the unit of the series.

    NaN scores 0 and is not learnt. The first values score 0. A scorer can be pickled and copied
    with all that it has learnt. Raises ValueError for a setting outside its range.

    >>> import mad
    >>> scorer = mad.MadScorer(window=60)
    >>> for value in [10.0, 11.0, 10.5, 9.5, 10.2] * 12:
    ...     _ = scorer.observe(value)
    >>> scorer.score(10.4).score < 0.5 < scorer.score(25.0).score
    True
    >>> scorer.score(25.0).expected
    10.2
    """

    def __new__(
        cls,
        window: int = 240,
        *,
        direction: str = "both",
        logarithm: bool = False,
        absolute_floor: float = 1e-9,
        relative_floor: float = 0.01,
        tail_weight: float = 1.0,
        band: float = 3.5,
        threshold: float = 0.5,
    ) -> MadScorer: ...
    def score(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores a value without learning it. `at` is an aware datetime or nanoseconds since 1970,
        `n` the number of observations behind the value."""
    def learn(
        self, x: float, at: int | datetime | None = None, n: int = 1, how: str = "full"
    ) -> None:
        """Learns a value: "full", "clipped" to the ordinary range, or "skip"."""
    def observe(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores a value, then learns it; an anomalous value is learnt clipped."""
    def observe_many(self, values: _Numbers) -> dict[str, _Floats]:
        """Scores and learns a whole array: a dict of the arrays z, score, expected, expected_low
        and expected_high, each as long as `values`."""
    @property
    def points(self) -> int: ...

@final
class IsolationForest:
    """An Isolation Forest (Liu, Ting and Zhou, 2008): how few random splits separate a row from the
    others.

    Each of `n_trees` trees (1 to 10,000) is grown on `sample_size` random rows (2 to 4,096).
    `contamination` is the share of the fitted rows to flag: 0 flags none of them, 1 every row, None
    scores above 0.5. The same `seed` gives the same forest on every machine. Raises ValueError
    for a value out of its range.

    Rows are an array of floats (rows, features), or what numpy makes one of. NaN is a missing value
    and goes left at every split; rows that do not differ have the score 0.5. The scores are those
    of `-score_samples` of scikit-learn within sampling error.

    >>> import numpy as np
    >>> import mad
    >>> usual = np.random.default_rng(1).normal(size=(500, 3))
    >>> forest = mad.IsolationForest(contamination=0.01).fit(usual)
    >>> forest.predict([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]).tolist()
    [False, True]
    """

    def __new__(
        cls,
        n_trees: int = 100,
        sample_size: int = 256,
        contamination: float | None = None,
        seed: int = 42,
    ) -> IsolationForest: ...
    def fit(self, rows: Any) -> IsolationForest:
        """Fits the forest to rows of features, in place of an earlier fit, and returns it. Raises
        ValueError without a row or a feature."""
    def score(self, rows: Any) -> npt.NDArray[np.float64]:
        """The score of each row, 0 to 1: the higher, the easier it is to separate. Raises
        ValueError before `fit`, and for another number of features."""
    def predict(self, rows: Any) -> npt.NDArray[np.bool_]:
        """Whether each row has a score above `threshold`. Raises as `score` does."""
    @property
    def threshold(self) -> float | None:
        """Score above which a row is flagged; None before `fit`."""
    @property
    def n_features(self) -> int | None:
        """Features of a row; None before `fit`."""

@final
class SlopeScorer:
    """Scores the slope of the last `span` values, per second, by the slopes before it. The slope
    is the median of the slopes between pairs of values half a span apart (Theil's incomplete
    method). NaN scores 0 and is not learnt.

    >>> import mad
    >>> scorer = mad.SlopeScorer(span=12)
    >>> SECOND = 1_000_000_000
    >>> for i in range(300):
    ...     _ = scorer.observe(100.0 + i % 5, i * 60 * SECOND)
    >>> for i in range(300, 312):
    ...     score = scorer.observe(5.0 * i - 1400.0, i * 60 * SECOND).score
    >>> score > 0.5
    True
    """

    def __new__(
        cls, span: int = 24, *, direction: str = "both", band: float = 3.89, threshold: float = 0.5
    ) -> SlopeScorer: ...
    def score(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores a value without learning it. `at` is an aware datetime or nanoseconds since 1970,
        `n` the number of observations behind the value."""
    def learn(
        self, x: float, at: int | datetime | None = None, n: int = 1, how: str = "full"
    ) -> None:
        """Learns a value: "full", "clipped" to the expected band, or "skip"."""
    def observe(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores a value, then learns it; an anomalous value is learnt clipped."""

@final
class SilenceScorer:
    """Scores the time since the last point by the gaps between the points before it. With
    `expected_seconds`, the usual gap is given instead of learnt.

    >>> import mad
    >>> scorer = mad.SilenceScorer(expected_seconds=60.0)
    >>> SECOND = 1_000_000_000
    >>> for i in range(30):
    ...     _ = scorer.observe(1.0, i * 60 * SECOND)
    >>> scorer.tick(29 * 60 * SECOND + 3600 * SECOND)
    >>> scorer.silence().score > 0.5
    True
    """

    def __new__(
        cls, expected_seconds: float | None = None, *, threshold: float = 0.5
    ) -> SilenceScorer: ...
    def score(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores the gap that a point ends, without learning it."""
    def learn(
        self, x: float, at: int | datetime | None = None, n: int = 1, how: str = "full"
    ) -> None:
        """Learns the gap: "full", "clipped" to the expected band, or "skip"."""
    def observe(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores a value, then learns it; an anomalous value is learnt clipped."""
    def tick(self, at: int | datetime) -> None:
        """Moves the time to `at`, an aware datetime or nanoseconds since 1970."""
    def silence(self) -> Score:
        """Scores the gap from the newest point to the newest time that `tick` was given."""

@final
class BinomialScorer:
    """Scores the number of events in `n` trials, given as their share: by the mid-p of a binomial
    with the given share, or of a beta-binomial with the share of the last `window` rows (240),
    which are trusted with at most `memory` trials (1,000).

    >>> import mad
    >>> scorer = mad.BinomialScorer(share=0.01)
    >>> scorer.score(0.01, n=1000).score < 0.5 < scorer.score(0.05, n=1000).score
    True
    """

    def __new__(
        cls,
        share: float | None = None,
        *,
        window: int | None = None,
        memory: float | None = None,
        threshold: float = 0.5,
    ) -> BinomialScorer: ...
    def score(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores the share `x` of events in `n` trials without learning it."""
    def learn(
        self, x: float, at: int | datetime | None = None, n: int = 1, how: str = "full"
    ) -> None:
        """Learns a share: "full", "clipped" to the expected band, or "skip"."""
    def observe(self, x: float, at: int | datetime | None = None, n: int = 1) -> Score:
        """Scores a value, then learns it; an anomalous value is learnt clipped."""

@final
class FeatureBuilder:
    """Turns requests into one row of features per service, endpoint and step.

    A row has the number of requests and errors of its step (a minute, unless
    `features.step_seconds` says otherwise) and the mean, the percentiles and the maximum of their
    latencies in ms. Percentiles are exact, by linear interpolation. A step without requests has no
    row. Of `config`, `features`, `limits`, `intake.map`, `intake.service` and
    `naive_offset_seconds` matter.

    Records that cannot be read are counted in `rejected` and stop nothing; an empty table gives no
    rows. A builder can be pickled and copied, and threads can share it.

    >>> import mad
    >>> requests = {
    ...     "timestamp": ["2026-01-06T10:00:05Z", "2026-01-06T10:00:20Z", "2026-01-06T10:01:02Z"],
    ...     "service": ["shop", "shop", "shop"],
    ...     "endpoint": ["/pay", "/pay", "/pay"],
    ...     "status_code": [200, 500, 200],
    ...     "latency_ms": [40.0, 60.0, 45.0],
    ... }
    >>> rows = mad.FeatureBuilder().build(requests)
    >>> rows.to_table()["req_count"].tolist(), rows.to_table()["error_count"].tolist()
    ([2, 1], [1, 0])
    >>> rows.to_table()["avg_latency_ms"].tolist()
    [50.0, 45.0]
    """

    def __new__(cls, config: _Config = None) -> FeatureBuilder: ...
    def build(self, requests: Any) -> Rows:
        """Takes all requests of a table and gives their rows: `push`, then `finish`.

        Raises ValueError when the table as a whole cannot be read: a missing column, or times
        without a zone.
        """
    def push(self, requests: Any) -> Rows:
        """Takes requests in the order in which they stand and gives the rows of the steps that
        closed. A step closes when the watermark, which follows the newest request at a distance of
        `features.lateness_seconds`, has passed its end."""
    def finish(self) -> Rows:
        """Closes every open step and gives its rows."""
    @property
    def rejected(self) -> dict[str, Any]:
        """Records that were not taken: total, counts by reason, and the first of each."""

@final
class RowScorer:
    """Scores every signal of every row by the rows of its service and endpoint before it, then
    learns the row.

    A score is `-log10` of the probability of a value this far out, on a scale from 0 to 1 on which
    one in ten thousand is 0.5. The first rows of an endpoint score 0, because nothing is known
    yet, except by their errors: an error rate like that of the other endpoints of the service is
    assumed. Of `config`, `score` and `features.step_seconds` matter.

    `observe` takes `Rows` or any table of rows, such as `report.features`; see `mad.Rows` for the
    columns and errors. NaN is an unknown value, which scores 0 and teaches nothing. No rows give no
    rows. A scorer can be pickled and copied with all that it has learnt, and threads can share it.

    >>> import mad
    >>> steps = range(90)
    >>> features = {
    ...     "bucket_ts": [f"2026-01-06T{10 + i // 60}:{i % 60:02}:00Z" for i in steps],
    ...     "service": ["shop" for _ in steps],
    ...     "endpoint": ["/pay" for _ in steps],
    ...     "req_count": [100 for _ in steps],
    ...     "p50_latency_ms": [40.0 + i % 7 if i < 80 else 200.0 for i in steps],
    ...     "p95_latency_ms": [80.0 + i % 5 if i < 80 else 500.0 for i in steps],
    ... }
    >>> scored = mad.RowScorer().observe(features)
    >>> scores = scored.to_table()["score"]
    >>> bool((scores[:80] < 0.5).all()), bool(scores[80] > 0.5)
    (True, True)
    """

    def __new__(cls, config: _Config = None) -> RowScorer: ...
    def observe(self, rows: Rows | Any) -> Rows:
        """Scores rows in order of time, and gives them with their scores."""

@final
class Guardrails:
    """Flags the rows whose score reaches the threshold, and suppresses those that are not worth an
    alert.

    A row is suppressed in the warm-up of its service and endpoint, after too few rows, with too
    little traffic, when the effect is small in absolute or relative terms, and when it deviates
    in the direction that is not watched. Its `reason` names the first rule that applies. Of
    `config`, `guard` and `score.threshold` matter.

    `judge` takes scored `Rows` or any table of rows with scores, such as `report.scored` or
    `scored.csv`; see `mad.Rows` for the columns and errors. A row without a score is not flagged.
    No rows give no rows. Guardrails count the rows of each endpoint, so give them all rows in order
    of time. They can be pickled and copied, and threads can share them.

    >>> import mad
    >>> steps = range(90)
    >>> scored = {
    ...     "bucket_ts": [f"2026-01-06T{10 + i // 60}:{i % 60:02}:00Z" for i in steps],
    ...     "service": ["shop" for _ in steps],
    ...     "endpoint": ["/pay" for _ in steps],
    ...     "req_count": [100 for _ in steps],
    ...     "p95_latency_ms": [80.0 if i < 80 else 500.0 for i in steps],
    ...     "signal": ["p95_latency_ms" for _ in steps],
    ...     "score": [0.1 if i < 80 else 0.7 for i in steps],
    ...     "expected_low": [60.0 for _ in steps],
    ...     "expected_high": [100.0 for _ in steps],
    ... }
    >>> judged = mad.Guardrails().judge(scored).to_table()
    >>> int(judged["is_anomaly"].sum()), judged["reason"][-1], judged["severity"][-1]
    (10, 'above_expected', 'Warning')
    """

    def __new__(cls, config: _Config = None) -> Guardrails: ...
    def judge(self, rows: Rows | Any) -> Rows:
        """Judges scored rows in order of time, and gives them with their verdicts.

        Raises ValueError for rows without scores.
        """

@final
class ServiceGraph:
    """The graph of services and their calls, from spans, edges and requests that share a trace.

    Related records may come in any order and in pieces. The number of services, calls and open
    spans is bounded: of `config`, `limits.services`, `limits.graph_edges`, `limits.open_spans`,
    `intake.map`, `intake.service` and `naive_offset_seconds` matter. Durations are in ms; NaN
    stands where nothing was seen. Records that cannot be read are counted in `rejected`; an empty
    graph has empty tables. A graph can be pickled and copied unless a source that was fed in pieces
    has not ended.

    >>> import mad
    >>> graph = mad.ServiceGraph()
    >>> graph.add({"caller": ["web", "shop"], "callee": ["shop", "payments"]}, kind="edges")
    >>> graph.callees("shop"), graph.upstream("payments")
    (['payments'], [('shop', 1), ('web', 2)])
    >>> graph.edges()["caller"]
    ['shop', 'web']
    """

    def __new__(cls, config: _Config = None) -> ServiceGraph: ...
    def add(self, table: Any, kind: str = "spans") -> None:
        """Takes a table of spans, edges or requests (those that share a trace_id show calls)."""
    def feed(self, kind: str, chunk: Any) -> None:
        """Takes a piece of a source: bytes, cut anywhere, or a table."""
    def end(self, kind: str) -> None:
        """Ends a source."""
    def nodes(self) -> Table:
        """The services by name: service, spans, requests, errors, inferred (known only because
        callers name it, as databases are)."""
    def edges(self) -> Table:
        """The calls: caller, callee, calls, errors, inferred; client_ms as the caller waited,
        server_ms as the callee worked, gap_ms what lies between, each a median of the last 64
        calls with its MAD; NaN where nothing was seen."""
    def callers(self, service: str) -> list[str]:
        """Who calls a service."""
    def callees(self, service: str) -> list[str]:
        """Whom a service calls."""
    def upstream(self, service: str, depth: int | None = None) -> list[tuple[str, int]]:
        """Who calls a service, directly and through others: name and distance, nearest first."""
    def downstream(self, service: str, depth: int | None = None) -> list[tuple[str, int]]:
        """What a service calls, directly and through others: name and distance."""
    def document(self) -> dict[str, Any]:
        """Nodes, edges and counters, as JSON has them."""
    def state(self) -> str:
        """The state as JSON, to go on from."""
    @staticmethod
    def restore(state: str, config: _Config = None) -> ServiceGraph:
        """A graph from its state; of `config`, `intake` and `naive_offset_seconds` matter. Raises
        ValueError when the state is damaged."""
    @property
    def accepted(self) -> int:
        """The number of accepted records."""
    def problem(self, min_accepted: float = 0.95) -> str | None:
        """Why the input as a whole was not read: nothing, or less than the share `min_accepted`, of
        a kind of records was accepted; None when enough was accepted."""
    @property
    def rejected(self) -> dict[str, Any]:
        """Records that were not taken: total, counts by reason, and the first of each."""

@final
class IncidentGrouper:
    """Groups the flagged rows of a service and endpoint into incidents.

    An incident opens with strong evidence in one row or with several flagged rows, grows with each
    flagged row, and closes after `incident.resolve_after_minutes` without one. Rows that are not
    flagged close incidents, so give all rows. Of `config`, `incident`, `features.step_seconds`,
    `features.lateness_seconds`, `guard.critical_error_rate` and `limits.closed_incidents` matter.

    `group` takes judged `Rows` or any table of rows with verdicts, such as `report.scored` or
    `scored.csv`; see `mad.Rows` for the columns and errors. No rows give no incidents. The
    incidents of a whole run also join services that call each other; here no calls are known. A
    grouper can be pickled and copied, and threads can share it.

    >>> import mad
    >>> steps = range(30)
    >>> judged = {
    ...     "bucket_ts": [f"2026-01-06T10:{i:02}:00Z" for i in steps],
    ...     "service": ["shop" for _ in steps],
    ...     "endpoint": ["/pay" for _ in steps],
    ...     "req_count": [100 for _ in steps],
    ...     "error_count": [30 if 10 <= i < 15 else 0 for i in steps],
    ...     "is_anomaly": [10 <= i < 15 for i in steps],
    ...     "signal": ["error_rate" for _ in steps],
    ...     "score": [0.8 if 10 <= i < 15 else 0.0 for i in steps],
    ...     "severity": ["Critical" if 10 <= i < 15 else "Info" for i in steps],
    ... }
    >>> (incident,) = mad.IncidentGrouper().group(judged)
    >>> incident.service, incident.endpoint, incident.severity, incident.errors
    ('shop', '/pay', 'Critical', 150)
    >>> str(incident.start), str(incident.end)
    ('2026-01-06 10:10:00+00:00', '2026-01-06 10:15:00+00:00')
    """

    def __new__(cls, config: _Config = None) -> IncidentGrouper: ...
    def group(self, rows: Rows | Any) -> list[Incident]:
        """Takes judged rows in order of time; gives all incidents so far, newest first.

        Raises ValueError for rows without verdicts.
        """

@final
class CulpritRanker:
    """Ranks services and endpoints by the evidence in their flagged rows.

    `rank` looks at the `minutes` up to a moment and names at most `top_k` culprits. The score of a
    culprit is its share of the evidence of all, 0 to 1, and its onset is the start of its first
    flagged row. Where no row is flagged, the ranking has no culprits and `abstained` is true.

    It takes judged `Rows` or any table of rows with verdicts, such as `report.scored` or
    `scored.csv`; see `mad.Rows` for the columns and errors. A ranker can be pickled and copied.
    Raises ValueError for `minutes` or `top_k` outside their range.

    >>> import mad
    >>> judged = {
    ...     "bucket_ts": ["2026-01-06T10:00:00Z", "2026-01-06T10:00:00Z", "2026-01-06T10:01:00Z"],
    ...     "service": ["shop", "payments", "payments"],
    ...     "endpoint": ["/cart", "/pay", "/pay"],
    ...     "req_count": [100, 100, 100],
    ...     "error_count": [10, 40, 50],
    ...     "is_anomaly": [True, True, True],
    ...     "signal": ["error_rate", "error_rate", "error_rate"],
    ...     "score": [0.6, 0.8, 0.8],
    ...     "severity": ["Critical", "Critical", "Critical"],
    ... }
    >>> ranking = mad.CulpritRanker(minutes=15, top_k=3).rank(judged)
    >>> [culprit.service for culprit in ranking.culprits]
    ['payments', 'shop']
    """

    def __new__(cls, minutes: float = 15.0, top_k: int = 3) -> CulpritRanker: ...
    def rank(self, rows: Rows | Any, at: datetime | None = None) -> Ranking:
        """Ranks by judged rows up to `at`, an aware datetime (default: the newest row).

        Raises ValueError for rows without verdicts and for a naive `at`.
        """

@final
class TemplateExplainer:
    """Explains incidents by templates, which state only what the evidence shows.

    An explanation has a summary, a sentence for each flagged signal, the impact, likely causes,
    recommended actions, and a confidence with the rule behind it. Numbers carry their units: ms,
    per cent, requests. A value that is not known is left out of the text.

    An explainer can be pickled and copied.

    >>> import mad
    >>> steps = range(30)
    >>> judged = {
    ...     "bucket_ts": [f"2026-01-06T10:{i:02}:00Z" for i in steps],
    ...     "service": ["shop" for _ in steps],
    ...     "endpoint": ["/pay" for _ in steps],
    ...     "req_count": [100 for _ in steps],
    ...     "error_count": [30 if 10 <= i < 15 else 0 for i in steps],
    ...     "is_anomaly": [10 <= i < 15 for i in steps],
    ...     "signal": ["error_rate" for _ in steps],
    ...     "score": [0.8 if 10 <= i < 15 else 0.0 for i in steps],
    ...     "severity": ["Critical" if 10 <= i < 15 else "Info" for i in steps],
    ...     "expected": [0.01 for _ in steps],
    ...     "expected_low": [0.0 for _ in steps],
    ...     "expected_high": [0.05 for _ in steps],
    ... }
    >>> (incident,) = mad.IncidentGrouper().group(judged)
    >>> explanation = mad.TemplateExplainer().explain(incident)
    >>> "shop" in explanation.summary and "30" in explanation.summary
    True
    >>> explanation.confidence
    'High'
    """

    def __new__(cls) -> TemplateExplainer: ...
    def explain(
        self,
        incident: Incident,
        ranking: Ranking | None = None,
        catalogue: Catalogue | None = None,
    ) -> Explanation:
        """Explains an incident; `ranking` is the one at its end, whose culprits become likely
        causes. `catalogue` is the language of the sentences; English without one."""

@final
class DetectRun:
    """Detection over telemetry that is read piece by piece."""

    def __new__(
        cls,
        config: _Config,
        sources: int | Sequence[str],
        sort: bool = False,
        keep_rows: bool = False,
        state: bytes | None = None,
        learn: bool = False,
        names: Sequence[str] | None = None,
        service: str | None = None,
        pattern: str | None = None,
        scorers: Sequence[str] | None = None,
        workers: int = 1,
    ) -> DetectRun:
        """`sources` is the number of sources of requests, or the kind or `format:NAME` of each
        source; `service` and `pattern` are options of such formats. `state` is
        the checkpoint of the pipeline to continue from; with `learn`, nothing is flagged. `names`
        are the names of the sources in messages; `scorers` are methods that judge the rows too,
        over `workers` threads."""
    def problem(self) -> str | None:
        """Why the input as a whole was not read: nothing, or less than `intake.min_accepted`, of a
        source or of a kind of records was accepted; None when enough was accepted."""
    def checkpoint(self) -> bytes:
        """The state of the pipeline, for `state` of another run."""
    def short_recording(self) -> str | None:
        """The configuration for another run, where the step is too long for the records read so
        far; None where it fits them."""
    def feed(self, source: int, chunk: Any) -> None:
        """Reads a piece of a source: bytes, cut anywhere, or a table."""
    def end(self, source: int) -> None:
        """Ends a source."""
    def wants(self) -> int | None:
        """The source that has to be read next; None when all have ended."""
    def finish(self) -> None:
        """Closes the last steps after all sources have ended."""
    def take_features_csv(self) -> bytes:
        """Lines of the features file since the last call."""
    def take_scored_csv(self) -> bytes:
        """Lines of the scored file since the last call."""
    def take_services_csv(self) -> bytes:
        """Lines of the file of services since the last call."""
    def take_scored_metrics_csv(self) -> bytes:
        """Lines of the scored file of metrics since the last call."""
    def take_methods_csv(self) -> bytes:
        """Lines of the file of methods since the last call."""
    @property
    def read(self) -> dict[str, Any]:
        """The records read so far, by kind."""
    @property
    def requests(self) -> int: ...
    def document(self) -> str:
        """Everything a report shows, as JSON."""
    def report(self) -> Report:
        """The report over the rows kept."""

@final
class ReferenceRun:
    """The detector of the original system over request logs."""

    def __new__(cls, config: _Config, sources: int, sort: bool = False) -> ReferenceRun: ...
    def feed(self, source: int, chunk: Any) -> None:
        """Reads bytes or a table of a source."""
    def end(self, source: int) -> None:
        """Ends a source."""
    def wants(self) -> int | None:
        """The source that has to be read next; None when all have ended."""
    def finish(self) -> None:
        """Detects after all sources have ended."""
    def take_features_csv(self) -> bytes:
        """Lines of the features file since the last call."""
    def take_scored_csv(self) -> bytes:
        """Lines of the scored file since the last call."""
    def scored(self) -> Table:
        """The scored rows; none before `finish`."""
    @property
    def requests(self) -> int: ...
    def document(self) -> str:
        """Everything a report shows, as JSON."""

@final
class ShopSimulation:
    """Traffic of system A's shop with incidents, as CSV, and the truth about them."""

    def __new__(
        cls,
        rows: int = 10_000,
        services: int = 4,
        duration_seconds: float = 7200.0,
        start: str | None = None,
        seed: int = 0,
        incidents: list[str] | None = None,
        labels: bool = True,
    ) -> ShopSimulation: ...
    @property
    def rows(self) -> int: ...
    def take_csv(self, max_rows: int) -> bytes:
        """The next rows as CSV, the header before the first; empty at the end."""
    def truth_json(self) -> str:
        """The incidents in it, as JSON."""

@final
class TraceSimulation:
    """Spans and requests of a small system with a faulty service, as CSV, and the truth."""

    def __new__(
        cls,
        scenario: str = "slow-payment",
        traces: int = 900,
        duration_seconds: float = 1800.0,
        start: str | None = None,
        seed: int = 0,
        depth: int = 4,
        missing: float = 0.0,
        skew_ms: float = 0.0,
    ) -> TraceSimulation:
        """`scenario`: slow-payment, failing-inventory, cascade, slow-network, quiet of a checkout;
        errors or delays of a chain of `depth` services. `missing`: share of spans that are lost;
        `skew_ms`: by how much clocks are off."""
    def spans_csv(self) -> bytes: ...
    def requests_csv(self, labels: bool = True) -> bytes: ...
    def truth_json(self) -> str:
        """The fault, as JSON."""
    def __len__(self) -> int: ...

@final
class WorldSimulation:
    """All telemetry of a simulated system and the truth about it."""

    def __new__(cls, system: str, settings: str) -> WorldSimulation:
        """`system`: melt, api, radar or aiops. `settings` are fields of the core's configuration of
        that system as a JSON object; a time is ns since 1970."""
    def files(self, labels: bool) -> list[tuple[str, bytes]]:
        """Name and content of each file of records."""
    def truth_json(self) -> str:
        """The injected anomalies, as JSON."""
    def __len__(self) -> int:
        """Number of records of all kinds."""

@final
class EnginePipeline:
    """A pipeline that threads share: each call waits for its turn, with the GIL released.

    Times are nanoseconds since 1970 UTC; answers are JSON as files have it.
    """

    def __new__(cls, config: object = None) -> EnginePipeline: ...
    @staticmethod
    def restore(
        config: object,
        global_part: bytes,
        entities: Sequence[tuple[int, bytes]],
        incidents: Sequence[tuple[str, bytes]],
    ) -> EnginePipeline: ...
    def take_delta(
        self,
    ) -> tuple[bytes, list[tuple[int, bytes | None]], list[tuple[str, bytes | None]]]: ...
    def mark_dirty(self, entities: Sequence[int], incidents: Sequence[str]) -> None: ...
    def use_catalogue(self, catalogue: Catalogue) -> None: ...
    def checkpoint(self) -> bytes: ...
    def check(self, table: object, kind: str = "requests", format: str = "text") -> None: ...
    def ingest(
        self,
        table: object,
        kind: str = "requests",
        *,
        partition: str = "",
        naive_offset_seconds: int | None = None,
        format: str = "text",
    ) -> EngineUpdate: ...
    def pause_watermarks(self, on: bool) -> None: ...
    @property
    def is_paused(self) -> bool: ...
    def refuse_jumps(self, on: bool) -> None: ...
    @property
    def refuses_jumps(self) -> bool: ...
    def advance(self, at: int) -> EngineUpdate: ...
    def apply(self, command: dict[str, Any]) -> EngineUpdate: ...
    def hand_over(self, topic: str, number: int, partitions: int, stream: int) -> None: ...
    @property
    def has_handovers(self) -> bool: ...
    def take_handovers(self) -> list[bytes]: ...
    def check_handovers(self, handovers: Sequence[bytes]) -> None: ...
    def receive(self, handovers: Sequence[bytes]) -> EngineUpdate: ...
    def continue_without(self, partition: str) -> EngineUpdate: ...
    def fleet(self) -> bytes: ...
    @property
    def clock(self) -> int | None: ...
    @property
    def newest(self) -> int | None: ...
    @property
    def watermark(self) -> int | None: ...
    @property
    def furthest_watermark(self) -> int | None: ...
    def culprits(self, at: int | None = None, minutes: float = 15.0, top_k: int = 3) -> bytes: ...
    def states(
        self,
        service: str | None = None,
        endpoint: str | None = None,
        metric: str | None = None,
    ) -> bytes: ...
    def states_page(
        self, service: str | None, endpoint: str | None, offset: int, limit: int
    ) -> list[str]: ...
    def counters(self) -> bytes: ...
    def clock_faults(self) -> bytes: ...
    def learnt_routes(self) -> bytes:
        """Routes learnt from paths without a bound, by service, as JSON."""
    def status_codes(self, since: int) -> bytes: ...
    def recent(self, service: str, endpoint: str, metric: str | None = None) -> bytes:
        """The recent rows of an entity or metric with their expected ranges, as JSON or null."""
    def changes(self, services: list[str], start: int, end: int) -> bytes: ...
    def graph(self) -> bytes: ...
    def exposition(self, most: int) -> bytes: ...

def stored_points(
    blocks: list[bytes],
    service: str | None = None,
    resource: str | None = None,
    metric: str | None = None,
    flagged: bool = False,
) -> list[str]:
    """The points of one time as JSON, in order of service, resource and metric. `blocks` are those
    of the time, the newest first."""

def stored_values(
    blocks: list[bytes], metrics: list[str]
) -> list[tuple[str, str, str, float | None, bool]]:
    """The values of some metrics at one time: service, resource, metric, value, whether it is
    flagged."""

@final
class EngineUpdate:
    """The result of a batch, a tick or a command, as records for the journal's tables."""

    @property
    def accepted(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def repeated(self) -> bool: ...
    @property
    def has_news(self) -> bool: ...
    def problems(self) -> bytes: ...
    def rejected_counts(self) -> list[tuple[str, int]]: ...
    def rows(self) -> list[tuple[Any, ...]]: ...
    def services(self) -> list[tuple[Any, ...]]: ...
    def points(self) -> list[tuple[int, int, int, bytes]]: ...
    def changes(self) -> list[tuple[Any, ...]]: ...
    def incidents(self) -> list[tuple[Any, ...]]: ...
    def failures(self) -> list[tuple[Any, ...]]: ...
    def lines(self, seq: int) -> list[tuple[Any, ...]]: ...

@final
class ZstdDecoder:
    """Decompresses Zstandard frames that come in pieces of any size. The memory is bounded by the
    window, and the time by the length of the input and the output.

    Call `read` after each `feed` until it gives no bytes.
    """

    def __new__(
        cls, *, max_window: int = 67_108_864, max_frames: int | None = None
    ) -> ZstdDecoder: ...
    def feed(self, chunk: bytes) -> None:
        """Adds compressed bytes."""
    def read(self) -> bytes:
        """The next decompressed bytes, at most 128 KiB; none until more is fed. ValueError for
        damaged data."""
    def finish(self) -> bytes:
        """As `read`, after the last bytes were fed. ValueError for an unfinished frame."""

def check_arrow_stream(body: bytes) -> int:
    """Checks the bytes of an Arrow IPC stream. Returns the number of rows.

    Raises ValueError for a stream that is damaged or above a limit: 1,000,000 rows, 1,000 columns,
    10,000 messages, or 256 MiB once decompressed.
    """

def toml_places(text: str) -> dict[str, tuple[int, int]]:
    """Line and column, counted from 1, of every field of a TOML text by its dotted path, such as
    `guard.min_points`; entries of lists are counted from 0: `override[2]`, `override[2].threshold`.
    """
