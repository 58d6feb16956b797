"""The answer of a language model, checked against the facts that it was given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mad.explainers.prompt import Facts
from mad.severity import SEVERITIES

Json = Mapping[str, Any]
_FIELDS = ("root_cause", "severity", "suggested_action", "evidence")
#: Most characters of a text of an answer, and most ids.
_LENGTH, _IDS = 600, 30
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
#: What no sentence for people has: links, markup, control characters, commands.
_FOREIGN = re.compile(r"https?://|www\.|[<>`\x00-\x08\x0b-\x1f\x7f]|\$\(|&&|\|\||\bsudo\b|\brm -")
#: Characters that turn the direction of a text, and halves of pairs, which UTF-8 cannot hold.
_UNSEEN = re.compile("[\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FENCE = "```"


class Rejected(ValueError):
    """An answer that breaks a rule. The message names the rule and quotes nothing of the answer
    but names of fields and ids."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The explanation of an incident: by the model, or by the templates with the `problem` of the
    model. `evidence` are the sentences that support it, by id."""

    root_cause: str
    severity: str
    suggested_action: str
    evidence: Mapping[str, str]
    source: Literal["llm", "template"]
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


def template_answer(incident: Json, facts: Facts, problem: str) -> Answer:
    """The answer that the templates give."""
    explanation = incident.get("explanation") or {}
    actions = explanation.get("recommended_actions") or [""]
    first = dict(list(facts.texts.items())[:1])
    return Answer(
        str(explanation.get("root_cause") or "Unknown."),
        str(incident.get("severity") or "Info"),
        str(actions[0]),
        first,
        "template",
        problem,
    )


def checked(text: str, facts: Facts) -> Answer:
    """The answer of a model. Raises `Rejected`."""
    found = _object_of(text)
    if missing := [name for name in _FIELDS if name not in found]:
        raise Rejected(f"the answer lacks {', '.join(missing)}")
    if more := sorted(set(found) - set(_FIELDS)):
        raise Rejected(f"the answer has {len(more)} fields that were not asked for")
    for name in ("root_cause", "suggested_action"):
        _check_text(name, found[name])
    if found["severity"] not in SEVERITIES:
        raise Rejected(f"severity is none of {', '.join(SEVERITIES)}")
    ids = found["evidence"]
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise Rejected("evidence is no list of ids")
    if not ids or len(ids) > _IDS:
        raise Rejected(f"evidence has {len(ids)} ids; expected 1 to {_IDS}")
    if unknown := [one for one in ids if one not in facts.texts]:
        raise Rejected(f"evidence has {len(unknown)} ids that do not exist")
    evidence = {one: facts.texts[one] for one in ids}
    cause: str = found["root_cause"]
    _check_numbers(cause, facts)
    if not _is_unknown(cause):
        named = {service for service in facts.services if service in cause}
        if not named:
            raise Rejected("root_cause names no service of the incident")
        if not any(service in text for service in named for text in evidence.values()):
            raise Rejected("the cited evidence does not name the service of root_cause")
    return Answer(cause, found["severity"], found["suggested_action"], evidence, "llm")


def _object_of(text: str) -> dict[str, Any]:
    """The JSON object of an answer, which some models put between marks of code."""
    bare = text.strip()
    # without a regular expression: one with two runs of blanks takes cubic time for many blanks
    if bare.startswith(_FENCE) and bare.endswith(_FENCE):
        bare = bare.removeprefix(_FENCE).removesuffix(_FENCE).removeprefix("json")
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):
        raise Rejected("the answer is no JSON") from None
    if not isinstance(found, dict):
        raise Rejected("the answer is no JSON object")
    return found


def _check_text(name: str, text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise Rejected(f"{name} is no text")
    if len(text) > _LENGTH:
        raise Rejected(f"{name} has {len(text)} characters; at most {_LENGTH} are taken")
    if _FOREIGN.search(text) or _UNSEEN.search(text):
        raise Rejected(f"{name} has a link, markup, control characters or a command")


def _check_numbers(text: str, facts: Facts) -> None:
    """Every number of a causal claim stands in the facts."""
    known = {number.replace(",", "") for one in facts.texts.values() for number in _numbers(one)}
    if any(number.replace(",", "") not in known for number in _numbers(text)):
        raise Rejected("root_cause has a number that is not in the facts")


def _numbers(text: str) -> list[str]:
    return [number.rstrip(",") for number in _NUMBER.findall(text)]


def _is_unknown(cause: str) -> bool:
    return cause.strip().rstrip(".").lower() == "unknown"
