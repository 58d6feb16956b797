//! Fixed rules: a share of failed requests, and a count that reaches a limit.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::from_memory::is_usable;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::series::Sample;
use crate::time::{Timestamp, nanos_of};

/// `-log10 p` of the edge of a rule, which has no probability: its multiple by `share`, the part of
/// the way to the edge. A value beyond the edge has at least 4, another one has less.
pub(super) fn rule_neg_log10_p(share: f64, is_beyond: bool) -> f64 {
    let scaled = (super::score::HALF_SCORE_NEG_LOG10_P * share).clamp(0.0, 300.0);
    if is_beyond {
        scaled.max(super::score::HALF_SCORE_NEG_LOG10_P)
    } else {
        scaled.min(super::score::HALF_SCORE_NEG_LOG10_P.next_down())
    }
}

/// Judges the share of failed requests over a time window by a fixed limit.
///
/// # Method
///
/// A value is a share of `n` requests. With the values of the last `window` it gives the share of all
/// their requests. It is anomalous above `limit`, if there are `least` requests or more. A rule has no
/// probability: `neg_log10_p` is 4 times the share over the limit.
///
/// # Small samples and limits
///
/// It has no warm-up. A value outside 0 to 1 or without requests is unknown and is not counted. It
/// does not know the usual share: an endpoint that always fails for a third of its requests is always
/// anomalous, and one whose failures rise from 0.1 % to 15 % never is.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use mad_core::score::{ErrorSpikeScorer, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let scorer = ErrorSpikeScorer::new(0.2, 5, Duration::from_secs(300))?;
/// assert!(scorer.score(at, Sample { value: 0.4, n: 5 }).neg_log10_p >= 4.0);
/// assert!(scorer.score(at, Sample { value: 0.5, n: 4 }).neg_log10_p < 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorSpikeScorer {
    limit: f64,
    least: u64,
    window: i64,
    /// Time, failed requests and requests of the values in the window.
    counts: VecDeque<(Timestamp, f64, f64)>,
}

/// Most values in a window.
const MOST_COUNTS: usize = 3_600;

impl ErrorSpikeScorer {
    /// A scorer of shares above `limit` (0 to below 1) of at least `least` requests.
    ///
    /// # Errors
    ///
    /// A limit outside 0 to below 1.
    pub fn new(limit: f64, least: u64, window: Duration) -> Result<Self> {
        if !(0.0..1.0).contains(&limit) {
            return Err(Error::config("score.limit", limit, "0 to below 1"));
        }
        Ok(Self { limit, least, window: nanos_of(window), counts: VecDeque::new() })
    }

    /// The share of failed requests in the window with this sample, 0 to 1; `None` for a sample that is
    /// no share.
    pub fn share(&self, at: Timestamp, sample: Sample) -> Option<f64> {
        is_share(sample).then(|| self.counted(at, sample).0)
    }

    /// The share of failed requests with this sample, and the number of requests behind it.
    fn counted(&self, at: Timestamp, sample: Sample) -> (f64, f64) {
        let own = (sample.value * sample.n as f64, sample.n as f64);
        let recent = self.counts.iter().filter(|(then, ..)| at.since(*then) < self.window);
        let (errors, all) =
            recent.fold(own, |(errors, all), (_, failed, of)| (errors + failed, all + of));
        ((errors / all).clamp(0.0, 1.0), all)
    }
}

/// Whether a sample is a share of some requests.
fn is_share(sample: Sample) -> bool {
    is_usable(sample) && (0.0..=1.0).contains(&sample.value)
}

impl Scorer for ErrorSpikeScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        if !is_share(sample) {
            return Score::unknown();
        }
        let (share, all) = self.counted(at, sample);
        let is_beyond = share > self.limit && all >= self.least as f64;
        let edge = self.limit.max(f64::MIN_POSITIVE);
        Score {
            z: share - self.limit,
            neg_log10_p: rule_neg_log10_p(share / edge, is_beyond),
            expected: 0.0,
            low: 0.0,
            high: self.limit,
            source: ScaleSource::Assumed,
            points: self.counts.len() as u32 + 1,
            effective_n: share * all,
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if how == Learn::Skip || !is_share(sample) {
            return;
        }
        self.tick(at);
        if self.counts.len() == MOST_COUNTS {
            self.counts.pop_front();
        }
        let n = sample.n as f64;
        self.counts.push_back((at, sample.value * n, n));
    }

    fn tick(&mut self, at: Timestamp) {
        while self.counts.front().is_some_and(|(then, ..)| at.since(*then) >= self.window) {
            self.counts.pop_front();
        }
    }
}

/// Judges a count by a fixed limit, such as one error line or one restart in a step.
///
/// A value of `limit` or more is anomalous. It learns nothing. `neg_log10_p` is 4 times the value
/// over the limit. Values below 0 and values that are not finite are unknown.
///
/// # Examples
///
/// ```
/// use mad_core::score::{LimitScorer, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let (at, scorer) = (Timestamp::from_seconds(0), LimitScorer::new(1.0)?);
/// assert!(scorer.score(at, Sample { value: 1.0, n: 1 }).neg_log10_p >= 4.0);
/// assert_eq!(scorer.score(at, Sample { value: 0.0, n: 1 }).neg_log10_p, 0.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LimitScorer {
    limit: f64,
}

impl LimitScorer {
    /// A scorer of values from `limit` on.
    ///
    /// # Errors
    ///
    /// A limit that is not a finite number above 0.
    pub fn new(limit: f64) -> Result<Self> {
        if limit.is_finite() && limit > 0.0 {
            Ok(Self { limit })
        } else {
            Err(Error::config("score.limit", limit, "a finite number above 0"))
        }
    }
}

impl Scorer for LimitScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if !is_usable(sample) || sample.value < 0.0 {
            return Score::unknown();
        }
        let share = sample.value / self.limit;
        Score {
            z: share.min(f64::MAX),
            neg_log10_p: rule_neg_log10_p(share, sample.value >= self.limit),
            expected: 0.0,
            low: 0.0,
            // The largest value that is not anomalous, if values are counts.
            high: (self.limit - 1.0).max(0.0),
            source: ScaleSource::Assumed,
            points: 1,
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, _at: Timestamp, _sample: Sample, _how: Learn) {}
}
