//! Ranks entities by the evidence in their flagged rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::weigh::weigh;
use super::{Culprit, Evidence, NotCalled, Ranking, RankingContext};
use crate::config::CulpritConfig;
use crate::error::Result;
use crate::guard::Severity;
use crate::history::FlaggedRow;
use crate::score::score_of;
use crate::series::{
    CALLS_TO, Entity, EntityId, EntityTable, MISSING_SPANS, NETWORK_GAP, Signal, SignalName,
};
use crate::telemetry::ChangeEvent;
use crate::time::{MINUTE, Timestamp};

/// Ranks entities by the evidence in their flagged rows of a look-back window.
///
/// A row weighs its score (0.5 to 1), so that a lasting fault outweighs a loud moment; an entity
/// weighs the sum of its rows, [those that go on](RankingContext::persisting_rows) as the flagged ones with
/// them, and its score is its share of the sum over all entities. One that
/// calls a service whose anomalies began no later weighs a quarter: a caller suffers with those that
/// it calls. So do calls whose callee's did, beside it, and their caller beside calls that were longer
/// on their way. One that is only called less, or whose spans are missing, weighs a quarter as well where
/// a caller of it went bad because of another: what was never called is no cause. So does one in
/// [another incident](RankingContext::in_other_incident). Those whose metrics were ranked by
/// [`MetricRanker`](super::MetricRanker), which knows calls too, weigh by that. One whose service was
/// changed in the half hour before weighs half as much again. Ties go to the worse severity, then the
/// stronger single row, the earlier onset, the name. Abstains when
/// no row of the window is flagged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CulpritRanker {
    config: CulpritConfig,
}

/// What an entity's rows say against it.
#[derive(Default)]
pub(super) struct Suspect {
    pub weight: f64,
    strongest: f64,
    rows: u64,
    pub step: i64,
    pub explained_by: Option<Arc<str>>,
    pub slow_way_to: Option<Arc<str>>,
    pub not_called: Option<NotCalled>,
    pub change: Option<ChangeEvent>,
    pub first: Option<Timestamp>,
    last: Option<Timestamp>,
    severity: Severity,
    peak_error_rate: f64,
    evidence: BTreeMap<SignalName, Evidence>,
}

impl CulpritRanker {
    /// A ranker.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: CulpritConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// The start of the look-back window that ends at `at`.
    pub fn from(&self, at: Timestamp) -> Timestamp {
        at.plus(-((self.config.minutes * MINUTE as f64) as i64))
    }

    /// Ranks the entities of `rows` that start in `[at - minutes, at]`.
    pub fn rank<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a FlaggedRow>,
        entities: &EntityTable,
        at: Timestamp,
    ) -> Ranking {
        self.rank_within(rows, entities, at, &())
    }

    /// The same with what is known of calls and changes.
    pub fn rank_within<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a FlaggedRow>,
        entities: &EntityTable,
        at: Timestamp,
        context: &impl RankingContext,
    ) -> Ranking {
        let from = self.from(at);
        let mut suspects: BTreeMap<EntityId, Suspect> = BTreeMap::new();
        let mut total_rows = 0;
        for row in rows {
            if row.bucket >= from && row.bucket <= at {
                total_rows += 1;
                suspects.entry(row.entity).or_default().add(row);
            }
        }
        weigh(&mut suspects, entities, at, context);
        let total: f64 = suspects.values().map(|suspect| suspect.weight).sum();
        let mut ranked: Vec<(f64, Culprit)> = suspects
            .into_iter()
            .filter_map(|(id, suspect)| {
                let strongest = suspect.strongest;
                Some((strongest, suspect.into_culprit(id, entities, total)?))
            })
            .collect();
        ranked.sort_by(|(a_row, a), (b_row, b)| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| b.severity.cmp(&a.severity))
                .then_with(|| b_row.total_cmp(a_row))
                .then_with(|| a.onset.cmp(&b.onset))
                .then_with(|| a.entity.cmp(&b.entity))
        });
        ranked.truncate(self.config.top_k);
        let culprits: Vec<Culprit> = ranked.into_iter().map(|(_, culprit)| culprit).collect();
        Ranking { from, at, rows: total_rows, abstained: culprits.is_empty(), culprits }
    }
}

impl Suspect {
    /// Whether it may be why its callers are bad: fewer calls are what a slow caller brings about.
    pub fn explains(&self) -> bool {
        self.evidence.keys().any(|signal| signal.request() != Some(Signal::RequestCount))
    }

    /// Whom the calls go to, where it is one service's calls to another.
    pub fn callee<'a>(&self, entity: &'a Entity) -> Option<&'a str> {
        let on_the_way = self.evidence.keys().any(|signal| signal.as_str() == NETWORK_GAP);
        entity.endpoint.strip_prefix(CALLS_TO).filter(|_| on_the_way)
    }

    /// Whether all that speaks against it is what did not come: requests, spans.
    pub fn is_absent(&self) -> bool {
        self.evidence.values().all(|Evidence { signal, z, .. }| {
            signal.as_str() == MISSING_SPANS
                || *z < 0.0 && signal.request() == Some(Signal::RequestCount)
        })
    }

    /// Rows that go on as the flagged ones weigh as these do.
    pub fn go_on(&mut self, id: EntityId, to: Timestamp, context: &impl RankingContext) {
        let rows = self.evidence.values().map(|known| context.persisting_rows(id, known, to));
        self.weight *= 1.0 + rows.max().unwrap_or(0) as f64 / self.rows as f64;
    }

    fn add(&mut self, row: &FlaggedRow) {
        self.weight += score_of(row.neg_log10_p);
        self.strongest = self.strongest.max(row.neg_log10_p);
        self.rows += 1;
        self.step = self.step.max(row.step);
        self.first = Some(self.first.map_or(row.bucket, |first| first.min(row.bucket)));
        self.last = Some(self.last.map_or(row.bucket, |last| last.max(row.bucket)));
        self.severity = self.severity.max(row.severity);
        self.peak_error_rate =
            self.peak_error_rate.max(row.errors as f64 / row.count.max(1) as f64);
        for flagged in &row.signals {
            let here = Evidence {
                signal: flagged.signal.clone(),
                rows: 1,
                at: row.bucket,
                value: flagged.value,
                expected: flagged.expected,
                low: flagged.low,
                high: flagged.high,
                z: flagged.z,
                neg_log10_p: flagged.neg_log10_p,
            };
            match self.evidence.get_mut(&flagged.signal) {
                Some(known) => {
                    let rows = known.rows + 1;
                    if flagged.neg_log10_p > known.neg_log10_p {
                        *known = here;
                    }
                    known.rows = rows;
                }
                None => {
                    self.evidence.insert(flagged.signal.clone(), here);
                }
            }
        }
    }

    fn into_culprit(self, id: EntityId, entities: &EntityTable, total: f64) -> Option<Culprit> {
        let mut evidence: Vec<Evidence> = self.evidence.into_values().collect();
        evidence.sort_by(|a, b| b.neg_log10_p.total_cmp(&a.neg_log10_p));
        Some(Culprit {
            entity: Entity::clone(entities.get(id)?),
            entity_id: id,
            metric: evidence.first()?.signal.clone(),
            score: self.weight / total,
            onset: self.first?,
            last: self.last?,
            rows: self.rows,
            severity: self.severity,
            peak_error_rate: self.peak_error_rate,
            evidence,
            explained_by: self.explained_by,
            slow_way_to: self.slow_way_to,
            not_called: self.not_called,
            change: self.change,
        })
    }
}
