"""A queue of incidents that wait for an explanation, so that detection never waits."""

from __future__ import annotations

import json
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from mad.explainers.answer import Answer
from mad.explainers.llm import LlmExplainer

Json = Mapping[str, Any]
#: The changes of an incident after which it is explained: its first rows, and all of them.
_EXPLAINED = ("opened", "closed")
#: Answers that are kept.
_KEPT = 1_000


class ExplainQueue:
    """Explains incidents in a thread. `submit` returns at once; a full queue refuses."""

    def __init__(
        self, explainer: LlmExplainer, read: Callable[[str], str | None] = lambda _: None
    ) -> None:
        """`read` gives the JSON of the incident with an id; None where it is unknown."""
        self._explainer, self._read = explainer, read
        self._waiting: queue.Queue[Json | str | None] = queue.Queue(explainer.options.waiting)
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        #: Incidents that found the queue full, and those that could not be read.
        self.refused = self.failed = 0
        self._thread = threading.Thread(target=self._run, name="mad-explain", daemon=True)
        self._thread.start()

    def hear(self, changes: Iterable[tuple[int, int, str]]) -> None:
        """Adds the incidents that opened or closed among the changes of an engine."""
        for *_, data in changes:
            change = json.loads(data)
            if change.get("change") in _EXPLAINED:
                self.submit(str(change.get("id")))

    def submit(self, incident: Json | str) -> bool:
        """Adds an incident, or the id of one that is read later. Returns whether there was
        room, and never waits."""
        try:
            self._waiting.put_nowait(incident)
        except queue.Full:
            self.refused += 1
            return False
        return True

    def answer(self, incident_id: str) -> Answer | None:
        """The answer for an incident, once there is one."""
        with self._lock:
            return self._answers.get(incident_id)

    def close(self, timeout: float = 5.0) -> None:
        """Ends the thread after the present answer, and waits for it at most `timeout` seconds."""
        self._stopped.set()
        # with a full queue the thread ends after the present answer, without the mark
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            waiting = self._waiting.get()
            if waiting is None:  # the mark of the end
                return
            try:
                self._explain(waiting)
            except Exception:
                # the next incident is still to be explained; this one keeps its templates
                self.failed += 1

    def _explain(self, waiting: Json | str) -> None:
        incident: Json | None
        if isinstance(waiting, str):
            text = self._read(waiting)
            incident = None if text is None else json.loads(text)
        else:
            incident = waiting
        if incident is None:
            return
        answer = self._explainer.explain(incident)
        with self._lock:
            self._answers[str(incident.get("id"))] = answer
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
