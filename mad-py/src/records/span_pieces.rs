//! Spans from a table, or from pieces of a file.

use mad_core::telemetry::KindCounts;
use mad_core::time::ZonePolicy;
use mad_core::wire::ColumnMap;
use mad_core::{Record, RecordKind, Source as Origin, Span};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::errors::to_py;
use crate::records::kinds::{Columns, read_table};
use crate::records::source::{Piece, Source};

/// A piece of the input.
pub enum Given {
    Bytes(Vec<u8>),
    Table(Box<dyn Columns>),
}

/// A table (a list of dictionaries is one), or a list of tables and of bytes that were cut anywhere.
pub fn given(source: &Bound<'_, PyAny>) -> PyResult<Vec<Given>> {
    let is_rows = |list: &Bound<'_, PyList>| {
        list.is_empty() || list.get_item(0).is_ok_and(|first| first.is_instance_of::<PyDict>())
    };
    if let Ok(pieces) = source.cast::<PyList>()
        && !is_rows(pieces)
    {
        return pieces.iter().map(|piece| one(&piece)).collect();
    }
    Ok(vec![one(source)?])
}

fn one(piece: &Bound<'_, PyAny>) -> PyResult<Given> {
    match piece.cast::<PyBytes>() {
        Ok(bytes) => Ok(Given::Bytes(bytes.as_bytes().to_vec())),
        Err(_) => Ok(Given::Table(read_table(
            RecordKind::Spans,
            piece,
            ZonePolicy::Refuse,
            &ColumnMap::default(),
        )?)),
    }
}

/// Hands every good span on, and counts all.
pub fn read(
    pieces: &[Given],
    mut take: impl FnMut(&Span<'_>),
    counts: &mut KindCounts,
) -> PyResult<()> {
    let KindCounts { records, rejected } = counts;
    let mut sink = |record: Record<'_>, _| {
        *records += 1;
        if let Record::Span(span) = record {
            take(&span);
        }
    };
    let mut source = Source::new(RecordKind::Spans);
    let mut before = 0;
    let zone = ZonePolicy::Refuse;
    for piece in pieces {
        let outcome = match piece {
            Given::Bytes(bytes) => source.read(&Piece::Bytes(bytes), zone, &mut sink, rejected),
            Given::Table(table) => {
                table.in_order(before, &mut |record, at| sink(record, Origin::at(at)), rejected);
                before += table.rows() as u64;
                Ok(())
            }
        };
        outcome.map_err(|error| to_py(&error))?;
    }
    if !pieces.iter().any(|piece| matches!(piece, Given::Bytes(_))) {
        return Ok(());
    }
    source.read(&Piece::End, zone, &mut sink, rejected).map_err(|error| to_py(&error))
}
