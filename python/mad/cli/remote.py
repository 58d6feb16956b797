"""Requests to a running server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mad import documents, errors
from mad.report import words

if TYPE_CHECKING:
    from mad.adapters.post import Post

LOCAL = "http://127.0.0.1:8000"
"""The URL of a server with the default settings on this machine."""
_LONGEST = 64 << 20
"""Bytes of the longest answer that is read."""
_HINT = "start it with mad serve; a token comes from MAD_TOKEN"


def is_url(text: str) -> bool:
    """Whether a text is the URL of a server rather than a path."""
    return text.startswith(("http://", "https://"))


def ask(url: str, shape: documents.Shape, *path: str, **parameters: Any) -> Any:
    """The response of a server to GET of a path, whose parts may contain any characters. It has
    the shape.

    Raises `ServiceError` when the server cannot be reached or refuses, `UsageError` for an invalid
    URL, for an unknown resource, and for answers that are not those of a mad server.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    route = "/v1/query/" + "/".join(quote(part, safe="") for part in path)
    with _connection(url) as post:
        answer = post.get(f"{route}?{urlencode(given)}" if given else route)
    return _checked(url, answer, shape)


def order(url: str, shape: documents.Shape, route: str, command: Mapping[str, Any]) -> Any:
    """The response of a server to a command, which is sent once. It has the shape.

    Raises the errors of `ask`.
    """
    with _connection(url) as post:
        answer = post.order(route, command)
    return _checked(url, answer, shape)


def _checked(url: str, answer: Any, shape: documents.Shape) -> Any:
    if (fault := documents.fault(answer, shape)) is not None:
        raise errors.UsageError(
            f"{url} is no mad server of this version: in its answer {words.visible(fault)}",
            "give the URL of mad serve",
        )
    return answer


@contextmanager
def _connection(url: str) -> Iterator[Post]:
    from mad.adapters.post import DeliveryError, Post

    try:
        token = os.environ.get("MAD_TOKEN") or None
        post = Post(url, token, timeout=30.0, longest_answer=_LONGEST)
    except ValueError as error:
        raise errors.UsageError(str(error)) from error
    try:
        yield post
    except DeliveryError as error:
        if error.status in (404, 409, 422):
            raise errors.UsageError(f"{url}: {error}") from error
        raise errors.ServiceError(f"{url}: {error}", _HINT) from error
    finally:
        post.close()
