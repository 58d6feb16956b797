"""Detection over files in memory, with all rows in the report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mad import _core
from mad.config import AnyConfig
from mad.sources.files import InputFile


def is_path(source: Any) -> bool:
    """Whether a source names a file."""
    return isinstance(source, str | os.PathLike)


def detect_files(
    given: Mapping[str, Any], config: AnyConfig, *, state: bytes | None, learn: bool
) -> _core.Report:
    """Reads all sources, by kind, piece by piece; files that are not in order are read again and
    sorted, and so is everything beside a table, which can be read once only."""
    sort = not all(map(is_path, given.values()))
    try:
        return _read(given, config, state, sort=sort, learn=learn)
    except _core.UnsortedError:
        if sort:
            raise
        return _read(given, config, state, sort=True, learn=learn)


def reference_file(path: str, settings: dict[str, int]) -> _core.Table:
    """The original's scored rows of a file."""
    run = _core.ReferenceRun(settings, 1)
    _feed(run, {"requests": path})
    return run.scored()


def read(source: Any, kind: str, config: AnyConfig) -> _core.Telemetry:
    """Reads and checks one source."""
    telemetry = _core.Telemetry(kind, config)
    for piece in _pieces(source, kind):
        telemetry.feed(piece)
    telemetry.end()
    return telemetry


def _read(
    given: Mapping[str, Any], config: AnyConfig, state: bytes | None, *, sort: bool, learn: bool
) -> _core.Report:
    run = _core.DetectRun(config, list(given), sort=sort, keep_rows=True, state=state, learn=learn)
    _feed(run, given)
    return run.report()


def _feed(run: _core.DetectRun | _core.ReferenceRun, given: Mapping[str, Any]) -> None:
    kinds = list(given)
    readers = [_pieces(source, kind) for kind, source in given.items()]
    while (wanted := run.wants()) is not None:
        piece = next(readers[wanted], None)
        try:
            if piece is None:
                run.end(wanted)
            else:
                run.feed(wanted, piece)
        except _core.UnsortedError:
            raise
        except ValueError as error:
            if len(kinds) == 1:
                raise
            raise ValueError(f"{kinds[wanted]}: {error}") from error
    run.finish()


def _pieces(source: Any, kind: str) -> Iterator[Any]:
    return InputFile(os.fspath(source)).pieces(kind) if is_path(source) else iter((source,))
