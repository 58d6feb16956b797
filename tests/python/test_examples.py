"""Runs every `>>>` example in the docstrings of the public API."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import mad

STAGES = (
    *("MadScorer", "FeatureBuilder", "RowScorer", "Guardrails", "IncidentGrouper"),
    *("CulpritRanker", "TemplateExplainer", "ServiceGraph", "Pipeline", "Rows"),
)


def documented() -> Iterator[tuple[str, str]]:
    """Every public object and its members, with their docstrings."""
    for name in sorted(mad.__all__):
        value: Any = getattr(mad, name)
        yield name, inspect.getdoc(value) or ""
        if not isinstance(value, type):
            continue
        for member in sorted(vars(value)):
            if not member.startswith("_"):
                yield f"{name}.{member}", inspect.getdoc(getattr(value, member)) or ""


EXAMPLES = [(name, text) for name, text in documented() if ">>>" in text]


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_example_gives_what_it_shows(name: str, text: str) -> None:
    module = importlib.import_module(getattr(mad, name.split(".", maxsplit=1)[0]).__module__)
    names = dict(vars(module))
    example = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    shown: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=shown.append)
    assert result.failed == 0, "".join(shown)


def test_every_stage_and_function_has_an_example() -> None:
    names = {name for name, _ in EXAMPLES}
    functions = [name for name in mad.__all__ if inspect.isroutine(getattr(mad, name))]
    assert len(functions) >= 8
    assert [name for name in (*STAGES, "Config", *functions) if name not in names] == []
