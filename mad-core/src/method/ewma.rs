//! Rules over five minutes of an endpoint: latency, failed requests and silence.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Judgement;
use super::bounded::Bounded;
use super::rules::EDGE;
use crate::error::Result;
use crate::feature::{RequestFacts, RowKind};
use crate::guard::{JudgedRow, Severity};
use crate::score::{ErrorSpikeScorer, EwmaScorer, Learn, Scorer};
use crate::series::{Entity, SILENCE, Sample, Signal, SignalId};
use crate::time::{HOUR, MINUTE, Timestamp};

/// Time that latency and failed requests are taken over, and time without a request that is silence.
const WINDOW: i64 = 5 * MINUTE;
/// Ratio of latency to its baseline that is anomalous, and that is critical.
const RATIO: f64 = 3.0;
const CRITICAL_RATIO: f64 = 5.0;
/// Share of failed requests that is anomalous, and that is critical.
const ERRORS: f64 = 0.2;
const CRITICAL_ERRORS: f64 = 0.5;
/// Requests in the window that a share of failed ones needs.
const LEAST_REQUESTS: u64 = 5;
/// Requests in an hour that make silence remarkable: more than these.
const LEAST_HOURLY: u64 = 10;
/// Time after which a level that stays anomalous becomes the baseline.
const ACCEPT: i64 = HOUR;
/// Most steps of an hour.
const MOST_STEPS: usize = 3_600;
/// Name of the judged latency.
const MEAN_LATENCY: &str = "avg_latency_ms";

/// A baseline that does not learn from anomalous values, until they have lasted for an hour.
#[derive(Debug)]
struct Baseline {
    scorer: EwmaScorer,
    since: Option<Timestamp>,
}

impl Baseline {
    fn new() -> Result<Self> {
        Ok(Self { scorer: EwmaScorer::new(RATIO)?, since: None })
    }

    /// Judges `judged` and learns `learnt`.
    fn observe(&mut self, at: Timestamp, judged: Sample, learnt: Sample) -> crate::Score {
        let score = self.scorer.score(at, judged);
        if score.neg_log10_p < EDGE {
            self.since = None;
            self.scorer.learn(at, learnt, Learn::Full);
            return score;
        }
        let since = *self.since.get_or_insert(at);
        if at.since(since) >= ACCEPT {
            if let Ok(fresh) = Self::new() {
                *self = fresh;
            }
            self.scorer.learn(at, learnt, Learn::Full);
        }
        score
    }
}

/// The steps of one endpoint.
#[derive(Debug)]
struct Endpoint {
    baseline: Baseline,
    errors: ErrorSpikeScorer,
    /// Time, requests, measured latencies and their mean of the steps of the last hour.
    steps: VecDeque<(Timestamp, u64, u64, f64)>,
    end: Timestamp,
    is_silent: bool,
}

impl Endpoint {
    fn new() -> Result<Self> {
        let window = Duration::from_nanos(WINDOW.unsigned_abs());
        Ok(Self {
            baseline: Baseline::new()?,
            errors: ErrorSpikeScorer::new(ERRORS, LEAST_REQUESTS, window)?,
            steps: VecDeque::new(),
            end: Timestamp::from_seconds(0),
            is_silent: false,
        })
    }

    fn judge(&mut self, row: &JudgedRow, facts: &RequestFacts) -> Judgement {
        let at = row.head.at;
        self.remember(at, facts);
        (self.end, self.is_silent) = (row.head.end(), false);

        let recent = self.steps.iter().rev().take_while(|(then, ..)| at.since(*then) < WINDOW);
        let (mut mean, mut measured) = (0.0, 0);
        for (_, _, n, value) in recent.filter(|(_, _, n, _)| *n > 0) {
            measured += n;
            mean += (value - mean) * (*n as f64 / measured as f64);
        }
        let own = Sample { value: facts.mean_ms, n: facts.measured };
        let latency = self.baseline.observe(at, Sample { value: mean, n: measured }, own);
        let share = Sample { value: facts.error_rate(), n: facts.requests };
        let errors = self.errors.score(at, share);
        let failed = self.errors.share(at, share).unwrap_or(0.0);
        self.errors.learn(at, share, Learn::Full);

        let is_slow = latency.neg_log10_p >= EDGE;
        let is_failing = errors.neg_log10_p >= EDGE;
        let is_critical = is_slow && mean > CRITICAL_RATIO * latency.expected
            || is_failing && failed > CRITICAL_ERRORS;
        let mut judged = if latency.neg_log10_p >= errors.neg_log10_p && latency.points > 0 {
            Judgement::of_signal(MEAN_LATENCY, mean, &latency, EDGE)
        } else {
            Judgement::of_signal(Signal::ErrorRate.as_str(), failed, &errors, EDGE)
        };
        if is_critical {
            judged.severity = Severity::Critical;
        }
        let slow = if latency.points > 0 && mean > 2.0 * latency.expected { 30.0 } else { 0.0 };
        judged.health = 100.0 - 50.0 * failed - slow;
        judged
    }

    fn remember(&mut self, at: Timestamp, facts: &RequestFacts) {
        while self.steps.len() >= MOST_STEPS
            || self.steps.front().is_some_and(|(then, ..)| at.since(*then) >= HOUR)
        {
            self.steps.pop_front();
        }
        self.steps.push_back((at, facts.requests, facts.measured, facts.mean_ms));
    }

    /// When it has been silent for the window, if it had enough requests in the hour before.
    fn silence(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due = self.end.plus(WINDOW);
        if self.is_silent || now < due {
            return None;
        }
        let hourly: u64 = self.steps.iter().map(|(_, requests, ..)| requests).sum();
        self.is_silent = true;
        (hourly > LEAST_HOURLY).then_some(due)
    }
}

/// The rules over all endpoints, and the latency rule for each metric.
#[derive(Debug)]
pub(super) struct EwmaRules {
    endpoints: Bounded<Endpoint>,
    metrics: Bounded<Vec<(SignalId, Baseline)>>,
    now: Option<Timestamp>,
}

impl EwmaRules {
    pub fn new(most: usize) -> Result<Self> {
        // The constants are in their ranges; an error would name the one that is not.
        Endpoint::new()?;
        Ok(Self { endpoints: Bounded::new(most), metrics: Bounded::new(most), now: None })
    }

    pub fn judge(&mut self, row: &JudgedRow) -> Option<Judgement> {
        match row.head.kind {
            RowKind::Requests => {
                let facts = row.requests.as_ref()?;
                Some(self.endpoints.of(row, Endpoint::new, drop)?.judge(row, facts))
            }
            RowKind::Metrics => self.judge_metrics(row),
            _ => None,
        }
    }

    fn judge_metrics(&mut self, row: &JudgedRow) -> Option<Judgement> {
        let known = self.metrics.of(row, || Ok(Vec::new()), drop)?;
        let mut worst: Option<Judgement> = None;
        for signal in &row.signals {
            if !known.iter().any(|(id, _)| *id == signal.id) {
                known.push((signal.id, Baseline::new().ok()?));
            }
            let baseline = known.iter_mut().find(|(id, _)| *id == signal.id);
            let Some((_, baseline)) = baseline else { continue };
            let score = baseline.observe(row.head.at, signal.sample, signal.sample);
            if score.points == 0 {
                continue;
            }
            let value = signal.sample.value;
            let mut judged = Judgement::of_signal(signal.name.as_str(), value, &score, EDGE);
            if judged.is_anomaly && value > CRITICAL_RATIO * score.expected {
                judged.severity = Severity::Critical;
            }
            if worst.as_ref().is_none_or(|worst| judged.score > worst.score) {
                worst = Some(judged);
            }
        }
        worst
    }

    /// The endpoints that have become silent by `now`.
    pub fn silent(&mut self, now: Timestamp) -> Vec<(Timestamp, Arc<Entity>, Judgement)> {
        if self.now.is_some_and(|known| now <= known) {
            return Vec::new();
        }
        self.now = Some(now);
        let mut found = Vec::new();
        for (entity, endpoint) in self.endpoints.iter_mut() {
            let Some(at) = endpoint.silence(now) else { continue };
            let judged = Judgement {
                signal: Arc::from(SILENCE),
                value: WINDOW as f64 / 1e9,
                ..Judgement::of_row(0.5, true)
            };
            found.push((at, Arc::clone(entity), judged));
        }
        found
    }
}
