//! All signals of a row together.

use serde::{Deserialize, Serialize};

use super::latency_cusum::LatencyCusum;
use super::run_combiner::RunCombiner;
use super::score::{HALF_SCORE_NEG_LOG10_P, score_of};
use super::signal::learn_as;
use super::signal_combiner::SignalCombiner;
use super::tail::{exceedance_neg_log10_p, observations_above};
use super::{Learn, Score, Scorer, SignalScorer};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::feature::FeatureRow;
use crate::series::{Signal, SignalKind};
use crate::time::Timestamp;

/// Scores of one row's signals, in the order of [`Signal::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowScores {
    /// One score per signal.
    pub signals: [Score; Signal::ALL.len()],
    /// Since when each signal has been leaving slowly, where its score says that it has.
    #[serde(default)]
    pub drift_since: [Option<Timestamp>; Signal::ALL.len()],
}

impl RowScores {
    /// The score of one signal.
    pub fn of(&self, signal: Signal) -> &Score {
        let [p50, p95, errors, count] = &self.signals;
        match signal {
            Signal::P50Latency => p50,
            Signal::P95Latency => p95,
            Signal::ErrorRate => errors,
            Signal::RequestCount => count,
        }
    }

    /// Since when a signal has been leaving slowly: its score is then what the rows since add up to.
    pub fn drift_since(&self, signal: Signal) -> Option<Timestamp> {
        self.drift_since.get(signal.index()).copied().flatten()
    }

    /// Signals with their scores.
    pub fn iter(&self) -> impl Iterator<Item = (Signal, &Score)> {
        Signal::ALL.into_iter().zip(&self.signals)
    }

    /// Evidence that a signal brings to the row: its own less what looking at all signals costs
    /// (Bonferroni: the row's probability is the smallest one times the number of signals). Of signals
    /// that are each a little out it is the evidence of all of them together.
    pub fn neg_log10_p_of(&self, signal: Signal) -> f64 {
        (self.of(signal).neg_log10_p - look_elsewhere()).max(0.0)
    }

    /// The signal with the strongest evidence; in a tie the one that lies farther out, in scales;
    /// p95 when there is none.
    pub fn leading(&self) -> Signal {
        let mut best = (Signal::P95Latency, (0.0, f64::INFINITY));
        for (signal, score) in self.iter() {
            let rank = (score.neg_log10_p, score.z.abs());
            if rank > best.1 {
                best = (signal, rank);
            }
        }
        best.0
    }

    /// Evidence of the row.
    pub fn neg_log10_p(&self) -> f64 {
        self.neg_log10_p_of(self.leading())
    }

    /// The row's score, 0 to 1.
    pub fn value(&self) -> f64 {
        score_of(self.neg_log10_p())
    }
}

/// log10 of the number of signals.
pub(crate) fn look_elsewhere() -> f64 {
    (Signal::ALL.len() as f64).log10()
}

/// Judges rows of one entity: a scorer per signal. Signals that are each a little out are taken
/// together where none is plain by itself (Fisher's sum, with their correlation in calm rows by Brown's
/// method): those with evidence of 1 or more then have the evidence of all.
///
/// Learning: a signal that is anomalous by its own evidence is learnt clipped to the
/// ordinary range, so that an incident cannot become the new normal within its first hours; after
/// `relearn_after` anomalous rows in a row it is learnt as it is, so that a lasting shift does. The
/// first 20 rows are learnt as they are.
/// Guardrails have no say in this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RowScorer {
    signals: Vec<SignalScorer>,
    runs: [u32; Signal::ALL.len()],
    #[serde(default)]
    together: SignalCombiner,
    #[serde(default)]
    lasting: [RunCombiner; Signal::ALL.len()],
    slow: [Option<Box<LatencyCusum>>; Signal::ALL.len()],
    relearn_after: u32,
    neg_log10_p: f64,
}

impl RowScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: &ScoreConfig) -> Result<Self> {
        config.validate()?;
        let neg_log10_p = threshold_neg_log10_p(config.threshold);
        let signals = Signal::ALL
            .iter()
            .map(|signal| SignalScorer::new(signal.kind(), config, neg_log10_p))
            .collect::<Result<Vec<_>>>()?;
        let runs = [0; Signal::ALL.len()];
        let lasting = [RunCombiner::default(); Signal::ALL.len()];
        let slow = Signal::ALL.map(|signal| LatencyCusum::of(signal.kind(), config));
        let (together, relearn_after) = (SignalCombiner::default(), config.relearn_after);
        Ok(Self { signals, runs, together, lasting, slow, relearn_after, neg_log10_p })
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
        for scorer in &mut self.signals {
            scorer.reconfigure(config, self.neg_log10_p);
        }
        for slow in self.slow.iter_mut().flatten() {
            slow.reconfigure(config);
        }
        Ok(())
    }

    /// Judges a row without learning it.
    pub fn score(&self, row: &FeatureRow) -> RowScores {
        let mut scores = self.score_alone(row);
        for ((score, lasting), signal) in
            scores.signals.iter_mut().zip(&self.lasting).zip(Signal::ALL)
        {
            if accumulates(signal.kind()) {
                lasting.raise(score, row.sample(signal).value, self.neg_log10_p);
            }
        }
        let values = Signal::ALL.map(|signal| row.sample(signal).value);
        self.together.raise(&mut scores.signals, &values, self.neg_log10_p);
        let raised = scores.signals.iter_mut().zip(&mut scores.drift_since).zip(&self.slow);
        for (((score, since), slow), signal) in raised.zip(Signal::ALL) {
            if let Some(slow) = slow {
                *since = slow.raise(row.bucket, row.sample(signal), score, self.neg_log10_p);
            }
        }
        scores
    }

    /// The same without the rows before it.
    fn score_alone(&self, row: &FeatureRow) -> RowScores {
        let mut scores = [Score::unknown(); Signal::ALL.len()];
        for ((slot, scorer), signal) in scores.iter_mut().zip(&self.signals).zip(Signal::ALL) {
            *slot = scorer.score(row.bucket, row.sample(signal));
        }
        for (slot, signal) in scores.iter_mut().zip(Signal::ALL) {
            if let Some(q) = signal.quantile() {
                self.bound_by_requests(slot, row, signal, q);
            }
        }
        RowScores { signals: scores, drift_since: [None; Signal::ALL.len()] }
    }

    /// A quantile of few requests proves no more than those of them that lie above it: its
    /// evidence is at most that of so many requests being so slow, given how the tail of single
    /// requests fell off in the past.
    fn bound_by_requests(&self, score: &mut Score, row: &FeatureRow, signal: Signal, q: f64) {
        let sample = row.sample(signal);
        if !sample.value.is_finite() {
            return;
        }
        score.effective_n = observations_above(q, sample.n);
        if score.neg_log10_p > 0.0 {
            let excess = (sample.value.max(1e-3) / score.expected).ln();
            let index = self.tail_index();
            let bound = exceedance_neg_log10_p(q, sample.n, score.effective_n, excess, index);
            score.neg_log10_p = score.neg_log10_p.min(bound);
        }
    }

    /// How fast the tail of single latencies falls off: P(latency > x) as x^-index.
    ///
    /// From past 95th percentiles: half of them exceed their median, a twentieth their own 95th
    /// percentile, so the chance falls tenfold over that reach; a row's p95 needs
    /// `observations_above` slow requests, so a single request's index is that much smaller.
    /// Shrunk towards 3 (a heavy tail with a finite variance) with the weight of 20 rows, at most
    /// 8, and at least 3 where many requests stand behind a p95 and its spread says nothing
    /// about single ones any more.
    fn tail_index(&self) -> f64 {
        const PRIOR: f64 = 3.0;
        const PRIOR_ROWS: f64 = 20.0;
        const STEEPEST: f64 = 8.0;
        const MANY: f64 = 10.0;
        let Some(SignalScorer::Level(p95)) = self.signals.get(Signal::P95Latency.index()) else {
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

    /// Learns a row of a time in which nobody wants to know of it: what is anomalous then teaches
    /// nothing.
    pub fn learn_muted(&mut self, row: &FeatureRow, scores: &RowScores) {
        for ((scorer, score), signal) in
            self.signals.iter_mut().zip(&scores.signals).zip(Signal::ALL)
        {
            let anomalous = score.neg_log10_p >= self.neg_log10_p;
            let how = if anomalous { Learn::Skip } else { Learn::Full };
            scorer.learn(row.bucket, row.sample(signal), how);
        }
    }

    /// Learns what adds up over rows, by what is said of this one alone.
    fn learn_lasting(&mut self, row: &FeatureRow) {
        let alone = self.score_alone(row);
        for (lasting, score) in self.lasting.iter_mut().zip(&alone.signals) {
            lasting.learn(score, self.neg_log10_p);
        }
        self.together.learn(&alone.signals, self.neg_log10_p);
        let rows = self.slow.iter_mut().zip(&alone.signals).zip(&self.runs);
        for (((slow, score), run), signal) in rows.zip(Signal::ALL) {
            if let Some(slow) = slow {
                let told = score.neg_log10_p >= self.neg_log10_p;
                let accepted = *run > self.relearn_after;
                slow.learn(row.bucket, row.sample(signal), told, accepted);
            }
        }
    }

    /// Learns a row that was judged as `scores`.
    pub fn learn(&mut self, row: &FeatureRow, scores: &RowScores) {
        self.learn_lasting(row);
        let judged = self.signals.iter_mut().zip(&mut self.runs).zip(&scores.signals);
        for (((scorer, run), score), signal) in judged.zip(Signal::ALL) {
            let anomalous = score.neg_log10_p >= self.neg_log10_p;
            let how = learn_as(anomalous, scorer.points(), run, self.relearn_after);
            scorer.learn(row.bucket, row.sample(signal), how);
        }
    }

    /// Judges a row, then learns it.
    pub fn observe(&mut self, row: &FeatureRow) -> RowScores {
        let scores = self.score(row);
        self.learn(row, &scores);
        scores
    }

    /// Rows learnt and remembered.
    pub fn points(&self) -> usize {
        self.signals.iter().map(SignalScorer::points).max().unwrap_or(0)
    }

    /// Evidence at which one signal is anomalous.
    pub fn signal_neg_log10_p(&self) -> f64 {
        self.neg_log10_p
    }
}

/// Whether the last rows of a kind of signal are taken together: a rate does so by itself, and of a
/// gauge what lasts is an alarm.
pub(super) const fn accumulates(kind: SignalKind) -> bool {
    matches!(kind, SignalKind::Latency | SignalKind::Count)
}

/// The evidence at which a score reaches `threshold`.
pub(crate) fn threshold_neg_log10_p(threshold: f64) -> f64 {
    HALF_SCORE_NEG_LOG10_P * threshold / (1.0 - threshold)
}
