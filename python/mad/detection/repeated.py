"""Input files that are given twice, or have the same content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mad.sources.compressed import PIECE
from mad.sources.files import InputFile

Inputs = Sequence[tuple[str, InputFile]]
"""Each input with its kind."""


def once(sources: Inputs) -> tuple[Inputs, list[str]]:
    """The inputs without those that are the same file as an earlier one, or have the same content,
    and a sentence about each of them."""
    kept: list[tuple[str, InputFile]] = []
    notes = []
    contents = _contents([(kind, source) for kind, source in sources if source.size])
    firsts: dict[Any, InputFile] = {}
    for kind, source in sources:
        # empty files and pipes are never the same
        first = firsts.setdefault(contents.get(id(source), id(source)), source)
        if first is source:
            kept.append((kind, source))
        elif first.name == source.name:
            notes.append(f"{source.name} is given twice and was read once")
        else:
            notes.append(f"{source.name} has the same content as {first.name} and was not read")
    return kept, notes


def _contents(sources: Inputs) -> dict[int, Any]:
    """A key of the kind and the content of each file that could be the same as another one. A file
    is read at most once, and only in part where its size or its beginning differs."""
    keys: dict[int, Any] = {id(source): (kind, source.size) for kind, source in sources}
    for most in (PIECE, None):
        found = Counter(keys.values())
        keys = {
            id(source): (keys[id(source)], source.digest(most))
            for _, source in sources
            if found.get(keys.get(id(source)), 0) > 1
        }
    return keys
