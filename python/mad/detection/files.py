"""Detection over files in memory, with all rows in the report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mad import _core
from mad.config import AnyConfig
from mad.detection import formats
from mad.detection.formats import Layout
from mad.sources.files import InputFile, text_of


def is_path(source: Any) -> bool:
    """Whether a source names a file."""
    return isinstance(source, str | os.PathLike)


def detect_files(
    given: Mapping[str, Any],
    config: AnyConfig,
    layout: Layout | None = None,
    *,
    state: bytes | None,
    learn: bool,
    scorers: Sequence[str] = (),
) -> _core.Report:
    """Reads all sources, by kind, piece by piece; files that are not in order are read again and
    sorted, and so is everything beside a table, which can be read once only."""
    sort = not all(map(is_path, given.values()))
    layout = layout or Layout()
    inputs = list(_inputs(given, layout, config))

    def attempt(config: AnyConfig | str) -> _core.DetectRun:
        nonlocal sort
        try:
            return _read(inputs, config, layout, state, sort=sort, learn=learn, scorers=scorers)
        except _core.UnsortedError:
            if sort:
                raise
            sort = True
            return _read(inputs, config, layout, state, sort=True, learn=learn, scorers=scorers)

    run = attempt(config)
    # rows of saved state keep their length
    short = None if learn or state else run.short_recording()
    return (attempt(short) if short else run).report()


def _inputs(
    given: Mapping[str, Any], layout: Layout, config: AnyConfig
) -> Iterator[tuple[str, Any]]:
    """The inputs with the kind or format of each; a folder is its files."""
    for kind, source in given.items():
        if not is_path(source):
            yield kind, source
            continue
        for path in formats.expanded(os.fspath(source)):
            yield formats.resolved(kind, InputFile(path), layout, config), path


def reference_file(path: str, settings: dict[str, int]) -> _core.Table:
    """The original's scored rows of a file."""
    run = _core.ReferenceRun(settings, 1)
    _feed(run, [("requests", path)])
    return run.scored()


def read(source: Any, kind: str, config: AnyConfig) -> _core.Telemetry:
    """Reads and checks one source."""
    telemetry = _core.Telemetry(kind, config)
    for piece in _pieces(source, kind):
        telemetry.feed(piece)
    telemetry.end()
    return telemetry


def _read(
    inputs: Sequence[tuple[str, Any]],
    config: AnyConfig | str,
    layout: Layout,
    state: bytes | None,
    *,
    sort: bool,
    learn: bool,
    scorers: Sequence[str],
) -> _core.DetectRun:
    run = _core.DetectRun(
        config,
        [kind for kind, _ in inputs],
        sort=sort,
        keep_rows=True,
        state=state,
        learn=learn,
        names=[text_of(source) if is_path(source) else kind for kind, source in inputs],
        service=layout.service,
        pattern=layout.pattern,
        scorers=scorers,
    )
    _feed(run, inputs)
    return run


def _feed(run: _core.DetectRun | _core.ReferenceRun, inputs: Sequence[tuple[str, Any]]) -> None:
    readers = [_pieces(source, kind) for kind, source in inputs]
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
            if len(inputs) == 1:
                raise
            raise ValueError(f"{inputs[wanted][0]}: {error}") from error
    run.finish()


def _pieces(source: Any, kind: str) -> Iterator[Any]:
    return (
        formats.pieces(kind, InputFile(os.fspath(source))) if is_path(source) else iter((source,))
    )
