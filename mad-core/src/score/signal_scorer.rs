//! One signal of one entity: its likelihood, its neighbouring rows and its slow changes.

use serde::{Deserialize, Serialize};

use super::block_cusum::DriftAlarm;
use super::gauge::GaugeView;
use super::latency_cusum::LatencyCusum;
use super::policy::{Views, learn_as};
use super::run_combiner::RunCombiner;
use super::score::neg_log10_p_of;
use super::{Learn, Likelihood, Score, Scorer};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::series::{Sample, SignalKind};
use crate::time::Timestamp;

/// Scores of one value of one signal.
///
/// They keep what scoring has worked out, so that learning the value does not score it again.
#[derive(Debug, Clone, Copy)]
pub struct SignalScores {
    /// How unlikely the value is, with the rows before it taken into account.
    pub score: Score,
    /// How much the value is worth an alarm. For a gauge it is the score of a level that lasts;
    /// for other kinds it is `score`.
    pub alarm: Score,
    /// An alarm of the CUSUM, if the level is drifting.
    pub(crate) drift: Option<DriftAlarm>,
    /// The score of the value alone, without the rows before it and without other signals.
    pub(super) alone: Score,
    /// How the parts of a gauge see the value.
    view: Option<GaugeView>,
}

impl SignalScores {
    /// The scores of a value about which nothing is known.
    pub const fn unknown() -> Self {
        let score = Score::unknown();
        Self { score, alarm: score, drift: None, alone: score, view: None }
    }

    /// Since when the level has been drifting slowly, if it has.
    pub fn drift_since(&self) -> Option<Timestamp> {
        self.drift.and_then(|drift| drift.since)
    }
}

/// Judges the values of one signal: everything learnt of one signal of one entity.
///
/// # Method
///
/// 1. The [`Likelihood`] of the signal's kind scores the value alone.
/// 2. Latencies and counts: a weak deviation is combined with those of up to three rows before it
///    (Fisher, 1932; Brown, 1975).
/// 3. Latencies: a CUSUM of rows (Page, 1954) raises the score of a slow rise. Gauges have a CUSUM
///    of blocks, which raises an alarm and not the score.
///
/// # Learning
///
/// An anomalous value is learnt clipped to the expected band, so that an incident does not become
/// the new normal. After `relearn_after` anomalous values in a row the new level is learnt as it
/// is. The first 20 values are learnt as they are.
///
/// # Gaps and bad values
///
/// A value that is not finite, or that has no observation behind it, scores
/// [`Score::unknown`] and teaches nothing.
///
/// # Examples
///
/// ```
/// use mad_core::config::ScoreConfig;
/// use mad_core::score::SignalScorer;
/// use mad_core::{Sample, SignalKind, Timestamp};
///
/// let mut scorer = SignalScorer::new(SignalKind::Count, &ScoreConfig::default())?;
/// for minute in 0..60 {
///     let at = Timestamp::from_seconds(60 * minute);
///     scorer.observe(at, Sample { value: 100.0 + (minute % 7) as f64, n: 1 });
/// }
/// let at = Timestamp::from_seconds(3_600);
/// assert!(scorer.judge(at, Sample { value: 12.0, n: 1 }).score.neg_log10_p > 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignalScorer {
    kind: SignalKind,
    likelihood: Likelihood,
    /// Anomalous values in a row.
    streak: u32,
    run: RunCombiner,
    cusum: Option<Box<LatencyCusum>>,
    relearn_after: u32,
    /// `-log10 p` from which on a value is anomalous.
    threshold: f64,
}

impl SignalScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(kind: SignalKind, config: &ScoreConfig) -> Result<Self> {
        config.validate()?;
        let threshold = neg_log10_p_of(config.threshold);
        let cusum = Views::of(kind)
            .latency_cusum
            .then(|| Box::new(LatencyCusum::new(config.latency_floor)));
        Ok(Self {
            kind,
            likelihood: Likelihood::new(kind, config, threshold)?,
            streak: 0,
            run: RunCombiner::default(),
            cusum,
            relearn_after: config.relearn_after,
            threshold,
        })
    }

    /// Applies another config. Everything learnt stays, so `window` and `profile` stay too: they
    /// shape the learnt state.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn reconfigure(&mut self, config: &ScoreConfig) -> Result<()> {
        config.validate()?;
        self.threshold = neg_log10_p_of(config.threshold);
        self.relearn_after = config.relearn_after;
        self.likelihood.reconfigure(config, self.threshold);
        if let Some(cusum) = &mut self.cusum {
            cusum.reconfigure(config.latency_floor);
        }
        Ok(())
    }

    /// Takes a gauge as a share or a percentage, so that nothing above 1 or 100 is expected.
    #[must_use]
    pub fn share(mut self) -> Self {
        self.likelihood.set_share();
        self
    }

    /// The kind of the signal.
    pub const fn kind(&self) -> SignalKind {
        self.kind
    }

    /// The number of values remembered.
    pub fn points(&self) -> usize {
        self.likelihood.points()
    }

    /// `-log10 p` from which on a value is anomalous.
    pub const fn threshold_neg_log10_p(&self) -> f64 {
        self.threshold
    }

    /// The likelihood.
    pub(super) const fn likelihood(&self) -> &Likelihood {
        &self.likelihood
    }

    /// Judges a value without learning it.
    pub fn judge(&self, at: Timestamp, sample: Sample) -> SignalScores {
        let mut scores = self.judge_alone(at, sample);
        self.combine_rows(sample, &mut scores);
        self.raise_drift(at, sample, &mut scores);
        self.set_alarm(at, sample, &mut scores);
        scores
    }

    /// The first step: the value alone.
    pub(super) fn judge_alone(&self, at: Timestamp, sample: Sample) -> SignalScores {
        let (alone, view) = self.likelihood.view(at, sample);
        SignalScores { score: alone, alarm: alone, drift: None, alone, view }
    }

    /// The second step: the rows before it.
    pub(super) fn combine_rows(&self, sample: Sample, scores: &mut SignalScores) {
        if Views::of(self.kind).combines_rows {
            self.run.raise(&mut scores.score, sample.value, self.threshold);
        }
    }

    /// The third step: slow changes.
    pub(super) fn raise_drift(&self, at: Timestamp, sample: Sample, scores: &mut SignalScores) {
        match &self.cusum {
            Some(cusum) => {
                scores.drift = cusum.alarm(at, sample, self.threshold);
                if let Some(drift) = &scores.drift {
                    // The row's own effective number of observations stays.
                    let (own, effective_n) = (scores.score.neg_log10_p, scores.score.effective_n);
                    let neg_log10_p = own.max(drift.score.neg_log10_p);
                    scores.score = Score { neg_log10_p, effective_n, ..drift.score };
                }
            }
            None => scores.drift = self.likelihood.drift(at, sample),
        }
    }

    /// Whether a drift raises the score: the CUSUM of latencies does, that of gauges raises an alarm.
    pub(super) const fn drift_raises_score(&self) -> bool {
        self.cusum.is_some()
    }

    /// The last step: what the value is worth as an alarm.
    pub(super) fn set_alarm(&self, at: Timestamp, sample: Sample, scores: &mut SignalScores) {
        let alarm = self.likelihood.alarm(at, sample, scores.view.as_ref());
        scores.alarm = alarm.unwrap_or(scores.score);
    }

    /// Judges a value, then learns it.
    pub fn observe(&mut self, at: Timestamp, sample: Sample) -> SignalScores {
        let scores = self.judge(at, sample);
        self.learn_judged(at, sample, &scores);
        scores
    }

    /// Learns a value with the scores that this scorer gave it, before it learnt anything else.
    pub fn learn_judged(&mut self, at: Timestamp, sample: Sample, scores: &SignalScores) {
        if Views::of(self.kind).combines_rows {
            self.run.learn(&scores.alone, self.threshold);
        }
        if let Some(cusum) = &mut self.cusum {
            let flagged_alone = scores.alone.neg_log10_p >= self.threshold;
            let accepted = self.streak > self.relearn_after;
            cusum.learn(at, sample, flagged_alone, accepted);
        }
        let anomalous = scores.score.neg_log10_p >= self.threshold;
        let points = self.likelihood.points();
        let how = learn_as(anomalous, points, &mut self.streak, self.relearn_after);
        self.likelihood.learn_view(at, sample, how, scores.view.as_ref());
    }

    /// Learns a value of a muted time: an anomalous value teaches nothing.
    pub fn learn_muted(&mut self, at: Timestamp, sample: Sample, scores: &SignalScores) {
        let anomalous = scores.score.neg_log10_p >= self.threshold;
        let how = if anomalous { Learn::Skip } else { Learn::Full };
        self.likelihood.learn_view(at, sample, how, scores.view.as_ref());
    }

    /// Takes note that time has passed without a value.
    pub fn tick(&mut self, at: Timestamp) {
        self.likelihood.tick(at);
    }
}
