//! A latency that rises slowly.

use serde::{Deserialize, Serialize};

use super::autocorrelation::Autocorrelation;
use super::band::outside_if;
use super::block_cusum::{ALARM, CusumStart, DriftAlarm, SLACK, added};
use super::from_memory::is_usable;
use super::long_memory::{Baseline, LongMemory};
use super::mad::SMALLEST;
use super::tail::mad_degrees_of_freedom;
use super::{ScaleSource, Score, normal_equivalent};
use crate::config::ScoreConfig;
use crate::series::{Sample, SignalKind};
use crate::time::Timestamp;

/// Rows without which there is no past to leave.
const LEAST: usize = 20;
/// Rows within which a rise has to be told: what takes longer is a time of day.
const WITHIN: u32 = 60;
/// Rows over which the observations behind a row are averaged.
const TYPICAL: f64 = 240.0;
/// Rows for which a latency that left is leaving, and scales by which it has to go on for as many more.
const ALARM_LENGTH: u32 = 10;
const EXTENDS_AT: f64 = 1.0;
/// Steps without a row after which it is another story.
const AWAY: i64 = 10;
/// Rows in which a rise of little adds up.
const TOGETHER: usize = 16;

/// A cumulative sum of rows of one latency (Page, 1954), as [`BlockCusum`](super::block_cusum::BlockCusum) has it of
/// blocks: a rise of little a row, which any past that learns from rows learns as it goes.
///
/// With the logarithm of a row, center and scale of the rows before (`LongMemory`; the scale at least
/// `latency_floor`, wider for a row of fewer requests) and the normal deviate `u` that is as
/// unlikely under Student's t, `s = max(0, s + min(u, 4) - 1.5)`; where neighbours are alike, what
/// is added is divided by how many of them are worth one. At `s = 8` the latency is leaving, for ten
/// rows and for as many more whenever it went on by a scale, as long as `u` is above 1.5. After ten
/// steps without a row the sum begins anew.
///
/// While `s` is above half of that, rows are learnt clipped to 1.5 scales; after 60 such rows, or when
/// a level that lasts is learnt as it is, the past begins anew. A row that is flagged alone before
/// `s` is above half is neither added nor learnt: it is told already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LatencyCusum {
    past: LongMemory,
    /// Mean of 1/n.
    inverse_n: f64,
    floor: f64,
    sum: f64,
    begin: Option<CusumStart>,
    /// How far the last two rows were, the newest first.
    before: [f64; 2],
    /// Correlation of neighbouring deviates, learnt while the sum is 0.
    autocorrelation: Autocorrelation,
    /// Rows in a row with a sum above half.
    rising: u32,
    /// Where it had gone on by a scale last, in scales, and the rows since then.
    reached: f64,
    still: u32,
    /// The newest row, and the shortest time between two, nanoseconds.
    newest: Option<(Timestamp, i64)>,
}

/// Whether a kind of signal is watched for slow change here: a rate adds up its rows by itself,
/// counts follow the day, and a gauge has blocks.
const fn rises(kind: SignalKind) -> bool {
    matches!(kind, SignalKind::Latency)
}

impl LatencyCusum {
    /// The one of a signal, where its kind is watched here.
    pub fn of(kind: SignalKind, config: &ScoreConfig) -> Option<Box<Self>> {
        rises(kind).then(|| Box::new(Self::new(config.latency_floor)))
    }

    /// Applies another smallest scale. The sum and the baseline stay.
    pub fn reconfigure(&mut self, config: &ScoreConfig) {
        self.floor = config.latency_floor;
    }

    /// Nothing seen; the smallest scale is a share of the level.
    fn new(floor: f64) -> Self {
        let past = LongMemory::default();
        Self {
            past,
            inverse_n: 1.0,
            floor,
            sum: 0.0,
            begin: None,
            before: [0.0; 2],
            autocorrelation: Autocorrelation::default(),
            rising: 0,
            reached: 0.0,
            still: 0,
            newest: None,
        }
    }

    /// The sum that a row is added to.
    fn sum_before(&self, at: Timestamp) -> f64 {
        let apart = |(last, step): (Timestamp, i64)| at.since(last) > step.saturating_mul(AWAY);
        if self.newest.is_some_and(apart) { 0.0 } else { self.sum }
    }

    /// How unlikely a row is as a normal deviate, and what it is held against.
    fn far(&self, sample: Sample) -> Option<(f64, Baseline)> {
        let past = self.past.baseline().filter(|_| is_usable(sample))?;
        let sparse = (1.0 / (self.inverse_n * sample.n as f64)).max(1.0).sqrt();
        let scale = past.scale.max(self.floor) * sparse;
        let z = (sample.value.max(SMALLEST).ln() - past.center) / scale;
        let deviate = normal_equivalent(z, mad_degrees_of_freedom(self.past.points()));
        Some((deviate, Baseline { scale, ..past }))
    }

    /// The sum after a row with this deviate.
    fn sum_with(&self, at: Timestamp, deviate: f64) -> f64 {
        added(self.sum_before(at), deviate, self.autocorrelation.rows_per_independent(TOGETHER))
    }

    /// The begin of the sum that goes on with a row.
    fn begin(&self, at: Timestamp, far: f64, past: Baseline) -> CusumStart {
        let [_, earlier] = self.before;
        let leap = far - earlier;
        let begin = self.begin.filter(|_| self.sum_before(at) > 0.0).unwrap_or(CusumStart {
            at,
            past,
            leap,
        });
        CusumStart { leap: leap.max(begin.leap), ..begin }
    }

    /// That the latency is leaving with this row; `neg_log10_p` is the threshold.
    pub fn leaving(&self, at: Timestamp, sample: Sample, neg_log10_p: f64) -> Option<DriftAlarm> {
        let (far, now) = self.far(sample)?;
        let sum = self.sum_with(at, far);
        let goes = sum >= ALARM && far >= SLACK && self.still < ALARM_LENGTH;
        if !goes || self.past.points() < LEAST {
            return None;
        }
        let begin = self.begin(at, far, now);
        let past = begin.past;
        let z = (sample.value.max(SMALLEST).ln() - past.center) / past.scale;
        // both are finite
        if z < SLACK {
            return None;
        }
        let score = Score {
            z,
            neg_log10_p: neg_log10_p * sum / ALARM,
            expected: past.center.exp(),
            low: (past.center - 3.0 * past.scale).exp(),
            high: (past.center + 3.0 * past.scale).exp().min(f64::MAX),
            source: ScaleSource::Mad,
            points: self.past.points() as u32,
            effective_n: sample.n as f64,
        };
        let score = outside_if(true, score, sample.value, neg_log10_p);
        Some(DriftAlarm { score, since: begin.of_slow(far) })
    }

    /// Raises a row's score to what it and the rows before it add up to; since when the latency has
    /// been leaving slowly.
    pub fn raise(
        &self,
        at: Timestamp,
        sample: Sample,
        score: &mut Score,
        neg_log10_p: f64,
    ) -> Option<Timestamp> {
        let leaving = self.leaving(at, sample, neg_log10_p)?;
        let neg_log10_p = score.neg_log10_p.max(leaving.score.neg_log10_p);
        *score = Score { neg_log10_p, effective_n: score.effective_n, ..leaving.score };
        leaving.since
    }

    /// Remembers how far a row was and, of one that adds nothing, how alike it is to the one before: a
    /// rise is no likeness.
    fn compare(&mut self, far: f64) {
        let [last, _] = self.before;
        self.before = [far, last];
        if self.sum <= 0.0 {
            self.autocorrelation.learn(far, last);
        }
    }

    /// Remembers how far the latency has gone since it left.
    fn go_on(&mut self, z: f64) {
        if self.sum < ALARM {
            (self.reached, self.still) = (0.0, 0);
        } else if z >= self.reached + EXTENDS_AT {
            (self.reached, self.still) = (z, 0);
        } else {
            self.still = self.still.saturating_add(1);
        }
    }

    /// Tells the time of a row.
    fn come_to(&mut self, at: Timestamp) {
        self.sum = self.sum_before(at);
        let step = match self.newest {
            Some((last, step)) if at > last => at.since(last).min(step),
            Some((_, step)) => step,
            None => i64::MAX,
        };
        self.newest = Some((at, step));
    }

    /// Learns a row. `told` is whether it is flagged alone, `accepted` whether the signal's level is
    /// learnt as it is.
    pub fn learn(&mut self, at: Timestamp, sample: Sample, told: bool, accepted: bool) {
        if accepted {
            *self = Self::new(self.floor);
        }
        if !is_usable(sample) {
            return;
        }
        self.come_to(at);
        if told && self.sum <= ALARM / 2.0 {
            return;
        }
        let mut value = sample.value.max(SMALLEST).ln();
        if let Some((far, past)) = self.far(sample) {
            if self.past.points() >= LEAST {
                let begin = self.begin(at, far, past);
                self.begin = Some(begin);
                self.sum = self.sum_with(at, far);
                self.go_on((value - begin.past.center) / begin.past.scale);
            }
            let clear = self.sum > ALARM / 2.0;
            self.rising = if clear { self.rising.saturating_add(1) } else { 0 };
            self.compare(far);
            if self.rising > WITHIN {
                *self = Self::new(self.floor);
            } else if clear {
                value = value.min(past.center + SLACK * past.scale);
            }
        }
        self.past.push(value);
        self.inverse_n += (1.0 / sample.n as f64 - self.inverse_n)
            / (self.past.points() as f64).clamp(1.0, TYPICAL);
    }
}
