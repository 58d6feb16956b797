//! Culprits of one incident, from tables in memory.

use mad_core::Rejections;
use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use mad_core::time::ZonePolicy;
use mad_core::wire::Kind;
use pyo3::prelude::*;

use crate::border::detached;
use crate::config::text;
use crate::errors::{to_py, value_error};
use crate::results::metric_ranking::MetricRanking;
use crate::tables::record_table::{
    ChangeTable, EdgeTable, LogTable, MetricTable, RecordTable, SpanTable,
};
use crate::tables::series_runs::Run;

/// Ranks the services of an incident by the changes of their metrics.
///
/// `metrics` is the incident window in long form: timestamp (aware), service, metric, value;
/// optional resource. `reference` is the same for normal time, which may be months away; without
/// it `metrics` holds both and the onset of the incident is found; where it runs into `metrics`, an
/// onset earlier than its first row is found too. `edges` are caller, callee;
/// `target` is the (service, metric) that showed the symptom. `spans` (trace_id, span_id,
/// parent_id, service, start, duration_ms) and `logs` (timestamp, service, level, body) hold the
/// incident and normal time; `changes` (timestamp, service, kind; optional name, version) before a
/// culprit's onset are evidence. `config` is a mapping of settings: min_effect, min_lasting_effect,
/// min_target_effect, top_k, metric_kinds (kinds of metrics by name or pattern, such as
/// {"*_backlog": "traffic"}) and find_onset (False: the start of the given incident is its onset).
/// Rows stand in any order; NaN and null values are gaps; rows that cannot be read are counted in
/// `.rejected`. An empty table gives no culprits.
///
/// The answer has `.culprits`, best first, one a service, each with `.service`, `.endpoint` (the
/// resource), `.metric`, `.score` (0 to 1), `.onset`, `.evidence`, `.chain` and `.correlated`; it
/// has `.abstained` when no service stands out, and `.summary` states the largest changes. Raises
/// ValueError for a missing column, for times without a zone and for a wrong setting.
///
/// >>> import mad
/// >>> minutes, services = range(120), ("web", "db")
/// >>> metrics = {
/// ...     "timestamp": [60_000 * i for _ in services for i in minutes],
/// ...     "service": [name for name in services for _ in minutes],
/// ...     "metric": ["cpu" for _ in services for _ in minutes],
/// ...     "value": [
/// ...         80.0 if name == "db" and i >= 90 else 20.0 + i % 5
/// ...         for name in services
/// ...         for i in minutes
/// ...     ],
/// ... }
/// >>> ranking = mad.rank_culprits(metrics)
/// >>> [culprit.service for culprit in ranking.culprits], ranking.abstained
/// (['db'], False)
#[pyfunction]
#[pyo3(signature = (metrics, reference=None, edges=None, target=None, spans=None, logs=None, changes=None, config=None))]
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
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<MetricRanking> {
    let incident = MetricTable::read(metrics, ZonePolicy::Refuse)?;
    let normal = reference
        .map(|table| MetricTable::read_as("reference", table, ZonePolicy::Refuse))
        .transpose()?;
    let edges = edges.map(|table| EdgeTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let spans = spans.map(|table| SpanTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let logs = logs.map(|table| LogTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let changes = changes.map(|table| ChangeTable::read(table, ZonePolicy::Refuse)).transpose()?;
    let ranker = MetricRanker::new(settings(config)?).map_err(|error| to_py(&error))?;
    detached(py, || {
        let mut window = MetricWindow::new();
        fill_metrics(&mut window, normal.as_ref(), |window, run| {
            window.normal_series(&run.first, run.points(), run.position);
        });
        fill_metrics(&mut window, Some(&incident), |window, run| {
            window.incident_series(&run.first, run.points(), run.position);
        });
        fill(&mut window, spans.as_ref(), |window, span, at| window.span(&span, at));
        fill(&mut window, logs.as_ref(), |window, line, at| window.log(&line, at));
        fill(&mut window, changes.as_ref(), |window, change, at| window.change(&change, at));
        let mut pairs: Vec<(String, String)> = Vec::new();
        fill(&mut window, edges.as_ref(), |_, edge, _| {
            pairs.push((edge.caller.to_owned(), edge.callee.to_owned()));
        });
        let target = target.as_ref().map(|(service, metric)| (service.as_str(), metric.as_str()));
        let pairs = pairs.iter().map(|(caller, callee)| (caller.as_str(), callee.as_str()));
        let ranking = ranker.rank(&window, pairs, target);
        MetricRanking::new(ranking, window.rejected().clone())
    })
}

fn settings(config: Option<&Bound<'_, PyAny>>) -> PyResult<MetricRankerConfig> {
    let Some(config) = config else { return Ok(MetricRankerConfig::default()) };
    serde_json::from_str(&text(config)?).map_err(|error| value_error(format!("config: {error}")))
}

/// Hands every good point on, series by series; the rest is counted.
fn fill_metrics(
    window: &mut MetricWindow,
    table: Option<&MetricTable>,
    mut take: impl FnMut(&mut MetricWindow, &Run<'_>),
) {
    let Some(table) = table else { return };
    let mut rejected = Rejections::default();
    table.in_runs(&mut |run| take(window, &run), &mut rejected);
    window.rejected_mut().merge(rejected);
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
