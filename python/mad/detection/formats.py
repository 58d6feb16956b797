"""How inputs are read: as records of a kind with the fields of mad, or as files of other tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mad import _core
from mad.config import AnyConfig
from mad.errors import InputError
from mad.sources.beginning import format_of
from mad.sources.files import CHUNK, InputFile

OWN = ("csv", "json-lines")
"""The formats with the fields of mad, whose readers need text."""
MOST_FILES = 1_000
"""Most files of a folder that are read as inputs."""
_LOOSE = ("docker", "json-logs", "text-log", "iis", "elastic", "prometheus-api")
"""Formats whose content may have the fields of mad, which are then read as such."""
_FORMAT = "format:"
_ENOUGH = 0.5
"""Share of the first records from which the fields of mad are recognised."""
_TIMED = ("requests", "metrics", "spans", "logs")
_BY_NAME = ("metrics", "spans", "logs", "changes", "edges")
"""Kinds whose name is also the name of a file of a folder, as `mad simulate` writes them."""
_TRUTH = "truth.json"
"""A file of a folder that holds no telemetry."""


@dataclass(frozen=True)
class Layout:
    """What a user can say about files: the options `--format`, `--service` and `--pattern`."""

    format: str | None = None
    service: str | None = None
    pattern: str | None = None

    @property
    def named(self) -> str | None:
        """The format that the options name; None when the content decides."""
        return self.format or ("pattern" if self.pattern else None)


def files_of(path: str) -> Sequence[Path]:
    """The file of a path, or the files of a folder by name, without hidden ones and truth.json."""
    place = Path(path)
    if not place.is_dir():
        return [place]
    files = (
        one
        for one in place.rglob("*")
        if one.is_file() and not one.name.startswith(".") and one.name != _TRUTH
    )
    found = list(islice(files, MOST_FILES + 1))
    if not found:
        raise InputError(f"{path} is a folder without files")
    if len(found) > MOST_FILES:
        raise InputError(
            f"{path} is a folder with more than {MOST_FILES} files", "name the files to read"
        )
    return sorted(found)


def expanded(path: str, without: Path | None = None) -> Sequence[str]:
    """The path, or the paths of the files of a folder, without those in another folder."""
    if path == "-":
        return [path]
    found = files_of(path)
    if without is not None and Path(path).is_dir():
        inner = without.resolve()
        found = [one for one in found if inner not in one.resolve().parents]
    return [str(one) for one in found]


def resolved(kind: str, source: InputFile, layout: Layout, config: AnyConfig | str) -> str:
    """How an input that is given as a kind is read: the kind, another kind, or `format:NAME`.

    Records with the fields of mad are read as such. A file of requests may hold another kind: a
    file that is named by a kind, such as spans.csv, is of that kind if its first records are.
    """
    if layout.named is not None:
        return kind if layout.named in OWN else _FORMAT + layout.named
    first = source.begin()
    if not first or source.is_parquet():
        return kind
    found = format_of(source.path, first)
    is_own = found is None or found in OWN or found in _LOOSE
    stem = Path(source.path).name.partition(".")[0]
    if is_own and kind == "requests" and stem in _BY_NAME:
        share = _core.own_share(stem, first, config)
        if share >= _ENOUGH and share >= _core.own_share(kind, first, config):
            return stem
    if is_own and _core.own_share(kind, first, config) >= _ENOUGH:
        # log lines that state requests are more than these
        given, items = _given(found, first, config) if found in _LOOSE else ({}, 0)
        if "logs" not in given or given.get(kind, 0) < _ENOUGH * items:
            return kind
    if found is not None and found not in OWN:
        return _FORMAT + found
    if kind == "requests":
        shares = {other: _core.own_share(other, first, config) for other in _TIMED[1:]}
        best = max(shares, key=lambda other: shares[other])
        return best if shares[best] >= _ENOUGH else kind
    return kind


def own_kind(
    found: str | None, source: InputFile, layout: Layout, config: AnyConfig | str
) -> str | None:
    """The kind with the fields of mad as which a file of another format is read, where the reader
    of that format gives none of it; else None."""
    if found not in _LOOSE or layout.named is not None:
        return None
    kind = resolved("requests", source, layout, config)
    if kind.startswith(_FORMAT):
        return None
    given, _ = _given(found, source.begin(), config)
    return None if given.get(kind) else kind


def _given(format_: str, first: bytes, config: AnyConfig | str) -> tuple[dict[str, int], int]:
    """The records by kind that the reader of a format gives from the first bytes, and the number of
    items that it saw."""
    seen = _core.Inspector(config, format_)
    seen.begin("", format_)
    seen.feed(first)
    seen.end()
    document = json.loads(seen.document())
    return document["judged"], document["records"] + sum(document["rejected"].values())


def kinds_of(resolved_kind: str) -> set[str]:
    """The kinds of records that an input can give."""
    if not resolved_kind.startswith(_FORMAT):
        return {resolved_kind}
    return set(_core.kinds_of_format(resolved_kind.removeprefix(_FORMAT)))


def pieces(kind: str, source: InputFile, size: int = CHUNK) -> Iterator[Any]:
    """The content of an input in the pieces that its reader needs."""
    return source.contents(size) if kind.startswith(_FORMAT) else source.pieces(kind, size)
