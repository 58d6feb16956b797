"""HTTP requests of sinks: bounded in time and size, without redirects, errors without secrets."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mad import _core
from mad.deadline import Connection, Deadline, TlsConnection
from mad.sinks.protocol import Refused, Retry

#: Most bytes of an answer that are read, and most characters of it in a message.
_ANSWER_BYTES, _ANSWER_SHOWN = 64 * 1024, 200
#: Least characters of a part of a URL that may be a key. Ids of webhooks and tokens are longer.
_SECRET_LENGTH = 16
#: Longest pause that a peer may ask for, in seconds.
MAX_AFTER = 3_600.0
#: Statuses after which the same request may succeed later.
_LATER = frozenset({408, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `secrets` are texts that no message may contain."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    timeout: float = 10.0
    ca_file: str | None = None
    secrets: tuple[str, ...] = ()


def send_json(url: str, value: Any, **others: Any) -> str:
    """Sends a value as JSON; see `send`."""
    headers = {"Content-Type": "application/json", **others.pop("headers", {})}
    body = json.dumps(value, ensure_ascii=False).encode()
    return send(Request(url, body, headers, **others))


def send(request: Request) -> str:
    """Sends a request and returns the text of the answer to it.

    Raises `Retry` for a peer that cannot be reached, is too slow, or answers 408, 423, 425, 429 or
    5xx; `Refused` for every other status that is no success, redirects included.
    """
    place = place_of(request.url)
    try:
        status, headers, answer = _exchange(request)
    except (OSError, http.client.HTTPException) as error:
        raise Retry(f"{place}: {_said(error, request)}") from None
    except ValueError as error:
        raise Refused(f"{place}: the request is not valid HTTP: {type(error).__name__}") from None
    if 200 <= status < 300:
        return answer
    text = f"{place} answered {status}"
    if shown := _shown(answer, request):
        text += f": {shown}"
    if status in _LATER or status >= 500:
        raise Retry(text, _after(headers.get("retry-after")))
    if status in (401, 403):
        text += "; check the secret of this sink"
    raise Refused(text)


def place_of(url: str) -> str:
    """Scheme and host of a URL: the rest may be secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the URL"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def check_url(url: str, timeout: float, ca_file: str | None = None) -> list[str]:
    """Every problem of a peer that can be found without a request: name, connection, TLS."""
    try:
        connection = _connection(url, timeout, ca_file)
    except ValueError as error:
        return [str(error)]
    with contextlib.closing(connection), Deadline(timeout, connection.socket) as limit:
        try:
            connection.connect()
        except OSError as error:
            why = "no connection within the timeout" if limit.is_over else _reason(error)
            return [f"{place_of(url)}: {why}"]
    return []


def _connection(url: str, timeout: float, ca_file: str | None) -> Connection:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL has no scheme http or https, or no host")
    if parts.scheme == "http":
        return Connection(parts.hostname, parts.port, timeout=timeout)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ValueError(f"ca_file {ca_file}: {_reason(error)}") from None
    return TlsConnection(parts.hostname, parts.port, timeout=timeout, context=context)


def _exchange(request: Request) -> tuple[int, Mapping[str, str], str]:
    connection = _connection(request.url, request.timeout, request.ca_file)
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with (
        contextlib.closing(connection),
        Deadline(request.timeout, connection.socket) as limit,
    ):
        try:
            headers = {"User-Agent": f"mad/{_core.__version__}", **request.headers}
            connection.request(request.method, target, request.body, headers)
            response = connection.getresponse()
            answer = response.read(_ANSWER_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            if limit.is_over:
                raise TimeoutError from None
            raise
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, answer


def _after(text: str | None) -> float | None:
    """Seconds of a Retry-After header: a number, or a date."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text), MAX_AFTER)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, at - time.time()), MAX_AFTER)


def _said(error: Exception, request: Request) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {request.timeout:g} s"
    if isinstance(error, http.client.HTTPException):
        return f"no HTTP answer ({type(error).__name__})"
    return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate is not trusted: {error.verify_message}; give ca_file if the "
            "authority is your own"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    if isinstance(error, socket.gaierror):
        return "the host name is unknown"
    if isinstance(error, TimeoutError):
        return "no connection within the timeout"
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _shown(answer: str, request: Request) -> str:
    """The beginning of an answer, without the secrets that it may quote from the request."""
    text = " ".join(answer.split())
    for secret in sorted(_hidden(request), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text[:_ANSWER_SHOWN]


def _hidden(request: Request) -> set[str]:
    """The texts of a request that no message may contain: all of its URL but the host, the long
    parts of it, and the header `Authorization`."""
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    pieces = {one for one in re.split(r"[/?&=]", target) if len(one) >= _SECRET_LENGTH}
    headers = {name.lower(): value for name, value in request.headers.items()}
    given = headers.get("authorization", "")
    found = {request.url, target, given, given.partition(" ")[2], *pieces, *request.secrets}
    return found - {"", "/"}
