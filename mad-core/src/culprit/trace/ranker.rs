//! The ranker over traces.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cause::{Cause, cause};
use super::config::TraceRankerConfig;
use super::past::Past;
use super::ranking::{TraceCulprit, TraceFault, TraceRanking};
use super::tree::Tree;
use super::window::{Call, TraceWindow};
use crate::error::Result;
use crate::robust::median;
use crate::time::Timestamp;

/// Largest number of sample traces of a culprit.
const SAMPLES: usize = 5;

/// Ranks operations by the share of failing traces of which they are the first cause.
///
/// # Method
///
/// 1. **Faults.** A span fails by its status. It is slow if its own time (without its children) is
///    more than [`slow_effect`](TraceRankerConfig::slow_effect) scales above the median of the same
///    service, operation and side in normal time, and its excess is a quarter of the longest duration
///    in its trace. Without normal time the faster half of all spans is the reference. The scale is
///    the largest of 1.4826 MAD, the upper tail, a quarter of the median, and 1 ms.
/// 2. **Cause.** From each uppermost failed span the search descends to the span that explains it: the
///    earliest one that failed, or a slow one for which the caller can have timed out. If no span
///    failed, the slow span with the largest excess is the cause. A client span with a normal callee
///    means a network fault. A client span without an answer points to its usual callee or its peer.
/// 3. **Lost spans.** A faulty span whose parent is lost explains the services that call it through
///    others. In a trace without faults, a call that is made in 95 % of at least 20 normal traces and
///    is absent is missing.
/// 4. **Clocks.** A child in another service that lies outside of its parent is centred in it. Only
///    durations decide whether a span is slow.
/// 5. **Share.** Each trace counts for one cause. A culprit needs more traces than expected from
///    normal time by three standard deviations of a Poisson count. Its onset is the start of the
///    segment of traces with most of its failures, so that an isolated error does not move it.
///
/// # Small samples
///
/// Operations with fewer than five past spans are slow from
/// [`slow_ms`](TraceRankerConfig::slow_ms) on. One failing trace is enough for a culprit by default
/// ([`min_traces`](TraceRankerConfig::min_traces)).
///
/// # Limits
///
/// Spans that name themselves as parents and cycles of parents are cut. Of spans with the same id the
/// earliest counts. The order of the spans does not matter. A fault that is not visible in any span
/// cannot be found.
///
/// # Examples
///
/// ```
/// use mad_core::culprit::{TraceRanker, TraceRankerConfig, TraceWindow};
/// use mad_core::{Limits, Span, SpanKind, Timestamp};
///
/// let mut window = TraceWindow::new(&Limits::default());
/// for second in 0..20 {
///     let trace = second.to_string();
///     let front = Span {
///         trace_id: &trace,
///         span_id: "1",
///         parent_id: None,
///         service: "front",
///         operation: "GET /",
///         start: Timestamp::from_seconds(second),
///         duration_ms: 12.0,
///         status: if second < 15 { "ok" } else { "error" },
///         kind: SpanKind::Server,
///         peer: None,
///         host: "",
///         version: "",
///     };
///     window.span(&front);
///     window.span(&Span { span_id: "2", parent_id: Some("1"), service: "cart", ..front });
/// }
/// let ranking = TraceRanker::new(TraceRankerConfig::default())?.rank(&window);
/// assert_eq!(&*ranking.culprits[0].service, "cart");
/// assert_eq!((ranking.failing, ranking.culprits[0].share), (5, 1.0));
/// assert_eq!(ranking.culprits[0].chain, ["front".into(), "cart".into()]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRanker {
    config: TraceRankerConfig,
}

/// Service, operation and fault, by name.
type Key = (Arc<str>, Arc<str>, TraceFault);

impl TraceRanker {
    /// A ranker.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: TraceRankerConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Ranks the services of a window.
    pub fn rank(&self, window: &TraceWindow) -> TraceRanking {
        let (incident, normal) = (traces(&window.incident), traces(&window.reference));
        // learn durations and callees from normal time, else from the incident itself
        let mut past = Past::new(&window.names);
        if normal.is_empty() {
            past.learn_durations(incident.iter().map(|(_, tree)| tree), false);
        } else {
            past.learn_durations(normal.iter().map(|(_, tree)| tree), true);
        }
        for (_, tree) in if normal.is_empty() { &incident } else { &normal } {
            past.learn_calls(tree);
        }
        past.finds_missing = !normal.is_empty();
        // causes in normal time give the expected number of votes
        let mut usual: BTreeMap<Key, u64> = BTreeMap::new();
        for (_, tree) in &normal {
            if let Some(cause) = cause(tree, &past, &self.config) {
                *usual.entry(key(window, &cause)).or_default() += 1;
            }
        }
        // one vote for the first cause of each failing trace
        let mut votes: BTreeMap<Key, Vec<Vote>> = BTreeMap::new();
        let mut times: Vec<i64> = Vec::with_capacity(incident.len());
        for (trace, tree) in &incident {
            let began = tree.spans.first().map_or(0, |span| span.call.start);
            times.push(began);
            if let Some(cause) = cause(tree, &past, &self.config) {
                let trace = window.traces.name(*trace);
                votes.entry(key(window, &cause)).or_default().push(Vote { began, trace, cause });
            }
        }
        times.sort_unstable();
        let failing = votes.values().map(Vec::len).sum::<usize>() as u64;
        // scale the expectation to the number of traces in the incident
        let scaled = incident.len() as f64 / (normal.len() as f64).max(1.0);
        let mut votes: Vec<(Key, Vec<Vote>)> = votes
            .into_iter()
            .filter(|(key, votes)| {
                // three standard deviations of a Poisson count above the expectation
                let expected = usual.get(key).map_or(0.0, |seen| *seen as f64 * scaled);
                votes.len() as u64 >= self.config.min_traces
                    && votes.len() as f64 > expected + 3.0 * expected.sqrt()
            })
            .collect();
        // the sort is stable, so equal counts stay in the order of their names
        votes.sort_by_key(|(_, votes)| std::cmp::Reverse(votes.len()));
        votes.truncate(self.config.top_k);
        let one = |one| culprit(window, &past, one, &times, failing);
        let culprits: Vec<TraceCulprit> = votes.into_iter().map(one).collect();
        let abstained = culprits.is_empty();
        TraceRanking { culprits, abstained, traces: incident.len() as u64, failing }
    }
}

/// A failing trace and its first cause.
/// One trace with its first cause.
struct Vote {
    /// Start of the trace, ns.
    began: i64,
    trace: Arc<str>,
    cause: Cause,
}

/// The index of the vote at which the fault starts.
///
/// It is the start of the maximum-sum segment (Kadane's algorithm): each vote adds 1, and each trace
/// costs half of the average share of votes. A single error long before the others is therefore not
/// the onset.
fn onset(votes: &[Vote], times: &[i64]) -> usize {
    let cost = 0.5 * votes.len() as f64 / times.len().max(1) as f64;
    let (mut best, mut found) = (0.0, 0);
    let (mut sum, mut start, mut before) = (0.0_f64, 0, 0);
    for (place, vote) in votes.iter().enumerate() {
        let rank = times.partition_point(|time| *time < vote.began);
        // traces without this cause since the last vote lower the sum
        sum -= cost * rank.saturating_sub(before) as f64;
        if sum < 0.0 {
            (sum, start) = (0.0, place);
        }
        sum += 1.0 - cost;
        before = rank + 1;
        if sum > best {
            (best, found) = (sum, start);
        }
    }
    found
}

/// The spans of each trace as a tree.
fn traces(calls: &[Call]) -> Vec<(u32, Tree<'_>)> {
    let mut by_trace: BTreeMap<u32, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_trace.entry(call.trace).or_default().push(call);
    }
    by_trace.into_iter().map(|(trace, calls)| (trace, Tree::new(calls))).collect()
}

/// Service, operation and fault of a cause, by name.
fn key(window: &TraceWindow, cause: &Cause) -> Key {
    let (service, operation, _) = cause.place;
    (window.names.name(service), window.names.name(operation), cause.fault)
}

/// The culprit of all traces with the same cause.
fn culprit(
    window: &TraceWindow,
    past: &Past,
    ((service, operation, fault), mut votes): (Key, Vec<Vote>),
    times: &[i64],
    failing: u64,
) -> TraceCulprit {
    votes.sort_by(|a, b| (a.began, &a.trace).cmp(&(b.began, &b.trace)));
    let mut chains: BTreeMap<Vec<Arc<str>>, usize> = BTreeMap::new();
    for vote in &votes {
        let chain = vote.cause.chain.iter().map(|service| window.names.name(*service)).collect();
        *chains.entry(chain).or_default() += 1;
    }
    // the most common path, the longer of equally common ones
    let chain = chains.into_iter().max_by_key(|(chain, seen)| (*seen, chain.len()));
    let durations: Vec<f64> = votes.iter().map(|vote| vote.cause.duration_ms).collect();
    let traces = votes.len() as u64;
    let votes = votes.get(onset(&votes, times)..).unwrap_or_default();
    let first = votes.first().map(|vote| &vote.cause);
    TraceCulprit {
        service,
        operation,
        fault,
        traces,
        share: traces as f64 / failing.max(1) as f64,
        onset: Timestamp::from_nanos(first.map_or(0, |cause| cause.at)),
        duration_ms: median(&durations[..]),
        expected_ms: first.and_then(|cause| past.usual(cause.place)).unwrap_or(f64::NAN),
        sample_traces: votes.iter().take(SAMPLES).map(|vote| Arc::clone(&vote.trace)).collect(),
        chain: chain.map(|(chain, _)| chain).unwrap_or_default(),
    }
}
