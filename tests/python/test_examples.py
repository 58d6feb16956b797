"""Runs every `>>>` example in the docstrings of the public API."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import mad

#: Errors have no example: nothing is made of them.
ERRORS = ("InternalError", "UnsortedError")


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
    yield "reference.detect", inspect.getdoc(mad.reference.detect) or ""


EXAMPLES = [(name, text) for name, text in documented() if ">>>" in text]


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_example_gives_what_it_shows(name: str, text: str) -> None:
    owner: Any = getattr(mad, name.split(".", maxsplit=1)[0])
    module = owner if inspect.ismodule(owner) else importlib.import_module(owner.__module__)
    names = dict(vars(module))
    example = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    shown: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=shown.append)
    assert result.failed == 0, "".join(shown)


def test_every_public_class_and_function_has_an_example() -> None:
    names = {name for name, _ in EXAMPLES}
    public = [name for name in mad.__all__ if callable(getattr(mad, name)) and name not in ERRORS]
    public.append("reference.detect")
    assert len(public) >= 34
    assert [name for name in public if name not in names] == []
