//! Shares of trials, such as errors among requests: a beta-binomial tail.

use std::collections::VecDeque;
use std::f64::consts::LOG10_2;

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::tail::deviate_of;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::feature::Sample;
use crate::limits::MAX_WINDOW;
use crate::robust::beta_binomial_log10_sf;
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

/// The probability of so many events among so many trials, given the share in the past.
///
/// With E events among N trials in the last `window` rows, the share is `p = (E + 1/2)/(N + 1)`
/// (Jeffreys' prior) and is trusted as if it rested on `m = min(N + 1, memory)` trials, since real
/// shares wander. The evidence of k events in n trials is the upper tail (mid-p) of the
/// beta-binomial distribution with parameters `m p` and `m (1 - p)`. One error among six requests
/// is no evidence; nine among forty is.
///
/// *Lasting*: a share that is raised a little for long shows in no row alone. The last 2, 3, 4, 6,
/// 8, 11 and 16 rows, this one included, are therefore also judged as one, against the rows before
/// them, trusted with twice the memory; the strongest test counts, less log10 2 for having looked
/// often. Only where the row has an event and with the one before it half of that share: what is
/// over is over.
///
/// Only shares above the expected are evidence (0 below). `sample.value` is the share (clamped to
/// 0..1), `sample.n` the trials; NaN or no trials is unknown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RateScorer {
    window: usize,
    memory: f64,
    evidence: f64,
    band: f64,
    rows: VecDeque<(u32, u32)>,
    events: u64,
    trials: u64,
}

impl RateScorer {
    /// A scorer that has learnt nothing; `evidence` is where the expected band ends.
    ///
    /// # Errors
    ///
    /// A window outside 3 to 100,000, a memory below 10, evidence that is not above 0.
    pub fn new(window: usize, memory: f64, evidence: f64) -> Result<Self> {
        if !(3..=MAX_WINDOW).contains(&window) {
            return Err(Error::config("score.window", window, "an integer from 3 to 100000"));
        }
        if !(memory.is_finite() && memory >= 10.0) {
            return Err(Error::config("score.rate_memory", memory, "10 or more trials"));
        }
        if !(evidence.is_finite() && evidence > 0.0) {
            return Err(Error::config("score.evidence", evidence, "a finite number above 0"));
        }
        let band = deviate_of(evidence);
        Ok(Self { window, memory, evidence, band, rows: VecDeque::new(), events: 0, trials: 0 })
    }

    /// Rows remembered now.
    pub fn points(&self) -> usize {
        self.rows.len()
    }

    /// The largest share of `trials` that is still expected: one more event has the evidence.
    fn upper(&self, share: f64, memory: f64, trials: u32, deviation: f64) -> f64 {
        let n = f64::from(trials);
        let events = self
            .summed(share, memory, n)
            .unwrap_or_else(|| self.searched(share, memory, trials, share + self.band * deviation));
        // of few trials one event may be too many; the expected share is inside all the same
        (events / n).max(share)
    }

    /// The largest number of events that is still expected, by adding up the distribution from 0
    /// on; nothing where that takes long or rounding would show.
    fn summed(&self, share: f64, memory: f64, trials: f64) -> Option<f64> {
        if share * trials > 500.0 || memory + trials > 1e5 || self.evidence > 6.0 {
            return None;
        }
        let limit = 10_f64.powf(-self.evidence);
        let (a, b) = (memory * share, memory * (1.0 - share));
        let mut mass = (ln_gamma(b + trials) - ln_gamma(b) + ln_gamma(memory)
            - ln_gamma(memory + trials))
        .exp();
        if mass < 1e-200 {
            return None;
        }
        let (mut events, mut beyond) = (0.0, 1.0 - mass);
        while events < trials {
            mass *= (trials - events) * (a + events)
                / ((events + 1.0) * (b + trials - events - 1.0).max(f64::MIN_POSITIVE));
            if beyond - mass / 2.0 <= limit {
                break;
            }
            events += 1.0;
            beyond -= mass;
        }
        Some(events)
    }

    /// The same by trying tails, in growing steps from a guess of the share and then by halves.
    fn searched(&self, share: f64, memory: f64, trials: u32, guess: f64) -> f64 {
        let (n, a, b) = (u64::from(trials), memory * share, memory * (1.0 - share));
        let expected =
            |events: u64| events == 0 || events <= n && surprise(events, n, a, b) < self.evidence;
        // `low` is expected, `high` is not
        let (mut low, mut high, mut step) = (0, n + 1, 1_u64);
        let guess = ((guess * n as f64) as u64).clamp(1, n);
        if expected(guess) {
            low = guess;
            while high - low > step {
                if !expected(low + step) {
                    high = low + step;
                    break;
                }
                low += step;
                step *= 2;
            }
        } else {
            high = guess;
            while high - low > step {
                if expected(high - step) {
                    low = high - step;
                    break;
                }
                high -= step;
                step *= 2;
            }
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if expected(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low as f64
    }

    /// The expected share and the trials it is trusted with.
    fn baseline(&self) -> (f64, f64) {
        Self::share_of(self.events, self.trials, self.memory)
    }

    fn share_of(events: u64, trials: u64, memory: f64) -> (f64, f64) {
        let trials = trials as f64 + 1.0;
        ((events as f64 + 0.5) / trials, trials.min(memory))
    }

    /// Standard deviation of the share of so many trials.
    fn deviation(share: f64, memory: f64, trials: u32) -> f64 {
        let n = f64::from(trials);
        (share * (1.0 - share) / n * (1.0 + (n - 1.0) / (memory + 1.0))).sqrt()
    }

    /// Evidence and events of the last rows taken as one, whichever number of them says most.
    fn lasting(&self, events: u32, trials: u32) -> (f64, u64) {
        let (mut pooled_events, mut pooled_trials) = (u64::from(events), u64::from(trials));
        let mut best = (0.0, 0);
        if events == 0 {
            return (0.0, 0);
        }
        let (last_events, last_trials) = self.rows.back().copied().unwrap_or((0, 0));
        let still = (f64::from(events) + f64::from(last_events))
            / (f64::from(trials) + f64::from(last_trials));
        for (place, (past_events, past_trials)) in self.rows.iter().rev().take(LONGEST).enumerate()
        {
            pooled_events += u64::from(*past_events);
            pooled_trials += u64::from(*past_trials);
            let rows = place + 2;
            if !TOGETHER.contains(&rows) || self.rows.len() < LEAST_BEFORE + rows {
                continue;
            }
            let before =
                |all: u64, pooled: u64, now: u32| (all + u64::from(now)).saturating_sub(pooled);
            let (share, memory) = Self::share_of(
                before(self.events, pooled_events, events),
                before(self.trials, pooled_trials, trials),
                STEADIER * self.memory,
            );
            let n = pooled_trials as f64;
            // below two standard deviations there is nothing that so many looks would leave
            let excess = pooled_events as f64 - n * share;
            let over = still < 0.5 * pooled_events as f64 / n;
            if excess * excess <= 4.0 * n * share || excess <= 0.0 || over {
                continue;
            }
            let (a, b) = (memory * share, memory * (1.0 - share));
            let tail = surprise(pooled_events, pooled_trials, a, b);
            if tail > best.0 {
                best = (tail, pooled_events);
            }
        }
        ((best.0 - LOOKS.log10()).max(0.0), best.1)
    }
}

/// Evidence of so many events: minus log10 of the mid-p, half the probability of as many and half
/// that of more (Lancaster, 1961). Counts are coarse; the whole tail of few of them says too little.
fn surprise(events: u64, trials: u64, a: f64, b: f64) -> f64 {
    let tail = |events: u64| beta_binomial_log10_sf(events, trials, a, b);
    let (as_many, more) = (tail(events), tail(events + 1));
    LOG10_2 - as_many - (10_f64.powf(more - as_many) + 1.0).log10()
}

/// Events and trials of a sample; trials beyond u32 are scaled down.
fn tally(sample: Sample) -> Option<(u32, u32)> {
    if !(sample.value.is_finite() && sample.n > 0) {
        return None;
    }
    let trials = sample.n.min(u64::from(u32::MAX)) as u32;
    let events = (sample.value.clamp(0.0, 1.0) * f64::from(trials)).round() as u32;
    Some((events.min(trials), trials))
}

impl Scorer for RateScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let Some((events, trials)) = tally(sample) else { return Score::unknown() };
        if self.rows.is_empty() {
            return Score::unknown();
        }
        let (share, memory) = self.baseline();
        let deviation = Self::deviation(share, memory, trials);
        let observed = f64::from(events) / f64::from(trials);
        let tail = if observed > share {
            let (a, b) = (memory * share, memory * (1.0 - share));
            surprise(u64::from(events), u64::from(trials), a, b)
        } else {
            0.0
        };
        let mut score = Score {
            z: (observed - share) / deviation,
            evidence: if tail.is_nan() { 0.0 } else { tail.clamp(0.0, 300.0) },
            expected: share,
            low: (share - self.band * deviation).max(0.0),
            high: self.upper(share, memory, trials, deviation),
            source: ScaleSource::Counting,
            points: self.rows.len() as u32,
            support: f64::from(events),
        };
        let (lasting, events) = self.lasting(events, trials);
        if lasting > score.evidence {
            score.evidence = lasting.min(300.0);
            score.support = events as f64;
            if lasting >= self.evidence {
                // what lasts is outside of the band, even with a row in it that alone would not be
                let observed = observed.min(sample.value);
                score.high = score.high.min(observed.next_down()).max(0.0);
                score.expected = score.expected.min(score.high);
                score.low = score.low.min(score.high);
            }
        }
        score
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        let Some((mut events, trials)) = tally(sample) else { return };
        match how {
            Learn::Skip => return,
            Learn::Full => {}
            Learn::Clipped => {
                if !self.rows.is_empty() {
                    let (share, memory) = self.baseline();
                    let high =
                        self.upper(share, memory, trials, Self::deviation(share, memory, trials));
                    // a share of whole events, up to rounding
                    events = events.min((high * f64::from(trials) + 1e-6) as u32);
                }
            }
        }
        if self.rows.len() >= self.window
            && let Some((old_events, old_trials)) = self.rows.pop_front()
        {
            self.events -= u64::from(old_events);
            self.trials -= u64::from(old_trials);
        }
        self.rows.push_back((events, trials));
        self.events += u64::from(events);
        self.trials += u64::from(trials);
    }
}
