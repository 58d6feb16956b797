"""Authentication and authorization: tokens with scopes, and checks of host and origin."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from mad.api.errors import ApiError
from mad.api.paths import is_page, takes_batches
from mad.errors import UsageError, reason
from mad.regular import open_regular

SCOPES = ("read", "ingest", "admin")
#: Least characters of a token, and least different ones.
TOKEN_LENGTH, TOKEN_CHARACTERS = 16, 6
#: Largest file of tokens.
MOST_BYTES = 1024 * 1024
#: Routes without a token: probes request the first, and a browser cannot send a token for the
#: reference, which shows no data.
OPEN = frozenset({"/health", "/api/health", "/docs", "/openapi.json"})
#: Folders of the files of such pages.
OPEN_FOLDERS = ("/docs/",)


@dataclass(frozen=True, slots=True)
class Principal:
    """A client by name and the scopes that its token grants."""

    name: str
    scopes: frozenset[str]
    #: The SHA-256 of the token; empty for clients without one.
    token_digest: str = field(default="", repr=False)

    def may(self, scope: str) -> bool:
        """Whether the scope (`read`, `ingest` or `admin`) is granted; `admin` includes the other
        two."""
        return scope in self.scopes or "admin" in self.scopes


#: Headers that a request may have once.
_ONCE = frozenset(
    {b"authorization", b"content-type", b"content-encoding", b"idempotency-key", b"last-event-id"}
)
#: Permissions that a token file must not have.
_OTHERS = stat.S_IRWXO | stat.S_IWGRP

#: The client of every request when no tokens are configured.
ANYBODY = Principal("anybody", frozenset({"admin"}))
#: The client of a request for one of `OPEN` without a known token.
ANONYMOUS = Principal("anonymous", frozenset())


@dataclass(frozen=True, slots=True)
class Tokens:
    """The known tokens by their SHA-256."""

    principals: Mapping[str, Principal] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, *, again: bool = False) -> Tokens:
        """Reads a file with lines of `scopes token [name]`, such as `read,ingest 5c1b... agent`.
        `again` says that a server is running: it must not wait for the writer of a pipe.

        Raises `UsageError` when the file cannot be read, other users may read or write it, a line
        does not have this form, or a token is too simple or not unique.
        """
        try:
            mode = path.stat().st_mode
            with open_regular(path) if again else path.open("rb") as file:
                text = file.read(MOST_BYTES + 1)
            lines = text.decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            said = reason(error) if isinstance(error, OSError) else str(error)
            raise UsageError(f"{path}: {said}", "give a file with a token on each line") from error
        if len(text) > MOST_BYTES:
            raise UsageError(
                f"{path} is larger than {MOST_BYTES} bytes", "give a file with a token on each line"
            )
        if os.name == "posix" and mode & _OTHERS:
            raise UsageError(
                f"{path}: other users can read or change the tokens (mode {mode & 0o777:03o})",
                f"chmod 600 {path}",
            )
        principals: dict[str, Principal] = {}
        places: dict[str, int] = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            scopes = frozenset(words[0].split(","))
            if not scopes <= set(SCOPES) or not 2 <= len(words) <= 3:
                raise UsageError(
                    f"{path}, line {number}: expected scopes, a token and an optional name",
                    "read,ingest 5c1b09e2a4d87f63 agent (scopes are read, ingest, admin)",
                )
            token = words[1]
            if len(token) < TOKEN_LENGTH or len(set(token)) < TOKEN_CHARACTERS:
                raise UsageError(
                    f"{path}, line {number}: the token needs {TOKEN_LENGTH} characters or more, "
                    f"{TOKEN_CHARACTERS} of them different",
                    "make one with: openssl rand -hex 16",
                )
            digest = _digest(token)
            if digest in principals:
                raise UsageError(
                    f"{path}, line {number}: the token of line {places[digest]} again",
                    "give every client a separate token",
                )
            principals[digest] = Principal(
                words[2] if len(words) == 3 else f"line {number}", scopes, digest
            )
            places[digest] = number
        if not principals:
            raise UsageError(f"{path}: the file contains no token", "read,ingest,admin TOKEN NAME")
        return cls(principals)

    def principal(self, token: str) -> Principal | None:
        """The client of a token, or None. Every known token is compared, so that the time
        reveals nothing."""
        given, found = _digest(token), None
        for known, principal in self.principals.items():
            if hmac.compare_digest(known, given):
                found = principal
        return found


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Access:
    """Lets a request pass when its token has the scope that the route needs and it does not come
    from a page of another site.

    Without tokens every client on this machine may do everything. The host name must then be one of
    this machine, so that a foreign page cannot reach the server through DNS rebinding.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens | None,
        read_only: bool = False,
        hosts: frozenset[str] = frozenset(),
        signed: frozenset[str] = frozenset(),
        refused: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self._app, self.tokens, self._read_only, self._hosts = app, tokens, read_only, hosts
        self._refused, self._signed = refused, signed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._check(scope)
        if refused is None:
            await self._app(scope, receive, send)
            return
        if self._refused is not None:
            self._refused(scope["method"], scope["path"], refused.error)
        await refused.response()(scope, receive, send)

    def _check(self, scope: Scope) -> ApiError | None:
        headers = dict(scope["headers"])
        method, path = scope["method"], scope["path"]
        reading = method in ("GET", "HEAD", "OPTIONS")
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
            return ApiError(
                400,
                "bad_host",
                f"the request has {len(hosts)} Host headers",
                "send exactly one",
            )
        if (repeated := _repeated(scope["headers"])) is not None:
            return ApiError(
                400,
                "repeated_header",
                f"the request has several {repeated} headers",
                "send it once",
            )
        host = hosts[0].decode("latin-1") if hosts else ""
        if (foreign := _foreign_page(scope["headers"], host, reading)) is not None:
            return ApiError(
                403,
                "other_site",
                f"the request comes from the foreign page {foreign}",
                "send it from a page of this server, or without a browser",
            )
        if self._read_only and not reading:
            return ApiError(
                403, "read_only", "this server is read-only", "start it without --read-only"
            )
        if self.tokens is None:
            scope["mad.principal"] = ANYBODY
            name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
            if self._hosts and name not in self._hosts:
                return ApiError(
                    403,
                    "other_host",
                    f"the host {name!r} is not this server's",
                    f"ask {min(self._hosts)}, or start the server with --token-file",
                )
            return None
        given = headers.get(b"authorization", b"").decode("latin-1").split()
        bearer = given[1] if len(given) == 2 and given[0].lower() == "bearer" else ""
        principal = self.tokens.principal(bearer) if bearer else None
        if path in self._signed and not reading:
            # the route checks the signature
            scope["mad.principal"] = Principal(path.rpartition("/")[2], frozenset({"ingest"}))
            return None
        if path in OPEN or path.startswith(OPEN_FOLDERS) or is_page(path):
            scope["mad.principal"] = principal or ANONYMOUS
            return None
        if principal is None:
            return ApiError(
                401,
                "unauthorized",
                "the token is not known" if bearer else "a token is needed",
                "send Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
        needed = _needed(path, reading)
        if not principal.may(needed):
            return ApiError(
                403,
                "forbidden",
                f"this needs a token with the scope {needed}",
                f"use a token with the scope {needed}",
            )
        scope["mad.principal"] = principal
        return None


def _repeated(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The name of a header that is repeated although its meaning needs one value; None without.
    A proxy before the server may have read another of the values."""
    names = [name for name, _ in headers if name in _ONCE]
    return next((name.decode() for name in names if names.count(name) > 1), None)


def _foreign_page(headers: Iterable[tuple[bytes, bytes]], host: str, reading: bool) -> str | None:
    """The page of another site from which a browser sends a request; None for other clients.

    Browsers name the page in `Origin` or its relation in `Sec-Fetch-Site`. A person may follow a
    link to this server, because the other page cannot read the answer.
    """
    for name, value in headers:
        origin = value.decode("latin-1")
        if name == b"origin" and origin.partition("://")[2] != host:
            return origin
    fetch = dict(headers)
    site = fetch.get(b"sec-fetch-site", b"none").decode("latin-1")
    is_link = (
        reading
        and fetch.get(b"sec-fetch-mode") == b"navigate"
        and fetch.get(b"sec-fetch-dest") == b"document"
    )
    return None if site in ("none", "same-origin") or is_link else site


def _needed(path: str, reading: bool) -> str:
    if path.startswith(("/v1/state", "/v1/query/audit")):
        return "admin"
    if reading:
        return "read"
    return "ingest" if takes_batches(path) else "admin"
