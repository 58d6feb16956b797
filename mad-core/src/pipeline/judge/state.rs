//! Everything learnt of one entity's requests, and of one series of a metric.

use serde::{Deserialize, Serialize};

use crate::config::ScoreConfig;
use crate::error::Result;
use crate::feature::RowKind;
use crate::guard::EntityMaturity;
use crate::history::Decision;
use crate::score::{Cooldown, CounterRate, RowScorer, SignalScorer};
use crate::slo::Traffic;
use crate::time::Timestamp;

/// Everything learnt of the requests of one entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::pipeline) struct EntityState {
    pub first: Timestamp,
    pub last: Timestamp,
    pub scorer: RowScorer,
    pub traffic: Traffic,
    pub rows: u64,
    pub flagged: u64,
    pub newest: Option<Decision>,
}

impl EntityState {
    pub fn new(config: &ScoreConfig, first: Timestamp) -> Result<Self> {
        let scorer = RowScorer::new(RowKind::Requests, config)?;
        let traffic = Traffic::default();
        Ok(Self { first, last: first, scorer, traffic, rows: 0, flagged: 0, newest: None })
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
    /// Turns the readings of a counter into rates; `None` for a metric that is no counter.
    pub counter: Option<CounterRate>,
    pub points: u64,
    pub flagged: u64,
    pub newest: Option<Decision>,
    pub cooldown: Cooldown,
}

impl SeriesState {
    pub fn new(scorer: SignalScorer, counter: Option<CounterRate>, first: Timestamp) -> Self {
        Self {
            first,
            last: first,
            scorer,
            counter,
            points: 0,
            flagged: 0,
            newest: None,
            cooldown: Cooldown::default(),
        }
    }

    pub fn maturity(&self) -> EntityMaturity {
        EntityMaturity { first: self.first, points: self.scorer.points() }
    }

    /// Notes the decision on the newest point.
    pub fn judged(&mut self, at: Timestamp, decision: Decision) {
        self.last = self.last.max(at);
        self.newest = Some(decision);
        self.points += 1;
        self.flagged += u64::from(decision.is_anomaly);
    }
}
