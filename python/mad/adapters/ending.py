"""Sends the queues of all senders when a process ends.

A process ends in one of these ways: the interpreter exits, a child of `multiprocessing` returns
(which runs no `atexit` functions), or SIGTERM arrives and the program has no handler. SIGKILL and
`os._exit` leave no time.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import weakref
from types import FrameType
from typing import Protocol

_SECONDS = 2.0
"""Longest time in seconds that the end waits for one queue."""


class Ending(Protocol):
    """What a sender does at the end of a process, and at its beginning after a fork."""

    def close(self, timeout: float) -> None:
        """Sends the queue for at most `timeout` seconds."""

    def restart(self) -> None:
        """Starts with an empty queue."""


_senders: weakref.WeakSet[Ending] = weakref.WeakSet()
_children: set[int] = set()
"""Process ids of this process and its parents that are children of `multiprocessing` with a
registered end."""


def register(sender: Ending, *, sigterm: bool) -> None:
    """Closes a sender at the end of this process and of its children."""
    _senders.add(sender)
    is_main = threading.current_thread() is threading.main_thread()
    if sigterm and is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def in_child() -> None:
    """Closes the senders at the end of this process if it is a child of `multiprocessing`."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or processes.parent_process() is None or os.getpid() in _children:
        return
    from multiprocessing.util import Finalize

    _children.add(os.getpid())
    Finalize(None, _close, exitpriority=0)


def _close() -> None:
    for sender in list(_senders):
        sender.close(_SECONDS)


def _restart() -> None:
    for sender in list(_senders):
        sender.restart()


def _terminate(number: int, _: FrameType | None) -> None:
    """Ends the process by the signal, after the queues were sent."""
    _close()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


os.register_at_fork(after_in_child=_restart)
atexit.register(_close)
