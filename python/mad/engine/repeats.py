"""Batches that were sent again with the same idempotency key."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from mad.engine.batch import IngestReceipt
from mad.engine.job import Job, KeyReused, NotJudged
from mad.journal import Journal, TableWrites

#: Kind, partition and batch id.
Key: TypeAlias = tuple[str, str, str]
#: A job, and the first job or the receipt of the same batch.
Repeated: TypeAlias = tuple[Job, "Job | IngestReceipt"]


def split(
    jobs: list[Job], journal: Journal, unwritten: TableWrites
) -> tuple[list[Job], list[Repeated]]:
    """Splits jobs into new ones and repetitions. A reused key, and the key of a batch that was set
    aside, are the error of their job, which is in neither list. Raises `JournalFailed`."""
    new: list[Job] = []
    repeated: list[Repeated] = []
    known: dict[Key, tuple[bytes, Job | IngestReceipt]] = {}
    for job in jobs:
        if job.entry is None or job.entry.key is None:
            new.append(job)
            continue
        key, digest = job.entry.key, job.entry.digest
        before = known.get(key) or _known(key, journal, unwritten)
        if before is None and (why := journal.reason_set_aside(key)) is not None:
            # judged again, it would fail again and the state would be built again each time
            job.error = NotJudged(why)
        elif before is None:
            known[key] = digest, job
            new.append(job)
        elif before[0] == digest:
            repeated.append((job, before[1]))
        else:
            job.error = KeyReused(job.entry.batch_id or "")
    return new, repeated


def answer(repeated: list[Repeated]) -> None:
    """Gives each repetition the result of its first job."""
    for job, before in repeated:
        if isinstance(before, IngestReceipt):
            job.result = replace(before, repeated=True)
        elif before.error is not None:
            job.error = before.error
        else:
            job.result = replace(before.result, repeated=True)


def _known(
    key: Key, journal: Journal, unwritten: TableWrites
) -> tuple[bytes, IngestReceipt] | None:
    for *of_key, digest, seq, accepted, rejected, problems in unwritten.batches:
        if tuple(of_key) == key:
            return digest, IngestReceipt(seq, accepted, rejected, problems)
    found = journal.batch(key)
    return (found[0], IngestReceipt(*found[1:])) if found else None
