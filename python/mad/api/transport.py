"""The HTTP connections of the service, with limits on headers, bodies, times and numbers."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mad.config.server import HttpLimits

#: Bytes that the parser gets at once, so that the limits are checked in between.
_PIECE = 16 * 1024
#: Seconds between two checks of the times of all connections.
_SWEEP_SECONDS = 0.5
#: Requests that may wait behind another one of the same connection.
_PIPELINED = 8
#: Bytes of a body that are read and dropped after its request was refused.
_DROPPED_BYTES = 64 * 1024 * 1024
#: Bytes that a client has to read in `write_seconds`.
_LEAST_READ = 16 * 1024


class Connections:
    """The open connections of a server.

    A new connection above the limits replaces the one that has waited longest for the rest of its
    request, or else the one that has been at work longest. So no client can keep others out.
    Senders repeat an unanswered batch with its key, and readers of event streams connect again.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self._open: set[GuardedProtocol] = set()
        self._clients: Counter[str] = Counter()
        #: Connections without and with a complete request, the longest waiting and working first.
        self._waiting: dict[GuardedProtocol, None] = {}
        self._working: dict[GuardedProtocol, None] = {}
        self._blocked: set[GuardedProtocol] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[HttpToolsProtocol]:
        """The protocol class for the server, bound to these connections."""
        return type("BoundProtocol", (GuardedProtocol,), {"connections_of_server": self})

    def unread_bytes(self) -> int:
        """Bytes of answers that clients have not read yet."""
        return sum(one.transport.get_write_buffer_size() for one in self._blocked)

    def admit(self, new: GuardedProtocol) -> None:
        """Adds a connection, and closes another one when there are too many."""
        limits = self.limits
        in_order = itertools.chain(self._waiting, self._working)
        if self._clients[new.address] >= limits.connections_per_client:
            self._abort(next(one for one in in_order if one.address == new.address))
        elif len(self._open) >= limits.connections:
            self._abort(next(in_order))
        self._open.add(new)
        self._clients[new.address] += 1
        self._waiting[new] = None
        if self._sweeping is None:
            self._sweeping = new.loop.call_later(_SWEEP_SECONDS, self._sweep, new.loop)

    def leave(self, gone: GuardedProtocol) -> None:
        """Removes a connection."""
        if gone in self._open:
            self._open.remove(gone)
            self._clients[gone.address] -= 1
            if not self._clients[gone.address]:
                del self._clients[gone.address]
        self._waiting.pop(gone, None)
        self._working.pop(gone, None)
        self._blocked.discard(gone)

    def waits(self, connection: GuardedProtocol) -> None:
        """Records that a connection waits for its next request."""
        if connection in self._open:
            self._working.pop(connection, None)
            self._waiting[connection] = None

    def works(self, connection: GuardedProtocol) -> None:
        """Records that a connection has a complete request."""
        if connection in self._open:
            self._waiting.pop(connection, None)
            self._working[connection] = None

    def blocks(self, connection: GuardedProtocol, is_blocked: bool) -> None:
        """Records whether a connection waits for its client to read."""
        if is_blocked:
            self._blocked.add(connection)
        else:
            self._blocked.discard(connection)

    def _abort(self, oldest: GuardedProtocol) -> None:
        self.leave(oldest)
        oldest.end_requests()
        oldest.transport.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._open):
            connection.check_times(now)
        again = bool(self._open)
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if again else None


class GuardedProtocol(HttpToolsProtocol):
    """One connection with limits on its headers, on its times and on unread answers."""

    connections_of_server: Connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admits or refuses a new connection."""
        # the transport of a stream can be read and written
        super().connection_made(cast(asyncio.Transport, transport))
        self.address = self.client[0] if self.client else ""
        now = self.loop.time()
        self._waiting_since = self._body_since = self._data_at = now
        self._unparsed = self._dropped = self._header_bytes = 0
        self._in_message = self._reads_body = self._is_refused = self._is_too_large = False
        self._blocked_since: float | None = None
        self._blocked_bytes = 0
        #: The requests without a complete answer, of which one is at work.
        self._unanswered: list[RequestResponseCycle] = []
        self.connections_of_server.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets a connection that ended."""
        self.connections_of_server.leave(self)
        self.end_requests()
        super().connection_lost(exc)

    def end_requests(self) -> None:
        """Ends the requests without a complete answer.

        The base class does so for the newest request only. Others would write to a closed
        transport, and a stream among them would never end.
        """
        for cycle in self._unanswered:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._unanswered.clear()

    def data_received(self, data: bytes) -> None:
        """Parses a part of a request, and refuses it when its headers are too large."""
        if self._is_refused or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._data_at = self.loop.time()
        if not self._in_message:
            self._in_message = True
            self._waiting_since = self._data_at
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self._unparsed += len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                # Other protocols are not offered: the request is answered as HTTP.
                self.cycle.keep_alive = False
                return
            except httptools.HttpParserError:
                self._refuse_headers()
                return
            if self._unparsed > self.connections_of_server.limits.header_bytes:
                self._is_too_large = True
                self._refuse_headers()
                return
            if self.transport.is_closing():
                return

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header or trailer."""
        limits = self.connections_of_server.limits
        self._header_bytes += len(name) + len(value)
        if len(self.headers) >= limits.header_count or self._header_bytes > limits.header_bytes:
            self._is_too_large = True
            raise ValueError("the headers are too large")
        super().on_header(name, value)

    def on_message_begin(self) -> None:
        """Starts a request."""
        super().on_message_begin()
        self._in_message = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Starts the body of a request."""
        self._unparsed = 0
        self._reads_body = True
        self._body_since = self.loop.time()
        self._dropped = 0
        super().on_headers_complete()
        waiting = [one for one in self._unanswered if not one.response_complete]
        self._unanswered = [*waiting, self.cycle]
        if len(self.pipeline) > _PIPELINED:
            raise ValueError("too many requests wait on this connection")

    def on_body(self, body: bytes) -> None:
        """Takes a part of a body; the rest of a refused one is dropped."""
        self._unparsed = 0
        if self.cycle.response_complete:
            self._dropped += len(body)
            if self._dropped > _DROPPED_BYTES:
                self.transport.close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request."""
        self._unparsed = 0
        self._in_message = self._reads_body = False
        if self.cycle.response_complete:
            self._wait_for_next()
        else:
            self.connections_of_server.works(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Ends a response."""
        super().on_response_complete()
        if not self._reads_body and not self.pipeline:
            self._wait_for_next()

    def pause_writing(self) -> None:
        """Records that the client does not read its answer fast enough."""
        super().pause_writing()
        self._blocked_since = self.loop.time()
        self._blocked_bytes = self.transport.get_write_buffer_size()
        self.connections_of_server.blocks(self, True)

    def resume_writing(self) -> None:
        """Records that the client has read its answer."""
        super().resume_writing()
        self._blocked_since = None
        self.connections_of_server.blocks(self, False)

    def check_times(self, now: float) -> None:
        """Ends the connection when its client is too slow."""
        limits = self.connections_of_server.limits
        if self.transport.is_closing() and self._blocked_since is None:
            self._blocked_since = now
            self._blocked_bytes = self.transport.get_write_buffer_size()
        if self._blocked_since is not None:
            self._check_reader(now, self._blocked_since)
            return
        if self.flow.read_paused:
            self._data_at = now
            return
        if self._reads_body:
            stalled = now - self._data_at > limits.stall_seconds
            if self.cycle.response_complete:
                if stalled or now - self._body_since > limits.body_seconds:
                    self.transport.close()
            elif stalled or now - self._body_since > limits.body_seconds:
                self._refuse(
                    408,
                    "too_slow",
                    f"the body did not arrive within {limits.body_seconds} s, or stopped for "
                    f"{limits.stall_seconds} s",
                    "send smaller batches, or start the server with a larger "
                    "--http-limit body_seconds",
                )
            return
        if self.cycle is not None and not self.cycle.response_complete:
            return
        waited = now - self._waiting_since
        if self._in_message or self.cycle is None:
            if waited > limits.header_seconds:
                self._refuse(
                    408,
                    "too_slow",
                    f"the headers did not arrive within {limits.header_seconds} s",
                    "send the whole request at once",
                )
        elif waited > limits.idle_seconds:
            self.transport.close()

    def _check_reader(self, now: float, since: float) -> None:
        left = self.transport.get_write_buffer_size()
        if self._blocked_bytes - left >= _LEAST_READ:
            self._blocked_since, self._blocked_bytes = now, left
        elif now - since > self.connections_of_server.limits.write_seconds:
            self.transport.abort()

    def _wait_for_next(self) -> None:
        self._waiting_since = self.loop.time()
        self.connections_of_server.waits(self)

    def _refuse_headers(self) -> None:
        limits = self.connections_of_server.limits
        if self._is_too_large:
            self._refuse(
                431,
                "headers_too_large",
                f"the headers have more than {limits.header_bytes} bytes or "
                f"{limits.header_count} lines",
                "send fewer and shorter headers",
            )
        else:
            self._refuse(400, "not_http", "the request is not valid HTTP", "send HTTP/1.1")

    def _refuse(self, status: int, error: str, message: str, hint: str) -> None:
        """Sends an error response outside of the application, and closes the connection."""
        self._is_refused = True
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(refusal(status, error, message, hint))
        self.end_requests()
        self.transport.close()


def refusal(status: int, error: str, message: str, hint: str) -> bytes:
    """A whole error response as bytes."""
    body: dict[str, Any] = {"error": error, "message": message, "hint": hint}
    content = json.dumps(body).encode()
    head = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(content)}",
        "x-content-type-options: nosniff",
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + content
