"""Requests to an HTTP API from which a source reads, with the errors of sources."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from mad.config.secret import Secret, revealed
from mad.sources.protocol import SourceUnavailable

#: Most bytes of an answer.
MOST_BYTES = 64 << 20
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
        timeout: float = 15.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._username, self._password = username, password
        self._token, self._scheme = token, scheme
        self._ca_file, self._timeout = ca_file, timeout

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
        try:
            with self._opener().open(request, timeout=self._timeout) as answer:
                content = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(64 * 1024)) from None
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "reason", None) or error
            raise SourceUnavailable(
                f"{self.url} cannot be reached: {str(said) or type(said).__name__}",
                "check the address, TLS and whether the peer runs",
            ) from error
        if len(content) > MOST_BYTES:
            raise SourceUnavailable(
                f"{self.url}{path.partition('?')[0]}: the answer is larger than "
                f"{MOST_BYTES >> 20} MiB",
                "ask for less at a time",
            )
        return self._value(content) if content.strip() else None

    def _value(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as error:
            raise SourceUnavailable(
                f"{self.url} answers with something other than JSON", "check the address"
            ) from error

    def _refused(self, status: int, content: bytes) -> Refused:
        said = content.decode("utf-8", "replace").strip()[:300]
        try:
            found = json.loads(content)
        except ValueError:
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

    def _opener(self) -> urllib.request.OpenerDirector:
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=self._ca_file or None)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        if _is_loopback(urlsplit(self.url).hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener(*handlers)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, because it would pass the credentials to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No further request."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
