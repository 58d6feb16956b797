//! Culprits of one incident, from tables in memory.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use mad_core::time::ZonePolicy;
use mad_core::{MetricPoint, RejectReason, Timestamp};
use pyo3::prelude::*;

use crate::errors::{to_py, value_error};
use crate::metric_ranking::MetricRanking;
use crate::read_batches::batches;
use crate::read_types::{names, times};

/// Ranks the services of an incident by what their metrics did.
#[pyfunction]
#[pyo3(signature = (metrics, reference=None, edges=None, target=None, spans=None, logs=None, changes=None))]
#[allow(clippy::too_many_arguments, reason = "one a table")]
pub fn rank_culprits(
    py: Python<'_>,
    metrics: &Bound<'_, PyAny>,
    reference: Option<&Bound<'_, PyAny>>,
    edges: Option<&Bound<'_, PyAny>>,
    target: Option<(String, String)>,
    spans: Option<&Bound<'_, PyAny>>,
    logs: Option<&Bound<'_, PyAny>>,
    changes: Option<&Bound<'_, PyAny>>,
) -> PyResult<MetricRanking> {
    let _ = (spans, logs, changes);
    let incident = metric_columns(metrics, "metrics")?;
    let normal = reference.map(|table| metric_columns(table, "reference")).transpose()?;
    let edges = edges.map(edge_columns).transpose()?.unwrap_or_default();
    let ranker = MetricRanker::new(MetricRankerConfig::default()).map_err(|error| to_py(&error))?;
    Ok(py.detach(|| {
        let mut window = MetricWindow::new();
        for columns in normal.iter().flatten() {
            columns.points(&mut window, MetricWindow::normal);
        }
        for columns in &incident {
            columns.points(&mut window, MetricWindow::incident);
        }
        let target = target.as_ref().map(|(service, metric)| (service.as_str(), metric.as_str()));
        let pairs = edges.iter().flat_map(|(callers, callees)| {
            callers.iter().zip(callees).filter_map(|(caller, callee)| Some((caller?, callee?)))
        });
        let ranking = ranker.rank(&window, pairs, target);
        MetricRanking::new(ranking, window.rejected().clone())
    }))
}

/// One stretch of a metrics table; `first` is the position of its first row, counted from 1.
struct MetricColumns {
    first: u64,
    times: Vec<Result<Timestamp, RejectReason>>,
    missing_time: ArrayRef,
    service: StringArray,
    resource: Option<StringArray>,
    metric: StringArray,
    value: Float64Array,
    written_value: ArrayRef,
}

fn metric_columns(table: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<MetricColumns>> {
    let mut first = 1;
    let mut read = |batch: RecordBatch| {
        let timestamp = column(&batch, "timestamp", what)?;
        let value = column(&batch, "value", what)?;
        let resource = batch.column_by_name("resource");
        let columns = MetricColumns {
            first,
            times: times(timestamp, ZonePolicy::Refuse)?,
            missing_time: timestamp.clone(),
            service: names(column(&batch, "service", what)?, "service")?,
            resource: resource.map(|column| names(column, "resource")).transpose()?,
            metric: names(column(&batch, "metric", what)?, "metric")?,
            value: numbers(value)?,
            written_value: value.clone(),
        };
        first += batch.num_rows() as u64;
        Ok(columns)
    };
    batches(table)?.into_iter().map(&mut read).collect()
}

fn edge_columns(table: &Bound<'_, PyAny>) -> PyResult<Vec<(StringArray, StringArray)>> {
    let read = |batch: RecordBatch| {
        let caller = names(column(&batch, "caller", "edges")?, "caller")?;
        Ok((caller, names(column(&batch, "callee", "edges")?, "callee")?))
    };
    batches(table)?.into_iter().map(read).collect()
}

fn column<'a>(batch: &'a RecordBatch, name: &str, what: &str) -> PyResult<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| {
        let schema = batch.schema();
        let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let known = if known.is_empty() { "no columns".to_owned() } else { known.join(", ") };
        value_error(format!("the {what} table has no column `{name}`; it has {known}"))
    })
}

fn numbers(column: &ArrayRef) -> PyResult<Float64Array> {
    let numbers = cast(column, &DataType::Float64).map_err(|error| {
        let found = column.data_type();
        value_error(format!("column `value` is {found}; expected numbers: {error}"))
    })?;
    Ok(numbers.as_primitive::<Float64Type>().clone())
}

impl MetricColumns {
    /// Hands out every good row as a point; a missing value is a gap, the rest is counted.
    fn points(
        &self,
        window: &mut MetricWindow,
        take: fn(&mut MetricWindow, &MetricPoint<'_>, u64),
    ) {
        for (row, (position, time)) in (self.first..).zip(&self.times).enumerate() {
            let unread = if self.missing_time.is_null(row) {
                Some((RejectReason::MissingField, "timestamp"))
            } else if let Err(reason) = time {
                Some((*reason, "timestamp"))
            } else if self.service.is_null(row) {
                Some((RejectReason::MissingField, "service"))
            } else if self.metric.is_null(row) {
                Some((RejectReason::MissingField, "metric"))
            } else if self.value.is_null(row) && !self.written_value.is_null(row) {
                Some((RejectReason::BadValue, "value"))
            } else {
                None
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
