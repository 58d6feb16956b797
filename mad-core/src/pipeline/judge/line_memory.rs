//! The memory of the lines of one log template beside their number: its silence and its habits.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::score::{Learn, Score, Scorer, SignalScores, SilenceScorer};
use crate::series::Sample;
use crate::time::{HOUR, Timestamp};

/// Time after which the evidence of an earlier episode counts half, nanoseconds.
const HALF_LIFE: f64 = 168.0 * HOUR as f64;
/// Time without a deviation after which an episode has ended, nanoseconds.
const EPISODE_GAP: i64 = HOUR / 2;
/// `-log10 p` from which on a row counts as a deviation: one in ten thousand, as of other signals.
const DEVIATES: f64 = 4.0;
/// Steps before deviations are remembered, because the scale of the counts is not known before.
const LEARNT: i64 = 60;
/// How many times the evidence of earlier episodes a deviation needs to be news. The heights of bursts have
/// heavy tails, so that the next one is now and then half as high again as all before.
const NEWS: f64 = 2.5;
/// Time after which an episode counts half in the number of episodes, nanoseconds.
const FREQUENCY: f64 = 72.0 * HOUR as f64;
/// Number of episodes from which on they are a habit, however large: about one every two days.
const OFTEN: f64 = 2.0;
/// Time for which a template is known before a deviation can open an incident, nanoseconds, and fewest
/// episodes in its direction with which it cannot: one within three days. It is flagged all the same and joins
/// incidents. Bursts of lines, and lines that cease, are usual in logs.
const CALM: i64 = 72 * HOUR;
const NOT_CALM: f64 = 0.5;
/// The price of a second look at the same lines, `log10 2`.
const SECOND_LOOK: f64 = std::f64::consts::LOG10_2;
/// Expected lines of a step from which on a silence is judged. Rarer lines often end with a part of a
/// program.
const FEWEST_LINES: f64 = 2.0;
/// Length of a step on the clock of the steps with lines of the service, s.
const STEP: i64 = 60;

/// The silence of a template, and how often its number of lines deviated.
///
/// # Method
///
/// - Silence: the steps since the last line of the template by the [`SilenceScorer`]. Its clock counts the steps
///   in which the service wrote any line, so that a pause of the whole log is no silence.
/// - Habit: rows with a probability of one in 10^4 and less are episodes. A rise needs 2.5 times the evidence
///   (`-log10 p`) of the rises before, and a fall that of the falls before. Earlier evidence counts half after a
///   week. Where two episodes in the direction are in memory, each of which counts half after three days, no
///   deviation is news: the template has bursts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::pipeline) struct LineMemory {
    silence: SilenceScorer,
    /// Steps so far.
    steps: i64,
    rises: Episodes,
    falls: Episodes,
}

/// The evidence of deviations in one direction.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Episodes {
    /// The most of the episodes before the newest one, at the time of the newest deviation.
    before: f64,
    /// The most of the newest episode.
    newest: f64,
    /// How many there were, each of which counts half after three days.
    count: f64,
    /// Time of the newest deviation.
    at: Option<Timestamp>,
}

impl Episodes {
    /// The most of the episodes that have ended before a time.
    fn before(&self, at: Timestamp) -> f64 {
        let Some(newest) = self.at else { return 0.0 };
        let since = at.since(newest).max(0);
        let most = if since < EPISODE_GAP { self.before } else { self.before.max(self.newest) };
        most * (-(since as f64) / HALF_LIFE).exp2()
    }

    /// How many episodes have ended before a time, each of which counts half after three days.
    fn count(&self, at: Timestamp) -> f64 {
        let Some(newest) = self.at else { return 0.0 };
        let since = at.since(newest).max(0);
        let ended = if since < EPISODE_GAP { self.count - 1.0 } else { self.count };
        ended.max(0.0) * (-(since as f64) / FREQUENCY).exp2()
    }

    /// Takes a deviation.
    fn learn(&mut self, at: Timestamp, neg_log10_p: f64) {
        let lasts = self.at.is_some_and(|newest| at.since(newest) < EPISODE_GAP);
        self.count = self.count(at) + 1.0;
        self.before = self.before(at);
        self.newest = if lasts { self.newest.max(neg_log10_p) } else { neg_log10_p };
        self.at = Some(at);
    }
}

impl LineMemory {
    pub fn new(threshold: f64) -> Result<Self> {
        let silence = SilenceScorer::new(None, threshold)?;
        let [rises, falls] = [Episodes::default(); 2];
        Ok(Self { silence, steps: 0, rises, falls })
    }

    /// Raises the scores of a step without a line by the silence until its end. Returns whether it did.
    pub fn raise_silence(&self, sample: Sample, scores: &mut SignalScores) -> bool {
        let is_missed = scores.score.z < 0.0 && scores.score.expected >= FEWEST_LINES;
        if sample.value > 0.0 || !is_missed {
            return false;
        }
        let end = Timestamp::from_seconds(STEP * (self.steps + 1));
        let point = Sample { value: 1.0, n: 1 };
        let silence = self.silence.score(end, point);
        let neg_log10_p = silence.neg_log10_p - SECOND_LOOK;
        if neg_log10_p <= scores.score.neg_log10_p {
            return false;
        }
        // the lines that are missing since the last one
        let missing = scores.score.expected * (silence.z.max(0.0) + 1.0);
        let raised = |score: Score| Score {
            neg_log10_p: neg_log10_p.max(score.neg_log10_p),
            // the expected range ends at the value, because the step alone is not unlikely
            low: score.low.max(sample.value),
            effective_n: score.effective_n.max(missing),
            ..score
        };
        scores.score = raised(scores.score);
        scores.alarm = raised(scores.alarm);
        true
    }

    /// Lowers the scores of a deviation that is a habit below `threshold`, the `-log10 p` from which on a
    /// value is anomalous.
    pub fn lower_habit(
        &self,
        at: Timestamp,
        sample: Sample,
        threshold: f64,
        scores: &mut SignalScores,
    ) {
        let most = threshold - 1e-9;
        for score in [&mut scores.score, &mut scores.alarm] {
            let episodes = if score.z < 0.0 { &self.falls } else { &self.rises };
            let is_habit =
                score.neg_log10_p < NEWS * episodes.before(at) || episodes.count(at) >= OFTEN;
            if is_habit && score.neg_log10_p > most {
                score.neg_log10_p = most;
                // what the template has done before is expected of it
                score.low = score.low.min(sample.value);
                score.high = score.high.max(sample.value);
            }
        }
    }

    /// Whether a deviation can open an incident. `first` is the time of the first step.
    pub fn may_open(&self, first: Timestamp, at: Timestamp, falls: bool) -> bool {
        let episodes = if falls { &self.falls } else { &self.rises };
        at.since(first) >= CALM && episodes.count(at) < NOT_CALM
    }

    /// Takes a step with the evidence of its deviation.
    pub fn learn(&mut self, at: Timestamp, sample: Sample, score: &Score) {
        self.steps += 1;
        if sample.value > 0.0 {
            let point = Sample { value: 1.0, n: 1 };
            let now = Timestamp::from_seconds(STEP * self.steps);
            let gap = self.silence.score(now, point);
            let how = if gap.neg_log10_p > DEVIATES { Learn::Clipped } else { Learn::Full };
            self.silence.learn(now, point, how);
        }
        if score.neg_log10_p >= DEVIATES && self.steps > LEARNT {
            let episodes = if score.z < 0.0 { &mut self.falls } else { &mut self.rises };
            episodes.learn(at, score.neg_log10_p);
        }
    }
}
