//! Numbers of rare events: a Poisson test over windows of several lengths.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::band::outside_if;
use super::tail::deviate_of;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::series::Sample;
use crate::time::Timestamp;

/// Rows of the windows that are tested. The longest finds one event in five rows that stays away.
const WINDOWS: [usize; 4] = [1, 4, 16, 64];
/// The longest of them.
const LONGEST: usize = 64;
/// Fewest events by which a window has to differ from the expected number.
const MIN_EVENTS: f64 = 5.0;
/// Smallest difference as a share of the expected number.
const MIN_SHARE: f64 = 0.5;
/// Rows from which on a window counts only if the next shorter one is unlikely as well.
const LASTING_FROM: usize = 16;
/// The `-log10 p` that this shorter window needs.
const MIN_SHORTER: f64 = 1.0;
/// Events and rows from which on the past counts half: the mean rate may change over days.
const MOST_EVENTS: f64 = 2_000.0;
const MOST_ROWS: f64 = 50_000.0;
/// Rows of a block whose number of events shows the dispersion.
const BLOCK: u8 = 16;
/// Blocks that Poisson is worth as a prior of the dispersion.
const PRIOR_BLOCKS: f64 = 10.0;
/// Blocks over which the dispersion is averaged.
const MOST_BLOCKS: f64 = 400.0;
/// Largest squared deviation of a block, in its expected number, so that one burst teaches little.
const LARGEST_SQUARE: f64 = 50.0;
/// Most events that are summed term by term; more are certain.
const MOST_TERMS: f64 = 5_000.0;

/// Judges the number of rare events of a row by how many came in the last 1, 4, 16 and 64 rows.
///
/// A single row says nothing of events that come once in a hundred rows: two of them close together
/// are chance, while ten within an hour may be news.
///
/// # Method
///
/// 1. For each window of `k` rows the number `c` of events is compared with the rows before the
///    window: `a` events in `t` rows. With an unknown mean rate `c` is negative binomial with shape
///    `a + 1/2` and the success probability `t / (t + k)`: a Poisson number whose rate has the Jeffreys
///    prior and the past as its evidence.
/// 2. Events that come in clusters are less evidence. The dispersion `d` is the mean of
///    `(s - m)^2 / m` over blocks of 16 rows, at least 1; all numbers are divided by it
///    (quasi-Poisson; `McCullagh` and Nelder, 1989).
/// 3. The smallest probability counts, times 4 for the windows and times 2 for the two sides.
/// 4. A window counts only if it has five events more or fewer than expected and half as many more or
///    fewer, and if the row itself and all shorter windows lie on that side. Windows of 16 and 64 rows
///    need a shorter window with a probability of at most 1 in 10, so that a burst that has passed is
///    not flagged.
///
/// # Learning
///
/// Rows enter the past when they leave the longest window. Flagged ones enter it as the expected
/// number, so that a burst does not become the mean.
///
/// # Small samples and limits
///
/// A window needs as many rows before it. No time of day is learnt.
///
/// # Examples
///
/// ```
/// use mad_core::score::{EventScorer, Learn, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = EventScorer::new(4.0);
/// let mut observe = |events: f64| scorer.observe(at, Sample { value: events, n: 1 }, 4.0);
/// for row in 0..600 {
///     observe(f64::from(u8::from(row % 40 == 0)));
/// }
/// observe(1.0);
/// assert!(observe(1.0).neg_log10_p < 4.0, "two events in a row");
/// assert!((0..6).any(|_| observe(2.0).neg_log10_p >= 4.0), "ten events in five rows");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventScorer {
    /// `-log10 p` from which on a value is anomalous.
    threshold: f64,
    /// The last 64 rows, the oldest first; those that were flagged are stored as `-1 - events`.
    last: VecDeque<f32>,
    /// Events and rows before those.
    events: f64,
    rows: f64,
    /// Events and rows of the open block, the dispersion, and the blocks behind it.
    block: (f64, u8),
    dispersion: f64,
    blocks: f64,
}

impl EventScorer {
    /// A scorer that has learnt nothing. The expected band ends at `neg_log10_p`.
    pub fn new(neg_log10_p: f64) -> Self {
        Self {
            threshold: neg_log10_p,
            last: VecDeque::new(),
            events: 0.0,
            rows: 0.0,
            block: (0.0, 0),
            dispersion: 1.0,
            blocks: 0.0,
        }
    }

    /// Applies another threshold. Everything learnt stays.
    pub(super) fn reconfigure(&mut self, neg_log10_p: f64) {
        self.threshold = neg_log10_p;
    }

    /// Replaces the past by the rows of a new level.
    pub(super) fn accept(&mut self, level: &[f64]) {
        *self = Self { dispersion: self.dispersion, ..Self::new(self.threshold) };
        (self.events, self.rows) = (level.iter().sum(), level.len() as f64);
    }

    /// The number of rows remembered.
    pub fn points(&self) -> usize {
        self.rows as usize + self.last.len()
    }

    /// Events and rows so far. Flagged rows count in neither.
    fn past(&self) -> (f64, f64) {
        let (mut events, mut rows) = (self.events, self.rows);
        for count in self.last.iter().filter(|count| **count >= 0.0) {
            events += f64::from(*count);
            rows += 1.0;
        }
        (events, rows)
    }

    /// The mean number of events of a row; 0 without a past.
    fn mean(&self) -> f64 {
        let (events, rows) = self.past();
        if rows > 0.0 { events / rows } else { 0.0 }
    }

    /// The evidence of the windows that end with a value: `-log10 p`, whether there are too many
    /// events, and the events behind it.
    fn windows(&self, value: f64) -> (f64, bool, f64) {
        let (mut best, mut above, mut behind) = (0.0_f64, value > 0.0, value);
        let mut side: Option<bool> = None;
        let mut shorter = f64::INFINITY;
        let (mut events, mut rows) = self.past();
        let (mut count, mut taken, mut newest) = (value, 1, self.last.iter().rev());
        for window in WINDOWS {
            // The rows of the window leave the past.
            for one in newest.by_ref().take(window - taken) {
                count += count_of(*one);
                if *one >= 0.0 {
                    (events, rows) = (events - f64::from(*one), rows - 1.0);
                }
                taken += 1;
            }
            if taken < window || rows < window as f64 {
                break;
            }
            let expected = events / rows * window as f64;
            let is_above = count > expected;
            // All shorter windows lie on the same side, because a burst that has passed adds nothing.
            if *side.get_or_insert(is_above) != is_above {
                break;
            }
            let scale = self.dispersion;
            let share = rows / (rows + window as f64);
            let shape = events / scale + 0.5;
            let own = if is_above {
                above_neg_log10_p((count / scale).floor(), shape, share)
            } else {
                below_neg_log10_p((count / scale).ceil(), shape, share)
            };
            // What the next shorter window does not show has passed.
            let lasts = window < LASTING_FROM || shorter >= MIN_SHORTER;
            shorter = own;
            let away = (count - expected).abs();
            if !lasts || away < MIN_EVENTS || away < MIN_SHARE * expected {
                continue;
            }
            // Four windows and two sides.
            let own = own - (2.0 * WINDOWS.len() as f64).log10();
            if own > best {
                (best, above, behind) = (own, is_above, count.max(expected));
            }
        }
        (best, above, behind)
    }

    /// Takes a row that leaves the longest window into the past.
    fn learn_old(&mut self, stored: f32) {
        if stored < 0.0 {
            return;
        }
        let count = f64::from(stored);
        let (events, rows) = self.block;
        self.block = (events + count, rows + 1);
        if self.block.1 == BLOCK {
            let expected = self.events / self.rows.max(1.0) * f64::from(BLOCK);
            if expected > 0.0 && self.rows > f64::from(BLOCK) {
                let away = self.block.0 - expected;
                let square = (away * away / expected).min(LARGEST_SQUARE);
                self.blocks = (self.blocks + 1.0).min(MOST_BLOCKS);
                let known = self.blocks + PRIOR_BLOCKS;
                self.dispersion += (square - self.dispersion) / known;
                self.dispersion = self.dispersion.max(1.0);
            }
            self.block = (0.0, 0);
        }
        self.events += count;
        self.rows += 1.0;
        if self.events > MOST_EVENTS || self.rows > MOST_ROWS {
            (self.events, self.rows) = (self.events / 2.0, self.rows / 2.0);
        }
    }
}

/// The number of events of a stored row.
fn count_of(stored: f32) -> f64 {
    f64::from(if stored < 0.0 { -1.0 - stored } else { stored })
}

/// `-log10 P(X >= count)` of a negative binomial number with a shape and a success probability.
fn above_neg_log10_p(count: f64, shape: f64, share: f64) -> f64 {
    if count <= 0.0 {
        return 0.0;
    }
    if count > MOST_TERMS {
        return 300.0;
    }
    let fail = 1.0 - share;
    // ln P(X = count), term by term from P(X = 0) = share^shape.
    let mut ln_term = shape * share.ln();
    let mut j = 0.0;
    while j < count {
        ln_term += ((shape + j) / (j + 1.0) * fail).ln();
        j += 1.0;
    }
    // The rest of the tail relative to that term.
    let (mut sum, mut ratio) = (1.0, 1.0);
    while ratio > 1e-12 * sum && j < 2.0 * MOST_TERMS {
        ratio *= (shape + j) / (j + 1.0) * fail;
        sum += ratio;
        j += 1.0;
    }
    (-(ln_term + f64::ln(sum)) / std::f64::consts::LN_10).clamp(0.0, 300.0)
}

/// `-log10 P(X <= count)` of the same.
fn below_neg_log10_p(count: f64, shape: f64, share: f64) -> f64 {
    let fail = 1.0 - share;
    let first = shape * share.ln();
    let (mut sum, mut ratio, mut j) = (1.0, 1.0, 0.0);
    while j < count.min(MOST_TERMS) {
        ratio *= (shape + j) / (j + 1.0) * fail;
        sum += ratio;
        j += 1.0;
    }
    (-(first + f64::ln(sum)) / std::f64::consts::LN_10).clamp(0.0, 300.0)
}

impl Scorer for EventScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if !(sample.value.is_finite() && sample.n > 0) || self.last.is_empty() {
            return Score::unknown();
        }
        let value = sample.value.max(0.0);
        let (neg_log10_p, above, effective_n) = self.windows(value);
        let expected = self.mean();
        // The band of one row: Anscombe's transform of the mean.
        let reach = deviate_of(self.threshold) * self.dispersion.sqrt() / 2.0;
        let root = (expected + 0.375).sqrt();
        let end = |root: f64| (root.max(0.0).powi(2) - 0.375).max(0.0);
        let away = deviate_of(neg_log10_p.max(0.302));
        let score = Score {
            z: if above && sample.value >= expected { away } else { -away },
            neg_log10_p,
            expected,
            low: end(root - reach),
            high: end(root + reach),
            source: ScaleSource::Counting,
            points: self.points() as u32,
            effective_n,
        };
        outside_if(neg_log10_p >= self.threshold, score, sample.value, self.threshold)
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        if !(sample.value.is_finite() && sample.n > 0) || how == Learn::Skip {
            return;
        }
        if self.last.len() >= LONGEST - 1
            && let Some(oldest) = self.last.pop_front()
        {
            self.learn_old(oldest);
        }
        let count = sample.value.clamp(0.0, 1e9) as f32;
        self.last.push_back(if how == Learn::Clipped { -1.0 - count } else { count });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_agree_with_the_negative_binomial_distribution() {
        // sums of the terms by the logarithm of the gamma function
        let above = above_neg_log10_p(3.0, 0.5, 300.0 / 304.0);
        assert!((above - 6.145_436_134_6).abs() < 1e-9, "{above}");
        let below = below_neg_log10_p(3.0, 40.5, 0.7);
        assert!((below - 3.660_504_939_9).abs() < 1e-9, "{below}");
        assert_eq!(above_neg_log10_p(0.0, 0.5, 0.9), 0.0);
    }
}
