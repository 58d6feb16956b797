"""Explanations in other languages: catalogues, their checks, and where a language is chosen."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service import Server
from truth_worlds import KINDS, world

import mad
from mad.cli import main
from mad.config import catalogue
from mad.config.explain import ExplainOptions
from mad.detection.directory import detect_into

ENGLISH = mad.Catalogue.english()
NUMBER = re.compile(r"\d[\d,.:]*")
UNITS = {"ms", "s", "B", "kB", "MB", "GB", "UTC"}


def _forms(text: Any) -> list[str]:
    return [text] if isinstance(text, str) else [text["one"], text["other"]]


def _numbers(text: str) -> list[str]:
    return sorted(one.rstrip(",.:") for one in NUMBER.findall(text))


def _texts(incident: dict[str, Any]) -> Iterator[str]:
    """The sentences of an incident, without its numbers and names."""
    for name, value in incident["explanation"].items():
        if name != "confidence":
            yield from [value] if isinstance(value, str) else value
    for culprit in incident["ranking"]["culprits"]:
        yield from (one["text"] for one in culprit["evidence"])
        if culprit["log"]:
            yield culprit["log"]["text"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Runs over worlds of each kind of telemetry."""
    folder = tmp_path_factory.mktemp("worlds")
    found = []
    for seed in range(10):
        place = folder / str(seed)
        made = world(seed, KINDS[seed % len(KINDS)]).write(place)
        detect_into(place / "out", made, report=False)
        found.append(place)
    yield found


@pytest.fixture(scope="module")
def incidents(run: list[Path]) -> list[tuple[dict[str, Any], str]]:
    """Incidents, and all words of their telemetry."""
    found = []
    for place in run:
        content = json.loads((place / "out" / "incidents.json").read_text())
        names = "".join(file.read_text() for file in sorted(place.glob("*.csv")))
        found += [(incident, names) for incident in content["incidents"]]
    assert len(found) > 10
    return found


def test_german_has_every_message_with_the_numbers_of_the_english_one() -> None:
    german = catalogue.shipped("de")
    assert german.language == "de"
    assert german.missing == []
    for key, text in ENGLISH.items():
        given = [_numbers(form) for form in _forms(german.texts[key])]
        assert given == [_numbers(form) for form in _forms(text)], key
    same = [key for key, text in ENGLISH.items() if german.texts[key] == text]
    # words that are equal in both languages, and messages of placeholders alone
    assert {key for key in same if not re.fullmatch(r"[\W_]*", _bare(ENGLISH[key]))} == {
        "label.log_evidence"
    }


def _bare(text: Any) -> str:
    return re.sub(r"\{\w+\}", "", "".join(_forms(text)))


def test_no_english_word_is_written_outside_of_messages(
    incidents: list[tuple[dict[str, Any], str]],
) -> None:
    """With a catalogue of placeholders alone, only words of the telemetry and units are left."""
    silent = {
        key: "|".join(re.findall(r"\{\w+\}", _forms(text)[0])) or "-"
        for key, text in ENGLISH.items()
    }
    nothing = mad.Catalogue("xx", silent)
    checked = 0
    for incident, names in incidents:
        written = catalogue.in_language(incident, nothing)
        for text in _texts(written):
            words = set(re.findall(r"[A-Za-z_]+", text)) - UNITS
            assert all(word in names for word in words), text
            checked += len(words)
    assert checked > 100


def test_german_has_the_numbers_of_english(incidents: list[tuple[dict[str, Any], str]]) -> None:
    german = catalogue.shipped("de")
    for incident, _ in incidents:
        before = copy.deepcopy(incident)
        written = catalogue.in_language(incident, german)
        assert incident == before
        for english, text in zip(_texts(incident), _texts(written), strict=True):
            assert text != english
            assert _digits(text) == _digits(english)
        unchanged = {**written, "explanation": 0, "ranking": 0}
        assert unchanged == {**incident, "explanation": 0, "ranking": 0}
        assert list(written["explanation"]) == list(incident["explanation"])


def _digits(text: str) -> list[str]:
    """The numbers of a text without the separators of its language."""
    return sorted(re.sub("[.,]", "", number) for number in _numbers(text))


def test_german_numbers_have_german_separators() -> None:
    messages = {"message": "impact.half", "time": "10:45", "value": "5,387.5 ms", "usual": "2.4 s"}
    found = {"explanation": {"impact": ["-"]}, "messages": {"impact": [messages]}}
    written = catalogue.in_language(found, catalogue.shipped("de"))
    assert re.findall(r"[\d.,]+ m?s", written["explanation"]["impact"][0]) == [
        "5.387,5 ms",
        "2,4 s",
    ]


def test_the_english_file_gives_the_english_texts(
    incidents: list[tuple[dict[str, Any], str]], tmp_path: Path
) -> None:
    (tmp_path / "en.toml").write_text(catalogue.to_toml())
    english = catalogue.read(tmp_path / "en.toml")
    assert (english.texts, english.missing) == (dict(sorted(ENGLISH.items())), [])
    german = catalogue.shipped("de")
    for incident, _ in incidents:
        there = catalogue.in_language(incident, german)
        assert catalogue.in_language(there, english) == incident


def test_messages_that_are_missing_or_unknown_stay_english() -> None:
    few = mad.Catalogue("xx", {"count.row": {"one": "{n} Z", "other": "{n} ZZ"}})
    row = {"message": "count.row", "n": "1"}
    found = {
        "explanation": {"summary": "a", "line": "b", "checks": ["c", "d"], "impact": ["e"]},
        "messages": {
            "summary": {"message": "summary.some_flagged", "rows": row},
            "line": {"message": "of a later version"},
            "checks": [row, {"message": "count.row"}],
            "impact": [row, row],
        },
        "ranking": {"culprits": [{"evidence": [{"value": 1.0}], "log": None}]},
    }
    written = catalogue.in_language(found, few)
    assert written["explanation"] == {
        "summary": "1 Z flagged",
        "line": "b",
        "checks": ["1 Z", "d"],
        "impact": ["e"],
    }
    assert written["ranking"] == found["ranking"]
    for broken in ({}, {"explanation": None}, {"explanation": {}, "messages": [1]}):
        assert catalogue.in_language(broken, few) == broken


def test_a_catalogue_is_an_object_of_python() -> None:
    german = catalogue.shipped("de")
    again = pickle.loads(pickle.dumps(german))
    assert (again.language, again.texts) == ("de", german.texts)
    assert repr(german) == f'Catalogue("de", {len(ENGLISH)} messages)'
    assert german.signal("error_rate") == "Fehlerquote"
    assert german.signal("rss_mb") == "rss_mb"
    assert german.text("label.impact") == "Auswirkung"
    for key in ("label.x", "count.row"):
        with pytest.raises(KeyError):
            german.text(key)
    with pytest.raises(ValueError, match="no JSON"):
        german.translate("{")
    with pytest.raises(ValueError, match="expected a text"):
        mad.Catalogue("de", {"count.row": 1})  # type: ignore[dict-item]


WRONG = {
    'language = "de"\n[usual]\nvalues = "x"': "message `usual.values` is unknown",
    'language = "de"\n[usual]\nvalue = "{valeur}"': "expected {value}, each once",
    'language = "de"\n[usual]\nvalue = 1': "message `usual.value` is 1; expected a text, or",
    'language = "de"\n[count]\nrow = { one = "{n}" }': "expected a text, or { one = TEXT",
    'language = "de"\nsummary = "x"': "message `summary` is unknown",
    '[usual]\nvalue = "{value}"': 'begin with language = "de"',
    'language = "d e"': "config field `language`",
    "language = ": "own.toml: ",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_wrong_file_is_named_with_its_key_and_a_remedy(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content)
    with pytest.raises(ValueError, match=re.escape(WRONG[content])) as caught:
        catalogue.read(file)
    assert str(caught.value).startswith(str(file))
    settings = tmp_path / "mad.toml"
    settings.write_text(f'[explain]\ncatalogue = "{file}"\n')
    assert main(["config", "check", str(settings)]) == 2
    said = capsys.readouterr().out
    assert f"{settings}:1:" in said and "own.toml" in said


def test_the_error_of_a_file_is_short(tmp_path: Path) -> None:
    """However many problems it has, and without the words of Python's parser."""
    file = tmp_path / "own.toml"
    file.write_text('language = "fr"\n[x]\n' + "".join(f'k{i} = "v"\n' for i in range(30_000)))
    with pytest.raises(ValueError, match="; and 29,980 more") as caught:
        catalogue.read(file)
    assert len(str(caught.value)) < 20 * (200 + len(str(file)))
    file.write_text('language = "fr"\nx = ' + "9" * 5_000)
    with pytest.raises(ValueError, match=r"own\.toml: a number has more than 4,300 digits"):
        catalogue.read(file)


def test_settings_choose_a_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ExplainOptions().texts() is None
    assert ExplainOptions(language="en").texts() is None
    german = ExplainOptions(language="de").texts()
    assert german is not None and german.language == "de"
    file = tmp_path / "fr.toml"
    file.write_text('language = "fr"\n[signal]\nerror_rate = "taux d\'erreur"\n')
    with pytest.raises(ValueError, match="leave language out"):
        ExplainOptions(language="de", catalogue=str(file))
    with pytest.raises(ValueError, match=re.escape("(there are de, en); name its file")):
        ExplainOptions(language="fr")
    with pytest.raises(ValueError, match="cannot be read"):
        ExplainOptions(catalogue=str(tmp_path / "none.toml"))
    settings = tmp_path / "mad.toml"
    settings.write_text(f'[explain]\ncatalogue = "{file}"\n')
    assert main(["config", "check", str(settings)]) == 0
    said = capsys.readouterr().out
    assert f"lacks {len(ENGLISH) - 1} messages" in said
    assert "signal.p50_latency" in said and "signal.error_rate" not in said
    assert main(["config", "check", str(settings), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["untranslated"]) == len(ENGLISH) - 1
    assert main(["config", "catalogue"]) == 0
    assert capsys.readouterr().out == catalogue.to_toml()


def test_mad_explain_writes_a_language(
    run: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(run[4] / "out")
    german = catalogue.shipped("de")
    assert main(["explain", out, "--language", "de", "--json"]) == 0
    (incident,) = json.loads(capsys.readouterr().out)["incidents"]
    assert main(["explain", out, "--language", "de", "--markdown"]) == 0
    markdown = capsys.readouterr().out
    assert main(["explain", out, "--language", "de"]) == 0
    text = capsys.readouterr().out
    for said in (markdown, text):
        for name in ("culprit", "root_cause", "impact", "checks", "confidence", "evidence"):
            assert german.text(f"label.{name}") in said
            assert str(ENGLISH[f"label.{name}"]) not in said
    line = " ".join(text.split())
    assert " ".join(incident["explanation"]["summary"].split()) in line
    assert main(["explain", out, "--language", "fr"]) == 2
    assert "name its file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["explain", out, "--service", "x", "--language", "de"])
    assert "leave --service out" in capsys.readouterr().err


def test_mad_detect_writes_the_language_of_the_settings(
    run: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = run[0]
    settings = tmp_path / "mad.toml"
    settings.write_text('[explain]\nlanguage = "de"\n')
    command = ["detect", str(place / "requests.csv"), "--out", str(tmp_path / "out")]
    assert main([*command, "--config", str(settings)]) == 0
    english = json.loads((place / "out" / "incidents.json").read_text())["incidents"]
    written = json.loads((tmp_path / "out" / "incidents.json").read_text())["incidents"]
    german = catalogue.shipped("de")
    assert written == [catalogue.in_language(one, german) for one in english] != []
    summary = written[0]["explanation"]["summary"]
    assert summary.split(":")[0] in (tmp_path / "out" / "report.html").read_text()
    capsys.readouterr()


def test_reports_and_pipelines_explain_in_a_language(run: list[Path]) -> None:
    report = mad.detect(str(run[0] / "requests.csv"))
    incident = report.incidents[0]
    german = catalogue.shipped("de")
    written = catalogue.in_language(json.loads(report.document())["incidents"][0], german)
    said = report.explain(incident, german)
    assert said.summary == written["explanation"]["summary"] != report.explain(incident).summary
    pipeline = mad.Pipeline.restore(None, report.checkpoint())
    assert pipeline.explain(incident, german).impact == said.impact
    alone = mad.TemplateExplainer().explain(incident, catalogue=german)
    assert alone.why_flagged == said.why_flagged


@pytest.mark.parametrize("own", ["en", "de"])
def test_a_server_answers_in_a_language(run: list[Path], tmp_path: Path, own: str) -> None:
    german = catalogue.shipped("de")
    settings = tmp_path / "mad.toml"
    settings.write_text(f'[explain]\nlanguage = "{own}"\n')
    with Server(tmp_path / "data", "--config", str(settings)) as server:
        body = (run[0] / "requests.csv").read_bytes()
        server.post("/v1/ingest/requests", body, Content_Type="text/csv")
        listed = server.eventually("/v1/query/incidents", lambda answer: answer["data"])
        incident = listed["data"][0]
        assert "messages" not in incident
        place = f"/v1/query/incidents/{incident['id']}"
        said = {name: server.get(f"{place}/explain", language=name) for name in ("en", "de")}
        assert "prüfen" in " ".join(said["de"]["recommended_actions"])
        assert "Check" in " ".join(said["en"]["recommended_actions"])
        assert server.get(f"{place}/explain") == said[own]
        assert incident["explanation"]["line"] == said[own]["line"]
        whole = catalogue.in_language(server.get(place), german)
        assert whole["explanation"]["summary"] == said["de"]["summary"]
        refused = server.http.get(f"{place}/explain", params={"language": "fr"})
        assert refused.status_code == 400
        assert "de, en" in refused.json()["hint"]
        command = ["explain", server.url, "--incident", incident["id"], "--language", "de"]
        assert main([*command, "--json"]) == 0
