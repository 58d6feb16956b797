//! Tables of one incident: metrics as points, and edges.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use mad_core::culprit::MetricWindow;
use mad_core::time::ZonePolicy;
use mad_core::{MetricPoint, RejectReason, Timestamp};
use pyo3::prelude::*;

use crate::errors::value_error;
use crate::read_batches::batches;
use crate::read_types::{names, times};

/// One stretch of a metrics table; `first` is the position of its first row, counted from 1.
pub struct MetricColumns {
    first: u64,
    times: Vec<Result<Timestamp, RejectReason>>,
    written_time: ArrayRef,
    service: StringArray,
    resource: Option<StringArray>,
    metric: StringArray,
    value: Float64Array,
    written_value: ArrayRef,
}

pub fn metric_columns(table: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<MetricColumns>> {
    let mut first = 1;
    let mut read = |batch: RecordBatch| {
        let timestamp = column(&batch, "timestamp", what)?;
        let value = column(&batch, "value", what)?;
        let resource = batch.column_by_name("resource");
        let columns = MetricColumns {
            first,
            times: times(timestamp, ZonePolicy::Refuse)?,
            written_time: timestamp.clone(),
            service: names(column(&batch, "service", what)?, "service")?,
            resource: resource.map(|column| names(column, "resource")).transpose()?,
            metric: names(column(&batch, "metric", what)?, "metric")?,
            value: numbers(value, "value")?,
            written_value: value.clone(),
        };
        first += batch.num_rows() as u64;
        Ok(columns)
    };
    batches(table)?.into_iter().map(&mut read).collect()
}

pub fn edge_columns(table: &Bound<'_, PyAny>) -> PyResult<Vec<(StringArray, StringArray)>> {
    let read = |batch: RecordBatch| {
        let caller = names(column(&batch, "caller", "edges")?, "caller")?;
        Ok((caller, names(column(&batch, "callee", "edges")?, "callee")?))
    };
    batches(table)?.into_iter().map(read).collect()
}

/// A column of a table that is called `what`.
pub fn column<'a>(batch: &'a RecordBatch, name: &str, what: &str) -> PyResult<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| {
        let schema = batch.schema();
        let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let known = if known.is_empty() { "no columns".to_owned() } else { known.join(", ") };
        value_error(format!("the {what} table has no column `{name}`; it has {known}"))
    })
}

/// Numbers; what cannot be read becomes null.
pub fn numbers(column: &ArrayRef, name: &str) -> PyResult<Float64Array> {
    let numbers = cast(column, &DataType::Float64)
        .map_err(|error| value_error(format!("column `{name}` holds no numbers: {error}")))?;
    Ok(numbers.as_primitive::<Float64Type>().clone())
}

impl MetricColumns {
    /// Hands out every good row as a point; a missing value is a gap, the rest is counted.
    pub fn points(
        &self,
        window: &mut MetricWindow,
        take: fn(&mut MetricWindow, &MetricPoint<'_>, u64),
    ) {
        for (row, (position, time)) in (self.first..).zip(&self.times).enumerate() {
            let unread_value = self.value.is_null(row) && self.written_value.is_valid(row);
            let unread = match time {
                _ if self.written_time.is_null(row) => {
                    Some((RejectReason::MissingField, "timestamp"))
                }
                Err(reason) => Some((*reason, "timestamp")),
                _ if self.service.is_null(row) => Some((RejectReason::MissingField, "service")),
                _ if self.metric.is_null(row) => Some((RejectReason::MissingField, "metric")),
                _ if unread_value => Some((RejectReason::BadValue, "value")),
                _ => None,
            };
            if let Some((reason, field)) = unread {
                window.rejected_mut().add(reason, position, || field.to_owned());
                continue;
            }
            let resource = self.resource.as_ref().filter(|column| !column.is_null(row));
            let value = if self.value.is_null(row) { f64::NAN } else { self.value.value(row) };
            let point = MetricPoint {
                timestamp: time.unwrap_or_default(),
                service: self.service.value(row),
                resource: resource.map_or("", |column| column.value(row)),
                metric: self.metric.value(row),
                value,
                n: 1,
            };
            take(window, &point, position);
        }
    }
}
