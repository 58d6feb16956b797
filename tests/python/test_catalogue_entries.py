"""Every message of explanations is written in a test: a new one without a situation fails."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from catalogue_scenarios import Situation, situations
from truth_worlds import world

import mad
from mad.cli import main
from mad.config import catalogue
from mad.detection.directory import detect_into
from mad.report import markdown

ENGLISH = mad.Catalogue.english()
SEPARATORS = {"number.thousands": "'", "number.decimal": "·"}
WORLDS = [("requests", range(9)), ("mixed", range(6)), ("metrics", (5,)), ("requests", (10, 12))]
"""Random worlds whose explanations have further messages."""


def _marked() -> mad.Catalogue:
    """A catalogue whose texts are their own keys, followed by their placeholders."""

    def text(key: str) -> str:
        form = ENGLISH[key]
        shown = form["other"] if isinstance(form, dict) else form
        return SEPARATORS.get(key) or f"«{key}» " + " ".join(re.findall(r"\{\w+\}", shown))

    return mad.Catalogue("xx", {key: text(key) for key in ENGLISH})


def _written(incident: dict[str, Any], marked: mad.Catalogue) -> set[str]:
    """The keys of the messages of an incident, and of its page for a ticket."""
    written = catalogue.in_language(incident, marked)
    return _keys(json.dumps(written, ensure_ascii=False) + _page(written, marked))


def _page(incident: dict[str, Any], marked: mad.Catalogue) -> str:
    return html.unescape(markdown.incident(incident, (), marked))


def _keys(text: str) -> set[str]:
    keys = set(re.findall(r"«([\w.]+)»", text))
    keys |= {"number.thousands"} if re.search(r"\d'\d{3}", text) else set()
    return keys | ({"number.decimal"} if re.search(r"\d·\d", text) else set())


def _incidents(folder: Path, paths: dict[str, list[str]], config: str | None) -> Any:
    detect_into(folder / "out", paths, config=config, report=False)
    return json.loads((folder / "out" / "incidents.json").read_text())["incidents"]


def _by_hand() -> set[str]:
    """The messages of incidents that a test of the core makes by hand."""
    test = Path(__file__).parents[2] / "mad-core" / "tests" / "incidents" / "hand_made.rs"
    listed = re.search(r"BY_HAND[^=]*= \[(.*?)\];", test.read_text(), re.DOTALL)
    assert listed
    return set(re.findall(r'"([\w.]+)"', listed[1]))


def test_every_message_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marked = _marked()
    found: set[str] = set()
    for place, situation in enumerate(situations()):
        folder = tmp_path / f"s{place}"
        folder.mkdir()
        incidents = _incidents(folder, situation.write(folder), situation.settings())
        assert incidents, f"situation {place} has no incident"
        for incident in incidents:
            found |= _written(incident, marked)
    for kind, seeds in WORLDS:
        for seed in seeds:
            folder = tmp_path / f"{kind}{seed}"
            for incident in _incidents(folder, world(seed, kind).write(folder), None):
                found |= _written(incident, marked)
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    quiet = Situation().add("requests", "2026-03-09T00:00:00Z,till,/buy,200,60,,")
    assert _incidents(nothing, quiet.write(nothing), None) == []
    assert main(["explain", str(nothing / "out")]) == 0
    assert ENGLISH["label.nothing"] in capsys.readouterr().out
    found.add("label.nothing")
    # an incident whose ranking names no entity, and one with a single weak row
    found |= _keys(_page({**incident, "ranking": None, "culprit": None}, marked))
    weak = {**incident["explanation"], "confidence": "Low"}
    found |= _keys(_page({**incident, "explanation": weak}, marked))
    by_hand = _by_hand()
    assert by_hand <= set(ENGLISH) - found
    assert set(ENGLISH) - found - by_hand == set()
