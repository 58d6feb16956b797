//! Tables of a kind of record that is named at run time.

use mad_core::time::ZonePolicy;
use mad_core::wire::{
    Changes, ColumnMap, Edges, Kind, Logs, Metrics, Requests, Sink, Spans, fields_of,
};
use mad_core::{RecordKind, Rejections};
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::tables::record_table::RecordTable;

/// A table of records of some kind.
pub trait Columns: Send + Sync {
    /// Hands out every good record in the order of the rows, `before` rows having come before.
    fn in_order(&self, before: u64, sink: &mut Sink<'_>, rejections: &mut Rejections);
    /// Rows, good and bad.
    fn rows(&self) -> usize;
}

impl<K: Kind + Send + Sync> Columns for RecordTable<K> {
    fn in_order(&self, before: u64, sink: &mut Sink<'_>, rejections: &mut Rejections) {
        let mut sink = |record: K::Record<'_>, row: u64| sink(record.into(), row);
        self.in_order_after(before, &mut sink, rejections);
    }

    fn rows(&self) -> usize {
        RecordTable::rows(self)
    }
}

/// The kind with a name.
pub fn parse_kind(name: &str) -> PyResult<RecordKind> {
    RecordKind::parse(name).map_err(|error| to_py(&error))
}

/// Reads a table of records of a kind.
pub fn read_table(
    kind: RecordKind,
    table: &Bound<'_, PyAny>,
    zone: ZonePolicy,
    map: &ColumnMap,
) -> PyResult<Box<dyn Columns>> {
    Ok(match kind {
        RecordKind::Requests => Box::new(RecordTable::<Requests>::read_mapped(table, zone, map)?),
        RecordKind::Metrics => Box::new(RecordTable::<Metrics>::read_mapped(table, zone, map)?),
        RecordKind::Spans => Box::new(RecordTable::<Spans>::read_mapped(table, zone, map)?),
        RecordKind::Logs => Box::new(RecordTable::<Logs>::read_mapped(table, zone, map)?),
        RecordKind::Changes => Box::new(RecordTable::<Changes>::read_mapped(table, zone, map)?),
        RecordKind::Edges => Box::new(RecordTable::<Edges>::read_mapped(table, zone, map)?),
    })
}

/// The columns of a kind: those a table needs, and those it may have.
#[pyfunction]
pub fn columns_of(kind: &str) -> PyResult<(Vec<&'static str>, Vec<&'static str>)> {
    let (fields, needed) = fields_of(parse_kind(kind)?);
    let (needed, optional) = fields.split_at_checked(needed).unwrap_or((fields, &[]));
    Ok((needed.to_vec(), optional.to_vec()))
}
