"""What `mad serve --demo` plays beside the server."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mad import errors

if TYPE_CHECKING:
    import uvicorn


@dataclass(slots=True)
class Show:
    """Scenarios one after the other; then traffic goes on until the server stops."""

    scenario: str
    accelerate: float
    stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def beside(self, server: uvicorn.Server, url: str) -> Iterator[None]:
        """Plays while the server runs."""
        thread = threading.Thread(target=self._play, args=(server, url), name="mad-demo")
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join(30)

    def _play(self, server: uvicorn.Server, url: str) -> None:
        while not server.started:
            if server.should_exit or self.stop.is_set():
                return
            time.sleep(0.05)
        from mad.demo import run

        run(
            url,
            scenario=self.scenario,
            accelerate=self.accelerate,
            keep=True,
            say=say,
            stop=self.stop,
        )


def show_of(args: argparse.Namespace) -> Show:
    """The show that arguments ask for.

    Raises
    ------
    UsageError
        A scenario that is not there; a speed outside its limits; arguments that do not go together.
    """
    from mad.demo import SCENARIOS

    if args.token_file or args.read_only:
        raise errors.UsageError("--demo sends to its own server, without a token")
    if args.scenario not in (*SCENARIOS, "all"):
        raise errors.UsageError(
            f"--scenario {args.scenario}: there is none", f"there are {', '.join(SCENARIOS)}, all"
        )
    if not 1.0 <= args.accelerate <= 60.0:
        raise errors.UsageError(f"--accelerate {args.accelerate:g}: expected 1 to 60")
    return Show(args.scenario, args.accelerate)


def say(text: str) -> None:
    """A line of the demo."""
    sys.stderr.write(f"demo: {text}\n")
    sys.stderr.flush()
