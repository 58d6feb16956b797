//! Nothing comes any more.

use serde::{Deserialize, Serialize};

use super::band::outside_if;
use super::from_memory::{check_band, is_usable};
use super::gaps::Gaps;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::robust::RollingMad;
use crate::series::Sample;
use crate::time::Timestamp;

/// Gaps remembered.
const WINDOW: usize = 240;
const SECOND: f64 = 1e9;

/// How improbable it is that nothing came for so long, by the gaps between the points before.
///
/// With the median `m`, the 95th percentile `q` and the longest `L` of the last 240 gaps, what is
/// beyond the usual gap is taken to fall off exponentially with the scale `s = max((q - m) / ln 10,
/// m / 2, L / 20)`, which is the mean gap where points come at random. Known from `n` gaps, the
/// chance of a gap longer than `t` is `A = (1 + (t - m) / (k s))^-k / 2` with `k = n + 4` (Lomax,
/// 1954, the exponential whose scale is not known for sure), and no less than its rank says: `B` is the
/// share of gaps of at least `t`, this one included, and beyond `L` `(1 + (t - L) / (k s))^-k / (n +
/// 1)`. The evidence is minus log10 of the larger. Points that came every minute for an hour are
/// missed (evidence 4) after five and a half; what comes in bursts is missed when it is away for
/// longer than ever.
///
/// [`score`](Scorer::score) judges the gap that a point ended; [`tick`](Scorer::tick) tells the time and
/// [`silence`](Self::silence) judges the gap until then. z, expected and the band are about the
/// gap, in seconds. A sample that is not a finite number with an observation behind it is no
/// point. Points at the time of the newest or before it change nothing. `Clipped` learns no more
/// than the band; `Skip` no gap, though the point did come. One point alone has no gap: unknown,
/// unless an expected one was given, which counts as one.
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
    /// A scorer that has learnt nothing but the gap that is expected, in seconds; `neg_log10_p` is
    /// where the band ends.
    ///
    /// # Errors
    ///
    /// An expected gap or evidence that is not a finite number above 0.
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

    /// The gap from the newest point to the newest time that was told.
    pub fn silence(&self) -> Score {
        self.now.map_or_else(Score::unknown, |now| self.judged(now, 1))
    }

    /// Seconds since the newest point; nothing before it.
    fn gap(&self, at: Timestamp) -> Option<f64> {
        let gap = at.since(self.newest?);
        (gap > 0).then(|| gap as f64 / SECOND)
    }

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
