//! Ranks entities by the evidence in their flagged rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ChangeEvent, Culprit, CulpritConfig, Evidence, Ranking, Surroundings};
use crate::error::Result;
use crate::feature::Signal;
use crate::guard::Severity;
use crate::history::FlaggedRow;
use crate::score::score_of;
use crate::series::{EntityId, EntityTable, SignalName};
use crate::time::{MINUTE, Timestamp};

/// Weight of one whose callee explains it.
const EXPLAINED: f64 = 0.25;
/// Weight of one whose service was changed shortly before.
const CHANGED: f64 = 1.5;
/// How long before the first flagged row a change counts, nanoseconds.
const CHANGE_REACH: i64 = 30 * MINUTE;

/// Ranks entities by the evidence in their flagged rows of a look-back window.
///
/// A row weighs its score (0.5 to 1), so that a lasting fault outweighs a loud moment; an entity
/// weighs the sum of its rows, and its score is its share of the sum over all entities. One that
/// calls a service whose anomalies began no later weighs a quarter: a caller suffers with those that
/// it calls. Those whose metrics were ranked by [`MetricRanker`](super::MetricRanker), which knows
/// calls too, weigh by that. One whose service was changed in the half hour before weighs half as
/// much again. Ties go to
/// the worse severity, then the stronger single row, the earlier onset, the name. Abstains when
/// no row of the window is flagged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CulpritRanker {
    config: CulpritConfig,
}

#[derive(Default)]
struct Suspect {
    weight: f64,
    strongest: f64,
    rows: u64,
    step: i64,
    explained_by: Option<Arc<str>>,
    change: Option<ChangeEvent>,
    first: Option<Timestamp>,
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
        surroundings: &impl Surroundings,
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
        weigh(&mut suspects, entities, at, surroundings);
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

/// What calls and changes make of the weights.
fn weigh(
    suspects: &mut BTreeMap<EntityId, Suspect>,
    entities: &EntityTable,
    at: Timestamp,
    surroundings: &impl Surroundings,
) {
    let mut onsets: BTreeMap<&str, (Timestamp, i64, f64)> = BTreeMap::new();
    for (id, suspect) in &*suspects {
        // fewer calls are what a slow caller brings about
        let explains = suspect.evidence.keys().any(|signal| !is_traffic(signal));
        if let (Some(entity), Some(first), true) = (entities.get(*id), suspect.first, explains) {
            let known = onsets.entry(&entity.service).or_insert((first, suspect.step, 0.0));
            let (onset, step, weight) = *known;
            *known = (onset.min(first), step.max(suspect.step), weight + suspect.weight);
        }
    }
    stand(suspects, entities, surroundings);
    let mut callees: BTreeMap<&str, Vec<Arc<str>>> = BTreeMap::new();
    for (id, suspect) in suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let callees = callees
            .entry(&*entity.service)
            .or_insert_with(|| surroundings.callees(&entity.service));
        let explaining = callees.iter().filter_map(|callee| {
            let (onset, step, weight) = *onsets.get(&**callee)?;
            let no_later = onset <= first.plus(suspect.step.max(step));
            (**callee != *entity.service && no_later).then_some((callee, weight))
        });
        let worst = explaining.reduce(|a, b| if b.1 > a.1 { b } else { a });
        suspect.explained_by = worst.map(|(callee, _)| Arc::clone(callee));
        // a change in the step in which it began may have come before
        let until = first.plus(suspect.step).min(at.plus(suspect.step));
        suspect.change = surroundings.change(&entity.service, first.plus(-CHANGE_REACH), until);
        if suspect.explained_by.is_some() && surroundings.by_metrics(&entity.service).is_none() {
            suspect.weight *= EXPLAINED;
        }
        if suspect.change.is_some() {
            suspect.weight *= CHANGED;
        }
    }
}

fn is_traffic(signal: &SignalName) -> bool {
    signal.request() == Some(Signal::RequestCount)
}

/// Weights of those whose metrics were ranked: that of the heaviest of them goes to the first of that
/// ranking, and less to those after it. Within a service the weights stay in proportion.
fn stand(
    suspects: &mut BTreeMap<EntityId, Suspect>,
    entities: &EntityTable,
    surroundings: &impl Surroundings,
) {
    let mut heaviest: f64 = 0.0;
    let mut services: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (id, suspect) in &*suspects {
        let Some(entity) = entities.get(*id) else { continue };
        let Some(standing) = surroundings.by_metrics(&entity.service) else { continue };
        heaviest = heaviest.max(suspect.weight);
        let (_, most) = services.entry(&entity.service).or_insert((standing, 0.0));
        *most = most.max(suspect.weight);
    }
    for (id, suspect) in suspects {
        let service = entities.get(*id).and_then(|entity| services.get(&*entity.service));
        if let Some((standing, most)) = service {
            suspect.weight *= heaviest * standing / most;
        }
    }
}

impl Suspect {
    fn add(&mut self, row: &FlaggedRow) {
        self.weight += score_of(row.evidence);
        self.strongest = self.strongest.max(row.evidence);
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
                evidence: flagged.evidence,
            };
            match self.evidence.get_mut(&flagged.signal) {
                Some(known) => {
                    let rows = known.rows + 1;
                    if flagged.evidence > known.evidence {
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
        evidence.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
        Some(Culprit {
            entity: crate::series::Entity::clone(entities.get(id)?),
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
            change: self.change,
        })
    }
}
