//! Shares of trials, such as errors among requests: a beta-binomial tail.

use serde::{Deserialize, Serialize};

use super::binomial::{RateBaseline, tally};
use super::{BinomialScorer, Learn, Score, Scorer};
use crate::error::Result;
use crate::series::Sample;
use crate::time::Timestamp;

/// Rows that are taken as one, the row that is judged included; and those before it, at most.
const TOGETHER: [usize; 7] = [2, 3, 4, 6, 8, 11, 16];
const LONGEST: usize = 15;
/// The share wanders less within these rows than over all that are remembered: it is trusted with
/// so many times the memory.
const STEADIER: f64 = 2.0;
/// Rows without which there is nothing to compare several rows with.
const LEAST_BEFORE: usize = 20;
/// Independent tests that so many nested ones are worth, about.
const LOOKS: f64 = 2.0;
/// Rows that say how high the share was, and how much likelier the usual share has to be after
/// them for it to be over.
const RAISED: usize = 3;
const OVER: f64 = 2.0;

/// The probability of so many events among so many trials, given the share in the past.
///
/// A row alone is judged by a [`BinomialScorer`] that learns. One error among six requests is no
/// evidence; nine among forty is.
///
/// *RunCombiner*: a share that is raised a little for long shows in no row alone. The last 2, 3, 4, 6,
/// 8, 11 and 16 rows, this one included, are therefore also judged as one, against the rows before
/// them, trusted with twice the memory; the strongest test counts, less log10 2 for having looked
/// often. Only where the row has an event and with the one before it half of that share. What is
/// over is over: where the usual share makes the rows since twice as likely as the share of
/// the three rows before them, those and all before are left out.
///
/// Only shares above the expected are evidence (0 below). `sample.value` is the share (clamped to
/// 0..1), `sample.n` the trials; NaN or no trials is unknown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateScorer {
    single: BinomialScorer,
}

impl RateScorer {
    /// A scorer that has learnt nothing; `neg_log10_p` is where the expected band ends.
    ///
    /// # Errors
    ///
    /// A window outside 3 to 100,000, a memory below 10, evidence that is not above 0.
    pub fn new(window: usize, memory: f64, neg_log10_p: f64) -> Result<Self> {
        Ok(Self { single: BinomialScorer::learning(window, memory, neg_log10_p)? })
    }

    /// Applies another memory and threshold. The learnt rows stay.
    pub(super) fn reconfigure(&mut self, memory: f64, neg_log10_p: f64) {
        self.single.reconfigure(memory, neg_log10_p);
    }

    /// Rows remembered now.
    pub fn points(&self) -> usize {
        self.single.points()
    }

    /// The rows, this one included, since a raised share was over; all of them where none was.
    fn since_over(&self, events: u32, trials: u32) -> usize {
        let usual = RateBaseline::of(self.single.events, self.single.trials, 1.0).share;
        let last = || self.single.rows.iter().rev();
        let (mut events, mut trials) = (f64::from(events), f64::from(trials));
        for (place, (more_events, more_trials)) in last().take(LONGEST).enumerate() {
            let (before, of) = last()
                .skip(place)
                .take(RAISED)
                .fold((0, 0), |(k, n), row| (k + u64::from(row.0), n + u64::from(row.1)));
            let raised = RateBaseline::of(before, of, 1.0).share;
            let likelier = events * (usual / raised).ln()
                + (trials - events) * ((1.0 - usual) / (1.0 - raised)).ln();
            if raised > usual && likelier > OVER.ln() {
                return place + 1;
            }
            events += f64::from(*more_events);
            trials += f64::from(*more_trials);
        }
        usize::MAX
    }

    /// Evidence and events of the last rows taken as one, whichever number of them says most.
    fn lasting(&self, events: u32, trials: u32) -> (f64, u64) {
        let (mut pooled_events, mut pooled_trials) = (u64::from(events), u64::from(trials));
        let mut best = (0.0, 0);
        if events == 0 {
            return (0.0, 0);
        }
        let since = self.since_over(events, trials);
        let (last_events, last_trials) = self.single.rows.back().copied().unwrap_or((0, 0));
        let still = (f64::from(events) + f64::from(last_events))
            / (f64::from(trials) + f64::from(last_trials));
        for (place, (past_events, past_trials)) in
            self.single.rows.iter().rev().take(LONGEST).enumerate()
        {
            pooled_events += u64::from(*past_events);
            pooled_trials += u64::from(*past_trials);
            let rows = place + 2;
            if rows > since {
                break;
            }
            if !TOGETHER.contains(&rows) || self.single.rows.len() < LEAST_BEFORE + rows {
                continue;
            }
            let less =
                |all: u64, pooled: u64, now: u32| (all + u64::from(now)).saturating_sub(pooled);
            let before = RateBaseline::of(
                less(self.single.events, pooled_events, events),
                less(self.single.trials, pooled_trials, trials),
                STEADIER * self.single.memory(),
            );
            let n = pooled_trials as f64;
            // below two standard deviations there is nothing that so many looks would leave
            let excess = pooled_events as f64 - n * before.share;
            let over = still < 0.5 * pooled_events as f64 / n;
            if excess * excess <= 4.0 * n * before.share || excess <= 0.0 || over {
                continue;
            }
            let tail = before.surprise(pooled_events, pooled_trials);
            if tail > best.0 {
                best = (tail, pooled_events);
            }
        }
        ((best.0 - LOOKS.log10()).max(0.0), best.1)
    }
}

impl Scorer for RateScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        let mut score = self.single.score(at, sample);
        let Some((events, trials)) = tally(sample).filter(|_| score.z.is_finite()) else {
            return score;
        };
        let (lasting, pooled) = self.lasting(events, trials);
        if lasting > score.neg_log10_p {
            score.neg_log10_p = lasting.min(300.0);
            score.effective_n = pooled as f64;
            if lasting >= self.single.neg_log10_p {
                // what lasts is outside of the band, even with a row in it that alone would not be
                let observed = (f64::from(events) / f64::from(trials)).min(sample.value);
                score.high = score.high.min(observed.next_down()).max(0.0);
                score.expected = score.expected.min(score.high);
                score.low = score.low.min(score.high);
            }
        }
        score
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        self.single.learn(at, sample, how);
    }
}
