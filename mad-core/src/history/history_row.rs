//! One recent row as reports show it.

use crate::guard::{JudgedRow, JudgedSignal, Reason, Verdict};
use crate::series::Signal;
use crate::time::Timestamp;

/// One recent row of any signals, borrowed from its ring: values and bands to seven digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryRow<'a> {
    /// Start of the step, or the time of a metric.
    pub at: Timestamp,
    /// Whether the row was flagged.
    pub is_anomaly: bool,
    /// Why it was flagged, or why it was not.
    pub reason: Reason,
    /// Requests and failed requests; none for a row of metrics.
    pub counts: Option<[u32; 2]>,
    /// The values of all signals, then the lower and then the upper ends of their bands.
    pub(super) numbers: &'a [f32],
}

impl HistoryRow<'_> {
    /// Number of signals.
    pub fn width(&self) -> usize {
        self.numbers.len() / 3
    }

    /// The value of the signal at a place; NaN for a gap or a place without a signal.
    pub fn value(&self, place: usize) -> f32 {
        self.number(0, place)
    }

    /// Lower end of the expected band of the signal at a place; NaN while it is unknown.
    pub fn low(&self, place: usize) -> f32 {
        self.number(1, place)
    }

    /// Upper end of the expected band of the signal at a place; NaN while it is unknown.
    pub fn high(&self, place: usize) -> f32 {
        self.number(2, place)
    }

    /// Requests; 0 for a row of metrics.
    pub fn requests(&self) -> u32 {
        self.counts.map_or(0, |[requests, _]| requests)
    }

    /// Requests that failed; 0 for a row of metrics.
    pub fn errors(&self) -> u32 {
        self.counts.map_or(0, |[_, errors]| errors)
    }

    /// Health of an entity with requests, 0 to 100: 100, less 50 times the share of failed requests,
    /// less 30 if the median latency is more than twice the middle of its expected band.
    pub fn health(&self) -> f64 {
        let errors = f64::from(self.errors()) / f64::from(self.requests().max(1));
        let p50 = Signal::P50Latency.index();
        let expected = f64::midpoint(f64::from(self.low(p50)), f64::from(self.high(p50)));
        let slow = f64::from(self.value(p50)) > 2.0 * expected;
        100.0 - 50.0 * errors.min(1.0) - if slow { 30.0 } else { 0.0 }
    }

    fn number(&self, part: usize, place: usize) -> f32 {
        let width = self.width();
        if place >= width {
            return f32::NAN;
        }
        self.numbers.get(part * width + place).copied().unwrap_or(f32::NAN)
    }
}

/// A judged row before it is copied into a ring; `N` is three times the number of its signals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NewHistoryRow<const N: usize> {
    at: Timestamp,
    is_anomaly: bool,
    reason: Reason,
    counts: Option<[u32; 2]>,
    numbers: [f32; N],
}

impl NewHistoryRow<{ 3 * Signal::ALL.len() }> {
    /// A row of requests, with its signals in the order of [`Signal::ALL`].
    pub fn of_requests(judged: &JudgedRow) -> Self {
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let mut numbers = [f32::NAN; 3 * Signal::ALL.len()];
        for (place, signal) in judged.signals.iter().enumerate() {
            fill(&mut numbers, place, signal);
        }
        let counts = judged.requests.map(|facts| [count(facts.requests), count(facts.errors)]);
        let Verdict { is_anomaly, reason, .. } = judged.verdict;
        Self { at: judged.head.at, is_anomaly, reason, counts, numbers }
    }
}

impl NewHistoryRow<3> {
    /// A value of a series.
    pub fn of_series(at: Timestamp, judged: &JudgedSignal) -> Self {
        let mut numbers = [f32::NAN; 3];
        fill(&mut numbers, 0, judged);
        let JudgedSignal { is_anomaly, reason, .. } = *judged;
        Self { at, is_anomaly, reason, counts: None, numbers }
    }
}

impl<const N: usize> NewHistoryRow<N> {
    /// The row, borrowed.
    pub fn row(&self) -> HistoryRow<'_> {
        let Self { at, is_anomaly, reason, counts, ref numbers } = *self;
        HistoryRow { at, is_anomaly, reason, counts, numbers }
    }
}

/// Fills the numbers of the signal at a place. The band stays unknown while the entity is too new
/// to be judged.
fn fill(numbers: &mut [f32], place: usize, judged: &JudgedSignal) {
    let JudgedSignal { sample, score, reason, .. } = judged;
    let is_judged = !matches!(reason, Reason::WarmUp | Reason::TooFewPoints);
    let band = |edge: f64| if is_judged { short(edge) } else { f32::NAN };
    let width = numbers.len() / 3;
    let parts = [short(sample.value), band(score.low), band(score.high)];
    for (part, number) in parts.into_iter().enumerate() {
        if let Some(slot) = numbers.get_mut(part * width + place) {
            *slot = number;
        }
    }
}

/// To seven digits. A finite number stays finite.
fn short(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
