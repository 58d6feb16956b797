"""The files of the live page: `/` and `/page/...`."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from mad.api.paths import PAGE_PREFIX, is_page

#: The page runs and loads its own files only, and no script or style inside of its HTML.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_DIRECTORY = Path(__file__).parent.parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    "": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class _File:
    media_type: bytes
    tag: bytes
    body: bytes
    packed: bytes


class PageFiles:
    """Serves the files of the live page, and passes every other request on.

    The files need no token, because the page itself asks for one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        found = _files().get(scope["path"]) if is_read and is_page(scope["path"]) else None
        if found is None:
            await self._app(scope, receive, send)
            return
        asked = dict(scope["headers"])
        headers = [
            (b"content-type", found.media_type),
            (b"content-security-policy", POLICY.encode()),
            (b"etag", found.tag),
            (b"cache-control", b"no-cache"),
            (b"vary", b"accept-encoding"),
        ]
        status, body = 200, found.body
        if found.tag in asked.get(b"if-none-match", b""):
            status, body = 304, b""
        elif b"gzip" in asked.get(b"accept-encoding", b""):
            body = found.packed
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": sent})


@cache
def _files() -> dict[str, _File]:
    """The files by their paths. They are read once, because they do not change while it runs."""
    found = {}
    for path in sorted(_DIRECTORY.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            body = path.read_bytes()
            tag = b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'
            packed = gzip.compress(body, 9, mtime=0)
            name = PAGE_PREFIX + path.relative_to(_DIRECTORY).as_posix()
            found[name] = _File(_TYPES[path.suffix].encode(), tag, body, packed)
    found["/"] = found[PAGE_PREFIX + "index.html"]
    return found
