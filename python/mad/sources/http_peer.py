"""Requests to an HTTP API from which a source reads, with the errors of sources."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from mad.config.secret import Secret, revealed
from mad.deadline import Connection, Deadline, TlsConnection
from mad.sources.protocol import SourceUnavailable

#: Most bytes of an answer.
MOST_BYTES = 64 << 20
#: Seconds without a byte after which a request fails, and seconds that all of it may last.
IDLE_SECONDS, WHOLE_SECONDS = 15.0, 30.0
#: What a status means for the user.
_REMEDIES = {
    401: "check the user, password or token",
    403: "give the user or token the right to read",
    404: "check the address and the name",
    429: "the peer limits requests; mad tries again later",
}


class Refused(SourceUnavailable):
    """The peer answered with an error; `status` is that of HTTP."""

    def __init__(self, message: str, hint: str, status: int) -> None:
        super().__init__(message, hint)
        self.status = status


class HttpPeer:
    """Sends requests to one address and reads JSON."""

    def __init__(
        self,
        url: str,
        *,
        username: str = "",
        password: Secret | None = None,
        token: Secret | None = None,
        scheme: str = "Bearer",
        ca_file: str = "",
        seconds: float = WHOLE_SECONDS,
    ) -> None:
        """`seconds` is the longest time of a request with its answer."""
        self.url = url.rstrip("/")
        self._username, self._password = username, password
        self._token, self._scheme = token, scheme
        self._ca_file, self._seconds = ca_file, seconds

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The answer to GET as a JSON value. Raises `SourceUnavailable`."""
        return self.ask("GET", f"{path}?{urlencode(parameters)}" if parameters else path)

    def form(self, path: str, parameters: Mapping[str, Any]) -> Any:
        """The answer to POST of a form, for parameters that are too long for GET."""
        body = urlencode(parameters).encode()
        return self.ask("POST", path, body, "application/x-www-form-urlencoded")

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """The answer as a JSON value; None when it is empty. Raises `SourceUnavailable`, `Refused`
        for an answer with an error."""
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        headers = {"Accept": "application/json", "User-Agent": "mad", **self._authorization()}
        if data is not None:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(f"{self.url}{path}", data, headers=headers, method=method)
        status, content = self._exchange(request)
        if status >= 400:
            raise self._refused(status, content)
        if len(content) > MOST_BYTES:
            raise SourceUnavailable(
                f"{self.url}{path.partition('?')[0]}: the answer is larger than "
                f"{MOST_BYTES >> 20} MiB",
                "ask for less at a time",
            )
        return self._value(content) if content.strip() else None

    def _exchange(self, request: urllib.request.Request) -> tuple[int, bytes]:
        """Status and body of an answer, of an error only the first 64 kB."""
        line = _Line()
        seconds = min(IDLE_SECONDS, self._seconds)
        with Deadline(self._seconds, line.socket) as limit:
            try:
                with self._opener(line).open(request, timeout=seconds) as answer:
                    status, content = answer.status, answer.read(MOST_BYTES + 1)
            except urllib.error.HTTPError as error:
                with error, contextlib.suppress(OSError, http.client.HTTPException):
                    status, content = error.code, b""
                    content = error.read(64 * 1024)
            except (OSError, http.client.HTTPException) as error:
                if limit.is_over:
                    raise self._too_slow() from None
                said = getattr(error, "reason", None) or error
                raise SourceUnavailable(
                    f"{self.url} cannot be reached: {str(said) or type(said).__name__}",
                    "check the address, TLS and whether the peer runs",
                ) from error
            # Also an answer that seems complete: a body without a length ends with its connection.
            if limit.is_over:
                raise self._too_slow()
        return status, content

    def _too_slow(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self.url} gives no whole answer within {self._seconds:g} s",
            "look at the load of the peer, or ask for less at a time",
        )

    def _value(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise SourceUnavailable(
                f"{self.url} answers with something other than JSON", "check the address"
            ) from error

    def _refused(self, status: int, content: bytes) -> Refused:
        said = content.decode("utf-8", "replace").strip()[:300]
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            error = found.get("error", said)
            said = str(error.get("reason", said) if isinstance(error, dict) else error)
        hint = _REMEDIES.get(status, "look at the log of the peer")
        return Refused(f"{self.url} answers {status}: {said}", hint, status)

    def _authorization(self) -> dict[str, str]:
        if self._token is not None:
            return {"Authorization": f"{self._scheme} {revealed(self._token)}"}
        if self._username:
            pair = f"{self._username}:{revealed(self._password)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    def _opener(self, line: _Line) -> urllib.request.OpenerDirector:
        context = None
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=self._ca_file or None)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect(), _Http(line, context)]
        if _is_loopback(urlsplit(self.url).hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener(*handlers)


class _Line:
    """The connection of one request, which urllib makes."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def connection(self, kind: type[Connection], host: str, **others: Any) -> Connection:
        """A connection, whose socket is the one of this request."""
        self._connection = kind(host, **others)
        return self._connection

    def socket(self) -> socket.socket | None:
        """The present socket; None before there is one."""
        return self._connection.socket() if self._connection is not None else None


class _Http(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Makes connections that show their sockets."""

    def __init__(self, line: _Line, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._line, self._tls = line, context

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The answer to a request."""
        return self.do_open(partial(self._line.connection, Connection), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The answer to a request over TLS."""
        return self.do_open(
            partial(self._line.connection, TlsConnection), request, context=self._tls
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, because it would pass the credentials to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No further request."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
