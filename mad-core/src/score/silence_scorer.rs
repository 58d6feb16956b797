//! Silence: how unlikely it is that no point came for so long.

use serde::{Deserialize, Serialize};

use super::band::outside_if;
use super::from_memory::{check_band, is_usable};
use super::gaps::Gaps;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::robust::RollingMad;
use crate::series::Sample;
use crate::time::Timestamp;

/// Gaps remembered: four hours of points once a minute.
const WINDOW: usize = 240;
const SECOND: f64 = 1e9;

/// Judges the time since the last point by the gaps between the points before.
///
/// # Method
///
/// From the median `m`, the 95th percentile `q` and the longest `L` of the last 240 gaps:
///
/// 1. The time beyond the median gap falls off exponentially with the scale
///    `s = max((q - m) / ln 10, m / 2, L / 20)`. That is the mean gap if points come at random.
/// 2. By size: `A = (1 + (t - m) / (k s))^-k / 2` with `k = n + 4` for `n` gaps (Lomax, 1954): an
///    exponential tail whose scale is an estimate.
/// 3. By rank: `B` is the share of gaps of at least `t`, this one included. Beyond `L` it falls off
///    as `(1 + (t - L) / (k s))^-k / (n + 1)`.
/// 4. The larger probability counts.
///
/// After an hour of points every minute, a point is missed (one in 10^4) after five and a half
/// minutes. A source of bursts is missed when it is silent for longer than ever.
///
/// [`score`](Scorer::score) judges the gap that a point ends. [`tick`](Scorer::tick) sets the time,
/// and [`silence`](Self::silence) judges the gap until then. z, expected and the band are those of the
/// gap, in seconds.
///
/// # Small samples and bad values
///
/// One point has no gap and is unknown, unless an expected gap was given, which counts as one gap. A
/// sample without a finite value and an observation is no point. A point at or before the time of the
/// newest one changes nothing. [`Learn::Clipped`] learns a gap up to the end of the band;
/// [`Learn::Skip`] learns no gap, but the time of the point.
///
/// # Examples
///
/// ```
/// use mad_core::score::{Learn, Scorer, SilenceScorer};
/// use mad_core::{Sample, Timestamp};
///
/// let minute = |i: i64| Timestamp::from_seconds(60 * i);
/// let mut scorer = SilenceScorer::new(None, 4.0)?;
/// for i in 0..60 {
///     scorer.learn(minute(i), Sample { value: 1.0, n: 1 }, Learn::Full);
/// }
/// scorer.tick(minute(62));
/// assert!(scorer.silence().value() < 0.5);
/// scorer.tick(minute(66));
/// assert!(scorer.silence().value() > 0.5);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SilenceScorer {
    neg_log10_p: f64,
    gaps: RollingMad,
    newest: Option<Timestamp>,
    now: Option<Timestamp>,
}

impl SilenceScorer {
    /// A scorer that knows at most the expected gap, in seconds. The band ends at `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// An expected gap or a `neg_log10_p` that is not a finite number above 0.
    pub fn new(expected: Option<f64>, neg_log10_p: f64) -> Result<Self> {
        let mut gaps = RollingMad::new(WINDOW)?;
        if let Some(gap) = expected {
            if !(gap.is_finite() && gap > 0.0) {
                return Err(Error::config("score.expected", gap, "seconds above 0"));
            }
            gaps.push(gap);
        }
        Ok(Self { neg_log10_p: check_band(neg_log10_p)?, gaps, newest: None, now: None })
    }

    /// Judges the gap from the newest point to the newest time.
    pub fn silence(&self) -> Score {
        self.now.map_or_else(Score::unknown, |now| self.judged(now, 1))
    }

    /// Seconds since the newest point; `None` at or before it.
    fn gap(&self, at: Timestamp) -> Option<f64> {
        let gap = at.since(self.newest?);
        (gap > 0).then(|| gap as f64 / SECOND)
    }

    /// Judges the gap until `at`.
    fn judged(&self, at: Timestamp, n: u64) -> Score {
        let (Some(gap), Some(past)) = (self.gap(at), Gaps::of(self.gaps.sorted())) else {
            return Score::unknown();
        };
        let neg_log10_p = past.neg_log10_p(gap);
        let score = Score {
            z: (gap - past.usual) / past.scale,
            neg_log10_p,
            expected: past.usual,
            low: 0.0,
            high: past.longest_expected(self.neg_log10_p),
            source: ScaleSource::Tail,
            points: self.gaps.len() as u32,
            effective_n: n as f64,
        };
        outside_if(neg_log10_p >= self.neg_log10_p, score, gap, self.neg_log10_p)
    }
}

impl Scorer for SilenceScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        if is_usable(sample) { self.judged(at, sample.n) } else { Score::unknown() }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) {
            return;
        }
        if let (Some(gap), true) = (self.gap(at), how != Learn::Skip) {
            // A clipped gap ends at the band.
            let most = match (how, Gaps::of(self.gaps.sorted())) {
                (Learn::Clipped, Some(past)) => past.longest_expected(self.neg_log10_p),
                _ => f64::MAX,
            };
            self.gaps.push(gap.min(most));
        }
        self.newest = self.newest.max(Some(at));
        self.tick(at);
    }

    fn tick(&mut self, at: Timestamp) {
        self.now = self.now.max(Some(at));
    }
}
