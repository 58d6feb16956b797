"""Counters of the engine and their Prometheus exposition."""

from __future__ import annotations

from bisect import bisect_left
from copy import deepcopy
from dataclasses import dataclass, field

#: Upper bounds of the histogram of acknowledgement times, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(slots=True)
class EngineStats:
    """Counts since the server started; `accepted_total` counts since the journal was created."""

    accepted_total: int = 0
    batches: int = 0
    repeated: int = 0
    records: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    ticks: int = 0
    commands: int = 0
    checkpoints: int = 0
    checkpoint_seconds: float = 0.0
    refused_busy: int = 0
    refused_storage: int = 0
    #: Records that senders dropped before they could be sent.
    dropped_by_senders: int = 0
    #: Batches that could not be read, so that they are not in the journal.
    refused_unreadable: int = 0
    #: Entries that could not be judged and were taken out of the replay.
    set_aside: int = 0
    #: How often the pipeline was built again after an error.
    rebuilt: int = 0
    recovered_entries: int = 0
    recovery_seconds: float = 0.0
    accepted_bytes: int = 0
    answer_counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    answer_seconds: float = 0.0

    def copy(self) -> EngineStats:
        """Counters that change independently of these."""
        return deepcopy(self)

    def answered(self, seconds: float) -> None:
        """Records that a batch was acknowledged `seconds` after it arrived."""
        self.answer_counts[bisect_left(BUCKETS, seconds)] += 1
        self.answer_seconds += seconds

    def exposition(self) -> str:
        """The counters in the Prometheus text format."""
        lines: list[str] = []

        def family(name: str, kind: str, text: str, values: list[tuple[str, float]]) -> None:
            lines.append(f"# HELP {name} {text}\n# TYPE {name} {kind}")
            lines.extend(f"{name}{labels} {value:g}" for labels, value in values)

        def labelled(label: str, counts: dict[str, int]) -> list[tuple[str, float]]:
            return [(f'{{{label}="{key}"}}', count) for key, count in sorted(counts.items())]

        for name, text, value in (
            ("mad_batches_total", "Batches accepted.", self.batches),
            ("mad_batches_repeated_total", "Batches with a known idempotency key.", self.repeated),
            ("mad_ticks_total", "Ticks while no data arrived.", self.ticks),
            ("mad_commands_total", "Commands, such as acknowledge or mute.", self.commands),
            ("mad_checkpoints_total", "Checkpoints of the state.", self.checkpoints),
            ("mad_accepted_bytes_total", "Bytes of accepted batches.", self.accepted_bytes),
            ("mad_unreadable_batches_total", "Batches unreadable.", self.refused_unreadable),
            (
                "mad_sender_dropped_total",
                "Records that senders dropped and reported.",
                self.dropped_by_senders,
            ),
            ("mad_set_aside_total", "Entries that could not be judged.", self.set_aside),
            ("mad_rebuilt_total", "Times the state was rebuilt after an error.", self.rebuilt),
        ):
            family(name, "counter", text, [("", value)])
        family(
            "mad_refused_total",
            "counter",
            "Batches refused for now; the sender retries them.",
            [('{reason="busy"}', self.refused_busy), ('{reason="storage"}', self.refused_storage)],
        )
        if self.records:
            family(
                "mad_records_total", "counter", "Records accepted.", labelled("kind", self.records)
            )
        if self.rejected:
            family(
                "mad_rejected_total",
                "counter",
                "Records rejected.",
                labelled("reason", self.rejected),
            )
        total, buckets = 0, []
        for end, count in zip((*BUCKETS, float("inf")), self.answer_counts, strict=True):
            total += count
            buckets.append((f'{{le="{"+Inf" if end == float("inf") else end}"}}', total))
        name = "mad_acknowledge_seconds"
        lines.append(
            f"# HELP {name} Seconds from arrival to acknowledgement.\n# TYPE {name} histogram"
        )
        lines.extend(f"{name}_bucket{labels} {value}" for labels, value in buckets)
        lines.append(f"{name}_sum {self.answer_seconds:.6f}\n{name}_count {total}")
        return "\n".join(lines) + "\n"
