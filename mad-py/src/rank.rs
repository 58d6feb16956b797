//! Culprits of one incident, from tables in memory.

use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use mad_core::time::ZonePolicy;
use mad_core::wire::Edges;
use mad_core::{Edge, MetricPoint, Rejections};
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::metric_ranking::MetricRanking;
use crate::read::{MetricTable, RecordTable};

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
    let zone = ZonePolicy::Refuse;
    let incident = MetricTable::read(metrics, zone)?;
    let normal = reference.map(|table| MetricTable::read(table, zone)).transpose()?;
    let edges = edges.map(|table| RecordTable::<Edges>::read(table, zone)).transpose()?;
    let ranker = MetricRanker::new(MetricRankerConfig::default()).map_err(|error| to_py(&error))?;
    Ok(py.detach(|| {
        let (mut window, mut rejections) = (MetricWindow::new(), Rejections::default());
        if let Some(normal) = &normal {
            let mut take = |point: MetricPoint<'_>, row: u64| window.normal(&point, row);
            normal.in_order(&mut take, &mut rejections);
        }
        let mut take = |point: MetricPoint<'_>, row: u64| window.incident(&point, row);
        incident.in_order(&mut take, &mut rejections);
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut pair = |edge: Edge<'_>, _: u64| {
            pairs.push((edge.caller.to_owned(), edge.callee.to_owned()));
        };
        if let Some(edges) = &edges {
            edges.in_order(&mut pair, &mut rejections);
        }
        let pairs = pairs.iter().map(|(caller, callee)| (caller.as_str(), callee.as_str()));
        let target = target.as_ref().map(|(service, metric)| (service.as_str(), metric.as_str()));
        let ranking = ranker.rank(&window, pairs, target);
        rejections.merge(window.rejected().clone());
        MetricRanking::new(ranking, rejections)
    }))
}
