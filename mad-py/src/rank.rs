//! Culprits of one incident, from tables in memory.

use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use mad_core::time::ZonePolicy;
use mad_core::{Edge, MetricPoint, Rejections};
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::metric_ranking::MetricRanking;
use crate::read::{EdgeTable, MetricTable};

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
    let incident = MetricTable::read(metrics, ZonePolicy::Refuse)?;
    let normal = reference
        .map(|table| MetricTable::read_as("reference", table, ZonePolicy::Refuse))
        .transpose()?;
    let edges = edges.map(|table| EdgeTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let ranker = MetricRanker::new(MetricRankerConfig::default()).map_err(|error| to_py(&error))?;
    Ok(py.detach(|| {
        let mut window = MetricWindow::new();
        if let Some(normal) = &normal {
            fill(&mut window, normal, MetricWindow::normal);
        }
        fill(&mut window, &incident, MetricWindow::incident);
        let mut pairs: Vec<(String, String)> = Vec::new();
        if let Some(edges) = &edges {
            let mut keep =
                |edge: Edge<'_>, _| pairs.push((edge.caller.to_owned(), edge.callee.to_owned()));
            edges.in_order(&mut keep, window.rejected_mut());
        }
        let target = target.as_ref().map(|(service, metric)| (service.as_str(), metric.as_str()));
        let pairs = pairs.iter().map(|(caller, callee)| (caller.as_str(), callee.as_str()));
        let ranking = ranker.rank(&window, pairs, target);
        MetricRanking::new(ranking, window.rejected().clone())
    }))
}

/// Hands every good point on; the rest is counted.
fn fill(
    window: &mut MetricWindow,
    table: &MetricTable,
    take: fn(&mut MetricWindow, &MetricPoint<'_>, u64),
) {
    let mut rejected = Rejections::default();
    table.in_order(&mut |point, position| take(window, &point, position), &mut rejected);
    window.rejected_mut().merge(rejected);
}
