"""Real servers for the tests of sources: started on free ports of the loopback, stopped by id."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path

import pytest


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def program(name: str, package: str = "") -> str | None:
    """The path of a program: on the path, in this environment, or in the folder `bin` of a
    package."""
    if package:
        found = util.find_spec(package)
        place = Path(str(found.origin)).parent / "bin" / name if found and found.origin else None
        return str(place) if place and place.exists() else None
    # Debian keeps the programs of PostgreSQL out of the path
    debian = sorted(str(one) for one in Path("/usr/lib/postgresql").glob("*/bin"))
    places = [sysconfig.get_path("scripts"), *reversed(debian)]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))


def needs(name: str, package: str = "") -> list[pytest.MarkDecorator]:
    """The marks of a test that needs a server. Without the program it is skipped; with MAD_TEST_ALL
    it fails instead."""
    return [pytest.mark.real, left_out(program(name, package) is None, f"{name} is missing")]


def left_out(is_missing: bool, reason: str) -> pytest.MarkDecorator:
    """The mark of a test that is left out where something is missing. With MAD_TEST_ALL it runs all
    the same, and fails."""
    return pytest.mark.skipif(is_missing and not os.environ.get("MAD_TEST_ALL"), reason=reason)


def needed(name: str, remedy: str, package: str = "") -> str:
    """The path of a program, without which a test is left out."""
    found = program(name, package)
    if found is None:
        message = f"{name} is missing: {remedy}"
        if os.environ.get("MAD_TEST_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    return found


class Process:
    """A server that can be stopped and started again on the same port."""

    def __init__(self, command: Sequence[str], port: int, ready: Callable[[], bool] | None = None):
        self.command, self.port, self._ready = list(command), port, ready
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(300):
            assert self._process.poll() is None, f"{self.command} ended: {self._process.returncode}"
            if self._answers():
                return
            time.sleep(0.1)
        self.stop()
        raise AssertionError(f"{self.command} does not answer")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return self._ready is None or self._ready()

    def stop(self) -> None:
        """Ends it."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


class Proxy:
    """Forwards connections to a server, until it is cut. The server itself keeps running, because
    some keep their data in memory only."""

    def __init__(self, port: int) -> None:
        self.port, self._to = free_port(), port
        self._open: list[socket.socket] = []
        self._listening: socket.socket | None = None
        self.restore()

    def restore(self) -> None:
        """Accepts connections."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(64)
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def cut(self) -> None:
        """Closes all connections and refuses new ones."""
        if self._listening is not None:
            end(self._listening)
            self._listening = None
        for one in self._open:
            end(one)
        self._open.clear()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to), 5)
            except OSError:
                return
            far.settimeout(None)
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_forward, args=(one, other), daemon=True).start()


def certificate(directory: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that no authority signed."""
    path = directory / "peer.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    path.write_text((directory / "key.pem").read_text() + (directory / "cert.pem").read_text())
    return path


def end(one: socket.socket) -> None:
    """Ends a connection also for threads that wait for it."""
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _forward(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65_536):
            other.sendall(data)
    except OSError:
        pass
    end(other)
