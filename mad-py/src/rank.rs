//! Culprits of one incident, from tables in memory.

use mad_core::Rejections;
use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use mad_core::time::ZonePolicy;
use mad_core::wire::Kind;
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::metric_ranking::MetricRanking;
use crate::read::{EdgeTable, LogTable, MetricTable, RecordTable, SpanTable};

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
    let incident = MetricTable::read(metrics, ZonePolicy::Refuse)?;
    let normal = reference
        .map(|table| MetricTable::read_as("reference", table, ZonePolicy::Refuse))
        .transpose()?;
    let edges = edges.map(|table| EdgeTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let spans = spans.map(|table| SpanTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let logs = logs.map(|table| LogTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let ranker = MetricRanker::new(MetricRankerConfig::default()).map_err(|error| to_py(&error))?;
    Ok(py.detach(|| {
        let mut window = MetricWindow::new();
        fill(&mut window, normal.as_ref(), |window, point, at| window.normal(&point, at));
        fill(&mut window, Some(&incident), |window, point, at| window.incident(&point, at));
        fill(&mut window, spans.as_ref(), |window, span, at| window.span(&span, at));
        fill(&mut window, logs.as_ref(), |window, line, at| window.log(&line, at));
        let mut pairs: Vec<(String, String)> = Vec::new();
        fill(&mut window, edges.as_ref(), |_, edge, _| {
            pairs.push((edge.caller.to_owned(), edge.callee.to_owned()));
        });
        let target = target.as_ref().map(|(service, metric)| (service.as_str(), metric.as_str()));
        let pairs = pairs.iter().map(|(caller, callee)| (caller.as_str(), callee.as_str()));
        let ranking = ranker.rank(&window, pairs, target);
        MetricRanking::new(ranking, window.rejected().clone())
    }))
}

/// Hands every good record on; the rest is counted.
fn fill<K: Kind>(
    window: &mut MetricWindow,
    table: Option<&RecordTable<K>>,
    mut take: impl FnMut(&mut MetricWindow, K::Record<'_>, u64),
) {
    let Some(table) = table else { return };
    let mut rejected = Rejections::default();
    table.in_order(&mut |record, position| take(window, record, position), &mut rejected);
    window.rejected_mut().merge(rejected);
}
