"""The address on which `mad serve` listens, and its answers while another server has the
journal."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Iterator

from mad import errors

#: Seconds for a request while the server waits, and bytes of one.
_REQUEST_SECONDS, _REQUEST_BYTES = 1.0, 64 * 1024


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `ServiceError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise errors.ServiceError(
            f"{host}:{port}: {errors.reason(error)}", "give another --host or --port"
        ) from error
    listening.setblocking(False)
    return listening


@contextlib.contextmanager
def standing_by(listening: socket.socket) -> Iterator[None]:
    """Answers each request with 503 until the end of the block, so that a load balancer sends them
    to the server that has the journal."""
    stopping = threading.Event()
    thread = threading.Thread(
        target=_refuse_all, args=(listening, stopping), name="mad-standby", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        listening.setblocking(False)


def _refuse_all(listening: socket.socket, stopping: threading.Event) -> None:
    text = "another server has the journal; this one waits and takes over when that one ends"
    reason = {"level": "failing", "name": "standby", "text": text}
    body = json.dumps(
        {"status": "failing", "message": text, "reasons": [reason], "error": "standby", "hint": ""}
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
    listening.settimeout(0.1)
    while not stopping.is_set():
        with contextlib.suppress(OSError):
            client, _ = listening.accept()
            with client:
                client.settimeout(_REQUEST_SECONDS)
                client.recv(_REQUEST_BYTES)
                client.sendall(head.encode() + body)
                # a close before the rest of a body is read would discard the answer
                client.shutdown(socket.SHUT_WR)
                client.recv(_REQUEST_BYTES)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def shown(host: str) -> str:
    """An address as a URL has it."""
    return f"[{host}]" if ":" in host else host
