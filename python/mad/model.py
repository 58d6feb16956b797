"""A trained model: an Isolation Forest over ten figures of each endpoint and step."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mad import _core

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

VERSION = 1
"""The version of the files of a model."""
FEATURES = (
    "latency_count",
    "latency_mean_ms",
    "latency_std_ms",
    "latency_min_ms",
    "latency_max_ms",
    "latency_median_ms",
    "error_sum",
    "error_mean",
    "error_rate_percent",
    "requests_per_minute",
)
"""The ten figures of a row, in the order of the columns of a model."""
COLUMNS = (
    "req_count",
    "avg_latency_ms",
    "std_latency_ms",
    "min_latency_ms",
    "max_latency_ms",
    "p50_latency_ms",
    "error_count",
    "error_rate",
)
"""The columns of `report.features` and features.csv that the figures come from."""
MOST_ROWS = 20_000
"""Rows that a model keeps; of more, every n-th is taken."""
_LARGEST = 1e150
"""Largest figure: the squares of as many as a model keeps have a sum."""
_MODEL, _ROWS = "model.json", "rows.npy"


@dataclass(frozen=True)
class Model:
    """An Isolation Forest that was trained on rows of requests, with its scaler.

    `mean` and `std` standardise the figures (`FEATURES`). The model is saved as JSON and the rows
    that it was trained on, from which the same forest grows again: the file holds no code.

    >>> import mad
    >>> minutes = [minute for minute in range(200) for _ in range(20)]
    >>> requests = {
    ...     "timestamp": [1_767_693_600 + 60 * m + i % 20 for i, m in enumerate(minutes)],
    ...     "service": ["shop"] * 4000,
    ...     "endpoint": ["/pay"] * 4000,
    ...     "status_code": [200] * 4000,
    ...     "latency_ms": [900.0 if m == 150 else 20.0 + i % 7 for i, m in enumerate(minutes)],
    ... }
    >>> report = mad.detect(requests)
    >>> model = mad.Model.train(report.features, contamination=0.01)
    >>> flagged = model.judge(report.features)[1]
    >>> flagged.nonzero()[0].tolist()
    [150]
    """

    rows: Floats
    """The figures of the rows it was trained on, not scaled."""
    mean: Floats
    std: Floats
    contamination: float
    n_trees: int
    seed: int
    about: dict[str, Any]
    """Metadata: training time, records, rows, anomalies, services, endpoints."""
    forest: _core.IsolationForest = field(repr=False)

    @classmethod
    def train(
        cls,
        features: Any,
        *,
        contamination: float = 0.15,
        n_trees: int = 100,
        seed: int = 42,
        step_seconds: float = 60.0,
        trained_at: datetime | None = None,
    ) -> Model:
        """Trains on rows of requests: `report.features`, a mapping of columns, or a dataframe.

        `contamination` is the share of the rows to flag, 0 to 1. Raises ValueError for rows without
        a column that is needed, for no row, and for a number out of its range.
        """
        import numpy as np

        figures = figures_of(features, step_seconds)
        if not len(figures):
            raise ValueError("features has no row; train on a recording with requests")
        kept = figures[:: -(-len(figures) // MOST_ROWS)]
        mean, std = kept.mean(axis=0), kept.std(axis=0)
        std = np.where(std > 0.0, std, 1.0)
        try:
            forest = _core.IsolationForest(n_trees, contamination=contamination, seed=seed)
        except OverflowError as error:
            raise ValueError(f"n_trees is {n_trees} and seed is {seed}: {error}") from error
        forest = forest.fit(_scaled(kept, mean, std))
        when = trained_at or datetime.now(timezone.utc)
        names = list(zip(_texts(features, "service"), _texts(features, "endpoint"), strict=True))
        about = {
            "trained_at": when.astimezone(timezone.utc).isoformat(),
            "records": int(np.sum(_numbers(features, "req_count"))),
            "rows": len(figures),
            "anomalies": int(forest.predict(_scaled(figures, mean, std)).sum()),
            "services": sorted({service for service, _ in names}),
            "endpoints": sorted({endpoint for _, endpoint in names}),
            "step_seconds": step_seconds,
        }
        return cls(kept, mean, std, contamination, n_trees, seed, about, forest)

    def judge(
        self, features: Any, step_seconds: float | None = None
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """The score of each row, 0 to 1 with 0.5 at the threshold, and whether it is flagged.

        Rows are as in `train`; none gives empty arrays. `step_seconds` is that of the training
        unless it is given.
        """
        import numpy as np

        step = self.about["step_seconds"] if step_seconds is None else step_seconds
        figures = figures_of(features, float(step))
        if not len(figures):
            return np.empty(0), np.empty(0, np.bool_)
        scaled = _scaled(figures, self.mean, self.std)
        raw, limit = self.forest.score(scaled), self.forest.threshold or 0.5
        above = 0.5 + 0.5 * (raw - limit) / max(1.0 - limit, 1e-12)
        return np.where(raw > limit, above, 0.5 * raw / limit), self.forest.predict(scaled)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes model.json and rows.npy to a folder. Raises OSError when it cannot be written."""
        import numpy as np

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        document = {
            "version": VERSION,
            "features": list(FEATURES),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "contamination": self.contamination,
            "n_trees": self.n_trees,
            "seed": self.seed,
            "threshold": self.forest.threshold,
            **self.about,
        }
        np.save(place / _ROWS, np.asarray(self.rows, "<f8"), allow_pickle=False)
        (place / _MODEL).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Model:
        """Reads a saved model. Raises ValueError, with the remedy, for one of another version or
        with other features, or a damaged one; OSError when it cannot be read."""
        import numpy as np

        place = Path(folder)
        again = "train it again with mad train"
        document: Any
        try:
            document = json.loads((place / _MODEL).read_text(encoding="utf-8"))
            version, features = document["version"], document["features"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{place / _MODEL} is no model of mad: {error}; {again}") from error
        if version != VERSION:
            raise ValueError(
                f"{place / _MODEL} has version {version!r:.40}; this mad reads {VERSION}: {again}"
            )
        if features != list(FEATURES):
            raise ValueError(
                f"{place / _MODEL} has other features than {', '.join(FEATURES)}; {again}"
            )
        try:
            _check(document)
            rows = _read_rows(place / _ROWS)
            mean, std = (np.asarray(document[name], np.float64) for name in ("mean", "std"))
            if not bool((std > 0.0).all()):
                raise ValueError("std is not above 0")
            forest = _core.IsolationForest(
                document["n_trees"],
                contamination=document["contamination"],
                seed=document["seed"],
            ).fit(_scaled(rows, mean, std))
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"the model in {place} is damaged: {error}; {again}") from error
        about = {name: document[name] for name in _ABOUT}
        return cls(
            rows,
            mean,
            std,
            document["contamination"],
            document["n_trees"],
            document["seed"],
            about,
            forest,
        )


_ABOUT = (
    "trained_at",
    "records",
    "rows",
    "anomalies",
    "services",
    "endpoints",
    "step_seconds",
)
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<f8', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,5}), 10\), \} *\n",
    re.DOTALL,
)
"""The beginning of rows.npy. The reader of NumPy takes the memory that any beginning asks for."""


def _check(document: Mapping[str, Any]) -> None:
    """Checks the types of model.json. Raises ValueError."""
    kinds: dict[str, tuple[type, ...]] = {
        **dict.fromkeys(("contamination", "step_seconds"), (int, float)),
        **dict.fromkeys(("n_trees", "seed", "records", "rows", "anomalies"), (int,)),
        **dict.fromkeys(("mean", "std", "services", "endpoints"), (list,)),
        "trained_at": (str,),
    }
    for name, kind in kinds.items():
        if not isinstance(document.get(name), kind):
            raise ValueError(
                f"{name} is {document.get(name)!r:.60}, which is no {kind[-1].__name__}"
            )
    for name in ("mean", "std"):
        numbers = document[name]
        is_valid = all(isinstance(one, int | float) and abs(one) <= _LARGEST for one in numbers)
        if not is_valid or len(numbers) != len(FEATURES):
            raise ValueError(f"{name} is not ten finite numbers")
    if not all(isinstance(one, str) for one in [*document["services"], *document["endpoints"]]):
        raise ValueError("services and endpoints are no lists of texts")
    _check_step(document["step_seconds"])


def _check_step(seconds: float) -> None:
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"step_seconds is {seconds}; expected a number above 0")


def _read_rows(path: Path) -> Floats:
    """The rows of a model. Raises ValueError unless they are ten finite numbers each."""
    import numpy as np

    wrong = "its rows are not ten finite numbers each"
    with path.open("rb") as file:
        content = file.read(8 * len(FEATURES) * MOST_ROWS + 4_096)
    header = _HEADER.match(content)
    if header is None or not 1 <= int(header[2]) <= MOST_ROWS:
        raise ValueError(wrong)
    count = int(header[2])
    numbers = content[header.end() :]
    if len(numbers) != 8 * len(FEATURES) * count:
        raise ValueError(f"rows.npy has {len(numbers)} bytes for {count} rows")
    order: Literal["F", "C"] = "F" if header[1] == b"True" else "C"
    rows = np.frombuffer(numbers, "<f8").reshape((count, len(FEATURES)), order=order)
    if not bool(np.isfinite(rows).all()):
        raise ValueError(wrong)
    return rows


def _scaled(figures: Floats, mean: Floats, std: Floats) -> Floats:
    """Standardised figures; those near the largest number may become infinite."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        scaled: Floats = (figures - mean) / std
    return scaled


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a saved model."""
    return (Path(path) / _MODEL).is_file()


def figures_of(features: Any, step_seconds: float = 60.0) -> Floats:
    """The ten figures of each row. A latency that is unknown counts as 0, and so does the deviation
    of a single one."""
    import numpy as np

    _check_step(step_seconds)
    count, mean, std, least, most, median, errors, rate = (
        np.nan_to_num(_numbers(features, name)) for name in COLUMNS
    )
    per_minute = count * (60.0 / step_seconds)
    figures = np.column_stack(
        [count, mean, std, least, most, median, errors, rate, 100.0 * rate, per_minute]
    )
    return np.clip(figures, -_LARGEST, _LARGEST)


def _column(features: Any, name: str) -> Iterable[Any]:
    import numpy as np

    try:
        column = features[name]
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"features has no column {name}; take report.features") from error
    return column if isinstance(column, np.ndarray) else list(column)


def _numbers(features: Any, name: str) -> Floats:
    import numpy as np

    values = [
        np.nan if value is None or value == "" else value for value in _column(features, name)
    ]
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the column {name} of features has a value that is no number") from error


def _texts(features: Any, name: str) -> list[str]:
    return [str(value) for value in _column(features, name)]


def read_features(path: Path) -> Mapping[str, list[str]]:
    """The columns of a features.csv."""
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    return (
        dict(zip(header, map(list, zip(*lines, strict=True)), strict=False))
        if lines
        else {name: [] for name in header}
    )
