//! The memory of the lines of one log template beside their number: its silence and its habits.

use serde::{Deserialize, Serialize};

use super::line_noise::LineNoise;
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
/// How many times as many lines as ever before open an incident.
const RECORD: f64 = 2.0;
/// Steps without a pause of the counts after which a template can open an incident, and how many steps its rise
/// or fall has to last. A restart interrupts a log for a step or two.
const COUNTED: u32 = 60;
const RISE_LASTS: u32 = 2;
const FALL_LASTS: u32 = 4;
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
/// - Noise: no deviation has more evidence than [`LineNoise`] gives it, because the scale of a scorer hardly
///   follows bursts.
/// - Habit: rows with a probability of one in 10^4 and less are episodes. A rise needs 2.5 times the evidence
///   (`-log10 p`) of the rises before, and a fall that of the falls before. Earlier evidence counts half after a
///   week. A silence is compared with the longest one before in the same way. Where two episodes in the direction are in memory, each of which counts half after three days, no
///   deviation is news: the template has bursts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::pipeline) struct LineMemory {
    silence: SilenceScorer,
    /// Steps so far.
    steps: i64,
    rises: Episodes,
    falls: Episodes,
    /// The usual number of lines, and how bursty it is.
    pub noise: LineNoise,
    /// The step with its last line.
    last_line: i64,
    /// Most steps without a line so far, at the time of the newest count.
    longest: f64,
    /// Most lines of a step before the rise that lasts, and those of that rise, each at the volume of a usual
    /// step.
    highest: f64,
    rising: f64,
    newest: Option<Timestamp>,
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
        Ok(Self {
            silence,
            steps: 0,
            rises,
            falls,
            noise: LineNoise::default(),
            last_line: 0,
            longest: 0.0,
            highest: 0.0,
            rising: 0.0,
            newest: None,
        })
    }

    /// Lowers the scores of a step to the evidence that its lines have against each of the expected numbers.
    pub fn lower_noise(
        &mut self,
        sample: Sample,
        means: &[f64],
        threshold: f64,
        scores: &mut SignalScores,
    ) {
        let most = self.noise.evidence(sample.value, means, scores.score.z < 0.0);
        for score in [&mut scores.score, &mut scores.alarm] {
            lower(score, most, threshold, sample.value);
        }
    }

    /// Steps without a line until the end of the current one.
    fn empty(&self) -> f64 {
        (self.steps + 1 - self.last_line) as f64
    }

    /// A remembered number at a time. It halves in a week.
    fn kept(&self, memory: f64, at: Timestamp) -> f64 {
        let since = self.newest.map_or(0, |newest| at.since(newest).max(0));
        memory * (-(since as f64) / HALF_LIFE).exp2()
    }

    /// Whether a rise to this number of lines is far above every one before.
    pub fn is_record(&self, at: Timestamp, lines: f64) -> bool {
        lines.max(self.rising) >= RECORD * self.kept(self.highest, at)
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
        for score in [&mut scores.score, &mut scores.alarm] {
            let episodes = if score.z < 0.0 { &self.falls } else { &self.rises };
            let is_silent = score.z < 0.0 && sample.value == 0.0;
            let (own, before) = if is_silent {
                (self.empty(), self.kept(self.longest, at))
            } else {
                (score.neg_log10_p, episodes.before(at))
            };
            if own < NEWS * before || episodes.count(at) >= OFTEN {
                lower(score, threshold - 1e-9, threshold, sample.value);
            }
        }
    }

    /// Whether a deviation can open an incident. `first` is the time of the first step.
    pub fn may_open(&self, first: Timestamp, at: Timestamp, falls: bool) -> bool {
        let (episodes, lasts) =
            if falls { (&self.falls, FALL_LASTS) } else { (&self.rises, RISE_LASTS) };
        at.since(first) >= CALM
            && episodes.count(at) < NOT_CALM
            && self.noise.steps() >= COUNTED
            && self.noise.lasts(falls) >= lasts
    }

    /// Takes a step with the evidence of its deviation. `factor` is how the other templates changed.
    pub fn learn(&mut self, at: Timestamp, sample: Sample, score: &Score, factor: f64) {
        self.steps += 1;
        self.noise.learn(at, sample.value, factor);
        self.longest = self.kept(self.longest, at);
        self.highest = self.kept(self.highest, at);
        self.newest = Some(at);
        self.rising = self.rising.max(sample.value / factor.max(1.0));
        if self.noise.lasts(false) == 0 {
            self.highest = self.highest.max(std::mem::take(&mut self.rising));
        }
        if self.noise.steps() == 1 {
            // nothing is known of the pause
            self.last_line = self.steps;
        }
        if sample.value > 0.0 {
            self.longest = self.longest.max((self.steps - self.last_line - 1) as f64);
            self.last_line = self.steps;
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

/// Lowers the evidence of a value to `most`. A value that is no longer anomalous was to be expected.
fn lower(score: &mut Score, most: f64, threshold: f64, value: f64) {
    if score.neg_log10_p <= most {
        return;
    }
    let was_anomalous = score.neg_log10_p >= threshold;
    score.neg_log10_p = most;
    if was_anomalous && most < threshold {
        score.low = score.low.min(value);
        score.high = score.high.max(value);
    }
}
