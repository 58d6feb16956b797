"""Threads that share a pipeline: calls wait for their turn, and no record is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import mad

START = datetime(2026, 1, 6, 10, tzinfo=timezone.utc)
THREADS = 12
BATCHES = 5
ROWS = 200


def batch(worker: int, part: int) -> dict[str, list[Any]]:
    """Requests of one service per worker, all within one minute."""
    return {
        "timestamp": [START + timedelta(milliseconds=i * 100 + part) for i in range(ROWS)],
        "service": [f"service-{worker}"] * ROWS,
        "endpoint": ["/pay"] * ROWS,
        "status_code": [200] * ROWS,
        "latency_ms": [40.0 + i % 7 for i in range(ROWS)],
    }


def run(calls: list[Callable[[], object]]) -> list[BaseException]:
    """Runs all calls at once, and gives the errors that they raised."""
    errors: list[BaseException] = []
    ready = threading.Barrier(len(calls))

    def one(call: Callable[[], object]) -> None:
        ready.wait()
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def ingest(pipeline: mad.Pipeline, worker: int) -> Callable[[], None]:
    def call() -> None:
        for part in range(BATCHES):
            assert pipeline.ingest(batch(worker, part)).rejected["total"] == 0

    return call


def requests(table: mad.Table) -> dict[str, int]:
    return dict(zip(table["service"], table["req_count"].tolist(), strict=True))


def test_no_request_of_concurrent_batches_is_lost() -> None:
    pipeline = mad.Pipeline()
    assert run([ingest(pipeline, worker) for worker in range(THREADS)]) == []
    rows = requests(pipeline.finish().rows)
    assert rows == {f"service-{worker}": BATCHES * ROWS for worker in range(THREADS)}


def test_queries_and_checkpoints_run_beside_batches() -> None:
    pipeline = mad.Pipeline()
    saved: list[bytes] = []

    def query() -> None:
        for _ in range(BATCHES):
            saved.append(pipeline.checkpoint())
            assert pipeline.incidents == []
            assert pipeline.rejected["total"] == 0
            pipeline.states()
            pipeline.culprits()

    workers = [ingest(pipeline, worker) for worker in range(THREADS)]
    assert run([*workers, query, query]) == []
    for blob in saved:
        mad.Pipeline.restore(None, blob)
    assert sum(requests(pipeline.finish().rows).values()) == THREADS * BATCHES * ROWS


def test_a_batch_id_is_taken_once_by_threads_that_send_it_together() -> None:
    pipeline = mad.Pipeline()
    repeated: list[bool] = []

    def send() -> None:
        repeated.append(pipeline.ingest(batch(0, 0), batch_id="b-1").repeated)

    assert run([send] * THREADS) == []
    assert sorted(repeated) == [False] + [True] * (THREADS - 1)
    assert requests(pipeline.finish().rows) == {"service-0": ROWS}


class Reentrant:
    """A table whose columns use the pipeline while the pipeline reads them."""

    def __init__(self, pipeline: mad.Pipeline) -> None:
        self.pipeline = pipeline
        self.columns = batch(0, 0)

    def __getitem__(self, name: str) -> list[Any]:
        self.pipeline.ingest(batch(1, 0))
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)


def test_a_table_that_uses_the_pipeline_while_it_is_read_does_not_block_it() -> None:
    pipeline = mad.Pipeline()
    pipeline.ingest(Reentrant(pipeline))
    assert set(requests(pipeline.finish().rows)) == {"service-0", "service-1"}


def test_pipelines_that_merge_into_each_other_do_not_block_each_other() -> None:
    first, second = mad.Pipeline(), mad.Pipeline()
    first.ingest(batch(0, 0))
    second.ingest(batch(1, 0))
    first.finish()
    second.finish()
    # whichever merges last finds its own entities in the other one
    errors = run([lambda: first.merge(second), lambda: second.merge(first)])
    assert all(isinstance(error, ValueError) for error in errors)
