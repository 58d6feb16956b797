"""The routes to which telemetry is sent."""

from __future__ import annotations

#: The routes of other protocols. They have names that their senders expect.
OTLP = {"/v1/traces": "spans", "/v1/metrics": "metrics", "/v1/logs": "logs"}
REMOTE_WRITE = "/api/v1/write"


def takes_batches(path: str) -> bool:
    """Whether a batch of telemetry is sent to this path."""
    known = ("/ingest", "/v1/changes", REMOTE_WRITE, *OTLP)
    return path in known or path.startswith(("/v1/ingest/", "/v1/webhooks/"))


def is_small(path: str) -> bool:
    """Whether a body to this path is a single record, and has the limit of commands."""
    return path == "/v1/changes"


#: The path below which the files of the live page are.
PAGE_PREFIX = "/page/"


def is_page(path: str) -> bool:
    """Whether a path is the live page or one of its files."""
    return path == "/" or path.startswith(PAGE_PREFIX)
