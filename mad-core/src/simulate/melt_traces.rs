//! Traces of a chain of four services with lost spans (the MELT system).

use std::sync::Arc;

use super::random::Draws;
use super::span::SimulatedSpan;
use crate::error::{Error, Result};
use crate::telemetry::SpanKind;
use crate::time::{MINUTE, SECOND, Timestamp};

/// The services of the original, the first calling the second and so on.
const NAMES: [&str; 4] = ["frontend", "auth-service", "database-service", "cache-service"];

/// The first `count` services of the chain; beyond four the names repeat with a number.
pub(super) fn chain(count: u32) -> Vec<Arc<str>> {
    let rounds = (1_u32..).flat_map(|round| NAMES.map(|name| (round, name)));
    let named = |(round, name): (u32, &str)| match round {
        1 => name.into(),
        _ => format!("{name}-{round}").into(),
    };
    rounds.take(count as usize).map(named).collect()
}

/// Traces of a chain of services, four unless set, one a minute unless set, 20 to 49 ms a span, from
/// which spans get lost.
///
/// Children of a lost span still name it as their parent.
///
/// # Examples
///
/// ```
/// use mad_core::Timestamp;
/// use mad_core::simulate::MeltTraces;
///
/// let traces = MeltTraces::new(1_000, 0.2, 42, Timestamp::from_seconds(0))?;
/// let (spans, lost) = traces.run();
/// assert_eq!(spans.len() + lost.len(), 4_000);
/// assert!((600..1_000).contains(&lost.len()));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MeltTraces {
    traces: u32,
    services: Vec<Arc<str>>,
    interval: i64,
    missing: f64,
    seed: u64,
    start: Timestamp,
}

/// A span that was lost: the label of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSpan {
    /// Start of the minute of its trace, or of the interval that was set.
    pub minute: Timestamp,
    /// Service of the span.
    pub service: Arc<str>,
}

impl MeltTraces {
    /// One trace for each of `minutes`; each span is lost with probability `missing`.
    ///
    /// # Errors
    ///
    /// `missing` is not between 0 and 1.
    pub fn new(minutes: u32, missing: f64, seed: u64, start: Timestamp) -> Result<Self> {
        if !(0.0..=1.0).contains(&missing) {
            return Err(Error::argument("missing", missing, "a share from 0 to 1"));
        }
        Ok(Self {
            traces: minutes,
            services: chain(4),
            interval: MINUTE,
            missing,
            seed,
            start: start.floor(MINUTE),
        })
    }

    /// The chain of these services, with one trace in each `interval` ns from exactly `start` on.
    pub(super) fn along(
        mut self,
        services: Vec<Arc<str>>,
        interval: i64,
        start: Timestamp,
    ) -> Self {
        (self.services, self.interval, self.start) = (services, interval, start);
        self
    }

    /// Number of traces.
    pub(super) const fn traces(&self) -> u32 {
        self.traces
    }

    /// Services of the chain, the first calling the second and so on.
    pub(super) fn services(&self) -> &[Arc<str>] {
        &self.services
    }

    /// Time between two traces, ns.
    pub(super) const fn interval(&self) -> i64 {
        self.interval
    }

    /// The spans that were not lost, and those that were, both in order of time.
    pub fn run(&self) -> (Vec<SimulatedSpan>, Vec<LostSpan>) {
        let mut draws = Draws::new(self.seed);
        let (mut spans, mut lost) = (Vec::new(), Vec::new());
        for i in 0..self.traces {
            let minute = self.start.plus(i64::from(i) * self.interval);
            let trace_id: Arc<str> = format!("{:016x}", draws.bits()).into();
            let mut parent: Option<String> = None;
            let whole = self.interval as f64 / MINUTE as f64;
            // a trace begins in the first five sixths of its interval, at a whole second of a minute
            let mut start = minute.plus((draws.unit() * 50.0 * whole) as i64 * SECOND);
            for service in &self.services {
                let span_id = format!("{:016x}", draws.bits());
                let duration_ms = draws.within(20.0, 50.0).floor();
                let is_lost = draws.unit() < self.missing;
                if is_lost {
                    lost.push(LostSpan { minute, service: Arc::clone(service) });
                } else {
                    spans.push(SimulatedSpan {
                        trace_id: Arc::clone(&trace_id),
                        span_id: span_id.clone(),
                        parent_id: parent.clone(),
                        service: Arc::clone(service),
                        operation: "call".into(),
                        start,
                        duration_ms,
                        failed: false,
                        kind: SpanKind::Server,
                    });
                }
                parent = Some(span_id);
                start = start.plus(1_000_000);
            }
        }
        (spans, lost)
    }
}
