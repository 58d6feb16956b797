//! One signal of one entity: its likelihood, its neighbouring rows and its slow changes.

use serde::{Deserialize, Serialize};

use super::first_sight::FirstSight;
use super::from_memory::is_usable;
use super::latency_cusum::LatencyCusum;
use super::learning::{LEARNT_IN_FULL, Learning, LearningTimes, Lesson, Observed, median_of};
use super::phase_component::Phase;
use super::policy::Views;
use super::run_combiner::RunCombiner;
use super::score::neg_log10_p_of;
use super::signal_scores::{NewLevel, SignalScores};
use super::signal_season::{Lived, SignalSeason};
use super::{Learn, Likelihood, Score, Scorer};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::series::{Sample, SignalKind};
use crate::time::{SECOND, Timestamp};

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
/// A signal that is anomalous by its own evidence learns its values clipped at first and then not
/// at all, so that an outage does not become the baseline for as long as it lasts. A stable and
/// harmless new level of a latency or count becomes the baseline after `accept_after_hours`, that of
/// a gauge after `accept_gauge_after_hours`, that of a rate only when a person accepts it. The first
/// 20 values are learnt as they are.
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
    learning: Learning,
    times: LearningTimes,
    /// Whether no level is accepted by waiting.
    keeps_level: bool,
    season: SignalSeason,
    /// Difference of the zone of the season from UTC, seconds east.
    utc_offset_seconds: i32,
    run: RunCombiner,
    cusum: Option<Box<LatencyCusum>>,
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
            learning: Learning::default(),
            times: LearningTimes::of(config),
            keeps_level: false,
            season: SignalSeason::default(),
            utc_offset_seconds: 0,
            run: RunCombiner::default(),
            cusum,
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
        self.times = LearningTimes::of(config);
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

    /// Assumes a rate until enough values are learnt; other kinds assume nothing.
    pub(super) fn assume(&mut self, first_sight: FirstSight) {
        self.likelihood.assume(first_sight);
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
        self.judge_above(at, sample, 0.0)
    }

    /// The first step, for a rate of which other signals say that a share is usual at the time.
    pub(super) fn judge_above(
        &self,
        at: Timestamp,
        sample: Sample,
        implied_share: f64,
    ) -> SignalScores {
        let utc_offset = i64::from(self.utc_offset_seconds) * SECOND;
        let local = at.plus(utc_offset);
        let hours = self.likelihood.hours(local).map_or(0.0, |(_, level)| level);
        let mut phase = Phase { utc_offset, ..self.season.at(local, hours) };
        phase.shift = phase.shift.max(self.likelihood.shift_to(implied_share));
        let (alone, view) = self.likelihood.view(at, sample, phase);
        SignalScores {
            score: alone,
            alarm: alone,
            drift: None,
            alone,
            own: alone.neg_log10_p,
            phase,
            view,
        }
    }

    /// The value that is expected at a time; NaN while nothing is known.
    pub(crate) fn expected(&self, at: Timestamp, sample: Sample) -> f64 {
        self.judge_alone(at, sample).score.expected
    }

    /// The second step: the rows before it.
    pub(super) fn combine_rows(&self, sample: Sample, scores: &mut SignalScores) {
        if Views::of(self.kind).combines_rows {
            self.run.raise(&mut scores.score, sample.value, self.threshold);
        }
        scores.own = scores.score.neg_log10_p;
    }

    /// The third step: slow changes.
    pub(super) fn raise_drift(&self, at: Timestamp, sample: Sample, scores: &mut SignalScores) {
        match &self.cusum {
            Some(cusum) if !cusum.may_alarm() => {}
            Some(cusum) => {
                let factor = scores.phase.factor();
                let plain = Sample { value: sample.value / factor, ..sample };
                scores.drift = cusum.alarm(at, plain, self.threshold);
                if let Some(drift) = &mut scores.drift {
                    drift.score.expected *= factor;
                    drift.score.low *= factor;
                    drift.score.high *= factor;
                    // The row's own effective number of observations stays.
                    let (own, effective_n) = (scores.score.neg_log10_p, scores.score.effective_n);
                    let neg_log10_p = own.max(drift.score.neg_log10_p);
                    scores.score = Score { neg_log10_p, effective_n, ..drift.score };
                }
            }
            None => scores.drift = self.likelihood.drift(at, sample, scores.phase),
        }
    }

    /// Whether a drift raises the score: the CUSUM of latencies does, that of gauges raises an alarm.
    pub(super) const fn drift_raises_score(&self) -> bool {
        self.cusum.is_some()
    }

    /// The last step: what the value is worth as an alarm.
    pub(super) fn set_alarm(&self, at: Timestamp, sample: Sample, scores: &mut SignalScores) {
        let alarm = self.likelihood.alarm(at, sample, scores.phase, scores.view.as_ref());
        scores.alarm = alarm.unwrap_or(scores.score);
    }

    /// Judges a value, then learns it.
    pub fn observe(&mut self, at: Timestamp, sample: Sample) -> SignalScores {
        let scores = self.judge(at, sample);
        self.learn_judged(at, sample, &scores);
        scores
    }

    /// Learns a value with the scores that this scorer gave it, before it learnt anything else.
    /// Returns the level that becomes the baseline with it, if there is one.
    pub fn learn_judged(
        &mut self,
        at: Timestamp,
        sample: Sample,
        scores: &SignalScores,
    ) -> Option<NewLevel> {
        if Views::of(self.kind).combines_rows {
            self.run.learn(&scores.alone, self.threshold);
        }
        let (lesson, since) = if is_usable(sample) {
            let since = self.learning.anomalous_since();
            (self.lesson(at, sample, scores), since)
        } else {
            (Lesson::Learn(Learn::Skip), None)
        };
        self.learn_season(at, sample, scores);
        match lesson {
            Lesson::Learn(Learn::Skip) => {
                self.likelihood.pass(sample, scores.phase, scores.view.as_ref());
            }
            Lesson::Suspend => {
                self.likelihood.pass(sample, scores.phase, scores.view.as_ref());
                if let Some(cusum) = &mut self.cusum {
                    cusum.end();
                }
            }
            Lesson::Learn(how) => {
                if let Some(cusum) = &mut self.cusum {
                    let value = sample.value / scores.phase.factor();
                    let plain = Sample { value, ..sample };
                    cusum.learn(at, plain, scores.alone.neg_log10_p >= self.threshold);
                }
                // A value that is anomalous only with other signals, or as a slow change, is clipped.
                let is_anomalous = scores.score.neg_log10_p >= self.threshold;
                let is_known = self.likelihood.points() >= LEARNT_IN_FULL;
                let how = if is_anomalous && is_known { Learn::Clipped } else { how };
                self.likelihood.learn_view(at, sample, how, scores.phase, scores.view.as_ref());
            }
            Lesson::Accept(level) => return Some(self.take_level(&level, since, scores)),
        }
        None
    }

    /// How a value is learnt, by the signal's own evidence.
    fn lesson(&mut self, at: Timestamp, sample: Sample, scores: &SignalScores) -> Lesson {
        // Only an open episode looks at levels.
        let is_open = self.learning.anomalous_since().is_some();
        let level = |value| if is_open { self.without_season(value, scores.phase) } else { value };
        let one = Observed {
            at,
            value: level(sample.value),
            expected: level(scores.alone.expected),
            is_anomalous: scores.own >= self.threshold,
        };
        let points = self.likelihood.points();
        let kind = if self.keeps_level { SignalKind::Rate } else { self.kind };
        self.learning.step(one, kind, points, self.times)
    }

    /// A value without the level of its phase, in the signal's unit.
    fn without_season(&self, value: f64, phase: Phase) -> f64 {
        let shift = if self.kind == SignalKind::Rate { 0.0 } else { phase.shift };
        self.likelihood.written(self.likelihood.judged(value) - shift)
    }

    /// Learns what repeats. When the day explains the level, the baseline is made again of values
    /// without it.
    fn learn_season(&mut self, at: Timestamp, sample: Sample, scores: &SignalScores) {
        if !is_usable(sample) || self.likelihood.points() < LEARNT_IN_FULL {
            return;
        }
        let Score { expected, low, high, .. } = scores.alone;
        let since = self.learning.anomalous_since();
        if !self.season.learns(self.learning.known_for(at), since.is_some()) {
            return;
        }
        let local = at.plus(scores.phase.utc_offset);
        let one = Lived {
            at: local,
            value: self.likelihood.judged(sample.value),
            center: self
                .likelihood
                .center()
                .unwrap_or_else(|| self.likelihood.judged(expected) - scores.phase.shift),
            width: high - low,
            hours: self.likelihood.hours(local),
            anomalous_for: since.map_or(0, |since| at.since(since)),
        };
        if let Some(rests) = self.season.learn(self.kind, one) {
            self.likelihood.refill(&rests);
            self.learning.end();
            if let Some(cusum) = &mut self.cusum {
                cusum.clear();
            }
        }
    }

    /// Counts hours, days and weeks of the season by clocks that are `seconds` east of UTC, from the
    /// next value on. Set it again when these clocks change; the level of 2 o'clock then counts for
    /// 2 o'clock by the changed clocks.
    pub const fn set_utc_offset(&mut self, seconds: i32) {
        self.utc_offset_seconds = seconds;
    }

    /// Makes a level the baseline.
    fn take_level(
        &mut self,
        level: &[f64],
        since: Option<Timestamp>,
        scores: &SignalScores,
    ) -> NewLevel {
        self.likelihood.accept(level);
        if let Some(cusum) = &mut self.cusum {
            cusum.clear();
        }
        let before = self.without_season(scores.alone.expected, scores.phase);
        NewLevel { since, before, level: median_of(level) }
    }

    /// Makes the present level the baseline, because a person says so: that of the values since the
    /// signal stopped learning, or since it was first seen if it has failed since then. `None` if the
    /// signal learns.
    pub fn accept_level(&mut self, at: Timestamp) -> Option<NewLevel> {
        let since = self.learning.anomalous_since();
        let level = self.learning.accept().or_else(|| self.likelihood.since_first_seen())?;
        let newest = Sample { value: median_of(&level), n: 1 };
        let scores = self.judge_alone(at, newest);
        Some(self.take_level(&level, since, &scores))
    }

    /// Since when the signal has been anomalous without a break of `recover_after_minutes`.
    pub fn anomalous_since(&self) -> Option<Timestamp> {
        self.learning.anomalous_since()
    }

    /// Accepts no new level by waiting.
    #[must_use]
    pub const fn keeping_level(mut self) -> Self {
        self.keeps_level = true;
        self
    }

    /// Learns a value of a muted time: an anomalous value teaches nothing.
    pub fn learn_muted(&mut self, at: Timestamp, sample: Sample, scores: &SignalScores) {
        let anomalous = scores.score.neg_log10_p >= self.threshold;
        let how = if anomalous { Learn::Skip } else { Learn::Full };
        self.likelihood.learn_view(at, sample, how, scores.phase, scores.view.as_ref());
    }

    /// Takes note that time has passed without a value.
    pub fn tick(&mut self, at: Timestamp) {
        self.likelihood.tick(at);
    }
}
