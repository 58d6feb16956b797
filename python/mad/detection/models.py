"""Trained models that judge the rows of a run beside the default."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mad import errors
from mad.detection.directory import METHODS, Outcome
from mad.model import Model, is_model, read_features
from mad.sources.files import text_of


def split(scorers: Sequence[str]) -> tuple[list[str], list[tuple[str, Model]]]:
    """The names of methods, and the models among them, each with the name of its folder.

    Beside a model alone stands the default, for comparison. Raises `UsageError` for a model that
    cannot be used.
    """
    names, models = [], []
    for scorer in scorers:
        if not is_model(scorer):
            names.append(scorer)
            continue
        try:
            models.append((text_of(Path(scorer).resolve().name), Model.load(scorer)))
        except OSError as error:
            raise errors.UsageError(f"--scorer {scorer}: {errors.reason(error)}") from error
        except ValueError as error:
            raise errors.UsageError(f"--scorer {scorer}: {error}") from error
    return names or ["default"] * bool(models), models


def judge(outcome: Outcome, models: Sequence[tuple[str, Model]]) -> None:
    """Judges the rows of features.csv, and adds them to methods.csv and to the document."""
    if not models:
        return
    document = outcome.document
    features = next(path for path in outcome.paths if path.name == "features.csv")
    rows = read_features(features)
    step = float(document["step_seconds"])
    with (features.parent / METHODS).open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for name, model in models:
            scores, flags = model.judge(rows, step)
            named = list(zip(rows["bucket_ts"], rows["service"], rows["endpoint"], strict=True))
            for (at, service, endpoint), score, flag in zip(named, scores, flags, strict=True):
                verdict = ("true", "Warning") if flag else ("false", "Info")
                numbers = (f"{score:.6g}", "", "", "", "", "", "", "", "", "request")
                writer.writerow([at, service, endpoint, name, *verdict, *numbers])
            flagged = [one for one, flag in zip(named, flags, strict=True) if flag]
            document["methods"].append(_summary(name, len(named), flagged))


def _summary(name: str, rows: int, flagged: list[tuple[str, str, str]]) -> dict[str, Any]:
    first = min(flagged, default=None)
    return {
        "method": name,
        "rows": rows,
        "flagged": len(flagged),
        "entities": len({(service, endpoint) for _, service, endpoint in flagged}),
        "first": first and first[0],
        "first_entity": first and {"service": first[1], "endpoint": first[2]},
        "weight": 0.0,
        "drifts": 0,
    }
