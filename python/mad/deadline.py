"""A time limit for all steps of an exchange with a peer together, and HTTP connections for it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from types import TracebackType

#: Seconds between two cuts after the time has passed, because TLS may have replaced the socket.
_AGAIN_SECONDS = 0.2


class Deadline:
    """Shuts the socket of an exchange down when the block lasts longer than some seconds.

    The timeout of a socket starts again with every byte, so that a peer that sends one byte at a
    time would hold its caller for good. After the shutdown reads end as if the peer had closed the
    connection: the caller asks `is_over`, also where an answer seems complete.
    """

    def __init__(self, seconds: float, socket_of: Callable[[], socket.socket | None]) -> None:
        """`socket_of` gives the present socket of the exchange; None while there is none."""
        self._seconds, self._socket_of = seconds, socket_of
        #: Whether the time has passed.
        self.is_over = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mad-deadline", daemon=True)

    def __enter__(self) -> Deadline:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        wait = self._seconds
        while not self._ended.wait(wait):
            self.is_over, wait = True, _AGAIN_SECONDS
            if (one := self._socket_of()) is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class Connection(http.client.HTTPConnection):
    """An HTTP connection that keeps its socket.

    `http.client` takes the socket from the connection when an answer ends with it, so that the
    body of such an answer could not be cut by a deadline.
    """

    #: The socket that was made last.
    made: socket.socket | None = None

    def connect(self) -> None:
        """Connects."""
        super().connect()
        self.made = self.sock

    def socket(self) -> socket.socket | None:
        """The socket of the present exchange; None before there is one."""
        return self.sock or self.made


class TlsConnection(Connection, http.client.HTTPSConnection):
    """An HTTPS connection that keeps its socket."""
