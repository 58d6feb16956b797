"""A server that gets a termination signal at any moment ends in order."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Server, an_hour, lines

from mad.cli.termination import Termination

SEED, SIGNALS = int(os.environ.get("MAD_SEED", "1")), int(os.environ.get("MAD_SIGNALS", "8"))
NUMBERS = (signal.SIGINT, signal.SIGTERM)


#: For exceptions of signals that come while an object is deleted.
DROPPED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextlib.contextmanager
def _starting(data: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mad.cli", "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_signal_during_the_start_ends_the_process(tmp_path: Path) -> None:
    """At moments from the first import to the first request; after each the next server starts."""
    drawn = random.Random(SEED)
    with Server(tmp_path / "data") as server:
        server.post("/v1/ingest/requests", lines(an_hour()))
        accepted = server.get("/ingest/stats")["accepted_total"]
        server.kill()
    began = time.monotonic()
    with Server(tmp_path / "data") as server:
        start_seconds = time.monotonic() - began
        server.kill()
    for _ in range(SIGNALS):
        number = drawn.choice(NUMBERS)
        with _starting(tmp_path / "data") as process:
            time.sleep(drawn.random() * 1.2 * start_seconds)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        # before mad has its handlers, the system or Python ends the process
        assert process.returncode in (0, 130, 143, -number, 1), said
        assert process.returncode != 1 or "KeyboardInterrupt" in said
    with Server(tmp_path / "data") as server:
        assert server.get("/ingest/stats")["accepted_total"] == accepted
        assert server.stop() == 0


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_right_after_the_line_that_mad_listens_ends_the_process(
    number: signal.Signals, tmp_path: Path
) -> None:
    drawn = random.Random(SEED)
    for _ in range(SIGNALS // 2):
        with _starting(tmp_path / "data") as process:
            assert process.stderr is not None
            assert any("mad listens" in line for line in process.stderr)
            time.sleep(drawn.choice((0.0, 0.001, 0.01, 0.1)))
            process.send_signal(number)
            time.sleep(drawn.choice((0.0, 0.01)))
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in said, said


@DROPPED
@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_whose_exception_is_dropped_ends_the_start_all_the_same(
    number: signal.Signals,
) -> None:
    """Python drops exceptions while an object is deleted."""

    class Deleted:
        def __del__(self) -> None:
            signal.raise_signal(number)

    termination = Termination()
    with termination.handled(), contextlib.suppress(KeyboardInterrupt, SystemExit):
        with termination.starting():
            Deleted()
            end = time.monotonic() + 20
            while time.monotonic() < end:
                time.sleep(0.01)
        raise AssertionError("the start was not ended")
    assert termination.signal == number


@DROPPED
@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_between_start_and_server_reaches_the_server(number: signal.Signals) -> None:
    termination = Termination()
    got: list[int] = []
    with termination.handled():
        with termination.starting():

            class Deleted:
                def __del__(self) -> None:
                    signal.raise_signal(number)

            Deleted()
            with termination.serving(lambda number, _: got.append(number)):
                assert got == [number]
                signal.raise_signal(signal.SIGTERM)
        # while the service ends, further signals change nothing
        signal.raise_signal(number)
    assert got == [number]
