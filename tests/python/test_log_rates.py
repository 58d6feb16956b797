"""The lines of single templates: a template that stops or comes far more often."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from catalogue_scenarios import Situation, of_log

from mad.detection.directory import detect_into

SETTLED = "log_lines: payment <*> settled"
FAULT = range(370, 380)


def detected(
    folder: Path, change: Callable[[int, str], float], config: dict[str, Any] | None = None
) -> tuple[list[dict[str, Any]], str]:
    """The incidents of four days of a log, and the flagged rows of its last steps."""
    limits = {"limits": {"service_log_rates": 16}} if config is None else config
    situation = Situation(config={"features": {"step_seconds": 900}, **limits})
    situation.add("logs", *of_log(change))
    folder.mkdir(exist_ok=True)
    detect_into(folder / "out", situation.write(folder), config=situation.settings(), report=False)
    incidents = json.loads((folder / "out" / "incidents.json").read_text())["incidents"]
    return incidents, (folder / "out" / "scored.csv").read_text()


def of_payment(factor: float) -> Callable[[int, str], float]:
    return lambda step, text: factor if step in FAULT and text.startswith("payment") else 1.0


@pytest.mark.parametrize("factor", [0.0, 10.0])
def test_a_template_that_stops_or_comes_ten_times_as_often_is_an_incident(
    tmp_path: Path, factor: float
) -> None:
    (incident,), _ = detected(tmp_path, of_payment(factor))
    assert incident["signals"] == [SETTLED]
    assert incident["service"] == "pay"
    wanted = "was down to 0" if factor == 0 else "reached"
    assert f"`payment <*> settled` {wanted}" in incident["explanation"]["summary"]


def test_the_counts_are_off_by_default(tmp_path: Path) -> None:
    incidents, rows = detected(tmp_path, of_payment(0.0), {})
    assert incidents == [] and "log_lines" not in rows


@pytest.mark.parametrize("factor", [0.0, 5.0])
def test_a_surge_or_pause_of_the_whole_log_is_no_change_of_a_template(
    tmp_path: Path, factor: float
) -> None:
    incidents, _ = detected(tmp_path, lambda step, _: factor if step in FAULT[:3] else 1.0)
    assert incidents == []


def test_a_template_with_bursts_and_one_with_few_lines_open_no_incident(tmp_path: Path) -> None:
    def bursts(step: int, text: str) -> float:
        # each burst is higher than the one before
        is_burst = text.startswith("payment") and step > 60 and step % 50 < 3
        return 4.0 + step / 50 if is_burst else 1.0

    assert detected(tmp_path / "bursts", bursts)[0] == []

    def rare(step: int, text: str) -> float:
        if text.startswith("payment"):
            return 0.5 if step in FAULT else 0.05
        return 1.0

    assert detected(tmp_path / "rare", rare)[0] == []
