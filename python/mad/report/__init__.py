"""Renders a detection document as an HTML page or as terminal text.

The document is the JSON-like mapping that the core returns after a run. This package computes no
verdict: every number that it shows was found by the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["render_html", "write_html"]


def render_html(document: Mapping[str, Any]) -> str:
    """The whole self-contained page as text."""
    from mad.report.html import render

    return render(document)


def write_html(document: Mapping[str, Any], path: str | Path) -> None:
    """Writes the page to `path` as UTF-8."""
    Path(path).write_text(render_html(document), encoding="utf-8", newline="\n")
