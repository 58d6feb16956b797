"""What `mad serve --demo` plays beside the server."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mad import errors

if TYPE_CHECKING:
    import uvicorn


@dataclass(slots=True)
class Show:
    """The demo shop in a process of its own: a scenario, then traffic until the server stops."""

    scenario: str
    accelerate: float
    process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def beside(self, server: uvicorn.Server, url: str) -> Iterator[None]:
        """Plays while the server runs."""
        starting = threading.Thread(target=self._start, args=(server, url), name="mad-demo")
        starting.start()
        try:
            yield
        finally:
            starting.join(30)
            self.stop()
            if self.process is not None:
                self.process.wait(30)

    def stop(self) -> None:
        """Asks the shop to close; it may be gone already."""
        if self.process is not None:
            self.process.terminate()

    def _start(self, server: uvicorn.Server, url: str) -> None:
        from mad.demo import launch

        while not server.started:
            if server.should_exit:
                return
            time.sleep(0.05)
        self.process = launch(url, scenario=self.scenario, accelerate=self.accelerate)


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
