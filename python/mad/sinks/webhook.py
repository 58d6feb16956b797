"""A generic webhook: the versioned document as JSON, or a body by template, signed with HMAC."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from mad.config.options import option
from mad.config.secret import Secret, SecretMissing, revealed
from mad.sinks import http
from mad.sinks.protocol import Notification, Refused, SinkOptions, example_document

if TYPE_CHECKING:
    from jinja2 import Template

#: Most bytes of a body that a template writes.
_MOST_BYTES = 1 << 20
#: Names of headers that have secrets.
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|password|key$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class WebhookOptions(SinkOptions):
    """Options of the type `webhook`."""

    url: str | Secret = option(help="Address that receives the requests")
    method: Literal["POST", "PUT"] = option("POST", help="Method of the requests")
    secret: Secret | None = option(
        None, help="Key of the signature in the header `Mad-Signature`; none: not signed"
    )
    headers: dict[str, str | Secret] = option({}, help="Further headers")
    template: str = option(
        "", help="Jinja2 template of the body over the fields of the document; empty: JSON of it"
    )
    content_type: str = option("application/json", help="Content type of the body")
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in self.headers.items():
            if isinstance(value, str) and _SECRET_HEADER.search(name):
                raise ValueError(
                    f"headers has {name!r} in plain; put its value into a variable or a file, and "
                    'write "env:NAME" or "file:PATH"'
                )
        if self.template:
            example = Notification([example_document("2026-01-06T10:00:00.000Z")])
            try:
                _filled(self.template, example)
            except Refused as error:
                raise ValueError(f"{error}; the message is a test, without a culprit") from None


class WebhookSink:
    """Sends each notification as one request.

    `Mad-Signature: t=SECONDS,v1=HEX` has the HMAC-SHA256 of `SECONDS.BODY`; `Idempotency-Key` is
    the id of the message, which further attempts repeat.
    """

    Options: ClassVar[type[WebhookOptions]] = WebhookOptions
    keyed: ClassVar[bool] = False

    def __init__(self, options: WebhookOptions, now: Callable[[], float] = time.time) -> None:
        """`now` gives the time of signatures, in seconds since 1970."""
        self._options, self._now = options, now

    @property
    def groups(self) -> bool:
        """A template is filled with the document of one incident."""
        return not self._options.template

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        options = self._options
        url = revealed(options.url)
        headers = {name: revealed(value) for name, value in options.headers.items()}
        body = self._body(notification)
        headers |= {"Content-Type": options.content_type, "Idempotency-Key": notification.id}
        if options.secret is not None:
            headers["Mad-Signature"] = signature(options.secret.value(), int(self._now()), body)
        secret = tuple(
            revealed(value) for value in options.headers.values() if isinstance(value, Secret)
        )
        http.send(
            http.Request(
                url,
                body,
                headers,
                method=options.method,
                timeout=options.timeout_seconds,
                ca_file=options.ca_file,
                secrets=secret,
            )
        )

    def _body(self, notification: Notification) -> bytes:
        if self._options.template:
            return _filled(self._options.template, notification)
        return json.dumps(notification.payload(), ensure_ascii=False).encode()

    def check(self) -> list[str]:
        """Problems of the secrets and of the connection."""
        options = self._options
        problems = secret_problems(options.secret, *options.headers.values())
        try:
            url = revealed(options.url)
        except SecretMissing as error:
            return [*problems, str(error)]
        return problems + http.check_url(url, options.timeout_seconds, options.ca_file)


def signature(secret: str, at: int, body: bytes) -> str:
    """The header `Mad-Signature` of a body at a time in seconds since 1970."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def secret_problems(*values: str | Secret | None) -> list[str]:
    """A problem for each secret that is not there."""
    problems = []
    for value in values:
        try:
            revealed(value)
        except SecretMissing as error:
            problems.append(str(error))
    return problems


def _filled(template: str, notification: Notification) -> bytes:
    """The body that a template writes. Raises ValueError for a template that cannot be compiled,
    `Refused` for one that cannot be filled."""
    from jinja2 import TemplateError

    compiled, document = _compiled(template), notification.payload()
    try:
        text: str = compiled.render(document, document=document, text=notification.text())
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise Refused(f"the template cannot be filled: {error}") from None
    if len(text) > _MOST_BYTES:
        raise Refused(f"the body of the template has more than {_MOST_BYTES} characters")
    return text.encode()


def _compiled(template: str) -> Template:
    """A template in a sandbox. Raises ValueError."""
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        return environment.from_string(template)
    except TemplateSyntaxError as error:
        raise ValueError(f"template, line {error.lineno}: {error.message}") from None
