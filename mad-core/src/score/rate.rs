//! Rates, such as the share of failed requests: beta-binomial tails of one row and of several.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::binomial::tally;
use super::first_sight::FirstSight;
use super::phase_component::Phase;
use super::rate_baseline::RateBaseline;
use super::{BinomialScorer, Learn, Score, Scorer};
use crate::error::Result;
use crate::series::Sample;
use crate::time::Timestamp;

/// Numbers of rows that are pooled, the current one included.
const POOLED_ROWS: [usize; 7] = [2, 3, 4, 6, 8, 11, 16];
/// Most earlier rows that are pooled.
const MAX_EARLIER: usize = 15;
/// Factor by which the baseline of pooled rows is trusted more than that of one row, because a rate
/// wanders less within 16 rows than over the whole window.
const POOLED_TRUST: f64 = 2.0;
/// Rows before the pooled ones that the comparison needs.
const MIN_ROWS_BEFORE: usize = 20;
/// Independent tests that the seven nested ones are worth, about: they share most of their rows.
const TESTS: f64 = 2.0;
/// Rows that estimate a raised rate.
const RAISED_ROWS: usize = 3;
/// Likelihood ratio from which on the usual rate explains the rows since better: the raised rate has
/// ended.
const RECOVERED_RATIO: f64 = 2.0;

/// Factor of the usual rate from which on the rate of a phase stands out.
const OUTSTANDING: f64 = 1.5;

/// Judges a rate by the probability of at least as many events among its trials.
///
/// # Method
///
/// 1. A row alone is judged by a learning [`BinomialScorer`]. One error among six requests is no
///    anomaly; nine among forty are one.
/// 2. A rate that is raised a little for long shows in no row alone. The last 2, 3, 4, 6, 8, 11 and
///    16 rows are therefore pooled and judged against the rows before them. The smallest
///    probability counts, doubled for having looked more than once.
/// 3. A pooled test counts only if the current row has an event, if this row and the one before it
///    still have half of the pooled rate, and if the excess is above two standard deviations.
/// 4. Rows before a recovery are left out: if the usual rate makes the rows since at least twice as
///    likely as the rate of the three rows before them, the raised rate has ended.
///
/// # Input
///
/// `sample.value` is the rate, clamped to 0..1; `sample.n` the number of trials. Only rates above the
/// expected one are unlikely. NaN or no trials is unknown and teaches nothing.
///
/// # Small samples
///
/// Pooled rows need 20 rows before them.
///
/// # Examples
///
/// ```
/// use mad_core::score::{RateScorer, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = RateScorer::new(240, 1_000.0, 4.0)?;
/// for row in 0..100 {
///     let errors = if row % 4 == 0 { 1.0 } else { 0.0 };
///     scorer.observe(at, Sample { value: errors / 100.0, n: 100 }, 4.0);
/// }
/// // three errors are no anomaly in one row, and one in each of ten rows
/// let scores: Vec<f64> = (0..10)
///     .map(|_| scorer.observe(at, Sample { value: 0.03, n: 100 }, 4.0).neg_log10_p)
///     .collect();
/// assert!(scores[0] < 4.0 && scores[9] > 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RateScorer {
    single: BinomialScorer,
    /// The newest rows that were not learnt, because the rate is anomalous.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    unlearnt: VecDeque<(u32, u32)>,
}

impl RateScorer {
    /// A scorer that has learnt nothing. `memory` is the most trials with which the learnt rate is
    /// trusted; the expected band ends at `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// A window outside 3 to 100,000, a memory below 10, a `neg_log10_p` that is not above 0.
    pub fn new(window: usize, memory: f64, neg_log10_p: f64) -> Result<Self> {
        let single = BinomialScorer::learning(window, memory, neg_log10_p)?;
        Ok(Self { single, unlearnt: VecDeque::new() })
    }

    /// Applies another memory and threshold. The learnt rows stay.
    pub(super) fn reconfigure(&mut self, memory: f64, neg_log10_p: f64) {
        self.single.reconfigure(memory, neg_log10_p);
    }

    /// Replaces the rows by those of a new level.
    pub(super) fn accept(&mut self, level: &[f64]) {
        self.unlearnt.clear();
        self.single.accept(level);
    }

    /// The level since the first row, if it is unlikely by the assumed rate.
    pub(super) fn since_first_seen(&self) -> Option<Vec<f64>> {
        self.single.since_first_seen()
    }

    /// Assumes a rate until enough rows are learnt.
    pub(super) fn assume(&mut self, first_sight: FirstSight) {
        self.single.assume(first_sight);
    }

    /// Events and trials that are learnt.
    pub(super) fn learnt(&self) -> (u64, u64) {
        (self.single.events, self.single.trials)
    }

    /// The number of rows remembered.
    pub fn points(&self) -> usize {
        self.single.points()
    }

    /// The rows before the current one, the newest first.
    fn rows(&self) -> impl Iterator<Item = (u32, u32)> {
        self.unlearnt.iter().rev().copied().chain(self.single.rows.newest_first())
    }

    /// Takes note of a row that is not learnt: it is pooled with the rows after it.
    pub(super) fn pass(&mut self, sample: Sample) {
        let Some(row) = tally(sample) else { return };
        if self.unlearnt.len() >= MAX_EARLIER {
            self.unlearnt.pop_front();
        }
        self.unlearnt.push_back(row);
    }

    /// The number of rows since the end of a raised rate, this one included; `usize::MAX` without one.
    fn since_over(&self, events: u32, trials: u32) -> usize {
        let usual = RateBaseline::of(self.single.events, self.single.trials, 1.0).share;
        let last = || self.rows();
        let (mut events, mut trials) = (f64::from(events), f64::from(trials));
        // From the newest row back: does the usual rate explain the rows since better than a raised one?
        for (place, (more_events, more_trials)) in last().take(MAX_EARLIER).enumerate() {
            let (before, of) = last()
                .skip(place)
                .take(RAISED_ROWS)
                .fold((0, 0), |(k, n), row| (k + u64::from(row.0), n + u64::from(row.1)));
            // The rate of the three rows before.
            let raised = RateBaseline::of(before, of, 1.0).share;
            // Binomial log-likelihood ratio of the rows since.
            let log_ratio = events * (usual / raised).ln()
                + (trials - events) * ((1.0 - usual) / (1.0 - raised)).ln();
            if raised > usual && log_ratio > RECOVERED_RATIO.ln() {
                return place + 1;
            }
            events += f64::from(more_events);
            trials += f64::from(more_trials);
        }
        usize::MAX
    }

    /// `-log10 p` and events of the pooled rows, for the number of rows with the smallest probability.
    fn lasting(&self, events: u32, trials: u32, floor: f64) -> (f64, u64) {
        let (mut pooled_events, mut pooled_trials) = (u64::from(events), u64::from(trials));
        let mut best = (0.0, 0);
        if events == 0 {
            return (0.0, 0);
        }
        // Worked out only where pooled rows exceed their baseline.
        let mut since = None;
        let (last_events, last_trials) = self.rows().next().unwrap_or((0, 0));
        // Only rows that were learnt are part of the baseline.
        let (mut learnt_events, mut learnt_trials) = (0, 0);
        // The rate of this row and the one before it.
        let still = (f64::from(events) + f64::from(last_events))
            / (f64::from(trials) + f64::from(last_trials));
        for (place, (past_events, past_trials)) in self.rows().take(MAX_EARLIER).enumerate() {
            if place >= self.unlearnt.len() {
                learnt_events += u64::from(past_events);
                learnt_trials += u64::from(past_trials);
            }
            pooled_events += u64::from(past_events);
            pooled_trials += u64::from(past_trials);
            let rows = place + 2;
            if !POOLED_ROWS.contains(&rows) || self.points() < MIN_ROWS_BEFORE + rows {
                continue;
            }
            let mut before = RateBaseline::of(
                self.single.events.saturating_sub(learnt_events),
                self.single.trials.saturating_sub(learnt_trials),
                POOLED_TRUST * self.single.memory(),
            );
            before.share = before.share.max(floor);
            let n = pooled_trials as f64;
            // Below two standard deviations no probability survives the price of several tests. This also
            // spares most of the exact tails.
            let excess = pooled_events as f64 - n * before.share;
            let over = still < 0.5 * pooled_events as f64 / n;
            if excess * excess <= 4.0 * n * before.share || excess <= 0.0 || over {
                continue;
            }
            if rows > *since.get_or_insert_with(|| self.since_over(events, trials)) {
                break;
            }
            let tail = before.surprise(pooled_events, pooled_trials);
            if tail > best.0 {
                best = (tail, pooled_events);
            }
        }
        ((best.0 - TESTS.log10()).max(0.0), best.1)
    }
}

impl RateScorer {
    /// The usual rate; `None` before the first row.
    pub(super) fn usual(&self) -> Option<f64> {
        self.single.baseline().map(|usual| usual.share)
    }

    /// Rate from which on rows of a phase are expected: that of the phase where it stands out above
    /// the usual one, else 0.
    pub(super) fn floor(&self, phase: Phase) -> f64 {
        let above = phase.shift.max(0.0) + phase.widen;
        let usual = self.single.baseline().map_or(0.0, |usual| usual.share);
        if above > 0.0 { share_of(angle(usual) + above) } else { 0.0 }
    }

    /// Scores a row against the rate of its phase.
    pub(super) fn score_at(&self, sample: Sample, phase: Phase) -> Score {
        let floor = self.floor(phase);
        let mut score = self.single.score_from(sample, floor);
        let Some((events, trials)) = tally(sample).filter(|_| score.z.is_finite()) else {
            return score;
        };
        let (lasting, pooled) = self.lasting(events, trials, floor);
        if lasting > score.neg_log10_p {
            score.neg_log10_p = lasting.min(300.0);
            score.effective_n = pooled as f64;
            if lasting >= self.single.neg_log10_p {
                // A flagged value lies outside the band, although the row alone would not.
                let observed = (f64::from(events) / f64::from(trials)).min(sample.value);
                score.high = score.high.min(observed.next_down()).max(0.0);
                score.expected = score.expected.min(score.high);
                score.low = score.low.min(score.high);
            }
        }
        score
    }

    /// Learns a row. The rate of a phase that stands out is no baseline for the hours after it.
    pub(super) fn learn_at(&mut self, at: Timestamp, sample: Sample, how: Learn, phase: Phase) {
        let usual = self.single.baseline().map_or(1.0, |usual| usual.share);
        if self.floor(phase) < OUTSTANDING * usual {
            self.learn(at, sample, how);
        }
    }
}

/// Angle of a rate, 0 to pi, whose scatter hardly depends on the rate (Anscombe, 1948).
pub(super) fn angle(share: f64) -> f64 {
    2.0 * share.clamp(0.0, 1.0).sqrt().asin()
}

/// The inverse of [`angle`].
pub(super) fn share_of(angle: f64) -> f64 {
    (angle.clamp(0.0, std::f64::consts::PI) / 2.0).sin().powi(2)
}

impl Scorer for RateScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        self.score_at(sample, Phase::default())
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if how != Learn::Skip {
            self.unlearnt.clear();
        }
        self.single.learn(at, sample, how);
    }
}
