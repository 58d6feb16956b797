//! The requests of an entity by version and host, as files show them.

use serde::Serialize;

use crate::feature::{Subset, Subsets};

/// The requests of one version or one host.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct SubsetDocument {
    pub kind: &'static str,
    pub name: String,
    pub requests: u64,
    pub errors: u64,
    pub typical_latency_ms: Option<f64>,
}

impl From<&Subset> for SubsetDocument {
    fn from(subset: &Subset) -> Self {
        let counts = subset.counts;
        Self {
            kind: subset.kind.as_str(),
            name: subset.name.to_string(),
            requests: counts.requests,
            errors: counts.errors,
            typical_latency_ms: Some(counts.typical_ms()).filter(|ms| ms.is_finite()),
        }
    }
}

/// The documents of all subsets.
pub(super) fn subset_documents(subsets: &Subsets) -> Vec<SubsetDocument> {
    subsets.iter().map(Into::into).collect()
}
