"""Records that are surveyed and split in one pass, as the engines do."""

from __future__ import annotations

import pyarrow as pa
import pytest
from fleet import fleet, same

import mad
from mad import partition


@pytest.mark.parametrize("count", [1, 3])
def test_records_that_are_cut_in_one_pass(count: int) -> None:
    """Pieces of the input are surveyed and split at once, and join to the partitions."""
    tables = fleet()
    surveys: list[bytes] = []
    pieces: dict[int, list[tuple[str, bytes]]] = {}
    for kind, table in tables.items():
        arrow = pa.Table.from_pandas(table.assign(region="eu"), preserve_index=False)
        third = -(-len(table) // 3)
        for at in range(3):
            own = arrow.slice(at * third, third)
            found, packed = partition.cut(f"{kind} {at}", kind, own, count)
            assert found == partition.survey(f"{kind} {at}", **{kind: own})
            surveys.append(found)
            for number, one in packed:
                pieces.setdefault(number, []).append((kind, one))
    plan = partition.plan(surveys, partitions=[str(number) for number in range(count)])
    joined = [partition.joined(pieces[number]) for number in range(count)]
    for kind, table in tables.items():
        split = partition.split(table, count, key=partition.key_of(kind))
        for number, of_number in enumerate(split):
            if len(of_number):
                own = joined[number][kind]
                assert own.to_pylist() == of_number.select(own.column_names).to_pylist()
    judged = [partition.judge(plan, str(number), **own) for number, own in enumerate(joined)]
    same(partition.combine(plan, judged), mad.detect(**tables))


def test_names_of_a_piece_are_its_own_where_there_are_many() -> None:
    """A piece of few records does not carry all names of the table."""
    count, rows = 50, 4_000
    table = {
        "timestamp": ["2026-01-06T10:00:00Z"] * rows,
        "service": [f"service-{row % 400}" for row in range(rows)],
        "endpoint": [f"/{row}" for row in range(rows)],
        "status_code": [200] * rows,
        "latency_ms": [1.0] * rows,
        "trace_id": [f"trace-{row}" for row in range(rows)],
    }
    kind = "requests"
    _, pieces = partition.cut("0", kind, table, count)
    found = {number: partition.joined([(kind, one)])[kind] for number, one in pieces}
    assert sum(own.num_rows for own in found.values()) == rows
    for number, own in found.items():
        for row in own.to_pylist():
            assert partition.place(row["service"], count) == number
            assert row["endpoint"] == f"/{row['trace_id'].removeprefix('trace-')}"
        assert len(own["endpoint"].chunk(0).dictionary) == own.num_rows
        assert own["trace_id"].type == pa.string()


def test_batches_become_tables_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "MOST_CUT_ROWS", 10)
    batches = [
        pa.record_batch({"a": pa.array(range(rows), pa.int64())}) for rows in (4, 6, 1, 30, 5, 5, 0)
    ]
    assert [one.num_rows for one in partition.tables(batches)] == [10, 1, 30, 10]
    monkeypatch.setattr(partition, "MOST_CUT_BYTES", 8 * 6)
    assert [one.num_rows for one in partition.tables(batches)] == [4, 6, 1, 30, 5, 5]
    assert list(partition.tables([])) == []


def test_a_row_of_a_part_takes_few_bytes() -> None:
    requests = fleet()["requests"]
    plan = partition.plan([partition.survey("0", requests=requests)])
    part = partition.judge(plan, "0", requests=requests)
    assert len(part) < 600 * len(partition.combine(plan, [part]).features)
