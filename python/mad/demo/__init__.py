"""A demo shop of real HTTP services with traffic and a failure that mad has to find.

    outcome = mad.demo.run("http://127.0.0.1:8000", scenario="slow-payment", accelerate=20)
    outcome.correct    # the API named the failing endpoint first

Event time runs faster than real time, so that the warm-up of an hour takes minutes. Latencies are
the measured ones.
"""

from mad.demo.run import Demo, Outcome, launch, run
from mad.demo.scenarios import SCENARIOS, Scenario
from mad.demo.shop import Shop

__all__ = ["SCENARIOS", "Demo", "Outcome", "Scenario", "Shop", "launch", "run"]
