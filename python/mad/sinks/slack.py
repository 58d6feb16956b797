"""Slack, by an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mad.config.options import option
from mad.config.secret import Secret
from mad.sinks import http
from mad.sinks.protocol import Notification, SinkOptions
from mad.sinks.webhook import secret_problems

#: Limits of Slack: characters of a header and of a section.
HEADER, SECTION = 150, 3_000
_ICONS = {"Critical": ":red_circle:", "Warning": ":large_orange_circle:", "Info": ":white_circle:"}


@dataclass(frozen=True, kw_only=True)
class SlackOptions(SinkOptions):
    """Options of the type `slack`."""

    url: Secret = option(help="URL of the incoming webhook, which is secret")
    mention: str = option(
        "", help="Text before critical messages, such as `<!here>` or `<@U012AB3CD>`"
    )
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")


class SlackSink:
    """Sends each notification as blocks: a header, the facts and a button with the link."""

    Options: ClassVar[type[SlackOptions]] = SlackOptions
    groups: ClassVar[bool] = True
    keyed: ClassVar[bool] = False

    def __init__(self, options: SlackOptions) -> None:
        self._options = options

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        options = self._options
        url = options.url.value()
        http.send_json(
            url,
            message(notification, options.mention),
            timeout=options.timeout_seconds,
            ca_file=options.ca_file,
        )

    def check(self) -> list[str]:
        """Problems of the secret and of the connection."""
        options = self._options
        return secret_problems(options.url) or http.check_url(
            options.url.value(), options.timeout_seconds, options.ca_file
        )


def message(notification: Notification, mention: str = "") -> dict[str, Any]:
    """The body of a message: `text` for the list of notifications, and blocks."""
    icon = ":white_check_mark:" if notification.is_end else _ICONS[notification.severity]
    lines = [escaped(line) for line in notification.lines()]
    if mention and notification.severity == "Critical" and not notification.is_end:
        lines.insert(0, mention)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(f"{icon} {notification.heading}", HEADER)}
    ]
    if lines:
        text = "\n".join(lines)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, SECTION)}})
    if notification.url:
        button = {"type": "button", "text": _plain("Open in mad", 75), "url": notification.url}
        blocks.append({"type": "actions", "elements": [button]})
    return {"text": escaped(_cut(notification.heading, SECTION)), "blocks": blocks}


def escaped(text: str) -> str:
    """A text without the three characters that Slack reads as control sequences."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(text, most), "emoji": True}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
