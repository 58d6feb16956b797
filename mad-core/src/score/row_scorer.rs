//! All signals of a row, judged together.
//!
//! The file is longer than others because a third of it describes what users of the type have to
//! know.

use serde::{Deserialize, Serialize};

use super::first_sight::FirstSight;
use super::policy::{Price, RowPolicy};
use super::row_scores::{RowScores, SignalScore};
use super::score::neg_log10_p_of;
use super::signal_combiner::SignalCombiner;
use super::signal_scores::SignalScores;
use super::tail::{exceedance_neg_log10_p, observations_above};
use super::tail_season::implied_share;
use super::{Likelihood, NewLevel, SignalScorer};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::feature::{Row, RowKind, SignalSample};
use crate::series::{Sample, Signal, SignalId, SignalKind};
use crate::time::Timestamp;

/// Empty steps after which the rows before them are stray, if they are few.
const STRAY_GAP: u32 = 10;
/// Most rows before such a gap that are stray.
const STRAY_ROWS: usize = 2;
/// Most rows that are forgotten as stray ones.
const MOST_STRAY: usize = 3;

/// Judges the rows of one entity and kind: any signals.
///
/// # Method
///
/// 1. Each signal is scored by its [`SignalScorer`]: alone, with the rows before it, and by the
///    CUSUM of slow changes.
/// 2. A quantile of few requests is bounded by the requests above it: its `-log10 p` is at most that
///    of the requests above it being so slow, by the tail of single latencies in the past.
/// 3. Rows of requests: weak deviations of several signals are combined with Fisher's method.
/// 4. A slow share above 5 % yields to a latency that is unlikely by itself, and a slow share that
///    the season of the latencies implies is usual.
/// 5. The row pays for having looked at all its signals (weighted Bonferroni, see
///    [`RowScores::neg_log10_p_of`]).
///
/// # Learning
///
/// Each signal learns by its own score, see [`SignalScorer`]. Guardrails have no influence on
/// learning. A signal that a row does not have learns nothing.
///
/// # Examples
///
/// ```
/// use mad_core::config::ScoreConfig;
/// use mad_core::score::RowScores;
/// use mad_core::{EntityId, RowBuilder, RowKind, RowScorer, Signal, Timestamp};
///
/// let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig::default())?;
/// let mut scores = RowScores::default();
/// for minute in 0..90 {
///     let slow = if minute == 80 { 20.0 } else { 1.0 };
///     let latencies: Vec<f64> = (0..40).map(|i| slow * (30.0 + f64::from(i))).collect();
///     let at = Timestamp::from_seconds(60 * minute);
///     let row = RowBuilder::requests(EntityId(0), at).latencies(&latencies);
///     scorer.observe(&row.row(), &mut scores);
///     assert_eq!(scores.neg_log10_p_of(Signal::P50Latency) >= 4.0, minute == 80);
/// }
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RowScorer {
    kind: RowKind,
    signals: Vec<(SignalId, SignalScorer)>,
    combiner: Option<Box<SignalCombiner>>,
    config: ScoreConfig,
    /// Difference of the zone of the season from UTC, seconds east.
    utc_offset_seconds: i32,
    /// Rows that were forgotten as stray ones.
    stray: u8,
}

impl RowScorer {
    /// A scorer of a kind of row that has learnt nothing.
    ///
    /// A row of requests has the signals of [`Signal::ALL`]. Signals of other rows are added by
    /// [`add`](Self::add), or as gauges when a row first has them.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(kind: RowKind, config: &ScoreConfig) -> Result<Self> {
        config.validate()?;
        let combiner = RowPolicy::of(kind).combines_signals.then(Box::default);
        let mut scorer = Self {
            kind,
            signals: Vec::new(),
            combiner,
            config: *config,
            utc_offset_seconds: 0,
            stray: 0,
        };
        if kind.is_requests() {
            for signal in Signal::ALL {
                scorer.add(signal, signal.kind())?;
            }
            scorer.assume_errors(0, 0);
        }
        Ok(scorer)
    }

    /// Assumes an error rate until 20 rows are learnt: that of `errors` among `requests`, which are
    /// those of other endpoints of the service, with 1 % worth 20 requests added. It has no effect
    /// once a row was learnt.
    ///
    /// With it the error rate is judged from the first row on: its score has the source
    /// [`ScaleSource::Assumed`](super::ScaleSource::Assumed), and [`Guardrails`](crate::Guardrails) flag it without a warm-up.
    /// Rows that are unlikely by it are not learnt.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::config::ScoreConfig;
    /// use mad_core::score::RowScores;
    /// use mad_core::{EntityId, RowBuilder, RowKind, RowScorer, Signal, Timestamp};
    ///
    /// let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0))
    ///     .latencies(&[20.0; 10])
    ///     .errors(9);
    /// let (mut scorer, mut scores) = (
    ///     RowScorer::new(RowKind::Requests, &ScoreConfig::default())?,
    ///     RowScores::default(),
    /// );
    /// // in a service that is well otherwise, nine failures of ten are unlikely
    /// scorer.assume_errors(0, 1_000);
    /// scorer.score(&row.row(), &mut scores);
    /// assert!(scores.of(Signal::ErrorRate).neg_log10_p > 8.0);
    /// // in a service where nine of ten requests fail anyway, they are usual
    /// scorer.assume_errors(900, 1_000);
    /// scorer.score(&row.row(), &mut scores);
    /// assert!(scores.of(Signal::ErrorRate).neg_log10_p < 1.0);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn assume_errors(&mut self, errors: u64, requests: u64) {
        let found = self.place(Signal::ErrorRate.index(), Signal::ErrorRate.into());
        if let Some((_, scorer)) = found.and_then(|place| self.signals.get_mut(place)) {
            scorer.assume(FirstSight::of_service(errors, requests));
        }
    }

    /// Whether the next row may still be the first one of sustained traffic, so that
    /// [`begin_after_stray`](Self::begin_after_stray) may have an effect.
    pub fn may_begin(&self) -> bool {
        usize::from(self.stray) + self.points() <= MOST_STRAY
    }

    /// Begins again where traffic begins after one or two stray rows, such as a test request hours
    /// before: with a row after ten empty steps. `gap` is the number of empty steps before the next
    /// row, and `errors` among `requests` are those that
    /// [`assume_errors`](Self::assume_errors) takes. At most three rows are forgotten, so that an
    /// endpoint whose rows are always far apart is known in time. Returns whether rows were forgotten.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::config::ScoreConfig;
    /// use mad_core::score::RowScores;
    /// use mad_core::{EntityId, RowBuilder, RowKind, RowScorer, Timestamp};
    ///
    /// let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig::default())?;
    /// let test_call = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0)).latencies(&[900.0]);
    /// scorer.observe(&test_call.row(), &mut RowScores::default());
    /// assert!(!scorer.begin_after_stray(2, 0, 0));
    /// assert!(scorer.begin_after_stray(300, 0, 0));
    /// assert_eq!(scorer.points(), 0);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn begin_after_stray(&mut self, gap: u32, errors: u64, requests: u64) -> bool {
        if gap < STRAY_GAP {
            return false;
        }
        let known = self.points();
        if !(1..=STRAY_ROWS).contains(&known) || !self.may_begin() {
            return false;
        }
        // The config was validated when the scorer was made, so it does not fail.
        let Ok(mut begun) = Self::new(self.kind, &self.config) else { return false };
        begun.set_utc_offset(self.utc_offset_seconds);
        begun.assume_errors(errors, requests);
        begun.stray = self.stray.saturating_add(known as u8);
        *self = begun;
        true
    }

    /// Errors and requests that are learnt as normal.
    pub fn learnt_errors(&self) -> (u64, u64) {
        let scorer = self.scorer(Signal::ErrorRate.index(), Signal::ErrorRate.into());
        match scorer.map(SignalScorer::likelihood) {
            Some(Likelihood::Rate(rate)) => rate.learnt(),
            _ => (0, 0),
        }
    }

    /// Applies another config. Everything learnt stays, so `window` and `profile` stay too: they
    /// shape the learnt state.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn reconfigure(&mut self, config: &ScoreConfig) -> Result<()> {
        config.validate()?;
        let ScoreConfig { window, profile, .. } = self.config;
        self.config = ScoreConfig { profile, window, ..*config };
        for (_, scorer) in &mut self.signals {
            scorer.reconfigure(config)?;
        }
        Ok(())
    }

    /// Adds a signal of a kind, unless the scorer has it already.
    ///
    /// # Errors
    ///
    /// None if the config was accepted by [`new`](Self::new).
    pub fn add(&mut self, signal: impl Into<SignalId>, kind: SignalKind) -> Result<()> {
        let signal = signal.into();
        if self.place(0, signal).is_none() {
            let mut scorer = SignalScorer::new(kind, &self.config)?;
            scorer.set_utc_offset(self.utc_offset_seconds);
            self.signals.push((signal, scorer));
        }
        Ok(())
    }

    /// Counts hours, days and weeks of the season by clocks that are `seconds` east of UTC, from the
    /// next row on. See [`SignalScorer::set_utc_offset`].
    pub fn set_utc_offset(&mut self, seconds: i32) {
        if self.utc_offset_seconds == seconds {
            return;
        }
        self.utc_offset_seconds = seconds;
        for (_, scorer) in &mut self.signals {
            scorer.set_utc_offset(seconds);
        }
    }

    /// Judges a row without learning it. `out` is cleared and filled.
    pub fn score(&self, row: &Row<'_>, out: &mut RowScores) {
        let RowScores { signals, judged, price } = out;
        signals.clear();
        judged.clear();
        *price = Price::of(self.kind, row.samples.len());
        let (at, threshold) = (row.head.at, self.signal_neg_log10_p());
        // Each signal alone, bounded by the requests behind a quantile.
        let mut tail_index = None;
        for (place, sample) in row.samples.iter().enumerate() {
            let Some(scorer) = self.scorer(place, sample.signal) else {
                judged.push(SignalScores::unknown());
                continue;
            };
            let implied = if sample.signal == Signal::SlowShare.into() {
                implied_share(row, judged)
            } else {
                0.0
            };
            let mut scores = scorer.judge_above(at, sample.sample, implied);
            if let Some(q) = sample.signal.builtin().and_then(Signal::quantile) {
                let index = *tail_index.get_or_insert_with(|| self.tail_index());
                bound_by_requests(&mut scores, *sample, q, index);
            }
            // The rows before it.
            scorer.combine_rows(sample.sample, &mut scores);
            judged.push(scores);
        }
        // The other signals of the row.
        if let Some(combiner) = &self.combiner {
            combiner.raise(judged, row.samples, price.of_main(), threshold);
        }
        // Slow changes.
        for (place, (scores, sample)) in judged.iter_mut().zip(row.samples).enumerate() {
            let mut drift_since = None;
            if let Some(scorer) = self.scorer(place, sample.signal) {
                scorer.raise_drift(at, sample.sample, scores);
                scorer.set_alarm(at, sample.sample, scores);
                drift_since = scores.drift_since().filter(|_| scorer.drift_raises_score());
            }
            signals.push(SignalScore { signal: sample.signal, score: scores.score, drift_since });
        }
        yield_to_latency(signals, row, threshold);
    }

    /// Learns a row with the scores that this scorer gave it, before it learnt anything else.
    /// Returns the levels that become the baseline of their signals with this row, usually none.
    pub fn learn(&mut self, row: &Row<'_>, scores: &RowScores) -> Vec<(SignalId, NewLevel)> {
        let threshold = self.signal_neg_log10_p();
        if let Some(combiner) = &mut self.combiner {
            combiner.learn(&scores.judged, threshold);
        }
        let mut accepted = Vec::new();
        self.each(row, scores, |signal, scorer, at, sample, scores| {
            let level = scorer.learn_judged(at, sample, scores);
            accepted.extend(level.map(|level| (signal, level)));
        });
        accepted
    }

    /// Learns a row of a muted time: an anomalous signal teaches nothing.
    pub fn learn_muted(&mut self, row: &Row<'_>, scores: &RowScores) {
        self.each(row, scores, |_, scorer, at, sample, scores| {
            scorer.learn_muted(at, sample, scores);
        });
    }

    /// Judges a row into `out`, then learns it.
    pub fn observe(&mut self, row: &Row<'_>, out: &mut RowScores) {
        self.score(row, out);
        self.learn(row, out);
    }

    /// Makes the present levels of anomalous signals the baseline, because a person says so.
    pub fn accept_levels(
        &mut self,
        at: Timestamp,
        is_meant: impl Fn(SignalId) -> bool,
    ) -> Vec<(SignalId, NewLevel)> {
        let meant = self.signals.iter_mut().filter(|(signal, _)| is_meant(*signal));
        meant.filter_map(|(signal, scorer)| Some((*signal, scorer.accept_level(at)?))).collect()
    }

    /// Takes note that time has passed without a row.
    pub fn tick(&mut self, at: Timestamp) {
        for (_, scorer) in &mut self.signals {
            scorer.tick(at);
        }
    }

    /// The kind of row.
    pub const fn kind(&self) -> RowKind {
        self.kind
    }

    /// Rows learnt and remembered: the largest number of any signal.
    pub fn points(&self) -> usize {
        self.signals.iter().map(|(_, scorer)| scorer.points()).max().unwrap_or(0)
    }

    /// `-log10 p` from which on one signal is anomalous.
    pub fn signal_neg_log10_p(&self) -> f64 {
        neg_log10_p_of(self.config.threshold)
    }

    /// Lets each signal of a row learn; signals that are seen for the first time are gauges.
    fn each(
        &mut self,
        row: &Row<'_>,
        scores: &RowScores,
        mut learn: impl FnMut(SignalId, &mut SignalScorer, Timestamp, Sample, &SignalScores),
    ) {
        for (place, (sample, scores)) in row.samples.iter().zip(&scores.judged).enumerate() {
            let mut found = self.place(place, sample.signal);
            // The config was validated when the scorer was made, so adding cannot fail.
            if found.is_none() && self.add(sample.signal, SignalKind::Gauge).is_ok() {
                found = self.place(place, sample.signal);
            }
            if let Some((_, scorer)) = found.and_then(|place| self.signals.get_mut(place)) {
                learn(sample.signal, scorer, row.head.at, sample.sample, scores);
            }
        }
    }

    /// Where a signal is; `hint` is where it probably is, since rows repeat their order.
    fn place(&self, hint: usize, signal: SignalId) -> Option<usize> {
        match self.signals.get(hint) {
            Some((known, _)) if *known == signal => Some(hint),
            _ => self.signals.iter().position(|(known, _)| *known == signal),
        }
    }

    fn scorer(&self, hint: usize, signal: SignalId) -> Option<&SignalScorer> {
        let place = self.place(hint, signal)?;
        self.signals.get(place).map(|(_, scorer)| scorer)
    }

    /// Index of the power law of single latencies: `P(latency > x)` falls off as `x^-index`.
    ///
    /// Half of the past 95th percentiles exceed their median, and a twentieth exceed their own 95th
    /// percentile. The chance therefore falls tenfold over the distance between the two. A p95
    /// needs several slow requests, so the index of a single request is smaller by that number.
    /// The estimate is shrunk towards 3 (a heavy tail with a finite variance) with the weight of 20
    /// rows. It is at most 8, and at least 3 where more than ten requests determine a p95 and its
    /// spread says nothing about single requests.
    fn tail_index(&self) -> f64 {
        const PRIOR: f64 = 3.0;
        const PRIOR_ROWS: f64 = 20.0;
        const STEEPEST: f64 = 8.0;
        const MANY: f64 = 10.0;
        let p95 = Signal::P95Latency;
        let Some(Likelihood::Level(p95)) =
            self.scorer(p95.index(), p95.into()).map(SignalScorer::likelihood)
        else {
            return PRIOR;
        };
        let needed = observations_above(0.95, p95.typical_n().round().max(1.0) as u64);
        let own = std::f64::consts::LN_10 / (needed * p95.upper_reach());
        if !own.is_finite() {
            return PRIOR;
        }
        let own = if needed > MANY { own.max(PRIOR) } else { own };
        let rows = p95.points() as f64;
        (own.min(STEEPEST) * rows + PRIOR * PRIOR_ROWS) / (rows + PRIOR_ROWS)
    }
}

/// Takes the evidence of a slow share that a latency of the row has too: more than 5 % of the
/// requests are slow, and the 95th percentile or the median is unlikely by itself. The latency says
/// it better, and its settings decide whether it matters.
fn yield_to_latency(signals: &mut [SignalScore], row: &Row<'_>, threshold: f64) {
    /// Share of the requests that are above the 95th percentile.
    const ABOVE_P95: f64 = 0.05;
    let is_latency =
        |signal: SignalId| signal.builtin().is_some_and(|one| one.quantile().is_some());
    let is_slow = |one: &SignalScore| is_latency(one.signal) && one.score.neg_log10_p >= threshold;
    if row.sample(Signal::SlowShare).value < ABOVE_P95 || !signals.iter().any(is_slow) {
        return;
    }
    for slow_share in signals.iter_mut().filter(|one| one.signal == Signal::SlowShare.into()) {
        slow_share.score.neg_log10_p = 0.0;
    }
}

/// Bounds the score of the `q`-quantile of few requests. The quantile is large only if the requests
/// above it are, so its `-log10 p` is at most that of these single requests being so slow.
fn bound_by_requests(scores: &mut SignalScores, sample: SignalSample, q: f64, tail_index: f64) {
    let SignalSample { sample, .. } = sample;
    if !sample.value.is_finite() {
        return;
    }
    let score = &mut scores.alone;
    score.effective_n = observations_above(q, sample.n);
    if score.neg_log10_p > 0.0 {
        // How far the quantile lies above the expected one, as a logarithm.
        let excess = (sample.value.max(1e-3) / score.expected).ln();
        let bound = exceedance_neg_log10_p(q, sample.n, score.effective_n, excess, tail_index);
        score.neg_log10_p = score.neg_log10_p.min(bound);
    }
    scores.score = scores.alone;
}
