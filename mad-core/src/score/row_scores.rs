//! The scores of the signals of one row.

use serde::{Deserialize, Serialize};

use super::Score;
use super::policy::Price;
use super::score::score_of;
use super::signal_scores::SignalScores;
use crate::series::{Signal, SignalId};
use crate::time::Timestamp;

/// The score of a signal that a row does not have.
static UNKNOWN: Score = Score::unknown();

/// The score of one signal of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SignalScore {
    /// The signal.
    pub signal: SignalId,
    /// How unlikely its value is, with neighbouring rows and other signals taken into account.
    pub score: Score,
    /// Since when the level has been drifting slowly, if the score is that of a slow change.
    pub drift_since: Option<Timestamp>,
}

/// Scores of the signals of one row, in the order of the row's samples.
///
/// A buffer that is meant to be reused: [`RowScorer::score`](super::RowScorer::score) clears and fills it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RowScores {
    pub(super) signals: Vec<SignalScore>,
    /// What learning needs of each signal; empty in a copy made by [`kept`](Self::kept).
    #[serde(skip)]
    pub(super) judged: Vec<SignalScores>,
    /// What looking at all signals costs.
    pub(super) price: Price,
}

impl RowScores {
    /// Scores that were kept in a table, in the order of the row's samples. The `-log10 p` of each
    /// is that for the row, as [`neg_log10_p_of`](Self::neg_log10_p_of) gives it.
    pub fn from_kept(signals: Vec<SignalScore>) -> Self {
        Self { signals, judged: Vec::new(), price: Price::default() }
    }

    /// The score of one signal; [`Score::unknown`] if the row does not have it.
    pub fn of(&self, signal: impl Into<SignalId>) -> &Score {
        self.get(signal.into()).map_or(&UNKNOWN, |(_, signal)| &signal.score)
    }

    /// Since when a signal has been drifting slowly: its score is then the sum over the rows since.
    pub fn drift_since(&self, signal: impl Into<SignalId>) -> Option<Timestamp> {
        self.get(signal.into()).and_then(|(_, signal)| signal.drift_since)
    }

    /// How much a signal is worth an alarm; `None` if the row does not have it or if this is a
    /// copy for later stages.
    pub fn alarm_of(&self, signal: impl Into<SignalId>) -> Option<&Score> {
        let (place, _) = self.get(signal.into())?;
        self.judged.get(place).map(|judged| &judged.alarm)
    }

    /// The signals with their scores, in the order of the row's samples.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SignalScore> {
        self.signals.iter()
    }

    /// `-log10 p` of a signal for the row: its own less the price of looking at all signals, 0 or
    /// more.
    ///
    /// The probability of a row is the smallest of `p / w` over its signals, with weights that add
    /// up to 1 (weighted Bonferroni; Genovese, Roeder and Wasserman, 2006). Of a row of requests,
    /// latencies, errors and traffic have a weight of 0.225 each, client errors and the slow share
    /// 0.05 each. Other rows have equal weights.
    pub fn neg_log10_p_of(&self, signal: impl Into<SignalId>) -> f64 {
        let signal = signal.into();
        (self.of(signal).neg_log10_p - self.price.of_signal(signal)).max(0.0)
    }

    /// The signal with the largest `-log10 p` for the row. In a tie the one whose value lies farther
    /// from the expected one, in scales. The 95th percentile of latency if no signal deviates.
    pub fn leading(&self) -> SignalId {
        let mut best = (Signal::P95Latency.into(), (0.0, f64::INFINITY));
        for SignalScore { signal, score, .. } in &self.signals {
            let priced = score.neg_log10_p - self.price.of_signal(*signal);
            let rank = (priced + self.price.of_main(), score.z.abs());
            if rank > best.1 {
                best = (*signal, rank);
            }
        }
        best.0
    }

    /// `-log10 p` of the row.
    pub fn neg_log10_p(&self) -> f64 {
        self.neg_log10_p_of(self.leading())
    }

    /// The score of the row, 0 to 1.
    pub fn value(&self) -> f64 {
        score_of(self.neg_log10_p())
    }

    /// A copy for later stages, without what only learning needs: [`RowScorer::learn`](super::RowScorer::learn) learns nothing
    /// from it.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self { signals: self.signals.clone(), judged: Vec::new(), price: self.price }
    }

    /// A signal and its place; signals are usually at their own index.
    fn get(&self, signal: SignalId) -> Option<(usize, &SignalScore)> {
        match self.signals.get(signal.index()) {
            Some(found) if found.signal == signal => Some((signal.index(), found)),
            _ => self.signals.iter().enumerate().find(|(_, found)| found.signal == signal),
        }
    }
}

/// Compares scores and not what only learning needs.
impl PartialEq for RowScores {
    fn eq(&self, other: &Self) -> bool {
        self.signals == other.signals && self.price == other.price
    }
}
