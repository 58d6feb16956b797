//! Everything a report, a file or an answer shows, as one serializable document.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chain_document::{LinkDocument, MemberDocument};
use super::series_document::{SeriesDocument, points_document};
use super::slo_document::SloDocument;
use super::{Counters, Pipeline, StateDocument};
use crate::culprit::{Culprit, Evidence, Ranking};
use crate::explain::Explanation;
use crate::graph::GraphDocument;
use crate::incident::{Incident, Peak};
use crate::series::Entity;
use crate::telemetry::Rejections;

/// Version of the document's shape; it grows when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;
/// Entities listed with their row counts, those with most flagged rows first.
const LANES: usize = 200;
/// Entities listed as affected by an incident.
const AFFECTED: usize = 50;

/// Everything a report shows. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct Document {
    pub schema_version: u32,
    pub generator: String,
    pub mode: &'static str,
    pub first: Option<String>,
    pub last: Option<String>,
    pub step_seconds: f64,
    pub requests: u64,
    pub errors: u64,
    pub rows: u64,
    pub flagged: u64,
    pub points: u64,
    pub flagged_points: u64,
    pub entities: u64,
    pub series: u64,
    pub suppressed: BTreeMap<&'static str, u64>,
    pub rejected: RejectedDocument,
    pub incidents: Vec<IncidentDocument>,
    pub ranking: RankingDocument,
    pub timeline: Vec<LaneDocument>,
    pub state_counts: BTreeMap<&'static str, u64>,
    pub states: Vec<StateDocument>,
    pub counters: Counters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphDocument>,
}

/// Records that were not taken.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct RejectedDocument {
    pub total: u64,
    pub counts: BTreeMap<&'static str, u64>,
    pub first: Vec<RejectedRecord>,
}

/// One record that was not taken.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct RejectedRecord {
    pub reason: &'static str,
    pub position: u64,
    pub detail: String,
    pub hint: &'static str,
}

/// One incident.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct IncidentDocument {
    pub id: String,
    pub fingerprint: String,
    pub service: String,
    pub endpoint: String,
    pub start: String,
    pub end: String,
    pub opened_at: String,
    pub closed_at: Option<String>,
    pub reopened: u64,
    pub severity: &'static str,
    pub status: &'static str,
    pub signals: Vec<String>,
    pub rows: u64,
    pub requests: u64,
    pub errors: u64,
    pub peaks: BTreeMap<String, PeakDocument>,
    pub affected: Vec<String>,
    pub members: Vec<MemberDocument>,
    pub reached: u64,
    pub slo: Option<SloDocument>,
    pub chain: Vec<LinkDocument>,
    pub culprit: Option<EntityDocument>,
    pub explanation: Explanation,
    pub ranking: RankingDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesDocument>,
}

/// A signal at its worst.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct PeakDocument {
    pub value: f64,
    pub expected: f64,
    pub expected_low: f64,
    pub expected_high: f64,
    pub z: f64,
    pub evidence: f64,
    pub at: String,
}

/// An entity.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EntityDocument {
    pub service: String,
    pub endpoint: String,
}

/// A ranking.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct RankingDocument {
    pub at: String,
    pub from: String,
    pub minutes: f64,
    pub rows: u64,
    pub abstained: bool,
    pub culprits: Vec<CulpritDocument>,
}

/// A suspect.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct CulpritDocument {
    pub service: String,
    pub endpoint: String,
    pub metric: String,
    pub score: f64,
    pub onset: String,
    pub last: String,
    pub rows: u64,
    pub severity: &'static str,
    pub evidence: Vec<EvidenceDocument>,
}

/// What a signal says against a suspect.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EvidenceDocument {
    pub signal: String,
    pub rows: u64,
    pub at: String,
    pub value: f64,
    pub expected: f64,
    pub expected_low: f64,
    pub expected_high: f64,
    pub z: f64,
    pub evidence: f64,
    pub text: String,
}

/// Rows of one entity.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct LaneDocument {
    pub service: String,
    pub endpoint: String,
    pub rows: u64,
    pub flagged: u64,
    pub incidents: u64,
}

impl Pipeline {
    /// Everything a report shows, as of now.
    pub fn document(&self) -> Document {
        let counters = self.counters();
        let incidents = self.incidents();
        let mut with_incidents: BTreeMap<&Entity, u64> = BTreeMap::new();
        for incident in &incidents {
            *with_incidents.entry(&incident.entity).or_default() += 1;
        }
        let points = self.points_of_entities();
        let mut timeline: Vec<LaneDocument> = self
            .entities()
            .iter()
            .map(|(id, entity)| {
                let (rows, flagged) = self.rows_of(id);
                let (points, flagged_points) = points.get(&id).copied().unwrap_or_default();
                LaneDocument {
                    service: entity.service.to_string(),
                    endpoint: entity.endpoint.to_string(),
                    rows: rows + points,
                    flagged: flagged + flagged_points,
                    incidents: with_incidents.get(&**entity).copied().unwrap_or(0),
                }
            })
            .collect();
        timeline.sort_by(|a, b| {
            (b.incidents, b.flagged, &a.service, &a.endpoint).cmp(&(
                a.incidents,
                a.flagged,
                &b.service,
                &b.endpoint,
            ))
        });
        timeline.truncate(LANES);
        let (state_counts, states) = self.state_documents();
        Document {
            schema_version: SCHEMA_VERSION,
            generator: concat!("mad ", env!("CARGO_PKG_VERSION")).to_owned(),
            mode: "default",
            first: counters.first.map(|time| time.to_string()),
            last: counters.last.map(|time| time.to_string()),
            step_seconds: self.config().features.step_seconds,
            requests: counters.requests,
            errors: counters.errors,
            rows: counters.rows,
            flagged: counters.flagged,
            points: counters.points,
            flagged_points: counters.flagged_points,
            series: counters.series,
            entities: counters.entities,
            suppressed: counters.suppressed.iter().map(|(why, n)| (why.as_str(), *n)).collect(),
            rejected: RejectedDocument::new(self.rejected()),
            incidents: incidents.iter().map(|incident| self.incident_document(incident)).collect(),
            ranking: RankingDocument::new(&self.culprits(None)),
            timeline,
            state_counts,
            states,
            counters,
            graph: Some(self.graph().settled().document()).filter(|graph| !graph.edges.is_empty()),
        }
    }

    /// One incident with its explanation, ranking and the rows around it.
    pub fn incident_document(&self, incident: &Incident) -> IncidentDocument {
        let ranking = self.ranking_of(incident);
        let last = incident.end.plus(-incident.step);
        let members = incident.members.iter().map(|member| member.entity.to_string());
        let mut affected: Vec<String> = vec![incident.entity.to_string()];
        affected.extend(members.take(AFFECTED - 1));
        for row in self.history().flagged(incident.start, last) {
            let name = self.entities().get(row.entity).map(ToString::to_string);
            match name {
                Some(name) if affected.len() < AFFECTED && !affected.contains(&name) => {
                    affected.push(name);
                }
                _ => {}
            }
        }
        IncidentDocument {
            id: incident.id.clone(),
            fingerprint: incident.fingerprint.clone(),
            service: incident.entity.service.to_string(),
            endpoint: incident.entity.endpoint.to_string(),
            start: incident.start.to_string(),
            end: incident.end.to_string(),
            opened_at: incident.opened_at.to_string(),
            closed_at: incident.closed_at.map(|time| time.to_string()),
            reopened: incident.reopened,
            severity: incident.severity.as_str(),
            status: incident.status.as_str(),
            signals: incident.signals().map(ToString::to_string).collect(),
            rows: incident.rows,
            requests: incident.requests,
            errors: incident.errors,
            peaks: incident.peaks.iter().map(peak_document).collect(),
            affected,
            members: incident.members.iter().map(Into::into).collect(),
            reached: incident.reached,
            slo: incident.slo.as_ref().map(Into::into),
            chain: self.chain(incident).iter().map(Into::into).collect(),
            culprit: ranking.culprits.first().map(|culprit| entity_document(&culprit.entity)),
            explanation: self.explain(incident),
            series: self.record(&incident.id).map(|record| {
                if record.requests.rows.is_empty() {
                    points_document(record, incident.step)
                } else {
                    self.series_document(record)
                }
            }),
            ranking: RankingDocument::new(&ranking),
        }
    }
}

impl RankingDocument {
    /// A ranking in words and numbers.
    pub fn new(ranking: &Ranking) -> Self {
        Self {
            at: ranking.at.to_string(),
            from: ranking.from.to_string(),
            minutes: ranking.at.since(ranking.from) as f64 / crate::time::MINUTE as f64,
            rows: ranking.rows,
            abstained: ranking.abstained,
            culprits: ranking.culprits.iter().map(culprit_document).collect(),
        }
    }
}

impl RejectedDocument {
    /// What was not taken, with hints.
    pub fn new(rejected: &Rejections) -> Self {
        Self {
            total: rejected.total(),
            counts: rejected.counts().map(|(why, n)| (why.as_str(), n)).collect(),
            first: rejected
                .first()
                .iter()
                .map(|record| RejectedRecord {
                    reason: record.reason.as_str(),
                    position: record.position,
                    detail: record.detail.clone(),
                    hint: record.reason.hint(),
                })
                .collect(),
        }
    }
}

fn entity_document(entity: &Entity) -> EntityDocument {
    EntityDocument { service: entity.service.to_string(), endpoint: entity.endpoint.to_string() }
}

fn peak_document(peak: &Peak) -> (String, PeakDocument) {
    let flagged = &peak.signal;
    let document = PeakDocument {
        value: flagged.value,
        expected: flagged.expected,
        expected_low: flagged.low,
        expected_high: flagged.high,
        z: flagged.z,
        evidence: flagged.evidence,
        at: peak.at.to_string(),
    };
    (flagged.signal.to_string(), document)
}

fn culprit_document(culprit: &Culprit) -> CulpritDocument {
    CulpritDocument {
        service: culprit.entity.service.to_string(),
        endpoint: culprit.entity.endpoint.to_string(),
        metric: culprit.metric.to_string(),
        score: culprit.score,
        onset: culprit.onset.to_string(),
        last: culprit.last.to_string(),
        rows: culprit.rows,
        severity: culprit.severity.as_str(),
        evidence: culprit.evidence.iter().map(evidence_document).collect(),
    }
}

fn evidence_document(evidence: &Evidence) -> EvidenceDocument {
    EvidenceDocument {
        signal: evidence.signal.to_string(),
        rows: evidence.rows,
        at: evidence.at.to_string(),
        value: evidence.value,
        expected: evidence.expected,
        expected_low: evidence.low,
        expected_high: evidence.high,
        z: evidence.z,
        evidence: evidence.evidence,
        text: crate::explain::evidence_text(evidence),
    }
}
