//! Call gaps from spans: the time of a call that the caller waited and the callee did not work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::effect::Effect;
use crate::robust::{MAD_OF_SIGMA, median_mad, quantile_sorted};

/// Smallest number of calls of an edge, in normal time and in the incident.
const MIN_CALLS: usize = 3;
/// Smallest scale of a gap, ms. Clocks and serialisation alone vary by about this much.
const MIN_SCALE: f64 = 0.5;
/// Effect from which an edge counts as slow, in scales.
pub(super) const SLOW: f64 = 2.0;

/// Caller and callee.
type Edge<'a> = (&'a Arc<str>, &'a Arc<str>);

/// Spans of calls, indexed by trace and span id.
#[derive(Debug, Clone, Default)]
pub(super) struct CallSpans {
    spans: Vec<CallSpan>,
    by_id: HashMap<(Arc<str>, Arc<str>), usize>,
}

#[derive(Debug, Clone)]
struct CallSpan {
    trace: Arc<str>,
    parent: Option<Arc<str>>,
    service: Arc<str>,
    operation: Arc<str>,
    start: i64,
    duration_ms: f64,
}

impl CallSpans {
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub fn push(&mut self, span: &crate::telemetry::Span<'_>) {
        let trace: Arc<str> = span.trace_id.into();
        let index = self.spans.len();
        self.by_id.insert((Arc::clone(&trace), span.span_id.into()), index);
        self.spans.push(CallSpan {
            trace,
            parent: span.parent_id.map(Into::into),
            service: span.service.into(),
            operation: span.operation.into(),
            start: span.start.nanos(),
            duration_ms: span.duration_ms,
        });
    }

    /// The gap of each edge with enough calls in the incident. An edge with few in normal time is
    /// compared with all calls of normal time.
    pub fn gaps(&self, is_incident: impl Fn(i64) -> bool) -> Vec<CallGap> {
        // gaps of each edge, in normal time and in the incident
        let mut edges: BTreeMap<Edge<'_>, [Vec<f64>; 2]> = BTreeMap::new();
        for span in &self.spans {
            let Some((caller, waited)) = self.caller(span) else { continue };
            let [normal, incident] = edges.entry((caller, &span.service)).or_default();
            let side = if is_incident(span.start) { incident } else { normal };
            side.push((waited - span.duration_ms).max(0.0));
        }
        let mut usual: Vec<f64> =
            edges.values().flat_map(|[normal, _]| normal.iter().copied()).collect();
        let begin = self.spans.iter().map(|span| span.start).filter(|at| is_incident(*at)).min();
        edges
            .into_iter()
            .filter_map(|((caller, callee), [mut normal, mut incident])| {
                let normal = if normal.len() < MIN_CALLS { &mut usual } else { &mut normal };
                let effect = gap(normal, &mut incident, begin?)?;
                Some(CallGap { caller: Arc::clone(caller), callee: Arc::clone(callee), effect })
            })
            .collect()
    }

    /// The services that have spans.
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans.iter().map(|span| &*span.service).collect()
    }

    /// Service, trace, operation and start of each span.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &str, i64)> {
        self.spans.iter().map(|span| (&*span.service, &*span.trace, &*span.operation, span.start))
    }

    /// The calls between two services, as caller and callee; the same call can come several times.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.spans.iter().filter_map(|span| Some((&**self.caller(span)?.0, &*span.service)))
    }

    /// The calling service of this span and how long it waited, if it is another service.
    fn caller(&self, span: &CallSpan) -> Option<(&Arc<str>, f64)> {
        let key = (Arc::clone(&span.trace), Arc::clone(span.parent.as_ref()?));
        let parent = self.spans.get(*self.by_id.get(&key)?)?;
        (parent.service != span.service).then_some((&parent.service, parent.duration_ms))
    }
}

/// The change of the gap of one edge. The size of its effect may be 0.
#[derive(Debug, Clone)]
pub(super) struct CallGap {
    pub caller: Arc<str>,
    pub callee: Arc<str>,
    pub effect: Effect,
}

/// The change of a gap; `None` for too few calls.
fn gap(normal: &mut [f64], incident: &mut [f64], onset: i64) -> Option<Effect> {
    if normal.len() < MIN_CALLS || incident.len() < MIN_CALLS {
        return None;
    }
    normal.sort_unstable_by(f64::total_cmp);
    incident.sort_unstable_by(f64::total_cmp);
    let (expected, mad) = median_mad(&*normal);
    // interdecile range as a normal standard deviation
    let width = (quantile_sorted(normal, 0.9) - quantile_sorted(normal, 0.1)) / 2.563;
    let scale = (mad / MAD_OF_SIGMA).max(width).max(0.05 * expected).max(MIN_SCALE);
    // the upper quartile, because a fault need not last for the whole incident
    let value = quantile_sorted(incident, 0.75);
    let size = ((value - expected) / scale).max(0.0);
    size.is_finite().then_some(Effect { size, value, expected, scale, onset })
}

/// The effect of slow calls on each service: the mean of `ln(1 + effect)` over its edges, times
/// k / (k + 1) with k slow edges. The factor ranks the service where slow edges meet before its
/// neighbours.
///
/// A slow sender or receiver slows the calls to it, all that it calls, or both. The edges in, the edges
/// out and all edges are therefore judged apart, and the largest counts. A single slow edge out is that
/// of its callee.
pub(super) fn by_service(gaps: &[CallGap]) -> Vec<(Arc<str>, Effect)> {
    // a slow edge is evidence about both of its ends
    let mut nodes: BTreeMap<&Arc<str>, [Vec<Effect>; 2]> = BTreeMap::new();
    for gap in gaps {
        let [_, out] = nodes.entry(&gap.caller).or_default();
        out.push(gap.effect);
        let [served, _] = nodes.entry(&gap.callee).or_default();
        served.push(gap.effect);
    }
    let of = |[served, out]: [Vec<Effect>; 2]| {
        let all: Vec<Effect> = served.iter().chain(&out).copied().collect();
        let several = out.iter().filter(|gap| gap.size > SLOW).count() > 1;
        let out = if several { node(&out) } else { None };
        let sides = [node(&served), out, node(&all)].into_iter().flatten();
        sides.max_by(|a, b| a.size.total_cmp(&b.size))
    };
    let effects = nodes.into_iter();
    effects.filter_map(|(service, sides)| Some((Arc::clone(service), of(sides)?))).collect()
}

/// The effect on one service from the gaps of its edges, or of those of one direction.
fn node(gaps: &[Effect]) -> Option<Effect> {
    let mut logs: Vec<f64> = gaps.iter().map(|gap| gap.size.ln_1p()).collect();
    // sorted, so that the floating-point sum does not depend on the order of names
    logs.sort_unstable_by(f64::total_cmp);
    let slow = gaps.iter().filter(|gap| gap.size > SLOW).count() as f64;
    // mean over all edges, reduced for a single slow edge
    let weight = logs.iter().sum::<f64>() / logs.len() as f64 * slow / (slow + 1.0);
    let widest = gaps.iter().max_by(|a, b| a.size.total_cmp(&b.size))?;
    let size = weight.exp_m1();
    (size > 0.0).then_some(Effect { size, ..*widest })
}
