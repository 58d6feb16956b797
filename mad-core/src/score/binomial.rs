//! Binomial and beta-binomial tails of shares of trials.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::first_sight::FirstSight;
use super::rate_baseline::{RateBaseline, surprise};
use super::tail::deviate_of;
use super::tally_rows::TallyRows;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;
use crate::series::Sample;
use crate::time::Timestamp;

/// Trials with which a given share is trusted. With this number the beta-binomial is a binomial.
const CERTAIN: f64 = 1e12;
/// Most trials whose factors are multiplied one by one. It is quicker than four log-gammas, and with
/// a memory of up to 100,000 trials the products stay below 1e241.
const FEW_TRIALS: f64 = 48.0;

/// Judges `k` events of `n` trials, with a share of events that is given or learnt.
///
/// # Method
///
/// 1. With a *given* share the probability is the mid-p of the binomial distribution,
///    `P(X > k) + P(X = k) / 2` (Lancaster, 1961). Counts are coarse, and the whole tail of few events
///    is too large.
/// 2. With a *learnt* share, from `E` events among `N` trials of the last `window` rows, it is that of
///    the beta-binomial distribution with parameters `m p` and `m (1 - p)`. Here
///    `p = (E + 1/2) / (N + 1)` (Jeffreys' prior) and `m = min(N + 1, memory)`, because real shares
///    wander more than coin tosses.
///
/// Both tails are exact ([`beta_binomial_log10_sf`](crate::robust::beta_binomial_log10_sf)).
///
/// # Input
///
/// `sample.value` is the share, clamped to 0..1; `sample.n` the number of trials. Only shares above the
/// expected one are unlikely. NaN or no trials is unknown and teaches nothing.
///
/// # Learning and small samples
///
/// Unknown before the first row if the share is learnt. [`Learn::Clipped`] learns at most the expected
/// number of events.
///
/// # Examples
///
/// ```
/// use mad_core::score::{BinomialScorer, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let (at, known) = (Timestamp::from_seconds(0), BinomialScorer::given(0.01, 4.0)?);
/// let neg_log10_p = |events: f64, n: u64| known.score(at, Sample { value: events / n as f64, n }).neg_log10_p;
/// // one error among six requests is no anomaly, nine among forty are
/// assert!(neg_log10_p(1.0, 6) < 2.0 && neg_log10_p(9.0, 40) > 8.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BinomialScorer {
    window: usize,
    memory: f64,
    pub(super) neg_log10_p: f64,
    band: f64,
    pub(super) rows: TallyRows,
    pub(super) events: u64,
    pub(super) trials: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<f64>,
    /// The rate that is assumed until enough rows are learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_sight: Option<FirstSight>,
    /// Fading sums of the events and trials of rows that were not anomalous.
    calm: (f64, f64),
}

impl BinomialScorer {
    /// A scorer that learns the share of events. The expected band ends at `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// A window outside 3 to 100,000, a memory below 10, a `neg_log10_p` that is not above 0.
    pub fn learning(window: usize, memory: f64, neg_log10_p: f64) -> Result<Self> {
        if !(3..=MAX_WINDOW).contains(&window) {
            return Err(Error::config("score.window", window, "an integer from 3 to 100000"));
        }
        if !(memory.is_finite() && memory >= 10.0) {
            return Err(Error::config("score.rate_memory", memory, "10 or more trials"));
        }
        if !(neg_log10_p.is_finite() && neg_log10_p > 0.0) {
            return Err(Error::config("score.neg_log10_p", neg_log10_p, "a finite number above 0"));
        }
        let (band, rows) = (deviate_of(neg_log10_p), TallyRows::new());
        Ok(Self {
            window,
            memory,
            neg_log10_p,
            band,
            rows,
            events: 0,
            trials: 0,
            given: None,
            first_sight: None,
            calm: (0.0, 0.0),
        })
    }

    /// Applies another memory and threshold. The learnt rows stay.
    pub(super) fn reconfigure(&mut self, memory: f64, neg_log10_p: f64) {
        (self.memory, self.neg_log10_p, self.band) = (memory, neg_log10_p, deviate_of(neg_log10_p));
    }

    /// A scorer that knows the share of events and learns nothing. The band ends at `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// A share outside 0 to 1 (both excluded), a `neg_log10_p` that is not above 0.
    pub fn given(share: f64, neg_log10_p: f64) -> Result<Self> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::config("score.share", share, "a number above 0 and below 1"));
        }
        Ok(Self { given: Some(share), ..Self::learning(3, CERTAIN, neg_log10_p)? })
    }

    /// Replaces the rows by those of a new level, each as its share of the usual number of trials.
    pub(super) fn accept(&mut self, level: &[f64]) {
        let rows = self.rows.len().max(1) as u64;
        let unlearnt = self.first_sight.take().map_or(0, |assumed| assumed.trials_of_row());
        let trials = (self.trials / rows).max(unlearnt).clamp(1, u64::from(u32::MAX));
        self.rows.clear();
        (self.events, self.trials) = (0, 0);
        for share in level {
            let sample = Sample { value: *share, n: trials };
            self.learn(Timestamp::default(), sample, Learn::Full);
        }
    }

    /// The level since the first row, if it is unlikely by the assumed rate.
    pub(super) fn since_first_seen(&self) -> Option<Vec<f64>> {
        self.first_sight.as_ref()?.level(self.neg_log10_p)
    }

    /// Assumes a rate until enough rows are learnt.
    pub(super) fn assume(&mut self, first_sight: FirstSight) {
        if self.rows.is_empty() {
            self.first_sight = Some(first_sight);
        }
    }

    /// The number of rows remembered.
    pub fn points(&self) -> usize {
        self.rows.len()
    }

    /// Most trials with which a learnt share is trusted.
    pub(super) fn memory(&self) -> f64 {
        self.memory
    }

    /// The expected share, at least `floor`; `None` before the first row.
    fn baseline_from(&self, floor: f64) -> Option<RateBaseline> {
        self.baseline().map(|past| RateBaseline { share: past.share.max(floor), ..past })
    }

    /// The expected share; `None` before the first row.
    pub(super) fn baseline(&self) -> Option<RateBaseline> {
        if let Some(share) = self.given {
            return Some(RateBaseline { share, memory: CERTAIN });
        }
        if let Some(assumed) = &self.first_sight {
            return Some(assumed.baseline(self.events, self.trials, self.memory));
        }
        (!self.rows.is_empty()).then(|| RateBaseline::of(self.events, self.trials, self.memory))
    }

    /// The share of events in rows that were not anomalous: the past without a prior and without
    /// the rows of incidents. `None` without such a row.
    fn usual(&self) -> Option<f64> {
        let (events, trials) = self.calm;
        (self.given.is_none() && trials > 0.0).then(|| events / trials)
    }

    /// The largest expected share of `trials`: one more event reaches the threshold.
    fn upper(&self, baseline: RateBaseline, trials: u32) -> f64 {
        let (RateBaseline { share, memory }, n) = (baseline, f64::from(trials));
        let guess = || share + self.band * baseline.deviation(trials);
        let events = self
            .summed(share, memory, n)
            .unwrap_or_else(|| self.searched(share, memory, trials, guess()));
        // One event of few trials may be too many; the expected share is inside the band all the same.
        (events / n).max(share)
    }

    /// The largest expected number of events, by summing the distribution from 0 on. `None` if that
    /// takes long or if rounding would show.
    fn summed(&self, share: f64, memory: f64, trials: f64) -> Option<f64> {
        if share * trials > 500.0 || memory + trials > 1e5 || self.neg_log10_p > 6.0 {
            return None;
        }
        // Add up P(0), P(1), ... until the rest of the distribution reaches the limit.
        let limit = 10_f64.powf(-self.neg_log10_p);
        let (a, b) = (memory * share, memory * (1.0 - share));
        let mut mass = mass_of_none(b, memory, trials);
        if mass < 1e-200 {
            return None;
        }
        // Each term follows from the one before it.
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

    /// The same by exact tails: in growing steps from a guess of the share, then by bisection.
    fn searched(&self, share: f64, memory: f64, trials: u32, guess: f64) -> f64 {
        let (n, a, b) = (u64::from(trials), memory * share, memory * (1.0 - share));
        let expected = |events: u64| {
            events == 0 || events <= n && surprise(events, n, a, b) < self.neg_log10_p
        };
        // Invariant: `low` is expected, `high` is not.
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
        // Bisection between the two.
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
}

/// The probability of no event among `trials` of a beta-binomial distribution with the prior counts
/// `memory - b` and `b`: the product of `(b + i) / (memory + i)` over all `i` below `trials`.
fn mass_of_none(b: f64, memory: f64, trials: f64) -> f64 {
    if trials > FEW_TRIALS {
        let ln_mass =
            ln_gamma(b + trials) - ln_gamma(b) + ln_gamma(memory) - ln_gamma(memory + trials);
        return ln_mass.exp();
    }
    let (mut above, mut below, mut trial) = (1.0, 1.0, 0.0);
    while trial < trials {
        above *= b + trial;
        below *= memory + trial;
        trial += 1.0;
    }
    above / below
}

/// Events and trials of a sample; trials beyond u32 are scaled down.
pub(super) fn tally(sample: Sample) -> Option<(u32, u32)> {
    if !(sample.value.is_finite() && sample.n > 0) {
        return None;
    }
    let trials = sample.n.min(u64::from(u32::MAX)) as u32;
    // The share times the trials is a whole number, up to rounding.
    let events = (sample.value.clamp(0.0, 1.0) * f64::from(trials)).round() as u32;
    Some((events.min(trials), trials))
}

impl BinomialScorer {
    /// Scores a row whose expected share is at least `floor`.
    pub(super) fn score_from(&self, sample: Sample, floor: f64) -> Score {
        let baseline = self.baseline_from(floor);
        let (Some((events, trials)), Some(baseline)) = (tally(sample), baseline) else {
            return Score::unknown();
        };
        let (share, deviation) = (baseline.share, baseline.deviation(trials));
        let observed = f64::from(events) / f64::from(trials);
        // A share below the expected one is never unlikely.
        let mut tail = if observed > share {
            baseline.surprise(u64::from(events), u64::from(trials))
        } else {
            0.0
        };
        let mut high = self.upper(baseline, trials);
        let (mut source, mut effective_n) = (ScaleSource::Counting, f64::from(events));
        if let Some(assumed) = &self.first_sight {
            source = ScaleSource::Assumed;
            let (all, pooled) = assumed.since_first(u64::from(events), u64::from(trials));
            if all > tail && observed > share {
                (tail, effective_n) = (all, pooled as f64);
                if tail >= self.neg_log10_p {
                    // A flagged value lies outside the band, although the row alone would not.
                    high = high.min(observed.next_down()).max(share);
                }
            }
        }
        let usual = self.usual().filter(|_| self.first_sight.is_none());
        let expected = usual.unwrap_or(share).min(high);
        Score {
            z: (observed - share) / deviation,
            neg_log10_p: if tail.is_nan() { 0.0 } else { tail.clamp(0.0, 300.0) },
            expected,
            low: (share - self.band * deviation).max(0.0).min(expected),
            high,
            source,
            points: self.rows.len() as u32,
            effective_n,
        }
    }
}

impl Scorer for BinomialScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        self.score_from(sample, 0.0)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        let Some((mut events, trials)) = tally(sample) else { return };
        if self.first_sight.is_some() {
            let is_unlikely = self.score(at, sample).neg_log10_p >= self.neg_log10_p;
            let (k, n) = (u64::from(events), u64::from(trials));
            let count = |assumed: &mut FirstSight| assumed.count(k, n, self.neg_log10_p);
            let is_failing = self.first_sight.as_mut().is_some_and(count);
            if is_unlikely || is_failing {
                return;
            }
        }
        match how {
            _ if self.given.is_some() => return,
            Learn::Skip => return,
            Learn::Full => {
                let fade = 1.0 - 1.0 / self.window as f64;
                self.calm.0 = self.calm.0 * fade + f64::from(events);
                self.calm.1 = self.calm.1 * fade + f64::from(trials);
            }
            Learn::Clipped => {
                if let Some(baseline) = self.baseline() {
                    // The end of the band is a whole number of events, up to rounding.
                    let high = self.upper(baseline, trials) * f64::from(trials);
                    events = events.min((high + 1e-6) as u32);
                }
            }
        }
        // The oldest row leaves a full window.
        if let Some((old_events, old_trials)) = self.rows.push((events, trials), self.window) {
            self.events -= u64::from(old_events);
            self.trials -= u64::from(old_trials);
        }
        self.events += u64::from(events);
        self.trials += u64::from(trials);
        if !FirstSight::decides(self.rows.len()) {
            self.first_sight = None;
        }
    }
}
