//! The entities of an incident and its spread, as reports and files show them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::SloDocument;
use super::peak::{PeakDocument, peak_documents};
use super::subset::{SubsetDocument, subset_documents};
use crate::explain::Link;
use crate::incident::Member;

/// Another entity of an incident.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct MemberDocument {
    pub service: String,
    pub endpoint: String,
    pub joined_at: String,
    pub start: String,
    pub end: String,
    pub rows: u64,
    pub signal: String,
    pub neg_log10_p: f64,
    pub peaks: BTreeMap<String, PeakDocument>,
    pub slo: Option<SloDocument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<SubsetDocument>,
}

impl From<&Member> for MemberDocument {
    fn from(member: &Member) -> Self {
        Self {
            service: member.entity.service.to_string(),
            endpoint: member.entity.endpoint.to_string(),
            joined_at: member.joined_at.to_string(),
            start: member.start.to_string(),
            end: member.end.to_string(),
            rows: member.rows,
            signal: member.signal.to_string(),
            neg_log10_p: member.neg_log10_p,
            peaks: peak_documents(&member.peaks),
            slo: member.slo.as_ref().map(Into::into),
            subsets: subset_documents(&member.subsets),
        }
    }
}

/// The first anomaly of one entity of an incident.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct LinkDocument {
    pub at: String,
    pub service: String,
    pub endpoint: String,
    pub signal: String,
    pub value: f64,
    pub expected: f64,
    pub neg_log10_p: f64,
    pub tie: Option<&'static str>,
    pub to: Option<String>,
    pub change: Option<ChangeDocument>,
}

/// A change of a service.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct ChangeDocument {
    pub at: String,
    pub kind: String,
    pub name: String,
    pub version: String,
}

impl From<&Link> for LinkDocument {
    fn from(link: &Link) -> Self {
        let signal = &link.signal;
        Self {
            at: link.at.to_string(),
            service: link.entity.service.to_string(),
            endpoint: link.entity.endpoint.to_string(),
            signal: signal.signal.to_string(),
            value: signal.value,
            expected: signal.expected,
            neg_log10_p: signal.neg_log10_p,
            tie: link.tie.as_ref().map(|(_, tie)| tie.as_str()),
            to: link.tie.as_ref().map(|(to, _)| to.to_string()),
            change: link.change.as_ref().map(|change| ChangeDocument {
                at: change.at.to_string(),
                kind: change.kind.clone(),
                name: change.name.clone(),
                version: change.version.clone(),
            }),
        }
    }
}
