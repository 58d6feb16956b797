//! The metrics of an entity, judged together where none is flagged alone.

use std::sync::Arc;

use super::points::Judged;
use super::{Judge, guardrails_of, slot};
use crate::config::PipelineConfig;
use crate::feature::RowHead;
use crate::guard::{ScoredRow, ScoredSignal};
use crate::history::Decision;
use crate::pipeline::names::Names;
use crate::score::Score;
use crate::series::{SignalKind, SignalName};

/// Fewest metrics that deviate together. Two are a pair that has changed; each says so alone.
const FEWEST: usize = 3;
/// Least share of a metric in the distance of its row, in squared scales, to be named.
const LEAST_SHARE: f64 = 4.0;
/// The price of a second look at a row whose points were judged alone, `log10 2`.
const SECOND_LOOK: f64 = std::f64::consts::LOG10_2;
/// Orders of magnitude above the threshold from which on it can open an incident. Neighbouring rows
/// share the smoothed deviations, so that two of them prove less than two rows of a single metric.
const TO_OPEN: f64 = 1.0;

impl Judge {
    /// Judges the points of a row together. Those that deviate most are flagged with the evidence of
    /// all, if no point has as much alone. Returns the evidence.
    pub(super) fn judge_together(
        &mut self,
        head: &RowHead,
        judged: &mut [Judged],
        look_elsewhere: f64,
        config: &PipelineConfig,
        names: &Names,
    ) -> f64 {
        let is_gauge = |one: &&mut Judged| one.alarm.kind == SignalKind::Gauge;
        let mut gauges: Vec<&mut Judged> = judged.iter_mut().filter(is_gauge).collect();
        if gauges.len() < FEWEST || self.is_muted(head.entity, head.at, config, names) {
            return 0.0;
        }
        let deviations: Vec<_> = gauges
            .iter()
            .filter_map(|one| Some((one.signal.name.metric()?, one.signal.score.z)))
            .collect();
        let Some(slot) = slot(&mut self.joint, head.entity.index()) else { return 0.0 };
        let score = slot.get_or_insert_default().observe(&deviations);
        let evidence = (score.neg_log10_p - SECOND_LOOK).max(0.0);
        let named = |share: &f64| *share >= LEAST_SHARE;
        let is_enough = score.shares.iter().filter(|share| named(share)).count() >= FEWEST;
        let has_more =
            |one: &&mut Judged| one.signal.is_anomaly && one.signal.neg_log10_p >= evidence;
        if self.backfill || !is_enough || gauges.iter().any(has_more) {
            return 0.0;
        }
        for (one, share) in gauges.iter_mut().zip(&score.shares) {
            if named(share) {
                self.flag_with_others(head, one, (evidence, look_elsewhere), config);
            }
        }
        evidence
    }

    /// Flags a point with the evidence of several, if the guardrails let it pass.
    fn flag_with_others(
        &mut self,
        head: &RowHead,
        one: &mut Judged,
        (evidence, look_elsewhere): (f64, f64),
        config: &PipelineConfig,
    ) {
        let value = one.signal.sample.value;
        // the expected range ends at the value, because the value is inside it alone
        let mut score = Score { neg_log10_p: evidence, ..one.signal.score };
        if score.z < 0.0 {
            score.low = score.low.max(value);
        } else {
            score.high = score.high.min(value);
        }
        let (SignalName::Metric(metric), Some(series)) = (&one.signal.name, one.signal.id.series())
        else {
            return;
        };
        let settings = self.metric_settings(head.entity, &Arc::clone(metric), config);
        let Some(Some(state)) = self.series.get(series.index()) else { return };
        let maturity = state.maturity();
        let signal = ScoredSignal {
            traits: one.traits,
            sample: one.signal.sample,
            score: &score,
            neg_log10_p: evidence,
        };
        let row = ScoredRow { at: head.at, requests: None, leading: 0, signals: &[signal] };
        let settings = settings.as_slice();
        let guardrails = guardrails_of(&self.rules, &self.guardrails, head.entity);
        let verdict = guardrails.judge_row(&row, maturity, settings);
        if !verdict.is_anomaly {
            return;
        }
        let was_flagged = one.signal.is_anomaly;
        one.signal.score = score;
        one.signal.neg_log10_p = evidence;
        one.signal.is_anomaly = true;
        one.signal.reason = verdict.reason;
        one.signal.severity = verdict.severity;
        one.verdict = verdict;
        // an alarm pays for the other points of the row later, which this evidence has not to do
        let alarming = evidence + look_elsewhere;
        let own = &one.alarm;
        let is_weaker = !own.verdict.is_anomaly || own.score.neg_log10_p < alarming;
        if evidence >= self.threshold_neg_log10_p() + TO_OPEN && is_weaker {
            one.alarm.score = Score { neg_log10_p: alarming, ..score };
            one.alarm.verdict = verdict;
        }
        if let Some(Some(state)) = self.series.get_mut(series.index()) {
            let decision = Decision::of_series(head.at, one.alarm.kind, &one.signal);
            state.judged_again(decision, was_flagged);
        }
    }
}
