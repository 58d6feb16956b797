//! Tables in: every good record out, the others counted.

use std::marker::PhantomData;

use arrow_array::RecordBatch;
use mad_core::time::ZonePolicy;
use mad_core::wire::{Changes, ColumnMap, Edges, Kind, Logs, MAX_FIELDS, Metrics, Requests, Spans};
use mad_core::{RejectReason, Rejections, Timestamp};
use pyo3::prelude::*;

use crate::border::guarded;
use crate::tables::batches::batches;
use crate::tables::cell::{Cell, Column};
use crate::tables::shape::Shape;

/// Requests in columns.
pub type RequestTable = RecordTable<Requests>;
/// Points of metrics in columns.
pub type MetricTable = RecordTable<Metrics>;
/// Edges of the service graph in columns.
pub type EdgeTable = RecordTable<Edges>;

/// Spans in columns.
pub type SpanTable = RecordTable<Spans>;
/// Changes in columns.
pub type ChangeTable = RecordTable<Changes>;
/// Log lines in columns.
pub type LogTable = RecordTable<Logs>;

/// Records of a kind in columns.
pub struct RecordTable<K> {
    chunks: Vec<Chunk>,
    /// Fields and the columns of other names that hold them.
    renamed: Vec<(&'static str, String)>,
    /// The service of rows without one; empty where they need one.
    service: String,
    kind: PhantomData<K>,
}

/// One stretch of a table, its columns in the order of [`Kind::FIELDS`].
pub(super) struct Chunk {
    /// Rows of the chunks before.
    start: usize,
    pub(super) rows: usize,
    pub(super) columns: [Option<Column>; MAX_FIELDS],
    /// Milliseconds of one unit of the latency or duration.
    pub(super) factor: f64,
}

impl<K: Kind> RecordTable<K> {
    /// Reads any object with the Arrow stream interface, a pandas `DataFrame`, or a mapping of
    /// columns.
    pub fn read(table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Self> {
        Self::read_as(K::KIND.as_str(), table, zone)
    }

    /// The same, with the columns that `map` names.
    pub fn read_mapped(
        table: &Bound<'_, PyAny>,
        zone: ZonePolicy,
        map: &ColumnMap,
    ) -> PyResult<Self> {
        Self::read_shape(&Shape::of::<K>(K::KIND.as_str(), map), table, zone)
    }

    /// The same; errors call the table `what`.
    pub fn read_as(what: &str, table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Self> {
        Self::read_shape(&Shape::of::<K>(what, &ColumnMap::default()), table, zone)
    }

    fn read_shape(shape: &Shape<'_>, table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Self> {
        // a library that converts columns may panic for types that it does not know
        guarded(|| Self::converted(shape, table, zone))?
    }

    fn converted(shape: &Shape<'_>, table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Self> {
        let (mut chunks, mut start, mut renamed) = (Vec::new(), 0, Vec::new());
        for batch in batches(shape, table)? {
            let rows = batch.num_rows();
            let (columns, factor) = columns::<K>(shape, &batch, zone, &mut renamed)?;
            chunks.push(Chunk { start, rows, columns, factor });
            start += rows;
        }
        let service = shape.map.service().unwrap_or_default().to_owned();
        Ok(Self { chunks, renamed, service, kind: PhantomData })
    }

    /// Notes the columns that have other names than their fields.
    pub fn note_renamed(&self, rejections: &mut Rejections) {
        for (field, column) in &self.renamed {
            rejections.rename(field, column);
        }
    }

    /// Rows, good and bad.
    pub fn rows(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| chunk.start + chunk.rows)
    }

    /// Passes on every good record in order; the others are counted. Positions are rows
    /// counted from 1.
    pub fn in_order(&self, sink: &mut impl FnMut(K::Record<'_>, u64), rejections: &mut Rejections) {
        self.in_order_after(0, sink, rejections);
    }

    /// The same for a later piece of an input, of which `before` rows came before.
    pub fn in_order_after(
        &self,
        before: u64,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) {
        self.note_renamed(rejections);
        for chunk in &self.chunks {
            for row in 0..chunk.rows {
                chunk.emit::<K>((row, before), &self.service, sink, rejections);
            }
        }
    }

    /// Hands out one row, counted from 0, or counts it.
    pub fn emit(
        &self,
        row: usize,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) {
        if let Some(chunk) = self.chunk(row) {
            chunk.emit::<K>((row - chunk.start, 0), &self.service, sink, rejections);
        }
    }

    /// The time of a row; `None` where it has none that can be read.
    pub fn time(&self, row: usize) -> Option<Timestamp> {
        let chunk = self.chunk(row)?;
        chunk.columns.get(K::place(K::TIME?)?)?.as_ref()?.moment(row - chunk.start)
    }

    /// The times of all rows in order, nanoseconds.
    pub fn times(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        let place = K::TIME.and_then(K::place);
        self.chunks.iter().flat_map(move |chunk| {
            let column = place.and_then(|place| chunk.columns.get(place)?.as_ref());
            (0..chunk.rows).map(move |row| column?.moment(row).map(Timestamp::nanos))
        })
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The service of rows without one; empty where they need one.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    fn chunk(&self, row: usize) -> Option<&Chunk> {
        let after = self.chunks.partition_point(|chunk| chunk.start + chunk.rows <= row);
        self.chunks.get(after)
    }
}

impl Chunk {
    /// The place of a row in the table, counted from 1.
    pub(super) fn position(&self, row: usize) -> u64 {
        (self.start + row) as u64 + 1
    }

    /// The cells of a row, and `service` where its service is blank.
    #[inline]
    pub(super) fn cells<'s, K: Kind>(
        &'s self,
        row: usize,
        service: &'s str,
    ) -> [Cell<'s>; MAX_FIELDS] {
        let cell = |column: &'s Option<Column>| Cell { column: column.as_ref(), row, default: "" };
        let mut cells = self.columns.each_ref().map(cell);
        if let Some(cell) = K::place("service").and_then(|place| cells.get_mut(place)) {
            cell.default = service;
        }
        cells
    }

    #[inline]
    pub(super) fn emit<'s, K: Kind>(
        &'s self,
        (row, before): (usize, u64),
        service: &'s str,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) {
        let position = before + self.position(row);
        let cells = self.cells::<K>(row, service);
        // the columns are read already: the zone of written times has been dealt with
        match K::record(&cells, ZonePolicy::Refuse) {
            Ok(mut record) => {
                if self.factor != 1.0 {
                    K::rescale(&mut record, self.factor);
                }
                if let Some((doubt, field)) = K::doubt(&record) {
                    rejections.remark(doubt, position, || {
                        let cell = K::place(field).and_then(|place| cells.get(place));
                        cell.and_then(Cell::written).unwrap_or_default()
                    });
                }
                sink(record, position);
            }
            Err((reason, field)) => reject::<K>(&cells, reason, field, position, rejections),
        }
    }
}

#[cold]
fn reject<K: Kind>(
    cells: &[Cell<'_>; MAX_FIELDS],
    reason: RejectReason,
    field: &str,
    position: u64,
    rejections: &mut Rejections,
) {
    rejections.add(reason, position, || {
        let cell = K::place(field).and_then(|place| cells.get(place));
        match cell.and_then(Cell::written) {
            None => format!("{field} is missing"),
            Some(text) if text.is_empty() => format!("{field} is empty"),
            Some(text) => format!("{field} = {text:?}"),
        }
    });
    let service = K::place("service").and_then(|place| cells.get(place)).and_then(Cell::written);
    rejections.add_service(&service.unwrap_or_default(), reason, position);
}

/// The columns of a batch that a kind reads.
fn columns<K: Kind>(
    shape: &Shape<'_>,
    batch: &RecordBatch,
    zone: ZonePolicy,
    renamed: &mut Vec<(&'static str, String)>,
) -> PyResult<([Option<Column>; MAX_FIELDS], f64)> {
    let schema = batch.schema();
    let mut columns = [const { None }; MAX_FIELDS];
    let mut unit = 1.0;
    for (slot, name) in columns.iter_mut().zip(K::FIELDS) {
        *slot = match shape.find(&schema, name)? {
            Some((place, found)) => {
                if matches!(*name, "latency_ms" | "duration_ms") {
                    unit = found.factor;
                }
                if found.is_renamed() && renamed.iter().all(|(known, _)| known != name) {
                    renamed.push((*name, schema.field(place).name().clone()));
                }
                let column = batch.column(place);
                Some(if found.is_grpc {
                    Column::of_grpc(column, name)?
                } else {
                    Column::new::<K>(column, name, zone)?
                })
            }
            None => None,
        };
    }
    Ok((columns, unit))
}
