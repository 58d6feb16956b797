"""Renders the HTML templates of the report; every name in them is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mad.report import words

if TYPE_CHECKING:
    from markupsafe import Markup

WHOLE = 20
"""Longest word that stays whole in a narrow column."""
_PIECE = re.compile(r"/*(?:[^/._=&?,:-]|(?<=\d)[.,:-](?=\d)){1,16}[._=&?,:-]*|[/._=&?,:-]+")


def breakable(text: object) -> Markup:
    """Text as HTML in which long names may break: before `/`, behind `.`, `_` and the like, and
    every 16 characters. Words stay whole in every column."""
    from markupsafe import Markup, escape

    words_of = re.split(r"(\s+)", str(text))
    pieces = (_PIECE.findall(word) if len(word) > WHOLE else [word] for word in words_of)
    return Markup("").join(Markup("<wbr>").join(map(escape, one)) for one in pieces)


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
    environment.filters["breakable"] = breakable
    return environment.get_template(template).render(view)
