"""All services of the package `apprise`: more than a hundred, each by a URL."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from mad.config.options import option
from mad.config.secret import Secret
from mad.errors import MissingExtraError
from mad.sinks.protocol import Notification, Refused, Retry, SinkOptions
from mad.sinks.webhook import secret_problems

_TYPES = {"Critical": "failure", "Warning": "warning", "Info": "info"}


@dataclass(frozen=True, kw_only=True)
class AppriseOptions(SinkOptions):
    """Options of the type `apprise`."""

    urls: tuple[Secret, ...] = option(
        help="URLs of the services, such as `discord://...`, each secret"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.urls:
            raise ValueError("urls is empty; give one URL or more")


class AppriseSink:
    """Sends each notification to services of `apprise`."""

    Options: ClassVar[type[AppriseOptions]] = AppriseOptions
    groups: ClassVar[bool] = True
    keyed: ClassVar[bool] = False

    def __init__(self, options: AppriseOptions) -> None:
        self._options = options

    def _services(self) -> Any:
        try:
            import apprise
        except ImportError as error:
            raise MissingExtraError(
                "the sink type apprise needs the package apprise", "pip install 'mad-py[apprise]'"
            ) from error
        # its log has URLs, which are secret
        logging.getLogger("apprise").disabled = True
        services = apprise.Apprise()
        for url in self._options.urls:
            if not services.add(url.value()):
                raise Refused(f"`{url.reference}` is no URL that apprise knows")
        return services

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        kind = "success" if notification.is_end else _TYPES[notification.severity]
        body = "\n".join([*notification.lines(), notification.url]).strip()
        try:
            is_sent = self._services().notify(
                title=notification.heading, body=body or notification.heading, notify_type=kind
            )
        except MissingExtraError as error:
            raise Retry(f"{error}; {error.hint}") from None
        if not is_sent:
            raise Retry("a service of apprise did not take the message")

    def check(self) -> list[str]:
        """Problems of the package, the secrets and the URLs."""
        problems = secret_problems(*self._options.urls)
        if problems:
            return problems
        try:
            self._services()
        except MissingExtraError as error:
            return [f"{error}; {error.hint}"]
        except Refused as error:
            return [str(error)]
        return []
