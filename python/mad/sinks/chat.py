"""What the sinks of chats share: an incoming webhook whose URL is the secret."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from mad.config.options import option
from mad.config.secret import Secret
from mad.sinks import http
from mad.sinks.protocol import Notification, SinkOptions
from mad.sinks.webhook import secret_problems


@dataclass(frozen=True, kw_only=True)
class ChatOptions(SinkOptions):
    """Options of a chat."""

    url: Secret = option(help="URL of the incoming webhook, which is secret")
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")


class ChatSink(ABC):
    """Posts each notification as one message, whose body a subclass gives."""

    groups: ClassVar[bool] = True
    keyed: ClassVar[bool] = False

    def __init__(self, options: ChatOptions) -> None:
        self._options = options

    @abstractmethod
    def body(self, notification: Notification) -> dict[str, Any]:
        """The body of the message of a notification."""

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        options = self._options
        http.send_json(
            options.url.value(),
            self.body(notification),
            timeout=options.timeout_seconds,
            ca_file=options.ca_file,
        )

    def check(self) -> list[str]:
        """Problems of the secret and of the connection."""
        options = self._options
        return secret_problems(options.url) or http.check_url(
            options.url.value(), options.timeout_seconds, options.ca_file
        )
