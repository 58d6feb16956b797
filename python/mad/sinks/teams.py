"""Microsoft Teams, by the webhook of a workflow, with adaptive cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mad.config.options import option
from mad.config.secret import Secret
from mad.sinks.chat import ChatOptions, ChatSink
from mad.sinks.protocol import Notification

_COLORS = {"Critical": "Attention", "Warning": "Warning", "Info": "Default"}
#: Most characters of one text; Teams takes 28 kB a message.
_TEXT = 1_000


@dataclass(frozen=True, kw_only=True)
class TeamsOptions(ChatOptions):
    """Options of the type `teams`."""

    url: Secret = option(
        help='URL of the workflow "When a Teams webhook request is received", which is secret'
    )


class TeamsSink(ChatSink):
    """Sends each notification as one adaptive card."""

    Options: ClassVar[type[TeamsOptions]] = TeamsOptions

    def body(self, notification: Notification) -> dict[str, Any]:
        """The body of the message of a notification."""
        return message(notification)


def message(notification: Notification) -> dict[str, Any]:
    """The body of a message: an attachment with one adaptive card."""
    color = "Good" if notification.is_end else _COLORS[notification.severity]
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _plain(notification.heading),
            "weight": "Bolder",
            "size": "Medium",
            "color": color,
            "wrap": True,
        }
    ]
    body += [
        {"type": "TextBlock", "text": _plain(line), "wrap": True} for line in notification.lines()
    ]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if notification.url:
        action = {"type": "Action.OpenUrl", "title": "Open in mad", "url": notification.url}
        card["actions"] = [action]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _plain(text: str) -> str:
    """A text in which the marks of Markdown, which cards read, have no effect."""
    cut = text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
    return "".join(f"\\{char}" if char in "\\*_[]`" else char for char in cut)
