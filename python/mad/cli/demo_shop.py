"""The demo shop beside the server of `mad serve --demo`."""

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
class DemoShop:
    """The demo shop in a separate process: a scenario, then traffic until the server stops."""

    scenario: str
    accelerate: float
    process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def beside(self, server: uvicorn.Server, url: str) -> Iterator[None]:
        """Runs the shop while the server runs."""
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
        """Asks the shop to stop, if it is still running."""
        if self.process is not None:
            self.process.terminate()

    def _start(self, server: uvicorn.Server, url: str) -> None:
        from mad.demo import launch

        while not server.started:
            if server.should_exit:
                return
            time.sleep(0.05)
        self.process = launch(url, scenario=self.scenario, accelerate=self.accelerate)


def demo_shop_of(args: argparse.Namespace) -> DemoShop:
    """The demo shop that the arguments select.

    Raises `UsageError` for an unknown scenario, a speed outside its limits, and arguments that
    exclude each other.
    """
    from mad.demo import SCENARIOS

    if args.token_file or args.read_only:
        raise errors.UsageError("--demo excludes --token-file and --read-only")
    if args.scenario not in (*SCENARIOS, "all"):
        raise errors.UsageError(
            f"--scenario {args.scenario} is unknown", f"use {', '.join(SCENARIOS)} or all"
        )
    if not 1.0 <= args.accelerate <= 60.0:
        raise errors.UsageError(f"--accelerate {args.accelerate:g}: expected 1 to 60")
    return DemoShop(args.scenario, args.accelerate)
