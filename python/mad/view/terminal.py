"""Shows snapshots in the terminal until a key ends it."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.live import Live

from mad.view.screen import Choice, draw
from mad.view.snapshot import Feed, Snapshot

_KEYS = {
    b"q": "quit",
    b"Q": "quit",
    b"\x03": "quit",
    b"\x1b[A": "up",
    b"k": "up",
    b"\x1b[B": "down",
    b"j": "down",
    b"\r": "open",
    b"\n": "open",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b": "back",
    b" ": "pause",
}
_PAGE = 10
_REDRAW_SECONDS = 0.2


def show(
    feed: Feed,
    console: Console,
    every: float,
    stop: threading.Event,
    paused: threading.Event | None = None,
) -> None:
    """Draws the feed every `every` seconds, until `q`, Ctrl-C or `stop`. The space bar sets and
    clears `paused`.

    The terminal is as before afterwards. Snapshots are made by a separate thread, so that keys are
    answered while a server is slow.
    """
    latest: list[Snapshot] = [feed.snapshot()]

    def ask() -> None:
        while not stop.wait(every):
            latest[0] = feed.snapshot()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    choice = Choice()
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while not stop.is_set():
            shown = latest[0]
            if paused is not None and paused.is_set():
                shown = replace(shown, note="paused")
            live.update(draw(shown, choice, console, keys=True), refresh=True)
            for key in pressed(_REDRAW_SECONDS):
                if key == "quit":
                    stop.set()
                if key == "pause" and paused is not None:
                    (paused.clear if paused.is_set() else paused.set)()
                choice = _moved(choice, key, len(latest[0].incidents))
    asking.join(10.0)


def print_once(feed: Feed, console: Console) -> None:
    """Prints one snapshot, for pipes and scripts."""
    console.print(draw(feed.snapshot(), Choice(), console, keys=False))


def _moved(choice: Choice, key: str, incidents: int) -> Choice:
    if key == "up":
        return replace(choice, incident=max(choice.incident - 1, 0))
    if key == "down":
        return replace(choice, incident=min(choice.incident + 1, max(incidents - 1, 0)))
    if key == "open":
        return replace(choice, is_open=not choice.is_open)
    if key == "back":
        return replace(choice, is_open=False)
    if key in ("page up", "page down"):
        first = choice.first + (_PAGE if key == "page down" else -_PAGE)
        return replace(choice, first=max(first, 0))
    return choice


@contextmanager
def _keys() -> Iterator[Callable[[float], list[str]]]:
    """A function that waits for keys and returns their names. Without a terminal as input it only
    waits."""
    if os.name != "posix" or not sys.stdin.isatty():
        yield _no_keys
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda seconds: _read(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read(descriptor: int, seconds: float) -> list[str]:
    ready, _, _ = select.select([descriptor], [], [], seconds)
    if not ready:
        return []
    data = os.read(descriptor, 64)
    if not data:  # the terminal is gone
        return ["quit"]
    if data in _KEYS:
        return [_KEYS[data]]
    return [_KEYS[bytes([one])] for one in data if bytes([one]) in _KEYS and one != 0x1B]


def _no_keys(seconds: float) -> list[str]:
    time.sleep(seconds)
    return []
