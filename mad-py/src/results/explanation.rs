//! Explanations of incidents.

use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pickle::pickled;
use crate::tables::html;

/// The explanation of an incident in sentences; each holds numbers of its evidence.
#[pyclass(module = "mad._core", frozen, get_all)]
#[derive(Serialize, Deserialize)]
pub struct Explanation {
    /// A summary with the signal, the place and the time.
    pub summary: String,
    /// One sentence per flagged signal.
    pub why_flagged: Vec<String>,
    /// The impact on users.
    pub impact: Vec<String>,
    /// The order in which services became anomalous, and the calls between them.
    pub chain: Vec<String>,
    /// Likely causes.
    pub likely_causes: Vec<String>,
    /// Checks to make first.
    pub recommended_actions: Vec<String>,
    /// High, Medium or Low.
    pub confidence: String,
    /// The rule behind the confidence.
    pub confidence_rule: String,
    /// The facts behind the severity.
    pub severity_evidence: Vec<String>,
    /// The explanation in one line.
    pub line: String,
}

#[pymethods]
impl Explanation {
    fn _repr_html_(&self) -> String {
        let parts: [(&str, &[String]); 5] = [
            ("Why it was flagged", &self.why_flagged),
            ("Impact", &self.impact),
            ("How it spread", &self.chain),
            ("Likely causes", &self.likely_causes),
            ("What to do", &self.recommended_actions),
        ];
        html::lists(&self.summary, &parts)
    }

    fn __str__(&self) -> &str {
        &self.summary
    }

    fn __repr__(&self) -> String {
        format!("Explanation({:?})", self.line)
    }
}

impl From<mad_core::Explanation> for Explanation {
    fn from(core: mad_core::Explanation) -> Self {
        Self {
            summary: core.summary,
            why_flagged: core.why_flagged,
            impact: core.impact,
            chain: core.chain,
            likely_causes: core.likely_causes,
            recommended_actions: core.recommended_actions,
            confidence: core.confidence.as_str().to_owned(),
            confidence_rule: core.confidence_rule,
            severity_evidence: core.severity_evidence,
            line: core.line,
        }
    }
}

pickled!(Explanation);
