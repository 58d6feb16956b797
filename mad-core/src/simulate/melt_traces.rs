//! Traces of a chain of four services with lost spans (the MELT system).

use std::sync::Arc;

use super::random::Draws;
use super::span::SimulatedSpan;
use crate::error::{Error, Result};
use crate::telemetry::SpanKind;
use crate::time::{MINUTE, SECOND, Timestamp};

/// The chain, the first calling the second and so on.
const CHAIN: [&str; 4] = ["frontend", "auth-service", "database-service", "cache-service"];

/// Traces of a chain of four services, one a minute, 20 to 49 ms a span, from which spans get lost.
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeltTraces {
    minutes: u32,
    missing: f64,
    seed: u64,
    start: Timestamp,
}

/// A span that was lost: the label of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSpan {
    /// The minute of its trace.
    pub minute: Timestamp,
    /// Service of the span.
    pub service: &'static str,
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
        Ok(Self { minutes, missing, seed, start: start.floor(MINUTE) })
    }

    /// The spans that were not lost, and those that were, both in order of time.
    pub fn run(&self) -> (Vec<SimulatedSpan>, Vec<LostSpan>) {
        let mut draws = Draws::new(self.seed);
        let (mut spans, mut lost) = (Vec::new(), Vec::new());
        for i in 0..self.minutes {
            let minute = self.start.plus(i64::from(i) * MINUTE);
            let trace_id: Arc<str> = format!("{:016x}", draws.bits()).into();
            let mut parent: Option<String> = None;
            let mut start = minute.plus((draws.unit() * 50.0) as i64 * SECOND);
            for service in CHAIN {
                let span_id = format!("{:016x}", draws.bits());
                let duration_ms = draws.within(20.0, 50.0).floor();
                let is_lost = draws.unit() < self.missing;
                if is_lost {
                    lost.push(LostSpan { minute, service });
                } else {
                    spans.push(SimulatedSpan {
                        trace_id: Arc::clone(&trace_id),
                        span_id: span_id.clone(),
                        parent_id: parent.clone(),
                        service: service.into(),
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
