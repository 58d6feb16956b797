//! What a ranking is made of, and what it found for one onset.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::call_graph::CallGraph;
use super::effect::Effect;
use super::kind::MetricKind;
use super::ranking::{MetricCulprit, MetricEvidence};
use super::series::Series;
use super::timeline::Timeline;
use super::window::MetricWindow;

/// Name of the evidence of error lines.
pub(super) const LOG_ERRORS: &str = "log errors";
/// Name of the evidence of requests that ended before a statement that belongs to them.
pub(super) const INTERRUPTED: &str = "interrupted requests";

/// Caller and callee of a call.
pub(super) type CallEnds = (Arc<str>, Arc<str>);

/// The input beside the series.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub window: &'a MetricWindow,
    pub graph: &'a CallGraph<'a>,
    /// Index of the target among the series.
    pub target: Option<usize>,
    /// The service of the declared target.
    pub symptom: Option<&'a str>,
    /// The services that can be named beside that service; all if `None`.
    pub reach: Option<&'a BTreeSet<&'a str>>,
    /// Index of the first series of a wait, and the caller and callee of each.
    pub waits: (usize, &'a [CallEnds]),
}

/// A ranking for one onset.
pub(super) struct Judgement {
    /// The first weight minus the excess of the other weights over the smallest reported weight. It is
    /// low for a wrong onset, which gives many candidates or none.
    pub stands_out: f64,
    /// The weight of the first candidate, named or not.
    pub first: f64,
    pub culprits: Vec<MetricCulprit>,
    /// The anomaly of the target.
    pub target: Option<MetricEvidence>,
    /// The strongest anomaly of each of the first candidates, named or not.
    pub strongest: Vec<MetricEvidence>,
}

impl Judgement {
    /// Whether the first culprit is named by a metric. Spans and log lines cannot be compared with
    /// windows of normal time.
    pub fn is_metric(&self) -> bool {
        let first = self.culprits.first().and_then(|first| first.evidence.first());
        first.is_some_and(|evidence| !evidence.kind.is_direct())
    }
}

/// The effects from call gaps and log lines, each as a series without points. Windows of normal time
/// have no log lines.
pub(super) fn direct_effects(
    window: &MetricWindow,
    gaps: &[(Arc<str>, Effect)],
    timeline: &Timeline,
) -> Vec<(Series, Effect)> {
    let gaps = gaps.iter().map(|(service, gap)| {
        (Series::of_service(Arc::clone(service), "call gap", MetricKind::Calls), *gap)
    });
    let lines = if timeline.quiet {
        Vec::new()
    } else {
        window.lines.effects(&window.calls, |at| timeline.holds(at))
    };
    let lines = lines.into_iter().flat_map(|(service, lines)| {
        let series = |metric| Series::of_service(Arc::clone(&service), metric, MetricKind::Logs);
        let errors = lines.errors.map(|effect| (series(LOG_ERRORS), effect));
        let missing = lines.missing.map(|effect| (series("missing log lines"), effect));
        let interrupted = lines.interrupted.map(|effect| (series(INTERRUPTED), effect));
        [errors, missing, interrupted].into_iter().flatten()
    });
    gaps.chain(lines).collect()
}
