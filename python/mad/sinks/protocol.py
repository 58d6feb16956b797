"""The protocol of a sink: a class that sends one notification to one place.

A sink of another package is a class with the attribute `Options` (a subclass of `SinkOptions`),
named by an entry point of the group `mad.sinks`. It is used by one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from mad.config.options import option

Event = Literal["opened", "escalated", "culprit_changed", "resolved", "reopened"]
EVENTS: tuple[Event, ...] = ("opened", "escalated", "culprit_changed", "resolved", "reopened")
Severity = Literal["Info", "Warning", "Critical"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_SPAN = rf"({_TIME}-{_TIME})?"
#: Most incidents that the text of a group lists.
_LISTED = 20

_HEADINGS = {
    "opened": "Incident opened",
    "escalated": "Incident escalated",
    "culprit_changed": "Culprit changed",
    "resolved": "Incident resolved",
    "reopened": "Incident reopened",
    "test": "Test message of mad",
}


class Retry(Exception):
    """The peer cannot take the message now; `after` is the pause in seconds that it asked for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Refused(Exception):
    """The peer will not take this message, now or later. The reason holds no secret."""


@dataclass(frozen=True, kw_only=True)
class SinkOptions:
    """Options of every sink: which messages it gets, how many, and when."""

    events: tuple[Event, ...] = option(EVENTS, help="Events that are sent")
    services: tuple[str, ...] = option(
        ("*",), help="Patterns of the services whose incidents are sent"
    )
    min_severity: Severity = option("Warning", help="Least severity that is sent")
    rate_per_minute: int = option(20, help="Most messages a minute", least=1, most=6_000)
    group_seconds: float = option(
        2.0,
        help="Time for which a message waits for others, to be sent as one where the sink can",
        least=0,
        most=3_600,
    )
    quiet: str = option(
        "",
        help="Quiet hours such as `22:00-07:00`: messages wait until their end",
        pattern=_SPAN,
    )
    quiet_days: tuple[Day, ...] = option((), help="Days on which quiet hours begin; none: all")
    zone: str = option("UTC", help="Time zone of quiet hours, such as `Europe/Berlin`")
    quiet_severity: Severity | Literal["none"] = option(
        "Critical", help="Severity that is sent in quiet hours too; `none`: no message is sent"
    )
    mute: tuple[str, ...] = option(
        (),
        help="Windows without messages, such as `2026-12-24T18:00Z/2026-12-27T06:00Z`; messages of "
        "these times are dropped",
    )
    timeout_seconds: float = option(10.0, help="Time for one attempt", least=0.1, most=300)
    attempts: int = option(
        20, help="Attempts, after which the message is a dead letter", least=1, most=1_000
    )

    def __post_init__(self) -> None:
        from mad.sinks.hours import windows_of, zone_of

        zone_of(self.zone)
        windows_of(self.mute)


@dataclass(frozen=True, slots=True)
class Notification:
    """One message: the versioned document of docs/alerts.md. A group has several documents."""

    documents: Sequence[Mapping[str, Any]]
    #: The link to the incident, or to all of them for a group; empty if the server has no URL.
    url: str = ""

    @property
    def document(self) -> Mapping[str, Any]:
        """The only document, or the first of a group."""
        return self.documents[0]

    @property
    def is_group(self) -> bool:
        """Whether it is about several incidents."""
        return len(self.documents) > 1

    @property
    def is_test(self) -> bool:
        """Whether it is a test message."""
        return bool(self.document["event"] == "test")

    @property
    def is_end(self) -> bool:
        """Whether it says that the incident was resolved."""
        return not self.is_group and bool(self.document["event"] == "resolved")

    @property
    def id(self) -> str:
        """Identifies this message: another attempt has the same."""
        return "+".join(str(one["id"]) for one in self.documents)[:200]

    @property
    def key(self) -> str:
        """Identifies the incident: all messages about it have the same."""
        return str(self.document["key"])

    @property
    def severity(self) -> str:
        """The worst severity."""
        order = ("Info", "Warning", "Critical")
        return max((str(one["incident"]["severity"]) for one in self.documents), key=order.index)

    @property
    def heading(self) -> str:
        """One line: the event and the incident."""
        if self.is_group:
            return f"{len(self.documents)} incidents changed, the worst is {self.severity}"
        return f"{_HEADINGS[self.document['event']]}: {self.document['title']}"

    @property
    def culprit(self) -> str:
        """Service and endpoint of the culprit; empty when there is none."""
        return entity_text(self.document["culprit"])

    @property
    def causes(self) -> list[str]:
        """The likely causes of the only incident; empty for a group."""
        return [] if self.is_group else [str(one) for one in self.document["causes"]]

    @property
    def checks(self) -> list[str]:
        """What to check first, of an incident that has not ended; empty for a group."""
        if self.is_group or self.document["event"] in ("resolved", "test"):
            return []
        return [str(one) for one in self.document["actions"]]

    def lines(self) -> list[str]:
        """The facts, and the first of the checks."""
        return [*self.facts(), *(f"Check first: {one}" for one in self.checks[:1])]

    def facts(self) -> list[str]:
        """The facts for people: reason, culprit, what changed. Of a group one line per incident."""
        if self.is_group:
            lines = [
                f"{_HEADINGS[one['event']]}: {one['title']}" for one in self.documents[:_LISTED]
            ]
            rest = len(self.documents) - len(lines)
            return [*lines, f"and {rest} more"] if rest else lines
        document = self.document
        lines = [str(document["reason"])] if document["reason"] else []
        if self.culprit:
            lines.append(f"Culprit: {self.culprit}")
        before = document["previous"] or {}
        if document["event"] == "escalated" and before:
            lines.append(f"Severity before: {before['severity']}")
        if document["event"] == "culprit_changed" and before.get("culprit"):
            lines.append(f"Culprit before: {entity_text(before['culprit'])}")
        return lines

    def text(self) -> str:
        """The whole message as plain text."""
        return "\n".join([self.heading, *self.lines(), *([self.url] if self.url else [])])

    def payload(self) -> dict[str, Any]:
        """The document of a webhook: of a group the documents of its incidents."""
        if self.is_group:
            return {
                "version": self.document["version"],
                "id": self.id,
                "event": "group",
                "title": self.heading,
                "url": self.url,
                "notifications": list(self.documents),
            }
        return {**self.document, "url": self.url}


class Sink(Protocol):
    """One place that receives notifications."""

    Options: ClassVar[type[SinkOptions]]
    #: Whether the peer keeps a state by the key of an incident, so that it needs no message about
    #: the end of an incident that it never heard of.
    keyed: ClassVar[bool]

    @property
    def groups(self) -> bool:
        """Whether one message can be about several incidents. Most sinks have a constant."""

    def send(self, notification: Notification) -> None:
        """Sends a notification. It may have been sent before, with the same id.

        Raises `Retry` when the peer cannot take it now, `Refused` when it never will.
        """

    def check(self) -> list[str]:
        """Every problem that can be found without a message, for `mad doctor`."""


def entity_text(entity: Mapping[str, str] | None) -> str:
    """`payments /pay`; empty for None."""
    return "" if not entity else f"{entity['service']} {entity['endpoint']}".strip()


def example_document(at: str) -> dict[str, Any]:
    """The document of a test message."""
    return {
        "version": 1,
        "id": f"mad-test:{at}",
        "key": "mad-test",
        "event": "test",
        "title": "[Info] this is a test; there is no incident",
        "reason": "Somebody ran `mad alert test`. Nothing has to be done.",
        "culprit": None,
        "incident": {
            "id": "mad-test",
            "fingerprint": "",
            "service": "mad",
            "endpoint": "test",
            "severity": "Info",
            "status": "resolved",
            "start": at,
            "end": at,
            "signals": [],
            "affected": [],
            "affected_count": 0,
        },
        "causes": [],
        "actions": [],
        "previous": None,
    }
