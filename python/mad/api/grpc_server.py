"""The OpenTelemetry protocol over gRPC, beside the HTTP server.

The handlers receive the bytes of a message and store them as they arrived, so that no generated
code is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Any, NoReturn

from mad.api.auth import ANYBODY, Principal
from mad.api.otlp import partial_success, status_message, success_message, varint
from mad.engine import Busy, Engine, KeyReused, NotJudged, StorageFailed
from mad.errors import MissingExtraError, ServiceError
from mad.journal import Entry

if TYPE_CHECKING:
    import grpc

    from mad.api.auth import Tokens

#: The services of the protocol and the kinds of their records.
SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "spans",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
}
#: Calls that are served at once; further ones are refused.
_CALLS = 32
#: Calls of one connection, also those that are being refused. Without a limit a client that begins
#: and cancels calls as fast as it can takes hundreds of megabytes.
_STREAMS = 64
#: Largest message: that of OpenTelemetry's collector by default. All calls together may hold this
#: much each, also decompressed.
_MOST_BYTES = 4 * 1024 * 1024
#: Seconds that a call waits for the engine.
_WAIT = 60.0
#: Milliseconds after which a connection is closed, and until its calls are cancelled. Clients
#: connect again. It ends calls whose message never arrives.
_AGE, _GRACE = 300_000, 30_000
#: Open connections, which need no token, and milliseconds after which one without a call is closed.
#: Clients connect again for their next call.
CONNECTIONS = 200
_HANDSHAKE, _IDLE = 10_000, 60_000


class _Guard:
    """An interceptor of gRPC, which asks for this method alone."""

    def __init__(self, intercept: Callable[[Callable[[Any], Any], Any], Any]) -> None:
        self.intercept_service = intercept


class GrpcReceiver:
    """A gRPC server that takes telemetry of OpenTelemetry exporters and collectors."""

    def __init__(
        self,
        engine: Engine,
        host: str,
        port: int,
        *,
        tokens: Callable[[], Tokens | None] = lambda: None,
        body_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        """Binds the port; 0 selects a free one, see `port`.

        Raises `MissingExtraError` without grpcio, `ServiceError` when the port is taken.
        """
        try:
            import grpc
        except ImportError as error:
            raise MissingExtraError(
                "OTLP over gRPC needs grpcio", "pip install 'mad-py[otlp]'"
            ) from error
        self._engine, self._tokens, self._grpc = engine, tokens, grpc
        self._server = grpc.server(
            ThreadPoolExecutor(_CALLS, thread_name_prefix="mad-otlp"),
            interceptors=[_Guard(self._intercept)],
            maximum_concurrent_rpcs=_CALLS,
            options=[
                ("grpc.max_receive_message_length", min(body_bytes, _MOST_BYTES)),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.max_connection_age_ms", _AGE),
                ("grpc.max_connection_age_grace_ms", _GRACE),
                ("grpc.max_allowed_incoming_connections", CONNECTIONS),
                ("grpc.max_connection_idle_ms", _IDLE),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE),
                ("grpc.so_reuseport", 0),
            ],
        )
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    service,
                    {"Export": grpc.unary_unary_rpc_method_handler(self._exporter(kind))},
                )
                for service, kind in SERVICES.items()
            ]
        )
        shown = f"[{host}]" if ":" in host else host
        try:
            #: The port on which it listens.
            self.port: int = self._server.add_insecure_port(f"{shown}:{port}")
        except RuntimeError as error:
            raise ServiceError(f"{shown}:{port}: {error}", "give another --otlp-grpc") from error

    def start(self) -> None:
        """Serves calls from now on."""
        self._server.start()

    def stop(self) -> None:
        """Refuses new calls and waits up to five seconds for those at work."""
        self._server.stop(5).wait(10)

    def _exporter(self, kind: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            return self._export(kind, body, context)

        return export

    def _export(self, kind: str, body: bytes, context: grpc.ServicerContext) -> bytes:
        code = self._grpc.StatusCode
        # The guard let the call pass; the token may have been revoked since.
        found = self._principal(dict(context.invocation_metadata()))
        name = found.name if isinstance(found, Principal) else "?"
        if not body:
            return b""
        key = f"body:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
        try:
            future = self._engine.submit(Entry(kind, body, "otlp-pb", "", key), name)
            receipt = future.result(_WAIT)
        except (Busy, StorageFailed) as error:
            self._retry(context, str(error), error.retry_after)
        except NotYet:
            self._retry(context, "the engine is busy", 5)
        except (KeyReused, NotJudged) as error:
            context.abort(code.INTERNAL, str(error))
        except ValueError as error:
            context.abort(code.INVALID_ARGUMENT, str(error))
        return success_message(*partial_success(receipt))

    def _intercept(self, proceed: Callable[[Any], Any], details: Any) -> Any:
        """Refuses calls of clients that may not send before their message is read."""
        found = self._principal(dict(details.invocation_metadata))
        if isinstance(found, Principal):
            return proceed(details)
        return self._grpc.stream_unary_rpc_method_handler(lambda _, call: call.abort(*found))

    def _principal(self, given: dict[str, Any]) -> Principal | tuple[Any, str]:
        """The client of a call, or the code and the text of the refusal."""
        tokens = self._tokens()
        if tokens is None:
            return ANYBODY
        words = str(given.get("authorization", "")).split()
        bearer = words[1] if len(words) == 2 and words[0].lower() == "bearer" else ""
        principal = tokens.principal(bearer) if bearer else None
        code = self._grpc.StatusCode
        if principal is None:
            return code.UNAUTHENTICATED, "send the metadata authorization: Bearer TOKEN"
        if not principal.may("ingest"):
            return code.PERMISSION_DENIED, "this needs a token with the scope ingest"
        return principal

    def _retry(self, context: grpc.ServicerContext, message: str, seconds: int) -> NoReturn:
        """Refuses a call that the client should repeat, with the pause before it."""
        duration = b"\x08" + varint(seconds)
        info = b"\x0a" + varint(len(duration)) + duration
        url = b"type.googleapis.com/google.rpc.RetryInfo"
        detail = b"\x0a" + varint(len(url)) + url + b"\x12" + varint(len(info)) + info
        status = status_message(14, message) + b"\x1a" + varint(len(detail)) + detail
        context.set_trailing_metadata((("grpc-status-details-bin", status),))
        context.abort(self._grpc.StatusCode.UNAVAILABLE, message)
        raise AssertionError
