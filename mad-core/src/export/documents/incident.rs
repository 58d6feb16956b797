//! One incident with its explanation, ranking and rows, as reports and files show it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    DeviationDocument, LinkDocument, MemberDocument, RankingDocument, SeriesDocument, SloDocument,
};
use crate::explain::Explanation;
use crate::incident::{Incident, Peak};
use crate::pipeline::Pipeline;
use crate::series::Entity;

/// Maximum of affected entities in a document.
const AFFECTED: usize = 50;

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
    pub flapping: bool,
    pub grouped_by_time: bool,
    pub severity: &'static str,
    pub status: &'static str,
    pub signals: Vec<String>,
    pub rows: u64,
    pub requests: u64,
    pub errors: u64,
    pub no_response: u64,
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

/// The most extreme value of a signal.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct PeakDocument {
    #[serde(flatten)]
    pub deviation: DeviationDocument,
    pub at: String,
}

/// An entity.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EntityDocument {
    pub service: String,
    pub endpoint: String,
}

impl IncidentDocument {
    /// The document of an incident: its explanation, ranking and the rows around it.
    pub fn new(pipeline: &Pipeline, incident: &Incident) -> Self {
        let ranking = pipeline.ranking_of(incident);
        let last = incident.end.plus(-incident.step);
        let members = incident.members.iter().map(|member| member.entity.to_string());
        let mut affected: Vec<String> = vec![incident.entity.to_string()];
        affected.extend(members.take(AFFECTED - 1));
        for row in pipeline.history().flagged(incident.start, last) {
            let name = pipeline.entities().get(row.entity).map(ToString::to_string);
            match name {
                Some(name) if affected.len() < AFFECTED && !affected.contains(&name) => {
                    affected.push(name);
                }
                _ => {}
            }
        }
        Self {
            id: incident.id.clone(),
            fingerprint: incident.fingerprint.clone(),
            service: incident.entity.service.to_string(),
            endpoint: incident.entity.endpoint.to_string(),
            start: incident.start.to_string(),
            end: incident.end.to_string(),
            opened_at: incident.opened_at.to_string(),
            closed_at: incident.closed_at.map(|time| time.to_string()),
            reopened: incident.reopened,
            flapping: incident.is_flapping(),
            grouped_by_time: incident.by_time,
            severity: incident.severity.as_str(),
            status: incident.status.as_str(),
            signals: incident.signals().map(ToString::to_string).collect(),
            rows: incident.rows,
            requests: incident.requests,
            errors: incident.errors,
            no_response: incident.no_response,
            peaks: incident.peaks.iter().map(peak_document).collect(),
            affected,
            members: incident.members.iter().map(Into::into).collect(),
            reached: incident.reached,
            slo: incident.slo.as_ref().map(Into::into),
            chain: pipeline.chain(incident).iter().map(Into::into).collect(),
            culprit: ranking.culprits.first().map(|culprit| entity_document(&culprit.entity)),
            explanation: pipeline.explain(incident),
            series: pipeline.incident_window(&incident.id).map(|window| {
                if window.requests.rows.is_empty() {
                    SeriesDocument::of_metrics(window, incident.step)
                } else {
                    SeriesDocument::of_requests(window, pipeline.config())
                }
            }),
            ranking: RankingDocument::new(&ranking),
        }
    }
}

fn entity_document(entity: &Entity) -> EntityDocument {
    EntityDocument { service: entity.service.to_string(), endpoint: entity.endpoint.to_string() }
}

fn peak_document(peak: &Peak) -> (String, PeakDocument) {
    let flagged = &peak.signal;
    let document = PeakDocument {
        deviation: DeviationDocument {
            value: flagged.value,
            expected: flagged.expected,
            expected_low: flagged.low,
            expected_high: flagged.high,
            z: flagged.z,
            neg_log10_p: flagged.neg_log10_p,
        },
        at: peak.at.to_string(),
    };
    (flagged.signal.to_string(), document)
}
