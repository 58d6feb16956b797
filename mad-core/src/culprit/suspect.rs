//! The flagged rows of one entity, added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::RankingContext;
use super::ranking::{Culprit, Evidence, NotCalled};
use crate::guard::Severity;
use crate::history::FlaggedRow;
use crate::incident::usual_beside;
use crate::score::score_of;
use crate::series::{
    CALLS_TO, Entity, EntityId, EntityTable, MISSING_SPANS, NETWORK_GAP, SILENCE, Signal,
    SignalName,
};
use crate::telemetry::ChangeEvent;
use crate::time::{Timestamp, nanos_of};

/// The flagged rows of one entity, added up, and the facts that change its weight.
#[derive(Default)]
pub(super) struct Suspect {
    pub weight: f64,
    pub strongest: f64,
    rows: u64,
    pub step: i64,
    pub explained_by: Option<Arc<str>>,
    pub slow_calls_to: Option<Arc<str>>,
    pub not_called: Option<NotCalled>,
    pub changes: Vec<ChangeEvent>,
    pub first: Option<Timestamp>,
    last: Option<Timestamp>,
    severity: Severity,
    peak_error_rate: f64,
    /// Whether anything departed from a level that it had before.
    pub departed: bool,
    evidence: BTreeMap<SignalName, Evidence>,
}

impl Suspect {
    /// Whether it can explain anomalies of its callers. A lower request count alone cannot, because a
    /// slow caller itself causes it.
    pub fn can_explain_callers(&self) -> bool {
        self.evidence.keys().any(|signal| signal.request() != Some(Signal::RequestCount))
    }

    /// Whether it got more requests than expected.
    pub fn has_surge(&self) -> bool {
        let mut evidence = self.evidence.values();
        evidence.any(|one| one.z > 0.0 && one.signal.request() == Some(Signal::RequestCount))
    }

    /// The called service, if the entity stands for the calls from one service to another.
    pub fn callee<'a>(&self, entity: &'a Entity) -> Option<&'a str> {
        let has_gap = self.evidence.keys().any(|signal| signal.as_str() == NETWORK_GAP);
        entity.endpoint.strip_prefix(CALLS_TO).filter(|_| has_gap)
    }

    /// Whether only missing requests or missing spans speak against it.
    pub fn is_only_absent(&self) -> bool {
        self.evidence.values().all(|Evidence { signal, z, .. }| {
            matches!(signal.as_str(), MISSING_SPANS | SILENCE)
                || *z < 0.0 && signal.request() == Some(Signal::RequestCount)
        })
    }

    /// Adds the weight of rows that persist without a flag: each weighs as much as a flagged one.
    pub fn add_persisting(&mut self, id: EntityId, to: Timestamp, context: &impl RankingContext) {
        let rows = self.evidence.values().map(|known| context.persisting_rows(id, known, to));
        self.weight *= 1.0 + rows.max().unwrap_or(0) as f64 / self.rows as f64;
    }

    /// Adds a flagged row.
    pub fn add(&mut self, row: &FlaggedRow) {
        self.weight += score_of(row.neg_log10_p);
        self.strongest = self.strongest.max(row.neg_log10_p);
        self.rows += 1;
        self.step = self.step.max(nanos_of(row.step));
        self.first = Some(self.first.map_or(row.bucket, |first| first.min(row.bucket)));
        self.last = Some(self.last.map_or(row.bucket, |last| last.max(row.bucket)));
        self.severity = self.severity.max(row.severity);
        self.peak_error_rate =
            self.peak_error_rate.max(row.errors as f64 / row.count.max(1) as f64);
        for flagged in &row.signals {
            self.departed |= !flagged.first_sight;
            let here = Evidence {
                signal: flagged.signal.clone(),
                rows: 1,
                at: row.bucket,
                value: flagged.value,
                expected: flagged.expected,
                usual: flagged.expected,
                low: flagged.low,
                high: flagged.high,
                z: flagged.z,
                neg_log10_p: flagged.neg_log10_p,
            };
            // of each signal the strongest row is kept
            match self.evidence.get_mut(&flagged.signal) {
                Some(known) => {
                    let (rows, usual) = (known.rows + 1, known.usual);
                    if flagged.neg_log10_p > known.neg_log10_p {
                        *known = Evidence { usual: usual_beside(usual, flagged), ..here };
                    }
                    known.rows = rows;
                }
                None => {
                    self.evidence.insert(flagged.signal.clone(), here);
                }
            }
        }
    }

    /// The entry of the ranking; `total` is the weight of all suspects.
    pub fn into_culprit(self, id: EntityId, entities: &EntityTable, total: f64) -> Option<Culprit> {
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
            slow_calls_to: self.slow_calls_to,
            not_called: self.not_called,
            changes: self.changes,
            log: None,
        })
    }
}
