//! Everything learnt of one entity's requests, and of one series of a metric.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Silence;
use super::line_memory::LineMemory;
use crate::config::{GuardConfig, ScoreConfig};
use crate::error::Result;
use crate::feature::{Row, RowKind};
use crate::guard::EntityMaturity;
use crate::history::{Decision, Rhythm};
use crate::score::{BecomesSeries, Cooldown, RowScorer, RunningTotal, SignalScorer};
use crate::series::{Sample, SignalKind};
use crate::slo::Traffic;
use crate::time::{MINUTE, Timestamp, nanos_of};

/// Usual times between rows from which on a pause is idle time.
const IDLE_INTERVALS: i64 = 3;

/// Steps after idle time in which latencies are those of a cold start.
const COLD_STEPS: u32 = 2;

/// Everything learnt of the requests of one entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::pipeline) struct EntityState {
    /// Start of its first row, or of the first one after stray rows.
    pub first: Timestamp,
    pub last: Timestamp,
    pub scorer: RowScorer,
    pub traffic: Traffic,
    pub rows: u64,
    pub flagged: u64,
    pub newest: Option<Decision>,
    /// How often it has rows.
    pub rhythm: Rhythm,
    /// The partition of its newest row, and the number of its step there.
    pub partition: u32,
    pub seen: i64,
    /// Start of its newest row whose gap was learnt.
    pub last_row: Timestamp,
    /// The silence that lasts.
    pub silence: Option<Silence>,
    /// The end of the last cold start.
    cold_until: Option<Timestamp>,
}

impl EntityState {
    /// The state of an entity whose service had `errors` among `requests` elsewhere.
    pub fn new(
        kind: RowKind,
        config: &ScoreConfig,
        first: Timestamp,
        (errors, requests): (u64, u64),
    ) -> Result<Self> {
        let mut scorer = RowScorer::new(kind, config)?;
        scorer.assume_errors(errors, requests);
        let traffic = Traffic::default();
        Ok(Self {
            first,
            last: first,
            scorer,
            traffic,
            rows: 0,
            flagged: 0,
            newest: None,
            rhythm: Rhythm::default(),
            partition: 0,
            seen: 0,
            last_row: first,
            silence: None,
            cold_until: None,
        })
    }

    /// Whether a row is the first one after idle time, or directly follows it: what it calls may have
    /// been shut down. A slow request counts in the step in which it ends.
    pub fn starts_cold(&mut self, row: &Row<'_>, guard: &GuardConfig) -> bool {
        let idle = nanos_of(row.head.step.saturating_mul(row.head.gap));
        let least = (guard.cold_start_minutes * MINUTE as f64) as i64;
        if least <= 0 {
            return false;
        }
        if idle >= least && idle >= self.rhythm.interval().saturating_mul(IDLE_INTERVALS) {
            self.cold_until = Some(row.head.at + row.head.step.saturating_mul(COLD_STEPS));
        }
        self.cold_until.is_some_and(|until| row.head.at < until)
    }

    pub fn maturity(&self) -> EntityMaturity {
        EntityMaturity { first: self.first, points: self.scorer.points() }
    }

    /// Notes the decision on the newest row.
    pub fn judged(&mut self, at: Timestamp, decision: Decision) {
        self.last = self.last.max(at);
        self.newest = Some(decision);
        self.rows += 1;
        self.flagged += u64::from(decision.is_anomaly);
    }
}

/// Everything learnt of one series of a metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::pipeline) struct SeriesState {
    pub first: Timestamp,
    pub last: Timestamp,
    pub scorer: SignalScorer,
    /// Recognises a running total and gives its increases; `None` for a metric whose kind is known.
    pub total: Option<RunningTotal>,
    pub points: u64,
    pub flagged: u64,
    pub newest: Option<Decision>,
    pub cooldown: Cooldown,
    /// The memory of the lines of a log template; `None` for other series.
    #[serde(default)]
    pub lines: Option<Box<LineMemory>>,
}

impl SeriesState {
    pub fn new(scorer: SignalScorer, total: Option<RunningTotal>, first: Timestamp) -> Self {
        Self {
            first,
            last: first,
            scorer,
            total,
            points: 0,
            flagged: 0,
            newest: None,
            cooldown: Cooldown::default(),
            lines: None,
        }
    }

    /// Remembers the lines of a log template.
    #[must_use]
    pub fn of_template(self) -> Self {
        // the threshold of a scorer is above 0, so that it does not fail
        let lines = LineMemory::new(self.scorer.threshold_neg_log10_p()).ok().map(Box::new);
        Self { lines, ..self }
    }

    /// The sample of a reading that is judged: the increase of a running total, else the reading. A
    /// series that turns out to be something else gets another scorer.
    pub fn judged_sample(
        &mut self,
        at: Timestamp,
        step: Duration,
        reading: Sample,
        scorer_of: impl Fn(SignalKind) -> Option<SignalScorer>,
    ) -> Sample {
        let Some(total) = &mut self.total else { return reading };
        let sample = total.increase(at, reading, step);
        let Some(change) = total.take_change() else { return sample };
        let (kind, earlier) = match change {
            BecomesSeries::Level | BecomesSeries::Rate => (SignalKind::Gauge, Vec::new()),
            BecomesSeries::Events(earlier) => (SignalKind::Events, earlier),
        };
        // it does not fail, because the configuration was validated before
        if let Some(scorer) = scorer_of(kind) {
            self.scorer = scorer;
        }
        for events in earlier {
            let sample = Sample { value: f64::from(events), n: 1 };
            self.scorer.observe(at, sample);
        }
        sample
    }

    pub fn maturity(&self) -> EntityMaturity {
        EntityMaturity { first: self.first, points: self.scorer.points() }
    }

    /// Replaces the decision on the newest point, which is flagged with others.
    pub fn judged_again(&mut self, decision: Decision, was_flagged: bool) {
        self.newest = Some(decision);
        self.flagged += u64::from(!was_flagged);
    }

    /// Notes the decision on the newest point.
    pub fn judged(&mut self, at: Timestamp, decision: Decision) {
        self.last = self.last.max(at);
        self.newest = Some(decision);
        self.points += 1;
        self.flagged += u64::from(decision.is_anomaly);
    }
}
