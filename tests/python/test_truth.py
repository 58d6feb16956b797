"""Every number, time and comparison of an explanation is found in the written files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import truth_files
from truth_pages import check_page, check_text
from truth_sentences import check
from truth_worlds import KINDS, world

from mad.detection.directory import detect_into

SEEDS = 4
"""Worlds of each kind. `make quality-words` checks thousands."""


def disagreements(folder: Path, seed: int, kind: str) -> tuple[int, list[str]]:
    """The number of incidents of a world, and what its texts say that its files do not."""
    made = world(seed, kind)
    detect_into(folder / "out", made.write(folder))
    files = truth_files.read(folder)
    page = (folder / "out" / "report.html").read_text()
    found = []
    for incident in files.incidents:
        problems = [*check(files, incident), *check_page(incident, page), *check_text(incident)]
        found += [f"{kind} {seed} {incident['id']}: {problem}" for problem in problems]
    return len(files.incidents), found


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_agree_with_the_files(tmp_path: Path, kind: str) -> None:
    incidents, found = 0, []
    for seed in range(SEEDS):
        more, problems = disagreements(tmp_path / str(seed), seed, kind)
        incidents += more
        found += problems
    assert not found, "\n".join(found)
    assert incidents > 0


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[truth_files.Files, Any]:
    """The files of a slow and failing endpoint, and its incident."""
    folder = tmp_path_factory.mktemp("truth")
    for seed in range(50):
        made = world(seed, "requests")
        detect_into(folder / "out", made.write(folder), report=False)
        files = truth_files.read(folder)
        for incident in files.incidents:
            if "p95_latency_ms" in incident["signals"] and incident["errors"]:
                return files, incident
    raise AssertionError("no world has a slow endpoint")


def _is_caught(known: tuple[truth_files.Files, Any], section: str, old: str, new: str) -> bool:
    files, incident = known
    changed = copy.deepcopy(incident)
    content = changed["explanation"][section]
    if isinstance(content, str):
        mutated: Any = content.replace(old, new, 1)
    else:
        mutated = [sentence.replace(old, new, 1) for sentence in content]
    assert mutated != content, (section, old, content)
    changed["explanation"][section] = mutated
    return bool(check(files, changed))


def test_an_unchanged_explanation_passes(known: tuple[truth_files.Files, Any]) -> None:
    assert check(*known) == []


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("summary", "reached ", "reached 9"),
        ("summary", "reached", "was down to"),
        ("summary", "(usual ", "(usual 9"),
        ("why_flagged", "(usual ", "(usual 7"),
        ("why_flagged", " ms", "1 ms"),
        ("why_flagged", "At ", "At 2026-03-08 "),
        ("impact", " of ", "0 of "),
        ("impact", "failed in", "succeeded in"),
        ("confidence_rule", " rows were", "1 rows were"),
        ("root_cause", "anomalous since 2026-03-09", "anomalous since 2026-03-08"),
        ("first_failure", " at ", " at 2026-03-08 "),
        ("line", "[", "[Very "),
        ("line", " ms", "1 ms"),
    ],
)
def test_a_changed_sentence_is_caught(
    known: tuple[truth_files.Files, Any], section: str, old: str, new: str
) -> None:
    assert _is_caught(known, section, old, new)


def test_a_peak_that_is_no_extreme_is_caught(known: tuple[truth_files.Files, Any]) -> None:
    files, incident = copy.deepcopy(known)
    column = files.columns[(incident["service"], incident["endpoint"], "p95_latency_ms")]
    peak = incident["peaks"]["p95_latency_ms"]
    mine = column.within(truth_files.moment(incident["start"]), truth_files.moment(incident["end"]))
    column.values[mine] = column.values[mine] + 2 * peak["value"] * (
        column.at[mine] != truth_files.moment(peak["at"])
    )
    assert any("extreme" in problem for problem in check(files, incident))


def test_an_action_about_the_front_door_is_caught(known: tuple[truth_files.Files, Any]) -> None:
    files, incident = copy.deepcopy(known)
    first = incident["ranking"]["culprits"][0]
    first["service"], first["endpoint"] = "database", "/query"
    assert any("action" in problem for problem in check(files, incident))
