"""The demo shop: checkout calls payment and inventory, each a separate service with the
middleware; and a chain of two services with the OpenTelemetry SDK."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from mad.adapters.clock import Clock
from mad.adapters.record import urlopen
from mad.adapters.sender import Sender
from mad.adapters.wsgi import MadMiddleware
from mad.demo.faults import ROUTES, Faults, simulate_work
from mad.demo.service import Routes, Served, app, ask

SHOP = ("/checkout", "/payment", "/inventory")
CHAIN = ("/start", "/test", "/ping")


class Shop:
    """The running services, each on its own port, until `close`; `ports` fixes ports by service
    name.

    All services share `faults`. The chain is not started without the OpenTelemetry SDK.
    """

    def __init__(
        self,
        sender: Sender,
        clock: Clock | None = None,
        *,
        seed: int = 0,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        clock = clock if clock is not None else Clock()
        self.faults = Faults((*SHOP, *CHAIN), seed)
        self.urls: dict[str, str] = {}
        self._services = ExitStack()
        orders = itertools.count(1)

        def serve(name: str, routes: Routes) -> None:
            inner = app(name, routes, self.faults)
            watched = MadMiddleware(inner, name, sender=sender, clock=clock, skip=(ROUTES,))
            self._start(name, Served(watched, (ports or {}).get(name, 0)))

        def checkout() -> Mapping[str, Any]:
            paid = ask("POST", self.urls["payment"] + "/payment", urlopen)
            there = ask("GET", self.urls["inventory"] + "/inventory", urlopen)
            return {"order": next(orders), "payment": paid, "inventory": there}

        def payment() -> Mapping[str, Any]:
            simulate_work(100.0)
            return {"status": "paid"}

        def inventory() -> Mapping[str, Any]:
            simulate_work(50.0)
            return {"items": 3, "in_stock": True}

        try:
            serve("payment", {("POST", "/payment"): payment})
            serve("inventory", {("GET", "/inventory"): inventory})
            serve("checkout", {("POST", "/checkout"): checkout})
            for name, served in _chain(sender, clock, self.faults, ports or {}):
                self._start(name, served)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stops all services and every pending delay."""
        self.faults.stop()
        self._services.close()

    def __enter__(self) -> Shop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, name: str, served: Served) -> None:
        self._services.callback(served.close)
        self.urls[name] = served.url


def _chain(
    sender: Sender, clock: Clock, faults: Faults, ports: Mapping[str, int]
) -> Iterable[tuple[str, Served]]:
    """The running services of the chain; none without the SDK."""
    try:
        from mad.demo.chain import services
    except ImportError:
        return ()
    return services(sender, clock, faults, ports)
