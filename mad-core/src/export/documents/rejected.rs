//! Records that were rejected, as reports and answers show them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::telemetry::Rejections;

/// Rejected records: counts by reason, and the first ones.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct RejectedDocument {
    pub total: u64,
    pub counts: BTreeMap<&'static str, u64>,
    pub first: Vec<RejectedRecord>,
}

/// One rejected record.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct RejectedRecord {
    pub reason: &'static str,
    pub position: u64,
    pub detail: String,
    pub hint: &'static str,
}

impl RejectedDocument {
    /// Rejected records with hints how to mend them.
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
