//! Culprits of one incident, from tables in memory.

use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::metric_ranking::MetricRanking;
use crate::rank_tables::{edge_columns, metric_columns};
use crate::rank_traces::{log_columns, span_columns};

/// Ranks the services of an incident by what their metrics did, and by spans and log lines where
/// there are some.
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
    // taken so that calls stay the same when they are read
    let _ = changes;
    let incident = metric_columns(metrics, "metrics")?;
    let normal = reference.map(|table| metric_columns(table, "reference")).transpose()?;
    let edges = edges.map(edge_columns).transpose()?.unwrap_or_default();
    let spans = spans.map(span_columns).transpose()?.unwrap_or_default();
    let logs = logs.map(log_columns).transpose()?.unwrap_or_default();
    let ranker = MetricRanker::new(MetricRankerConfig::default()).map_err(|error| to_py(&error))?;
    Ok(py.detach(|| {
        let mut window = MetricWindow::new();
        for columns in normal.iter().flatten() {
            columns.points(&mut window, MetricWindow::normal);
        }
        for columns in &incident {
            columns.points(&mut window, MetricWindow::incident);
        }
        for columns in &spans {
            columns.spans(&mut window);
        }
        for columns in &logs {
            columns.lines(&mut window);
        }
        let target = target.as_ref().map(|(service, metric)| (service.as_str(), metric.as_str()));
        let pairs = edges.iter().flat_map(|(callers, callees)| {
            callers.iter().zip(callees).filter_map(|(caller, callee)| Some((caller?, callee?)))
        });
        let ranking = ranker.rank(&window, pairs, target);
        MetricRanking::new(ranking, window.rejected().clone())
    }))
}
