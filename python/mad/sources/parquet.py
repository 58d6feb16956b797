"""Reads Parquet files batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mad.errors import InputError, MissingExtraError, reason

ROWS = 1 << 16
"""Rows of a batch."""
_TEXT = ("string", "large_string")


def batches(path: str, kind: str) -> Iterator[tuple[Any, float]]:
    """The record batches of a file with the columns of `kind`, at least one batch, each with the
    share of rows read so far."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is Parquet, which needs pyarrow: pip install 'mad-py[parquet]'"
        ) from error
    try:
        # pyarrow takes names that are not UTF-8 as bytes only
        name = os.fsencode(path)
        with pyarrow.OSFile(name) as content, parquet.ParquetFile(content) as schema_of:
            schema = schema_of.schema_arrow
        columns = _columns(schema.names, kind)
        # Names stay dictionary codes, as in most files.
        coded = [name for name in columns or [] if str(schema.field(name).type) in _TEXT]
        with (
            pyarrow.OSFile(name) as content,
            parquet.ParquetFile(content, read_dictionary=coded) as file,
        ):
            total, done = file.metadata.num_rows, 0
            for batch in file.iter_batches(batch_size=ROWS, columns=columns):
                done += batch.num_rows
                yield batch, done / total
            if done == 0:
                yield schema.empty_table(), 1.0
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: damaged Parquet: {error}") from error


def _columns(names: list[str], kind: str) -> list[str] | None:
    """The columns to read; all of them when a required one is missing, so that the error can
    list them."""
    from mad._core import columns_of

    needed, optional = columns_of(kind)
    if not set(needed) <= set(names):
        return None
    return [name for name in names if name in (*needed, *optional)]
