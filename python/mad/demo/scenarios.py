"""What goes wrong in the demo shop, and who is to blame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """A failure of one endpoint; its service has the endpoint's name."""

    name: str
    words: str
    endpoint: str
    delay_ms: float = 0.0
    error_rate: float = 0.0

    @property
    def root(self) -> tuple[str, str]:
        """Service and endpoint that have to be named."""
        return self.endpoint.strip("/"), self.endpoint

    @property
    def routes(self) -> list[str]:
        """The requests that switch it on."""
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
            "payment takes 4 s longer, checkout gives up on it after 3 s",
            "/payment",
            delay_ms=4000.0,
        ),
    )
}
