"""Catalogues: files with the sentences of explanations in another language."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mad import _core
from mad._core import Catalogue
from mad.config.layers import read_toml

SHIPPED = Path(__file__).parent.parent / "catalogues"
ENGLISH = Catalogue("en", {})
"""The built-in catalogue."""
_FORMS = {"one", "other"}
#: Problems of a file that an error names; the file may have tens of thousands.
_MOST_PROBLEMS = 20


def languages() -> list[str]:
    """The languages that need no file."""
    return sorted({"en", *(file.stem for file in SHIPPED.glob("*.toml"))})


def shipped(language: str) -> Catalogue:
    """The catalogue of a language that needs no file. Raises ValueError for another one."""
    if language == "en":
        return ENGLISH
    if language not in languages():
        there = ", ".join(languages())
        raise ValueError(
            f"language {language!r} is not shipped (there are {there}); name its file: "
            'catalogue = "FILE.toml"'
        )
    return read(SHIPPED / f"{language}.toml")


def read(path: str | os.PathLike[str]) -> Catalogue:
    """The catalogue of a TOML file. Raises OSError, and ValueError with the first 20 problems."""
    try:
        fields = read_toml(path)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {' '.join(str(error).split())}") from error
    language = fields.pop("language", None)
    problems = []
    if not isinstance(language, str):
        problems.append('it names no language; begin with language = "de"')
    texts: dict[str, Any] = {}
    for key, value in _texts(fields, ""):
        if isinstance(value, str) or _is_counted(value):
            texts[key] = value
        else:
            problems.append(
                f"message `{key}` is {json.dumps(value, default=str)[:80]}; expected a text, or "
                "{ one = TEXT, other = TEXT }"
            )
    problems += [text for _, text in Catalogue.problems(str(language or "en"), texts)]
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        shown = [f"{os.fspath(path)}: {one}" for one in problems[:_MOST_PROBLEMS]]
        raise ValueError("; ".join(shown) + (f"; and {more:,} more" if more > 0 else ""))
    return Catalogue(str(language), texts)


def chosen(language: str, path: str | None) -> Catalogue | None:
    """The catalogue of settings: that of a file, or a shipped one; None for English.

    Raises ValueError where the file cannot be read, or is of another language.
    """
    if path is None:
        return shipped(language) if language and language != "en" else None
    try:
        found = read(path)
    except OSError as error:
        raise ValueError(f"catalogue {path} cannot be read: {error.strerror}") from error
    if language and found.language != language:
        raise ValueError(
            f"language is {language!r}, and {path} is in {found.language!r}; leave language out, "
            "or name another file"
        )
    return found


def in_language(incident: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The document of an incident with its texts in the language of a catalogue."""
    ranking = incident.get("ranking") or {}
    culprits = ranking.get("culprits") or []
    asked = {
        "explanation": incident.get("explanation"),
        "messages": incident.get("messages"),
        "ranking": {"culprits": [_texts_of(culprit) for culprit in culprits]},
    }
    found = json.loads(catalogue.translate(json.dumps(asked)))
    given = zip(culprits, found["ranking"]["culprits"], strict=True)
    changed: dict[str, Any] = {"ranking": {**ranking, "culprits": [_with(*one) for one in given]}}
    if incident.get("explanation"):
        # the texts keep their order
        texts = found["explanation"]
        changed["explanation"] = {name: texts[name] for name in incident["explanation"]}
    return {**incident, **{name: changed[name] for name in changed if name in incident}}


def _texts_of(culprit: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a culprit without its numbers."""
    evidence = [{"text": str(one.get("text"))} for one in culprit.get("evidence") or ()]
    return {"evidence": evidence, "log": {"text": str((culprit.get("log") or {}).get("text"))}}


def _with(culprit: Mapping[str, Any], texts: Mapping[str, Any]) -> dict[str, Any]:
    """A culprit with other texts."""
    changed = dict(culprit)
    if evidence := culprit.get("evidence"):
        pairs = zip(evidence, texts["evidence"], strict=True)
        changed["evidence"] = [{**one, **text} if "text" in one else one for one, text in pairs]
    if (log := culprit.get("log")) and "text" in log:
        changed["log"] = {**log, **texts["log"]}
    return changed


def to_toml() -> str:
    """The English catalogue as a file to translate."""
    lines, group = ['language = "en"'], ""
    for key, text in _core.Catalogue.english().items():
        table, name = key.split(".", 1)
        if table != group:
            lines += ["", f"[{table}]"]
            group = table
        lines.append(f"{name} = {_written(text)}")
    return "\n".join(lines) + "\n"


def _written(text: str | Mapping[str, str]) -> str:
    if isinstance(text, str):
        return json.dumps(text, ensure_ascii=False)
    forms = ", ".join(f"{name} = {_written(text[name])}" for name in ("one", "other"))
    return f"{{ {forms} }}"


def _texts(fields: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        key = f"{place}.{name}" if place else str(name)
        if isinstance(value, Mapping) and not (place and _FORMS & set(value)):
            yield from _texts(value, key)
        else:
            yield key, value


def _is_counted(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == _FORMS
        and all(isinstance(text, str) for text in value.values())
    )
