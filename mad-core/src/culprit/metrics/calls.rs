//! Calls between services, from spans: how much longer the caller waited than the callee worked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::effect::Effect;
use crate::robust::{MAD_OF_SIGMA, median_mad, quantile_sorted};

/// Fewest calls, in normal time and in the incident, that say anything of an edge.
const MIN_CALLS: usize = 3;
/// Smallest scale of a gap, ms.
const MIN_SCALE: f64 = 0.5;
/// Scales from which an edge counts as slow.
const SLOW: f64 = 2.0;

/// Caller and callee.
type Edge<'a> = (&'a Arc<str>, &'a Arc<str>);

/// Spans by trace and span id.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    spans: Vec<Span>,
    by_id: HashMap<(Arc<str>, Arc<str>), usize>,
}

#[derive(Debug, Clone)]
struct Span {
    trace: Arc<str>,
    parent: Option<Arc<str>>,
    service: Arc<str>,
    start: i64,
    duration_ms: f64,
}

impl Calls {
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub fn push(&mut self, span: &crate::telemetry::Span<'_>) {
        let trace: Arc<str> = span.trace_id.into();
        let index = self.spans.len();
        self.by_id.insert((Arc::clone(&trace), span.span_id.into()), index);
        self.spans.push(Span {
            trace,
            parent: span.parent_id.map(Into::into),
            service: span.service.into(),
            start: span.start.nanos(),
            duration_ms: span.duration_ms,
        });
    }

    /// How far the calls of each service went slow between the services: the mean over its edges, in
    /// and out, of `ln(1 + effect)` times k / (k + 1) with k slow edges, so that the service where
    /// slow edges meet comes before its neighbours.
    pub fn effects(&self, is_incident: impl Fn(i64) -> bool) -> Vec<(Arc<str>, Effect)> {
        let mut edges: BTreeMap<Edge<'_>, [Vec<f64>; 2]> = BTreeMap::new();
        for span in &self.spans {
            let Some((caller, waited)) = self.caller(span) else { continue };
            let [normal, incident] = edges.entry((caller, &span.service)).or_default();
            let side = if is_incident(span.start) { incident } else { normal };
            side.push((waited - span.duration_ms).max(0.0));
        }
        let mut nodes: BTreeMap<&Arc<str>, Vec<Gap>> = BTreeMap::new();
        for ((caller, callee), [mut normal, mut incident]) in edges {
            if let Some(gap) = gap(&mut normal, &mut incident) {
                nodes.entry(caller).or_default().push(gap);
                nodes.entry(callee).or_default().push(gap);
            }
        }
        let begin = self.spans.iter().map(|span| span.start).filter(|at| is_incident(*at)).min();
        nodes
            .into_iter()
            .filter_map(|(service, gaps)| Some((Arc::clone(service), node(&gaps, begin?)?)))
            .collect()
    }

    /// The other service that asked for this span, and how long it waited.
    fn caller(&self, span: &Span) -> Option<(&Arc<str>, f64)> {
        let key = (Arc::clone(&span.trace), Arc::clone(span.parent.as_ref()?));
        let parent = self.spans.get(*self.by_id.get(&key)?)?;
        (parent.service != span.service).then_some((&parent.service, parent.duration_ms))
    }
}

/// How an edge changed.
#[derive(Debug, Clone, Copy)]
struct Gap {
    size: f64,
    value: f64,
    expected: f64,
    scale: f64,
}

fn gap(normal: &mut [f64], incident: &mut [f64]) -> Option<Gap> {
    if normal.len() < MIN_CALLS || incident.len() < MIN_CALLS {
        return None;
    }
    normal.sort_unstable_by(f64::total_cmp);
    incident.sort_unstable_by(f64::total_cmp);
    let (expected, mad) = median_mad(&*normal);
    let width = (quantile_sorted(normal, 0.9) - quantile_sorted(normal, 0.1)) / 2.563;
    let scale = (mad / MAD_OF_SIGMA).max(width).max(0.05 * expected).max(MIN_SCALE);
    // a fault need not last for all of the incident
    let value = quantile_sorted(incident, 0.75);
    let size = ((value - expected) / scale).max(0.0);
    size.is_finite().then_some(Gap { size, value, expected, scale })
}

fn node(gaps: &[Gap], onset: i64) -> Option<Effect> {
    let mut logs: Vec<f64> = gaps.iter().map(|gap| gap.size.ln_1p()).collect();
    // the sum must not depend on the names' order
    logs.sort_unstable_by(f64::total_cmp);
    let slow = gaps.iter().filter(|gap| gap.size > SLOW).count() as f64;
    let weight = logs.iter().sum::<f64>() / logs.len() as f64 * slow / (slow + 1.0);
    let widest = gaps.iter().max_by(|a, b| a.size.total_cmp(&b.size))?;
    let Gap { value, expected, scale, .. } = *widest;
    let size = weight.exp_m1();
    (size > 0.0).then_some(Effect { size, value, expected, scale, onset })
}
