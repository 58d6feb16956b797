"""Slack, by an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mad.config.options import option
from mad.sinks.chat import ChatOptions, ChatSink
from mad.sinks.protocol import Notification

#: Limits of Slack: characters of a header and of a section.
HEADER, SECTION = 150, 3_000
_ICONS = {"Critical": ":red_circle:", "Warning": ":large_orange_circle:", "Info": ":white_circle:"}


@dataclass(frozen=True, kw_only=True)
class SlackOptions(ChatOptions):
    """Options of the type `slack`."""

    mention: str = option(
        "", help="Text before critical messages, such as `<!here>` or `<@U012AB3CD>`"
    )


class SlackSink(ChatSink):
    """Sends each notification as blocks: a header, the facts and a button with the link."""

    Options: ClassVar[type[SlackOptions]] = SlackOptions

    def __init__(self, options: SlackOptions) -> None:
        super().__init__(options)
        self._mention = options.mention

    def body(self, notification: Notification) -> dict[str, Any]:
        """The body of the message of a notification."""
        return message(notification, self._mention)


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
