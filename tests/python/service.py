"""A real server for tests: started, queried, killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import httpx

START = datetime(2026, 1, 6, 10, 0, tzinfo=timezone.utc)


AnyServer = TypeVar("AnyServer", bound="Server")


class Server:
    """`mad serve` in a separate process on a free port."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        under: tuple[str, ...] = (),
    ) -> None:
        command = [sys.executable, "-m", "mad.cli", "serve", "--port", "0", "--data", str(data)]
        self.process = subprocess.Popen(
            [*under, *command, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self.said = ""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            found = re.search(r"listens on (http://\S+?);", line)
            if found:
                self.url = found[1]
                break
        else:
            self.process.wait(10)
            raise AssertionError(f"the server did not start: {self.said}")
        threading.Thread(target=self._drain, daemon=True).start()
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._wait()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def _wait(self) -> None:
        for _ in range(200):
            try:
                self.http.get("/health")
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server does not answer: {self.said}")

    def get(self, path: str, **parameters: Any) -> Any:
        """The response to a GET, which must succeed."""
        response = self.http.get(path, params=parameters)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.json()

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """The response to a POST of records or of an object, which must succeed."""
        response = self.send(path, body, **headers)
        assert response.status_code < 300, (path, response.status_code, response.text)
        return response.json()

    def send(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A POST; a list is sent as JSON Lines."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, (bytes, str)):
            return self.http.post(path, content=body, headers=names)
        if isinstance(body, list):
            names.setdefault("Content-Type", "application/x-ndjson")
            return self.http.post(path, content=lines(body), headers=names)
        return self.http.post(path, json=body, headers=names)

    def eventually(self, path: str, holds: Any, seconds: float = 15.0, **parameters: Any) -> Any:
        """The first response that satisfies a condition."""
        answer = None
        for _ in range(int(seconds / 0.1)):
            answer = self.get(path, **parameters)
            if holds(answer):
                return answer
            time.sleep(0.1)
        raise AssertionError((path, answer))

    def cpu_seconds(self) -> float:
        """CPU time of the process so far; 0 where the system does not say it."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Kills the process, as a power failure would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.http.close()

    def stop(self) -> int:
        """Stops the process; returns its exit code."""
        self.http.close()
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def __enter__(self: AnyServer) -> AnyServer:
        return self

    def children(self) -> list[int]:
        """The processes that it started: the server itself when it runs under another program."""
        pid = self.process.pid
        try:
            return [
                int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            ]
        except OSError:
            return []

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            for child in self.children():
                os.kill(child, signal.SIGKILL)
            self.process.kill()
            self.process.wait(30)


def lines(records: list[dict[str, Any]]) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def minute_of(
    minute: int, service: str = "payments", endpoint: str = "/pay", *, slow: float = 1.0
) -> Iterator[dict[str, Any]]:
    """Thirty requests of one minute; times vary by place, not by chance."""
    for place in range(30):
        yield {
            "timestamp": (START + timedelta(minutes=minute, seconds=2 * place)).isoformat(),
            "service": service,
            "endpoint": endpoint,
            "status_code": 200,
            "latency_ms": (100.0 + (place * 37 + minute * 11) % 50) * slow,
        }


def an_hour(*, bad: range = range(40, 50), minutes: int = 60) -> list[dict[str, Any]]:
    """Three endpoints for an hour; payments /pay is slow for some minutes."""
    out: list[dict[str, Any]] = []
    for minute in range(minutes):
        of_minute = [
            *minute_of(minute, slow=10.0 if minute in bad else 1.0),
            *minute_of(minute, "checkout", "/cart"),
            *minute_of(minute, "auth", "/login"),
        ]
        out.extend(sorted(of_minute, key=lambda one: str(one["timestamp"])))
    return out
