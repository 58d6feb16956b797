"""The demo: starts the shop, injects a failure after the warm-up, asks mad for the culprit and
stops everything."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from mad.adapters.clock import Clock, rfc3339
from mad.adapters.post import DeliveryError, Post, after_newest
from mad.adapters.sender import Sender, SenderStats
from mad.demo.load import Load, Target
from mad.demo.scenarios import SCENARIOS, Scenario
from mad.demo.shop import Shop

WARM_UP, FAILING, AFTER = 25, 8, 5
"""Minutes of event time before the failure, during it and after it."""
BETWEEN = 20
"""Minutes before the next failure, so that the ranking's window no longer covers the last one."""
RATE = 20.0
"""Checkouts per minute of event time."""
LATENESS = 4.0
"""Longest wait of a record before it is sent, in seconds of event time."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """An injected failure and the result of mad."""

    scenario: str
    root: tuple[str, str]
    """Service and endpoint of the failure."""
    culprit: tuple[str, str] | None
    """The first culprit of `GET /culprit` after the failure."""
    named_after: float | None
    """Minutes of event time from the failure until `GET /culprit` named the failing endpoint."""
    incidents: list[Mapping[str, Any]] = field(default_factory=list)
    """The incidents of `GET /v1/query/incidents`."""

    @property
    def correct(self) -> bool:
        """Whether mad reported incidents and ranked the failing endpoint first."""
        return self.culprit == self.root and bool(self.incidents)


class Demo:
    """The running shop and its traffic, which report to the server at `url`, until `close`.

    A minute of event time takes 60 / `accelerate` seconds. Event time starts at the present, or
    after the newest record of the server. `rate` is checkouts per minute of event time. `say`
    receives progress messages; setting `stop` ends the demo early.

    Raises ValueError for a rate that is not above 0 and at most 6000.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        accelerate: float = 20.0,
        rate: float = RATE,
        seed: int = 0,
        ports: Mapping[str, int] | None = None,
        say: Say = print,
        stop: threading.Event | None = None,
    ) -> None:
        if not 0.0 < rate <= 6000.0:
            raise ValueError(f"rate is {rate}; expected checkouts a minute above 0 up to 6000")
        self.url = url.rstrip("/")
        self._asking = Post(url, token, timeout=5.0)
        self._say, self._stop = say, stop if stop is not None else threading.Event()
        self.clock = Clock(after_newest(self._asking), accelerate)
        self._open = ExitStack()
        self._open.callback(self._asking.close)
        try:
            interval = min(1.0, self.clock.seconds(LATENESS))
            self.sender = Sender(url, token, interval=interval)
            self._open.callback(self.sender.close)
            self.shop = self._open.enter_context(
                Shop(self.sender, self.clock, seed=seed, ports=ports)
            )
            self.load = Load(targets(self.shop.urls, rate), self.clock.seconds(60.0), seed)
            self._open.callback(self.load.close)
            self._introduce()
        except BaseException:
            self._open.close()
            raise

    def play(
        self,
        scenario: str = "slow-payment",
        *,
        warm_up: float = WARM_UP,
        failing: float = FAILING,
        after: float = AFTER,
    ) -> Outcome:
        """Injects a failure after `warm_up` minutes of event time for `failing` minutes, then waits
        `after` minutes; ends early when stopped.

        Raises KeyError for an unknown scenario.
        """
        one = SCENARIOS[scenario]
        self._log(f"normal traffic for {warm_up:g} minutes as warm-up")
        if self._wait(warm_up):
            return Outcome(one.name, one.root, None, None)
        began = self.clock.now()
        for route in one.routes:
            self._log(f"{one.words}: curl -X POST '{self.shop.urls[one.root[0]]}{route}'")
            self._inject(one, route)
        named_after = self._watch(one, failing, began)
        if self._stop.is_set():
            return Outcome(one.name, one.root, None, named_after)
        self._log("failure cleared")
        self._inject(one, "/simulate/clear")
        if named_after is None:
            named_after = self._watch(one, after, began)
        else:
            self._wait(after)
        self.sender.flush(5.0)
        incidents = self._get("/v1/query/incidents").get("data")
        return Outcome(one.name, one.root, self._culprit(), named_after, list(incidents or ()))

    def keep(self) -> None:
        """Continues the traffic until stopped."""
        self._log("traffic continues; inject failures with the URLs above, stop with Ctrl-C")
        self._stop.wait()

    def close(self) -> None:
        """Stops traffic, services and sender."""
        self.shop.faults.stop()
        self._open.close()

    @property
    def stats(self) -> SenderStats:
        """Numbers of sent records by their outcome."""
        return self.sender.stats

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _introduce(self) -> None:
        for name, url in self.shop.urls.items():
            self._say(f"{name:<10} {url}")
        if "service-a" not in self.shop.urls:
            self._say("service-a and service-b are not started: pip install 'mad-py[otel]'")
        if self.clock.factor != 1.0:
            self._say(f"event time runs at {self.clock.factor:g} times real time")

    def _log(self, words: str) -> None:
        self._say(f"{rfc3339(self.clock.now())[:19]}Z  {words}")

    def _wait(self, minutes: float) -> bool:
        return self._stop.wait(self.clock.seconds(minutes * 60.0))

    def _watch(self, one: Scenario, minutes: float, began: float) -> float | None:
        """Asks for the culprit twice a minute for `minutes`. Returns the minutes until it was
        the failing endpoint, or None."""
        named_after = None
        for _ in range(round(minutes * 2)):
            if self._wait(0.5):
                break
            if named_after is None and self._culprit() == one.root:
                named_after = round((self.clock.now() - began) / 60.0, 1)
                self._log(f"mad names {' '.join(one.root)}: curl {self.url}/culprit")
        return named_after

    def _inject(self, one: Scenario, route: str) -> None:
        request = urllib.request.Request(self.shop.urls[one.root[0]] + route, b"", method="POST")
        with urllib.request.urlopen(request, timeout=10.0) as answer:
            answer.read()

    def _culprit(self) -> tuple[str, str] | None:
        found = self._get("/culprit").get("culprit")
        if not isinstance(found, dict):
            return None
        # Rows of spans are named after method and route.
        return str(found.get("service")), str(found.get("endpoint")).rpartition(" ")[2]

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = self._asking.get(path)
        except DeliveryError:
            return {}
        return answer if isinstance(answer, dict) else {}


def run(
    url: str,
    token: str | None = None,
    scenario: str = "slow-payment",
    accelerate: float = 20.0,
    *,
    rate: float = RATE,
    warm_up: float = WARM_UP,
    failing: float = FAILING,
    after: float = AFTER,
    seed: int = 0,
    ports: Mapping[str, int] | None = None,
    keep: bool = False,
    say: Say = print,
    stop: threading.Event | None = None,
) -> list[Outcome]:
    """Runs the whole demo against the server at `url`; returns one outcome, or three for the
    scenario `all`.

    With `keep` the shop and its traffic continue until `stop` is set or Ctrl-C. Everything is
    stopped at the end.

    Raises ValueError for an unknown scenario.
    """
    names = list(SCENARIOS) if scenario == "all" else [scenario]
    if not set(names) <= set(SCENARIOS):
        raise ValueError(f"scenario is {scenario!r}; expected {', '.join(SCENARIOS)} or all")
    stop = stop if stop is not None else threading.Event()
    outcomes: list[Outcome] = []
    with Demo(
        url,
        token,
        accelerate=accelerate,
        rate=rate,
        seed=seed,
        ports=ports,
        say=say,
        stop=stop,
    ) as demo:
        for number, name in enumerate(names):
            calm = warm_up if number == 0 else max(BETWEEN - after, 0.0)
            outcome = demo.play(name, warm_up=calm, failing=failing, after=after)
            if stop.is_set():
                break
            outcomes.append(outcome)
            say(verdict(outcome))
            for incident in outcome.incidents[:1]:
                say(f"  {incident['explanation']['summary']}")
                say(f"  why: curl -s {url}/v1/query/incidents/{incident['id']}/explain")
        if keep and not stop.is_set():
            demo.keep()
    return outcomes


def launch(
    url: str,
    token: str | None = None,
    *,
    scenario: str = "slow-payment",
    accelerate: float = 20.0,
    keep: bool = True,
) -> subprocess.Popen[bytes]:
    """Starts the demo in a separate process that prints to standard output.

    It ends with a termination signal, or with the process that launched it.
    """
    command = [sys.executable, "-m", "mad.demo", url, "--scenario", scenario]
    command += ["--accelerate", str(accelerate), *(["--keep"] if keep else [])]
    environment = dict(os.environ)
    environment.pop("MAD_TOKEN", None)
    if token:
        environment["MAD_TOKEN"] = token
    return subprocess.Popen(command, env=environment)


def verdict(outcome: Outcome) -> str:
    """One sentence about an outcome."""
    root = " ".join(outcome.root)
    if outcome.correct and outcome.named_after is not None:
        return f"{outcome.scenario}: found, {root} named after {outcome.named_after:g} minutes"
    named = " ".join(outcome.culprit) if outcome.culprit else "no culprit"
    return f"{outcome.scenario}: {root} failed, and mad names {named}"


def targets(urls: Mapping[str, str], rate: float) -> list[Target]:
    """The requests of customers and of health checks."""
    wanted = [Target("POST", urls["checkout"] + "/checkout", rate)]
    wanted += [Target("GET", url + "/health", rate / 5) for url in list(urls.values())[:3]]
    if "service-a" in urls:
        wanted += [
            Target("GET", urls["service-a"] + path, rate / 2) for path in ("/start", "/test")
        ]
    return wanted
