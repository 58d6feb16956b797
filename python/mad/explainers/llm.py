"""Explains incidents with a language model, and with the templates where that fails."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from mad.config.explain import LlmOptions
from mad.config.secret import SecretMissing, revealed
from mad.explainers.answer import Answer, Rejected, checked, template_answer
from mad.explainers.prompt import facts_of
from mad.explainers.providers import body_of, request_of, text_of, url_of
from mad.sinks import http
from mad.sinks.protocol import Refused, Retry

Json = Mapping[str, Any]
_HOUR = 3_600.0
#: Seconds before the first further attempt; each pause is twice the one before, up to the last.
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0


class Budget:
    """Counts the requests of the last hour, in any thread."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Takes one request; returns False when the hour has had all of its requests."""
        with self._lock:
            now = self._clock()
            while self._times and now - self._times[0] >= _HOUR:
                self._times.popleft()
            if len(self._times) >= self._most:
                return False
            self._times.append(now)
            return True


class LlmExplainer:
    """Explains incidents with a language model.

    The model gets numbered facts without secrets. Its answer is taken if it has the asked fields,
    cites facts that exist, names a service of the incident, and uses no other numbers. Otherwise,
    and when the model does not answer in time or the budget is used up, the answer is that of the
    templates, with the problem.
    """

    def __init__(
        self,
        options: LlmOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`clock` gives seconds for the budget, `pause` waits some seconds."""
        self.options = options
        self._budget, self._pause = Budget(options.requests_per_hour, clock), pause

    def explain(self, incident: Json) -> Answer:
        """Explains an incident of `incidents.json`. Never raises because of the peer."""
        facts = facts_of(incident, self.options.redact)
        message, problem = facts.to_json(), ""
        for attempt in range(self.options.retries + 1):
            wait = min(_FIRST_PAUSE * 2.0**attempt, _LAST_PAUSE)
            try:
                if not self._budget.take():
                    most = self.options.requests_per_hour
                    problem = f"the budget of {most} requests an hour is used up"
                    break
                answer = http.send(request_of(self.options, message))
                return checked(text_of(self.options, answer), facts)
            except Rejected as error:
                problem = str(error)
            except Retry as error:
                # the text of a peer may quote what it was sent
                problem = str(error).partition(": ")[0] + ": no answer"
                wait = max(wait, min(error.after or 0.0, _LAST_PAUSE))
            except Refused as error:
                problem = str(error).partition(": ")[0]
                break
            except SecretMissing as error:
                problem = str(error)
                break
            if attempt < self.options.retries:
                self._pause(wait)
        return template_answer(incident, facts, problem)

    def request(self, incident: Json) -> str:
        """The request of `explain` about an incident as text: address and body, without the key."""
        facts = facts_of(incident, self.options.redact)
        try:
            base = http.place_of(revealed(self.options.url)) if _is_secret(self.options) else ""
        except SecretMissing:
            base = "(the URL is not set)"
        url = base or url_of(self.options, str(self.options.url))
        body = body_of(self.options, facts.to_json())
        return f"POST {url}\n{json.dumps(body, ensure_ascii=False, indent=2)}"


def _is_secret(options: LlmOptions) -> bool:
    return not isinstance(options.url, str)
