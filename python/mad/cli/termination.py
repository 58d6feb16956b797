"""Ends a service in order, whenever the signal for it comes."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mad import errors

#: Seconds after which a start that a signal did not end is interrupted again. Python drops an
#: exception that a signal raises while an object is deleted.
_AGAIN_SECONDS = 1.0


class Termination:
    """The signals that end a service.

    While it starts, a signal raises `SystemExit` or `KeyboardInterrupt`. While it serves, its
    server gets the first one, also one that came before. Then it ends, within the time that the
    server has for open requests, and further signals change nothing.
    """

    def __init__(self) -> None:
        #: The first signal; 0 before it.
        self.signal = 0
        self._is_starting = False
        self._serving: Callable[[int, Any], None] | None = None
        self._is_over = threading.Event()

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Takes the signals of the process during the block, if this is its main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGBREAK"):
            numbers.append(signal.SIGBREAK)
        before = {one: signal.signal(one, self._handle) for one in numbers}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """The block is interrupted by a signal. What follows it is not."""
        self._is_starting = True
        try:
            yield
        finally:
            self._is_starting = False
            self._is_over.set()

    @contextlib.contextmanager
    def serving(self, handle: Callable[[int, Any], None]) -> Iterator[None]:
        """Signals go to a server during the block, also one that came before it and did not end the
        start."""
        self._serving, self._is_starting = handle, False
        try:
            if self.signal:
                handle(self.signal, None)
            yield
        finally:
            self._serving = None

    def _handle(self, number: int, frame: Any) -> None:
        is_first = not self.signal
        self.signal = self.signal or number
        if self._serving is not None:
            # a second signal would cut the end of the server short
            if is_first:
                self._serving(number, frame)
        elif self._is_starting:
            if is_first:
                threading.Thread(target=self._insist, daemon=True).start()
            if self.signal == signal.SIGTERM:
                raise SystemExit(errors.TERMINATED)
            raise KeyboardInterrupt

    def _insist(self) -> None:
        """Sends the signal again while it has not ended the start."""
        while not self._is_over.wait(_AGAIN_SECONDS) and self._is_starting:
            _thread.interrupt_main(signal.Signals(self.signal))
