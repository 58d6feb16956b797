"""PagerDuty, by the Events API v2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mad.config.options import option
from mad.config.secret import Secret
from mad.sinks import http
from mad.sinks.protocol import Notification, SinkOptions
from mad.sinks.webhook import secret_problems

#: Severities of PagerDuty.
SEVERITIES = {"Critical": "critical", "Warning": "warning", "Info": "info"}
#: Most characters of a summary.
_SUMMARY = 1_024


@dataclass(frozen=True, kw_only=True)
class PagerDutyOptions(SinkOptions):
    """Options of the type `pagerduty`."""

    routing_key: Secret = option(help="Integration key of the service (Events API v2)")
    url: str = option(
        "https://events.pagerduty.com/v2/enqueue",
        help="Address of the API; `https://events.eu.pagerduty.com/v2/enqueue` in the EU",
    )
    rate_per_minute: int = option(60, help="Most messages a minute", least=1, most=6_000)
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")


class PagerDutySink:
    """Triggers an alert when an incident opens and resolves it when the incident is resolved.

    The `dedup_key` is the id of the incident, so that an update or a retry pages once.
    """

    Options: ClassVar[type[PagerDutyOptions]] = PagerDutyOptions
    groups: ClassVar[bool] = False
    keyed: ClassVar[bool] = True

    def __init__(self, options: PagerDutyOptions) -> None:
        self._options = options

    def send(self, notification: Notification) -> None:
        """Sends a notification; a test is triggered and resolved. Raises `Retry` and `Refused`."""
        key = self._options.routing_key.value()
        self._post(event(notification, key), key)
        if notification.is_test:
            self._post({**_head(notification, key), "event_action": "resolve"}, key)

    def _post(self, body: dict[str, Any], key: str) -> None:
        options = self._options
        http.send_json(
            options.url,
            body,
            timeout=options.timeout_seconds,
            ca_file=options.ca_file,
            secrets=(key,),
        )

    def check(self) -> list[str]:
        """Problems of the key and of the connection."""
        options = self._options
        problems = secret_problems(options.routing_key)
        if not problems and len(options.routing_key.value()) != 32:
            problems.append("the routing_key has not the 32 characters of an integration key")
        return problems + http.check_url(options.url, options.timeout_seconds, options.ca_file)


def event(notification: Notification, key: str) -> dict[str, Any]:
    """An event of the Events API v2."""
    head = _head(notification, key)
    if notification.is_end:
        return {**head, "event_action": "resolve"}
    incident = notification.document["incident"]
    body = {
        **head,
        "event_action": "trigger",
        "client": "mad",
        "payload": {
            "summary": notification.heading[:_SUMMARY],
            "source": incident["service"] or "mad",
            "severity": SEVERITIES[notification.severity],
            "timestamp": incident["start"],
            "component": incident["endpoint"],
            "group": incident["service"],
            "class": ", ".join(incident["signals"]),
            "custom_details": {
                "reason": notification.document["reason"],
                "culprit": notification.culprit,
                "causes": notification.document["causes"],
                "actions": notification.document["actions"],
                "incident": incident["id"],
            },
        },
    }
    if notification.url:
        body["client_url"] = notification.url
        body["links"] = [{"href": notification.url, "text": "Open in mad"}]
    return body


def _head(notification: Notification, key: str) -> dict[str, Any]:
    return {"routing_key": key, "dedup_key": f"mad-{notification.key}"}
