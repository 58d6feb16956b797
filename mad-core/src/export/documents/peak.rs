//! The peaks of an entity, as reports and files show them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ranking::DeviationDocument;
use crate::incident::Peak;

/// The most extreme value of a signal.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct PeakDocument {
    pub usual: f64,
    #[serde(flatten)]
    pub deviation: DeviationDocument,
    pub at: String,
}

/// The peaks by signal.
pub(super) fn peak_documents(peaks: &[Peak]) -> BTreeMap<String, PeakDocument> {
    peaks.iter().map(peak_document).collect()
}

fn peak_document(peak: &Peak) -> (String, PeakDocument) {
    let flagged = &peak.signal;
    let document = PeakDocument {
        usual: peak.usual,
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
