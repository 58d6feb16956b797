"""E-mail, by SMTP."""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, ClassVar, Literal

from mad.config.options import option
from mad.config.secret import Secret
from mad.deadline import Deadline
from mad.sinks.protocol import Notification, Refused, Retry, SinkOptions
from mad.sinks.webhook import secret_problems

_ADDRESS = r"[^@\s<>,;]+@[^@\s<>,;]+"
#: Most characters of a subject.
_SUBJECT = 200


@dataclass(frozen=True, kw_only=True)
class MailOptions(SinkOptions):
    """Options of the type `email`."""

    host: str = option(help="Name of the SMTP server")
    port: int = option(
        587, help="Port; usual are 587 (STARTTLS), 465 (TLS) and 25", least=1, most=65_535
    )
    tls: Literal["starttls", "tls", "none"] = option("starttls", help="Encryption")
    username: str = option("", help="Name for the login; empty: none")
    password: Secret | None = option(None, help="Password for the login")
    sender: str = option(help="an address such as mad@example.com", pattern=_ADDRESS)
    recipients: tuple[str, ...] = option(help="addresses such as ops@example.com", pattern=_ADDRESS)
    ca_file: str | None = option(None, help="Certificates of the authority of the server, as PEM")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.recipients:
            raise ValueError("recipients is empty; give one address or more")
        if self.tls == "none" and self.password is not None:
            raise ValueError("a password is not sent without TLS; set tls to starttls or tls")


class MailSink:
    """Sends each notification as one message. All messages of an incident are one thread, and a
    message that is sent again has the same `Message-ID`."""

    Options: ClassVar[type[MailOptions]] = MailOptions
    groups: ClassVar[bool] = True
    keyed: ClassVar[bool] = False

    def __init__(self, options: MailOptions) -> None:
        self._options = options

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        place = f"{self._options.host}:{self._options.port}"
        try:
            with self._session() as smtp:
                smtp.send_message(message(notification, self._options))
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            text = f"{place} refused every recipient ({', '.join(map(str, sorted(codes)))})"
            raise (Retry(text) if any(code < 500 for code in codes) else Refused(text)) from None
        except smtplib.SMTPNotSupportedError:
            raise Refused(f"{place} offers no {self._options.tls}; set `tls`") from None
        except smtplib.SMTPResponseException as error:
            text = f"{place} answered {error.smtp_code}"
            if isinstance(error, smtplib.SMTPAuthenticationError):
                text += " to the login; check username and password"
            is_final = 500 <= error.smtp_code < 600
            raise (Refused(text) if is_final else Retry(text)) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Retry(f"{place}: {_reason(error)}") from None

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A session with the server, of `timeout_seconds` altogether."""
        options = self._options
        context = ssl.create_default_context(cafile=options.ca_file)
        seconds, place = options.timeout_seconds, (options.host, options.port)
        opened: list[smtplib.SMTP] = []
        with Deadline(seconds, lambda: opened[0].sock if opened else None) as limit:
            try:
                with (
                    _TlsSession(opened, *place, timeout=seconds, context=context)
                    if options.tls == "tls"
                    else _Session(opened, *place, timeout=seconds)
                ) as smtp:
                    if options.tls == "starttls":
                        smtp.starttls(context=context)
                    if options.password is not None:
                        smtp.login(options.username, options.password.value())
                    yield smtp
            except (OSError, smtplib.SMTPException):
                if limit.is_over:
                    raise TimeoutError from None
                raise

    def check(self) -> list[str]:
        """Problems of the password, the connection, TLS and the login."""
        problems = secret_problems(self._options.password)
        if problems:
            return problems
        place = f"{self._options.host}:{self._options.port}"
        try:
            with self._session():
                return []
        except smtplib.SMTPAuthenticationError as error:
            return [f"{place} refused the login ({error.smtp_code}); check username and password"]
        except (OSError, smtplib.SMTPException) as error:
            return [f"{place}: {_reason(error)}"]


class _Session(smtplib.SMTP):
    """A session that shows itself before it is connected, which its constructor does."""

    def __init__(self, opened: list[smtplib.SMTP], host: str, port: int, **others: Any) -> None:
        opened.append(self)
        super().__init__(host, port, **others)


class _TlsSession(_Session, smtplib.SMTP_SSL):
    """A session with TLS from its begin."""


def message(notification: Notification, options: MailOptions) -> EmailMessage:
    """The message for a notification."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(notification.heading.split())[:_SUBJECT]
    mail["From"] = options.sender
    mail["To"] = ", ".join(options.recipients)
    domain = options.sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{_digest(notification.id)}@{domain}>"
    if not notification.is_group:
        thread = f"<{_digest(notification.key)}@{domain}>"
        mail["References"] = mail["In-Reply-To"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(notification))
    return mail


def _text(notification: Notification) -> str:
    """The text of a message: one paragraph for each fact, then all causes and checks as lists."""
    parts = [notification.heading, *notification.facts()]
    for title, items in (
        ("Likely causes", notification.causes),
        ("Check first", notification.checks),
    ):
        if items:
            parts.append("\n".join([f"{title}:", *(f"- {one}" for one in items)]))
    return "\n\n".join([*parts, *([notification.url] if notification.url else [])]) + "\n"


def _digest(text: str) -> str:
    return f"mad-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}; give ca_file"
    if isinstance(error, TimeoutError):
        return "no answer within the timeout"
    said = getattr(error, "strerror", None) or getattr(error, "reason", None)
    return str(said or type(error).__name__).lower()
