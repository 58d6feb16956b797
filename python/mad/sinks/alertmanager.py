"""Prometheus Alertmanager, by its API v2."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from mad.config.options import option
from mad.config.secret import Secret, revealed
from mad.sinks import http
from mad.sinks.protocol import Notification, SinkOptions
from mad.sinks.webhook import secret_problems


@dataclass(frozen=True, kw_only=True)
class AlertmanagerOptions(SinkOptions):
    """Options of the type `alertmanager`."""

    url: str = option(help="Address of Alertmanager, such as `http://alertmanager:9093`")
    token: Secret | None = option(None, help="Bearer token")
    username: str = option("", help="Name for basic authentication")
    password: Secret | None = option(None, help="Password for basic authentication")
    labels: dict[str, str] = option({}, help="Further labels of every alert")
    alertname: str = option("MadIncident", help="Label `alertname`")
    keep_hours: float = option(
        24.0,
        help="Time after which Alertmanager ends an alert whose end it was not sent",
        least=0.1,
        most=8_760,
    )
    rate_per_minute: int = option(300, help="Most messages a minute", least=1, most=6_000)
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")


class AlertmanagerSink:
    """Posts each incident as one alert. Its labels (`incident`, `service`, `endpoint`, `severity`)
    stay the same until it escalates; then the alert of the lower severity ends."""

    Options: ClassVar[type[AlertmanagerOptions]] = AlertmanagerOptions
    groups: ClassVar[bool] = False
    keyed: ClassVar[bool] = True

    def __init__(self, options: AlertmanagerOptions) -> None:
        self._options = options

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        options = self._options
        now = datetime.now(timezone.utc)
        http.send_json(
            f"{options.url.rstrip('/')}/api/v2/alerts",
            alerts(notification, options, now),
            headers=self._authorization(),
            timeout=options.timeout_seconds,
            ca_file=options.ca_file,
            secrets=(revealed(options.token), revealed(options.password)),
        )

    def _authorization(self) -> dict[str, str]:
        options = self._options
        if options.token is not None:
            return {"Authorization": f"Bearer {options.token.value()}"}
        if options.password is not None:
            pair = f"{options.username}:{options.password.value()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    def check(self) -> list[str]:
        """Problems of the secrets and of the connection, and whether the peer is ready."""
        options = self._options
        problems = secret_problems(options.token, options.password)
        problems += http.check_url(options.url, options.timeout_seconds, options.ca_file)
        return problems


def alerts(
    notification: Notification, options: AlertmanagerOptions, now: datetime
) -> list[dict[str, Any]]:
    """The alerts of a notification, as `POST /api/v2/alerts` takes them. `now` is the host's time,
    by which Alertmanager judges when an alert ends."""
    document = notification.document
    is_over = notification.is_end or notification.is_test
    end = now if is_over else now + timedelta(hours=options.keep_hours)
    found = [_alert(notification, options, document["incident"]["severity"], now, end)]
    before = (document["previous"] or {}).get("severity")
    if before and before != document["incident"]["severity"]:
        found.append(_alert(notification, options, before, now, now))
    return found


def _alert(
    notification: Notification,
    options: AlertmanagerOptions,
    severity: str,
    now: datetime,
    end: datetime,
) -> dict[str, Any]:
    incident = notification.document["incident"]
    # Event times may differ from the host's time; an alert must not start after it ends.
    start = min(datetime.fromisoformat(incident["start"].replace("Z", "+00:00")), now)
    labels = {
        **options.labels,
        "alertname": "MadTest" if notification.is_test else options.alertname,
        "incident": incident["id"],
        "service": incident["service"],
        "endpoint": incident["endpoint"],
        "severity": severity.lower(),
    }
    annotations = {
        "summary": notification.heading,
        "description": notification.document["reason"],
        "culprit": notification.culprit,
    }
    alert = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": start.isoformat(),
        "endsAt": end.isoformat(),
    }
    if notification.url:
        alert["generatorURL"] = notification.url
    return alert
