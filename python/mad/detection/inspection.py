"""Inspection of files: their format and what would be read from them."""

from __future__ import annotations

import json
import shlex
from typing import Any

from mad import _core
from mad.config import AnyConfig
from mad.detection import formats
from mad.detection.formats import OWN, Layout, files_of
from mad.errors import InputError
from mad.sources.beginning import format_of
from mad.sources.files import InputFile, text_of


def inspect_path(
    path: str, layout: Layout | None = None, config: AnyConfig | str = None
) -> dict[str, Any]:
    """What a file holds, or the files of a folder that belong together, as a document.

    Raises `InputError` for a path that cannot be read and for an unknown format.
    """
    layout = layout or Layout()
    found = _core.Inspector(config, layout.format, layout.service, layout.pattern)
    paths = files_of(path)
    for one in paths:
        source = InputFile(str(one))
        format_ = layout.named or format_of(one.name, source.begin())
        kind = formats.own_kind(format_, source, layout, config)
        chunks = source.chunks() if kind or format_ in (None, *OWN) else source.contents()
        found.begin(text_of(one), "json-lines" if kind else format_, kind)
        try:
            for chunk in chunks:
                found.feed(chunk)
            found.end()
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{source.name}: {error}") from error
    document = dict(json.loads(found.document()))
    options = vars(layout).items()
    given = [f"--{name} {shlex.quote(value)}" for name, value in options if value]
    command = " ".join(["mad detect", shlex.quote(path), *given])
    return {
        "path": path,
        "files": len(paths),
        **document,
        "notes": found.notes,
        "command": command if document["judged"] else None,
    }
