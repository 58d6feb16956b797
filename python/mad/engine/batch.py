"""Receipts of batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mad import _core


@dataclass(frozen=True, slots=True)
class IngestReceipt:
    """The result of a batch that is on disk: its number in the journal and how many records were
    accepted."""

    seq: int
    accepted: int
    rejected: int
    #: Reasons, counts and first positions, as JSON.
    problems: str
    repeated: bool = False

    def answer(
        self, batch_id: str | None = None, kind: str = "requests", min_accepted: float = 0.95
    ) -> dict[str, Any]:
        """The receipt as the JSON object of a response; `problem` says why less than the share
        `min_accepted` of the records was accepted."""
        return {
            "accepted": self.accepted,
            "rejected": self.rejected,
            "problem": self.problem(kind, min_accepted),
            "repeated": self.repeated,
            "seq": self.seq,
            "batch_id": batch_id,
            "problems": json.loads(self.problems)["first"] if self.rejected else [],
        }

    def problem(self, kind: str, min_accepted: float) -> str | None:
        """Why nothing, or less than the share `min_accepted`, was accepted; None when enough
        was."""
        if not self.rejected:
            return None
        problems = json.loads(self.problems)
        first = [(one["reason"], one["position"], one["detail"]) for one in problems["first"]]
        return _core.describe_shortfall(
            kind, self.accepted, problems["counts"], first, min_accepted, "position"
        )
