"""The types of sources and sinks by name: those of mad, and those that other packages add as entry
points of the groups `mad.sources` and `mad.sinks`."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any, Literal

Group = Literal["sources", "sinks"]

#: Module and class of every built-in type, as entry points write them.
BUILT_IN: dict[Group, dict[str, str]] = {
    "sources": {
        "elasticsearch": "mad.sources.elastic:ElasticSource",
        "file": "mad.sources.tail:TailSource",
        "kafka": "mad.sources.kafka:KafkaSource",
        "kafka-group": "mad.group.member:KafkaGroup",
        "kafka-results": "mad.group.view:KafkaResultsSource",
        "nats": "mad.sources.nats:NatsSource",
        "prometheus": "mad.sources.prometheus:PrometheusSource",
        "redis": "mad.sources.redis:RedisSource",
        "stdin": "mad.sources.stdin:StdinSource",
    },
    "sinks": {
        "alertmanager": "mad.sinks.alertmanager:AlertmanagerSink",
        "apprise": "mad.sinks.apprise:AppriseSink",
        "console": "mad.sinks.lines:ConsoleSink",
        "elasticsearch": "mad.sinks.elastic:ElasticSink",
        "email": "mad.sinks.mail:MailSink",
        "file": "mad.sinks.lines:FileSink",
        "kafka": "mad.sinks.kafka:KafkaSink",
        "pagerduty": "mad.sinks.pagerduty:PagerDutySink",
        "slack": "mad.sinks.slack:SlackSink",
        "teams": "mad.sinks.teams:TeamsSink",
        "webhook": "mad.sinks.webhook:WebhookSink",
    },
}


class UnknownType(ValueError):
    """A type that neither mad nor an installed package has."""


def types_of(group: Group) -> list[str]:
    """The known types of a group."""
    return sorted({*BUILT_IN[group], *_entry_points(group)})


def component(group: Group, name: str) -> Any:
    """The class of a type. It has the attribute `Options`, a frozen dataclass of
    `mad.config.options`, and takes an object of it.

    Raises `UnknownType`; ValueError when the class of another package cannot be loaded.
    """
    if place := BUILT_IN[group].get(name):
        module, _, attribute = place.partition(":")
        return getattr(import_module(module), attribute)
    point = _entry_points(group).get(name)
    if point is None:
        raise UnknownType(name)
    try:
        found = point.load()
    except Exception as error:  # code of another package
        raise ValueError(f"{point.value} cannot be loaded: {error}") from error
    if not isinstance(getattr(found, "Options", None), type):
        raise ValueError(f"{point.value} has no class `Options`")
    return found


def _entry_points(group: Group) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=f"mad.{group}")}
