//! One series of a metric, whatever its kind.

use serde::{Deserialize, Serialize};

use super::latency_cusum::LatencyCusum;
use super::row_scorer::{accumulates, threshold_neg_log10_p};
use super::run_combiner::RunCombiner;
use super::signal::learn_as;
use super::{DriftAlarm, Learn, Score, Scorer, SignalScorer};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::series::{Sample, SignalKind};
use crate::time::{SECOND, Timestamp};

/// Judges the points of one metric: the scorer of its kind and the learning policy of
/// [`RowScorer`](super::RowScorer) and [`SeriesScorer`](super::SeriesScorer), with the same scores.
///
/// A *counter* (a running total such as `http_requests_total`) is judged by its increase a second
/// since the point before, as a gauge. Where it fell it was reset: that point is a gap.
///
/// # Examples
///
/// ```
/// use mad_core::score::MetricScorer;
/// use mad_core::config::ScoreConfig;
/// use mad_core::{Sample, SignalKind, Timestamp};
///
/// let mut scorer = MetricScorer::counter(&ScoreConfig::default())?;
/// let at = |minute: i64| Timestamp::from_seconds(60 * minute);
/// assert!(scorer.sample(at(0), Sample { value: 600.0, n: 1 }).value.is_nan());
/// assert_eq!(scorer.sample(at(1), Sample { value: 720.0, n: 1 }).value, 2.0);
/// assert!(scorer.sample(at(2), Sample { value: 12.0, n: 1 }).value.is_nan());
/// assert_eq!(scorer.resets(), 1);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MetricScorer {
    kind: SignalKind,
    scorer: SignalScorer,
    run: u32,
    #[serde(default)]
    lasting: RunCombiner,
    slow: Option<Box<LatencyCusum>>,
    relearn_after: u32,
    neg_log10_p: f64,
    counter: Option<Total>,
}

/// The last value of a running total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Total {
    last: Option<(Timestamp, f64)>,
    resets: u64,
}

impl MetricScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(kind: SignalKind, config: &ScoreConfig) -> Result<Self> {
        config.validate()?;
        let neg_log10_p = threshold_neg_log10_p(config.threshold);
        let scorer = SignalScorer::new(kind, config, neg_log10_p)?;
        let relearn_after = config.relearn_after;
        let (lasting, slow) = (RunCombiner::default(), LatencyCusum::of(kind, config));
        Ok(Self { kind, scorer, run: 0, lasting, slow, relearn_after, neg_log10_p, counter: None })
    }

    /// Applies another config. What was learnt stays, so `window` and `profile` stay too: they
    /// decide what is remembered.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn reconfigure(&mut self, config: &ScoreConfig) -> Result<()> {
        config.validate()?;
        self.neg_log10_p = threshold_neg_log10_p(config.threshold);
        self.relearn_after = config.relearn_after;
        self.scorer.reconfigure(config, self.neg_log10_p);
        if let Some(slow) = &mut self.slow {
            slow.reconfigure(config);
        }
        Ok(())
    }

    /// The same for a running total.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn counter(config: &ScoreConfig) -> Result<Self> {
        let gauge = Self::new(SignalKind::Gauge, config)?;
        Ok(Self { counter: Some(Total::default()), ..gauge })
    }

    /// The sample that is judged: of a counter its increase a second, otherwise what came.
    pub fn sample(&mut self, at: Timestamp, sample: Sample) -> Sample {
        let Some(total) = &mut self.counter else { return sample };
        if !(sample.value.is_finite() && sample.n > 0) {
            return sample;
        }
        let last = total.last.replace((at, sample.value));
        let rate = last.map_or(f64::NAN, |(then, before)| {
            let seconds = at.since(then) as f64 / SECOND as f64;
            if sample.value < before {
                total.resets += 1;
                return f64::NAN;
            }
            // halves, so that a difference of extremes does not overflow
            let rate = (sample.value / 2.0 - before / 2.0) / (seconds / 2.0);
            if rate.is_finite() { rate } else { f64::NAN }
        });
        Sample { value: rate, ..sample }
    }

    /// Judges a sample without learning it.
    pub fn score(&self, at: Timestamp, sample: Sample) -> Score {
        let mut score = self.scorer.score(at, sample);
        if accumulates(self.kind) {
            self.lasting.raise(&mut score, sample.value, self.neg_log10_p);
        }
        if let Some(slow) = &self.slow {
            slow.raise(at, sample, &mut score, self.neg_log10_p);
        }
        score
    }

    /// That the level is leaving slowly, if it is: said of a sample that lies on the side to which it
    /// goes.
    pub(crate) fn leaving(&self, at: Timestamp, sample: Sample) -> Option<DriftAlarm> {
        match &self.slow {
            Some(slow) => slow.leaving(at, sample, self.neg_log10_p),
            None => self.scorer.leaving(at, sample),
        }
    }

    /// How much a sample which was judged as `score` is worth an alarm: of a gauge what is said of a
    /// level that lasts, otherwise the score itself.
    pub fn alarm(&self, at: Timestamp, sample: Sample, score: &Score) -> Score {
        self.scorer.alarm(at, sample, score)
    }

    /// Judges a sample, then learns it.
    pub fn observe(&mut self, at: Timestamp, sample: Sample) -> Score {
        let score = self.score(at, sample);
        self.learn(at, sample, &score);
        score
    }

    /// Learns a sample that was judged as `score`.
    pub fn learn(&mut self, at: Timestamp, sample: Sample, score: &Score) {
        if accumulates(self.kind) {
            let alone = self.scorer.score(at, sample);
            self.lasting.learn(&alone, self.neg_log10_p);
            if let Some(slow) = &mut self.slow {
                let accepted = self.run > self.relearn_after;
                slow.learn(at, sample, alone.neg_log10_p >= self.neg_log10_p, accepted);
            }
        }
        let anomalous = score.neg_log10_p >= self.neg_log10_p;
        let how = learn_as(anomalous, self.scorer.points(), &mut self.run, self.relearn_after);
        self.scorer.learn(at, sample, how);
    }

    /// Learns a sample of a time in which nobody wants to know of it: what is anomalous then teaches
    /// nothing.
    pub fn learn_muted(&mut self, at: Timestamp, sample: Sample, score: &Score) {
        let anomalous = score.neg_log10_p >= self.neg_log10_p;
        self.scorer.learn(at, sample, if anomalous { Learn::Skip } else { Learn::Full });
    }

    /// What kind of number is judged.
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    /// Values remembered now.
    pub fn points(&self) -> usize {
        self.scorer.points()
    }

    /// How often the running total fell.
    pub fn resets(&self) -> u64 {
        self.counter.map_or(0, |total| total.resets)
    }
}
