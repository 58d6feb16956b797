"""Writes charts as PNG, SVG or JSON."""

from __future__ import annotations

import json
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from mad.errors import MissingExtraError, UsageError
from mad.sinks import files

FORMS = ("png", "svg", "json")


def save(chart: Any, path: str | PathLike[str], *, scale: float = 2.0) -> Path:
    """Writes a chart to a file whose name ends in .png, .svg or .json, and returns its path.

    PNG and SVG need no browser and no internet. `scale` multiplies the pixels of a PNG. The JSON is
    the Vega-Lite document.

    Raises `UsageError` for another ending or a folder that cannot be written.
    """
    out = Path(fspath(path))
    form = out.suffix.lower().removeprefix(".")
    if form not in FORMS:
        endings = ", ".join(f".{one}" for one in FORMS)
        raise UsageError(f"{out.name!r} is no picture", f"give a name ending in {endings}")
    document = chart.to_dict(validate=False)  # the check of every row takes seconds
    if form == "json":
        content = json.dumps(document, indent=1).encode()
    else:
        content = _rendered(document, form, scale)
    files.write_bytes(str(out), content)
    return out


def _rendered(document: dict[str, Any], form: str, scale: float) -> bytes:
    try:
        import vl_convert
    except ImportError as error:
        text = "pictures need vl-convert-python: pip install 'mad-py[plot]'"
        raise MissingExtraError(text) from error
    if form == "png":
        return bytes(vl_convert.vegalite_to_png(document, scale=scale))
    return bytes(vl_convert.vegalite_to_svg(document).encode())
