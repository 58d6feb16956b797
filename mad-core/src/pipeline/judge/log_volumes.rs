//! The lines of single log templates, judged against those of the other templates of their service.

use crate::feature::{Row, RowKind, SignalSample};
use crate::pipeline::names::Names;
use crate::score::{Score, SignalScorer, SignalScores};
use crate::series::{LOG_LINES_WARM_UP, PRICE_OF_TEMPLATE, Sample, SignalId, log_template_of};
use crate::time::Timestamp;

use super::{Judge, SeriesState};

/// The score of a muted step, which is no deviation.
static UNKNOWN: Score = Score::unknown();

/// `-log10 p` from which on the lines of a template are compared with those of the others.
const LOOKED_AT: f64 = 2.0;
/// `-log10 p` below which lines are as usual: they neither begin nor continue a deviation.
const UNUSUAL: f64 = 1.0;
/// Share of the usual lines of a log below which it is paused.
const PAUSED: f64 = 0.5;
/// Share of the other templates that have to change as much before a change is one of the whole log.
const MOVED: f64 = 0.25;
/// Squared coefficient of variation of a template's own share of its log.
const VARIATION: f64 = 0.2;
/// Expected lines of a step from which on a template can open an incident.
const FEWEST_LINES: f64 = 5.0;

const EXPECTED: Level = |one| one.expected;
const USUAL: Level = |one| one.usual;

/// What looking at several series of a row costs, in decades (weighted Bonferroni).
///
/// The templates of a log have a fixed price, so that they do not make the other counts of the log less
/// sensitive. These share the price of their number.
#[derive(Debug, Clone, Default)]
pub(super) struct RowPrices {
    /// The series of templates.
    templates: Vec<SignalId>,
    /// The price of each other series.
    pub others: f64,
}

impl RowPrices {
    /// The prices of a row.
    pub fn of(row: &Row<'_>, names: &Names) -> Self {
        let ids = row.samples.iter().map(|sample| sample.signal);
        let is_template = |id: &SignalId| {
            let name = id.series().and_then(|series| names.series.get(series));
            name.is_some_and(|name| log_template_of(&name.metric).is_some())
        };
        let is_log = row.head.kind == RowKind::Logs;
        let templates: Vec<SignalId> = ids.filter(|id| is_log && is_template(id)).collect();
        let others = (row.samples.len() - templates.len()).max(1) as f64;
        Self { templates, others: others.log10() }
    }

    /// The price of a series.
    pub fn of_signal(&self, signal: SignalId) -> f64 {
        if self.templates.contains(&signal) { PRICE_OF_TEMPLATE } else { self.others }
    }
}

/// The lines of a template in a step, and the numbers that were to be expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume {
    signal: SignalId,
    lines: f64,
    /// By the scorer, which knows the time of day.
    expected: f64,
    /// In the last hour of steps.
    usual: f64,
}

/// One of the expected numbers of a [`Volume`].
type Level = fn(&Volume) -> f64;

/// Lines and expected lines of the templates of a row, by the series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volumes<'a> {
    all: &'a [Volume],
    own: SignalId,
}

impl<'a> Volumes<'a> {
    /// The volumes of the other templates; `None` for a series that counts no template.
    pub fn without(all: &'a [Volume], own: SignalId) -> Option<Self> {
        all.iter().any(|one| one.signal == own).then_some(Self { all, own })
    }

    /// The factor by which a quarter of the other templates rose at least (or fell, for a deviation below
    /// 0). 1 without other templates.
    fn factor(&self, z: f64, level: Level) -> f64 {
        let factor = self.quantile(if z < 0.0 { MOVED } else { 1.0 - MOVED }, level);
        if z < 0.0 { factor.min(1.0) } else { factor.max(1.0) }
    }

    /// A quantile of lines by expected lines over the other templates. 1 without other templates.
    ///
    /// Their weights are those of a mean with random effects (`DerSimonian` and Laird, 1986): one over the
    /// variance of a Poisson count and a template's own variation. So templates with few lines count less,
    /// and one with most lines of the log does not count for all.
    fn quantile(&self, share: f64, level: Level) -> f64 {
        let others = self.all.iter().filter(|one| one.signal != self.own && level(one) > 0.0);
        let mut others: Vec<(f64, f64)> = others
            .map(|one| (one.lines / level(one), 1.0 / (1.0 / level(one) + VARIATION)))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        let needed = share * others.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sum = 0.0;
        let found = others.into_iter().find(|(_, weight)| {
            sum += weight;
            sum >= needed
        });
        found.map_or(1.0, |(ratio, _)| ratio)
    }

    /// Scores of a count that are at most those of the count at an unchanged volume of the log, so that
    /// a surge or a pause of the whole log is no change of a template.
    fn lowered(
        &self,
        scores: &SignalScores,
        scorer: &SignalScorer,
        at: Timestamp,
        sample: Sample,
    ) -> SignalScores {
        let factor = self.factor(scores.score.z, EXPECTED);
        if factor == 1.0 {
            return *scores;
        }
        // the whole log has stopped
        let value = if factor > 0.0 { sample.value / factor } else { scores.score.expected };
        let alike = scorer.judge(at, Sample { value, ..sample });
        let threshold = scorer.threshold_neg_log10_p();
        let mut lowered = *scores;
        lowered.score = weaker(&scores.score, &alike.score, factor, threshold);
        lowered.alarm = weaker(&scores.alarm, &alike.alarm, factor, threshold);
        lowered
    }
}

/// The score of a value with the evidence of another view of it, if that has less.
fn weaker(own: &Score, alike: &Score, factor: f64, threshold: f64) -> Score {
    let neg_log10_p = if own.z * alike.z < 0.0 { 0.0 } else { alike.neg_log10_p };
    if neg_log10_p >= own.neg_log10_p {
        return *own;
    }
    if neg_log10_p >= threshold {
        return Score { neg_log10_p, ..*own };
    }
    // the usual number at the volume of the log
    let of_volume = |value: f64| value * factor;
    Score {
        neg_log10_p,
        z: alike.z,
        expected: of_volume(own.expected),
        low: of_volume(own.low),
        high: of_volume(own.high),
        ..*own
    }
}

/// The scores of the lines of a template in a step.
pub(super) struct LineScores {
    pub scores: SignalScores,
    /// Whether the evidence is the time since its last line.
    pub is_silence: bool,
    /// Whether its lines are known for long enough to be judged.
    pub is_warm: bool,
    /// Whether they can open an incident.
    pub may_open: bool,
}

impl SeriesState {
    /// Judges the lines of a template beside their number: against the other templates of the log, by the
    /// time since the last line and by how much they deviated before. Other series keep their scores.
    pub(super) fn judge_lines(
        &mut self,
        at: Timestamp,
        sample: Sample,
        volumes: Option<Volumes<'_>>,
        scores: &SignalScores,
        is_muted: bool,
    ) -> LineScores {
        let mut out =
            LineScores { scores: *scores, is_silence: false, is_warm: true, may_open: true };
        let Some(memory) = &mut self.lines else { return out };
        out.is_warm = at.since(self.first) >= LOG_LINES_WARM_UP;
        let threshold = self.scorer.threshold_neg_log10_p();
        let Some(volumes) = volumes else { return out };
        if out.scores.score.neg_log10_p >= LOOKED_AT {
            out.scores = volumes.lowered(scores, &self.scorer, at, sample);
        }
        // in a pause of the whole log the silence of one template is no news
        if sample.value == 0.0 && volumes.factor(-1.0, EXPECTED) >= PAUSED {
            out.is_silence = memory.raise_silence(sample, &mut out.scores);
        }
        let median = volumes.quantile(0.5, USUAL);
        let is_usual = |score: &Score| score.neg_log10_p < UNUSUAL;
        if is_usual(&out.scores.score) && is_usual(&out.scores.alarm) && sample.value > 0.0 {
            memory.noise.end_run();
            memory.learn(at, sample, &UNKNOWN, median);
            return out;
        }
        let z = out.scores.score.z;
        let usual = memory.noise.usual().unwrap_or(scores.score.expected);
        let factor = volumes.factor(z, USUAL);
        let means = [scores.score.expected * volumes.factor(z, EXPECTED), usual * factor];
        memory.lower_noise(sample, &means, threshold, &mut out.scores);
        let score = out.scores.score;
        let least = means.iter().fold(scores.score.expected.min(usual), |a, b| a.min(*b));
        let is_large = least >= FEWEST_LINES;
        let falls = z < 0.0;
        out.may_open = is_large
            && memory.may_open(self.first, at, falls)
            && (falls || memory.is_record(at, sample.value / factor));
        memory.lower_habit(at, sample, threshold, &mut out.scores);
        let score = if is_muted { &UNKNOWN } else { &score };
        memory.learn(at, sample, score, median);
        out
    }
}

impl Judge {
    /// Lines and expected lines of the templates of a row.
    pub(super) fn volumes(&self, row: &Row<'_>, prices: &RowPrices) -> Vec<Volume> {
        let of_templates = row.samples.iter().filter(|one| prices.templates.contains(&one.signal));
        let volume = |one: &SignalSample| {
            let state = self.series(one.signal.series()?)?;
            let expected = state.scorer.expected(row.head.at, one.sample);
            let usual = state.lines.as_ref().and_then(|lines| lines.noise.usual());
            let (signal, lines) = (one.signal, one.sample.value);
            Some(Volume { signal, lines, expected, usual: usual.unwrap_or(f64::NAN) })
        };
        of_templates.filter_map(volume).collect()
    }
}
