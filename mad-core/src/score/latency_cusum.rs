//! CUSUM of a latency: finds a slow rise that no single row shows.

use serde::{Deserialize, Serialize};

use super::autocorrelation::Autocorrelation;
use super::band::outside_if;
use super::block_cusum::{ALARM, CusumStart, DriftAlarm, MAX_DEVIATE, SLACK, next_sum};
use super::from_memory::is_usable;
use super::long_memory::{Baseline, LongMemory};
use super::mad::SMALLEST;
use super::tail::mad_degrees_of_freedom;
use super::{ScaleSource, Score, normal_equivalent};
use crate::series::Sample;
use crate::time::Timestamp;

/// Rows that the baseline needs before the CUSUM runs. A MAD of fewer rows is too uncertain.
const MIN_ROWS: usize = 20;
/// Rows in which a rise has to raise an alarm. A rise over more rows is the time of day, so the
/// baseline starts again.
const MAX_RISE_ROWS: u32 = 60;
/// Rows over which the usual number of requests is averaged: four hours of one-minute rows.
const N_MEMORY: f64 = 240.0;
/// Rows that an alarm lasts.
const ALARM_LENGTH: u32 = 10;
/// A further rise by this many scales extends the alarm by [`ALARM_LENGTH`] rows.
const EXTENDS_AT: f64 = 1.0;
/// Steps without a row after which the sum is reset. A gap breaks the trend.
const MAX_GAP_STEPS: i64 = 10;
/// Rows over which deviates of a slow rise typically add up to an alarm. The correction for
/// autocorrelation is that of a sum of this number of rows.
const SUMMED_ROWS: usize = 16;

/// Detects a slow rise of one latency signal with a one-sided CUSUM (Page, 1954).
///
/// A baseline that learns from every row also learns a rise of a few per cent per row, so that no
/// single row looks anomalous. The CUSUM adds up such small deviations.
///
/// # Method
///
/// For each row with value `x` (ms) and `n` requests:
///
/// 1. `z = (ln x - center) / scale`, with the center and scale of the baseline. The scale is at
///    least `latency_floor`. It is widened by `sqrt(usual n / n)` for rows with fewer requests than
///    usual.
/// 2. `u` is the standard normal deviate with the same tail probability as `z` under Student's t.
///    The degrees of freedom reflect the size of the baseline.
/// 3. `s = max(0, s + min(u, 4) - 1.5)`. A positive increment is divided by the number of
///    autocorrelated rows that carry the information of one independent row (Brown, 1975). `s` is
///    at most 12.
///
/// An alarm starts at `s >= 8` and lasts ten rows. Each further rise by one scale extends it by ten
/// rows. A row of the alarm needs `u >= 1.5`. Its `-log10 p` is the threshold times `s / 8`.
///
/// # Learning
///
/// - While `s > 4`, rows enter the baseline clipped at 1.5 scales, so that the rise does not become
///   the baseline. After 60 such rows the baseline starts again.
/// - A row that was flagged on its own while `s <= 4` enters neither the sum nor the baseline.
/// - When the signal's new level is accepted, the baseline starts again.
///
/// # Small samples and gaps
///
/// Nothing is judged before 20 rows of the baseline. `s` is reset after ten steps without a row,
/// because the rows before the gap say nothing about the trend after it. The step is the shortest
/// time between two rows so far.
///
/// # Limits
///
/// A rise that takes more than 60 rows is taken for the time of day and is not found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LatencyCusum {
    baseline: LongMemory,
    /// Fading mean of 1/n.
    inverse_n: f64,
    /// Smallest scale, in the unit of the logarithm.
    floor: f64,
    sum: f64,
    start: Option<CusumStart>,
    /// Deviates of the last two rows, the newest first.
    previous: [f64; 2],
    /// Correlation of neighbouring deviates, learnt while the sum is 0.
    autocorrelation: Autocorrelation,
    /// Rows in a row with a sum above half an alarm.
    rising: u32,
    /// Highest z of the alarm at its last extension, in scales of its start.
    reached: f64,
    /// Rows since that extension.
    rows_since_extension: u32,
    /// The newest row, and the shortest time between two rows, nanoseconds.
    newest: Option<(Timestamp, i64)>,
}

impl LatencyCusum {
    /// A CUSUM that has learnt nothing. `floor` is the smallest scale as a share of the level.
    pub fn new(floor: f64) -> Self {
        Self {
            baseline: LongMemory::default(),
            inverse_n: 1.0,
            floor,
            sum: 0.0,
            start: None,
            previous: [0.0; 2],
            autocorrelation: Autocorrelation::default(),
            rising: 0,
            reached: 0.0,
            rows_since_extension: 0,
            newest: None,
        }
    }

    /// Applies another smallest scale. The sum and the baseline stay.
    pub const fn reconfigure(&mut self, floor: f64) {
        self.floor = floor;
    }

    /// Whether the next row may raise an alarm: no deviate lifts the sum by more than its largest value.
    pub fn may_alarm(&self) -> bool {
        self.sum + (MAX_DEVIATE - SLACK) >= ALARM
            && self.rows_since_extension < ALARM_LENGTH
            && self.baseline.points() >= MIN_ROWS
    }

    /// The alarm of a row, if the latency is rising slowly. `threshold` is the `-log10 p` of an
    /// anomaly.
    pub fn alarm(&self, at: Timestamp, sample: Sample, threshold: f64) -> Option<DriftAlarm> {
        if !self.may_alarm() {
            return None;
        }
        let (deviate, now) = self.deviate(sample)?;
        let sum = self.sum_with(at, deviate);
        if sum < ALARM || deviate < SLACK {
            return None;
        }
        let start = self.start_with(at, deviate, now);
        let past = start.past;
        // The row against the baseline at the start of the rise, which has learnt nothing of it.
        let z = (sample.value.max(SMALLEST).ln() - past.center) / past.scale;
        // z is finite: values are at least SMALLEST, scales at least the floor.
        if z < SLACK {
            return None;
        }
        let score = Score {
            z,
            neg_log10_p: threshold * sum / ALARM,
            expected: past.center.exp(),
            low: (past.center - 3.0 * past.scale).exp(),
            high: (past.center + 3.0 * past.scale).exp().min(f64::MAX),
            source: ScaleSource::Mad,
            points: self.baseline.points() as u32,
            effective_n: sample.n as f64,
        };
        let score = outside_if(true, score, sample.value, threshold);
        Some(DriftAlarm { score, since: start.of_slow(deviate) })
    }

    /// Begins again with the baseline of a new level.
    pub fn clear(&mut self) {
        *self = Self::new(self.floor);
    }

    /// Ends a rise: the signal is anomalous by itself.
    pub fn end(&mut self) {
        (self.sum, self.start, self.rising) = (0.0, None, 0);
    }

    /// Learns a row. `flagged_alone` is whether it is anomalous without the CUSUM.
    pub fn learn(&mut self, at: Timestamp, sample: Sample, flagged_alone: bool) {
        if !is_usable(sample) {
            return;
        }
        self.advance_to(at);
        // A jump is flagged already and is no slow rise.
        if flagged_alone && self.sum <= ALARM / 2.0 {
            return;
        }
        let mut value = sample.value.max(SMALLEST).ln();
        if let Some((deviate, past)) = self.deviate(sample) {
            if self.baseline.points() >= MIN_ROWS {
                let start = self.start_with(at, deviate, past);
                self.start = Some(start);
                self.sum = self.sum_with(at, deviate);
                self.extend((value - start.past.center) / start.past.scale);
            }
            let is_rising = self.sum > ALARM / 2.0;
            self.rising = if is_rising { self.rising.saturating_add(1) } else { 0 };
            self.learn_autocorrelation(deviate);
            if self.rising > MAX_RISE_ROWS {
                *self = Self::new(self.floor);
            } else if is_rising {
                // The rise must not become the baseline.
                value = value.min(past.center + SLACK * past.scale);
            }
        }
        self.baseline.push(value);
        self.inverse_n += (1.0 / sample.n as f64 - self.inverse_n)
            / (self.baseline.points() as f64).clamp(1.0, N_MEMORY);
    }

    /// The sum that a row adds to: 0 after a gap.
    fn sum_before(&self, at: Timestamp) -> f64 {
        let is_gap =
            |(last, step): (Timestamp, i64)| at.since(last) > step.saturating_mul(MAX_GAP_STEPS);
        if self.newest.is_some_and(is_gap) { 0.0 } else { self.sum }
    }

    /// The sum after a row with this deviate.
    fn sum_with(&self, at: Timestamp, deviate: f64) -> f64 {
        let inflation = || self.autocorrelation.rows_per_independent(SUMMED_ROWS);
        next_sum(self.sum_before(at), deviate, inflation)
    }

    /// The normal deviate of a row, and the baseline with the scale for its number of requests.
    fn deviate(&self, sample: Sample) -> Option<(f64, Baseline)> {
        let past = self.baseline.baseline().filter(|_| is_usable(sample))?;
        // Sampling noise of a quantile falls with the square root of the requests behind it.
        let widened = (1.0 / (self.inverse_n * sample.n as f64)).max(1.0).sqrt();
        let scale = past.scale.max(self.floor) * widened;
        let z = (sample.value.max(SMALLEST).ln() - past.center) / scale;
        let deviate = normal_equivalent(z, mad_degrees_of_freedom(self.baseline.points()));
        Some((deviate, Baseline { scale, ..past }))
    }

    /// The start of the sum that a row adds to: the one that is known, or this row.
    fn start_with(&self, at: Timestamp, deviate: f64, past: Baseline) -> CusumStart {
        let [_, earlier] = self.previous;
        // The largest rise within two rows separates a step from a slow rise.
        let leap = deviate - earlier;
        let known = self.start.filter(|_| self.sum_before(at) > 0.0);
        let start = known.unwrap_or(CusumStart { at, past, leap, hour: None });
        CusumStart { leap: leap.max(start.leap), ..start }
    }

    /// Remembers a deviate, and learns the autocorrelation unless the row adds to a sum: a rise is
    /// no autocorrelation.
    fn learn_autocorrelation(&mut self, deviate: f64) {
        let [last, _] = self.previous;
        self.previous = [deviate, last];
        if self.sum <= 0.0 {
            self.autocorrelation.learn(deviate, last);
        }
    }

    /// Extends an alarm if the latency rose by a further scale to `z`.
    fn extend(&mut self, z: f64) {
        if self.sum < ALARM {
            (self.reached, self.rows_since_extension) = (0.0, 0);
        } else if z >= self.reached + EXTENDS_AT {
            (self.reached, self.rows_since_extension) = (z, 0);
        } else {
            self.rows_since_extension = self.rows_since_extension.saturating_add(1);
        }
    }

    /// Moves to the time of a row: resets the sum after a gap, and learns the step.
    fn advance_to(&mut self, at: Timestamp) {
        self.sum = self.sum_before(at);
        let step = match self.newest {
            Some((last, step)) if at > last => at.since(last).min(step),
            Some((_, step)) => step,
            None => i64::MAX,
        };
        self.newest = Some((at, step));
    }
}
