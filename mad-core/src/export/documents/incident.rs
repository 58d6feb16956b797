//! One incident with its explanation, ranking and rows, as reports and files show it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::peak::{PeakDocument, peak_documents};
use super::subset::{SubsetDocument, subset_documents};
use super::{
    EntityDocument, FrontDoorDocument, LinkDocument, MemberDocument, MessagesDocument,
    RankingDocument, SeriesDocument, SloDocument,
};
use crate::explain::Explanation;
use crate::incident::{CloseReason, Incident};
use crate::pipeline::Pipeline;

/// Maximum of affected entities in a document.
const AFFECTED: usize = 50;
/// Maximum of earlier incidents with the same fingerprint in a document.
const SIMILAR: usize = 5;

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
    pub close_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    pub reopened: u64,
    pub flapping: bool,
    pub grouped_by_time: bool,
    pub severity: &'static str,
    pub status: &'static str,
    pub signals: Vec<String>,
    pub rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neg_log10_p: Option<f64>,
    pub requests: u64,
    pub errors: u64,
    pub no_response: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<SubsetDocument>,
    pub peaks: BTreeMap<String, PeakDocument>,
    pub affected: Vec<String>,
    pub members: Vec<MemberDocument>,
    pub reached: u64,
    pub slo: Option<SloDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front_door: Option<FrontDoorDocument>,
    pub chain: Vec<LinkDocument>,
    pub similar: Vec<SimilarDocument>,
    pub culprit: Option<EntityDocument>,
    pub explanation: Explanation,
    /// The texts of the explanation and the ranking for any language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<MessagesDocument>,
    pub ranking: RankingDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesDocument>,
}

/// An earlier incident with the same fingerprint.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct SimilarDocument {
    pub id: String,
    pub start: String,
    pub end: String,
    pub severity: &'static str,
}

impl IncidentDocument {
    /// The document of an incident: its explanation, ranking and the rows around it.
    pub fn new(pipeline: &Pipeline, incident: &Incident) -> Self {
        let ranking = pipeline.ranking_of(incident);
        let catalogue = pipeline.catalogue();
        let explanation = pipeline.explain_phrases(incident);
        let ranked = RankingDocument::of_incident(&ranking, incident, catalogue);
        let last = incident.end - incident.step;
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
            close_reason: incident.close_reason.map(CloseReason::as_str),
            merged_into: incident.merged_into.clone(),
            reopened: incident.reopened,
            flapping: incident.is_flapping(),
            grouped_by_time: incident.by_time,
            severity: incident.severity.as_str(),
            status: incident.status.as_str(),
            signals: incident.signals().map(ToString::to_string).collect(),
            rows: incident.rows,
            neg_log10_p: Some(incident.neg_log10_p),
            requests: incident.requests,
            errors: incident.errors,
            no_response: incident.no_response,
            subsets: subset_documents(&incident.subsets),
            peaks: peak_documents(&incident.peaks),
            affected,
            members: incident.members.iter().map(Into::into).collect(),
            reached: incident.reached,
            slo: incident.slo.as_ref().map(Into::into),
            front_door: Some((&pipeline.front_door(incident)).into()),
            chain: pipeline.chain(incident).iter().map(Into::into).collect(),
            similar: similar(pipeline, incident),
            culprit: ranking.culprits.first().map(|culprit| (&culprit.entity).into()),
            explanation: explanation.in_language(catalogue),
            messages: Some(MessagesDocument::new(explanation, &ranked)),
            series: pipeline.incident_window(&incident.id).map(|window| {
                if window.requests.rows.is_empty() {
                    SeriesDocument::of_metrics(window, incident.step)
                } else {
                    SeriesDocument::of_requests(window, pipeline.config())
                }
            }),
            ranking: ranked,
        }
    }
}

/// The newest earlier incidents with the same fingerprint, as far as they are kept.
fn similar(pipeline: &Pipeline, incident: &Incident) -> Vec<SimilarDocument> {
    let is_similar = |other: &&Incident| {
        other.id != incident.id
            && other.fingerprint == incident.fingerprint
            && other.start < incident.start
    };
    let found = pipeline.incidents().into_iter().filter(is_similar).take(SIMILAR);
    let document = |other: &Incident| SimilarDocument {
        id: other.id.clone(),
        start: other.start.to_string(),
        end: other.end.to_string(),
        severity: other.severity.as_str(),
    };
    found.map(document).collect()
}
