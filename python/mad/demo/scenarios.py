"""Scenarios of the demo shop: the failure and the endpoint that must be named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """A failure of one endpoint, whose service has the name of the endpoint."""

    name: str
    words: str
    endpoint: str
    delay_ms: float = 0.0
    error_rate: float = 0.0

    @property
    def root(self) -> tuple[str, str]:
        """Service and endpoint that must be named."""
        return self.endpoint.strip("/"), self.endpoint

    @property
    def routes(self) -> list[str]:
        """The requests that switch the failure on."""
        name, routes = self.endpoint.strip("/"), []
        if self.delay_ms:
            routes.append(f"/simulate/delay?endpoint={name}&duration={self.delay_ms:g}")
        if self.error_rate:
            routes.append(f"/simulate/error?endpoint={name}&rate={self.error_rate:g}")
        return routes


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("slow-payment", "payment takes 2 s longer", "/payment", delay_ms=2000.0),
        Scenario(
            "failing-inventory", "inventory fails nine times of ten", "/inventory", error_rate=0.9
        ),
        Scenario(
            "cascade",
            "payment takes 4 s longer, checkout times out after 3 s",
            "/payment",
            delay_ms=4000.0,
        ),
    )
}
