"""Incidents as documents of Elasticsearch or OpenSearch: the sink type `elasticsearch`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from mad.config.options import option
from mad.config.secret import Secret, SecretMissing, revealed
from mad.sinks import http
from mad.sinks.protocol import Notification, SinkOptions


@dataclass(frozen=True, kw_only=True)
class ElasticSinkOptions(SinkOptions):
    """Options of the type `elasticsearch`."""

    url: str = option(help="Address, such as `https://elastic:9200`")
    index: str = option("api-anomalies", help="Index that receives the documents")
    username: str = option("", help="User")
    password: Secret | None = option(None, help="Password; needs `username`")
    api_key: Secret | None = option(None, help="API key (encoded), in place of a user")
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")


class ElasticSink:
    """Writes one document for each event of an incident.

    The id of a document is that of the message, so that another attempt writes it again and adds
    none.
    """

    Options: ClassVar[type[ElasticSinkOptions]] = ElasticSinkOptions
    groups: ClassVar[bool] = True
    keyed: ClassVar[bool] = False

    def __init__(self, options: ElasticSinkOptions) -> None:
        self._options = options

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        options = self._options
        headers, secrets = self._authorization()
        for document in notification.documents:
            place = f"{quote(options.index)}/_doc/{quote(str(document['id']), safe='')}"
            http.send_json(
                f"{options.url.rstrip('/')}/{place}",
                anomaly_of(document, notification.url),
                headers=headers,
                method="PUT",
                timeout=options.timeout_seconds,
                ca_file=options.ca_file,
                secrets=secrets,
            )

    def check(self) -> list[str]:
        """Problems of the secrets and of the connection."""
        try:
            self._authorization()
        except SecretMissing as error:
            return [str(error)]
        options = self._options
        return http.check_url(options.url, options.timeout_seconds, options.ca_file)

    def _authorization(self) -> tuple[dict[str, str], tuple[str, ...]]:
        options = self._options
        if options.api_key is not None:
            key = options.api_key.value()
            return {"Authorization": f"ApiKey {key}"}, (key,)
        if options.username:
            password = revealed(options.password)
            pair = base64.b64encode(f"{options.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}, (password, pair)
        return {}, ()


def anomaly_of(document: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The document of an index: the fields of the notification below `mad`, and beside it those
    that views of service, endpoint and time use."""
    incident = document["incident"]
    return {
        "@timestamp": incident["end"] if document["event"] == "resolved" else incident["start"],
        "service": {"name": incident["service"]},
        "request": {"endpoint": incident["endpoint"]},
        "event": {"kind": "alert", "action": document["event"], "url": url},
        "severity": incident["severity"],
        "message": document["title"],
        "reason": document["reason"],
        "culprit": document["culprit"],
        "is_anomaly": document["event"] != "test",
        "mad": {**document},
    }
