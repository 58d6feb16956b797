"""Limits of the HTTP server: sizes, times and numbers of connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from mad.config.numbers import read_numbers

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Sizes in bytes, times in seconds."""

    #: Open connections, of all clients and of one address. The connection that has waited longest
    #: for its request is closed in favour of a new one.
    connections: int = 1_000
    connections_per_client: int = 500
    #: Bytes and number of the headers of one request, the request line included.
    header_bytes: int = 32 * 1024
    header_count: int = 100
    #: Time from the start of a connection or request to the end of its headers.
    header_seconds: int = 10
    #: Time between two requests of one connection.
    idle_seconds: int = 30
    #: Body of a batch, as sent and decompressed; body of any other request.
    body_bytes: int = 32 * _MIB
    command_bytes: int = 128 * 1024
    #: Time for a whole body, and longest pause within it.
    body_seconds: int = 60
    stall_seconds: int = 10
    #: Bodies in memory, of all clients and of one address, until their batches are answered.
    bodies_bytes: int = 128 * _MIB
    bodies_bytes_per_client: int = 96 * _MIB
    #: Size of one answer to a query. The rest is on the next page.
    answer_bytes: int = 8 * _MIB
    #: Answers that wait for clients to read them. Beyond it queries are refused.
    answers_bytes: int = 64 * _MIB
    #: Time in which a client has to read a part of its answer.
    write_seconds: int = 20
    #: Queries that run at once, and queries that wait for their turn.
    queries: int = 4
    waiting_queries: int = 64

    @classmethod
    def parse(cls, given: Iterable[str], max_body: int | None = None) -> HttpLimits:
        """Reads arguments such as `header_seconds=20`; `max_body` sets `body_bytes`.

        Raises `UsageError` for an unknown limit and for a number that is not a positive integer.
        """
        defaults = cls()
        limits = replace(defaults, **read_numbers("--http-limit", given, asdict(defaults)))
        if max_body is not None:
            limits = replace(limits, body_bytes=max_body)
        # One body of the largest size has to fit, as sent and decompressed.
        least = 2 * limits.body_bytes
        return replace(
            limits,
            bodies_bytes=max(limits.bodies_bytes, least),
            bodies_bytes_per_client=max(limits.bodies_bytes_per_client, least),
        )
