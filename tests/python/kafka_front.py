"""TLS and SASL before a Kafka broker that has neither."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from peers import free_port

#: Requests of the protocol: their numbers in the header.
_HANDSHAKE, _AUTHENTICATE = 17, 36
#: Code of the protocol for a wrong password.
_REFUSED = 58


class Front:
    """Ends TLS, asks for a user and a password by the mechanism PLAIN, and forwards the rest."""

    def __init__(self, to: int, certificate: Path, user: str = "", password: str = "") -> None:
        self.port, self._to = free_port(), to
        self._expected = f"\0{user}\0{password}".encode() if user else b""
        #: Settings of librdkafka for a client.
        self.client = {
            "security.protocol": "SASL_SSL" if user else "SSL",
            "ssl.ca.location": str(certificate),
            **({"sasl.mechanism": "PLAIN", "sasl.username": user} if user else {}),
            **({"sasl.password": password} if user else {}),
        }
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        )

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def stop(self) -> None:
        """Ends all connections."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            far, into = await asyncio.open_connection("127.0.0.1", self._to)
            try:
                back = asyncio.ensure_future(_forward(far, out))
                if not self._expected or await self._is_greeted(near, out, into):
                    await _forward(near, into)
                back.cancel()
            finally:
                into.close()
                out.close()

    async def _is_greeted(
        self, near: asyncio.StreamReader, out: asyncio.StreamWriter, into: asyncio.StreamWriter
    ) -> bool:
        """Whether the client has given the user and the password. Other requests before that are
        those that ask for versions."""
        while True:
            head = await near.readexactly(4)
            request = await near.readexactly(int.from_bytes(head, "big"))
            api, version, number, length = struct.unpack(">hhih", request[:10])
            body = request[10 + max(length, 0) :]
            if api == _HANDSHAKE:
                _answer(out, number, struct.pack(">hih5s", 0, 1, 5, b"PLAIN"))
            elif api == _AUTHENTICATE:
                is_right = body[4:] == self._expected
                rest = struct.pack(">hhi", 0 if is_right else _REFUSED, -1, 0)
                _answer(out, number, rest + (bytes(8) if version else b""))
                await out.drain()
                return is_right
            else:
                into.write(head + request)


def _answer(out: asyncio.StreamWriter, number: int, body: bytes) -> None:
    out.write(struct.pack(">ii", len(body) + 4, number) + body)


async def _forward(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await one.read(65_536):
            other.write(data)
            await other.drain()
    other.close()
