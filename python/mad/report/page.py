"""Renders the HTML templates of the report; every name in them is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mad.report import words


def render_page(template: str, view: Mapping[str, Any]) -> str:
    """A template of this package as text; a name that is missing in `view` is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mad.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["number"] = words.count
    return environment.get_template(template).render(view)
