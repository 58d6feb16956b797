//! What is said about an incident.

use serde::{Deserialize, Serialize};

use crate::guard::Confidence;

/// What is said about an incident. Every sentence is built from a number of its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What happened, where, when: one or two sentences.
    pub summary: String,
    /// One sentence per flagged signal: value, expectation, likelihood.
    pub why_flagged: Vec<String>,
    /// What users felt.
    pub impact: Vec<String>,
    /// Who became anomalous when and what ties each to the one before, at most 8 and how many more.
    pub chain: Vec<String>,
    /// What it could be, at most 5; each names the pattern that suggests it.
    pub likely_causes: Vec<String>,
    /// What to look at first, at most 5.
    pub recommended_actions: Vec<String>,
    /// How sure.
    pub confidence: Confidence,
    /// The rule behind the confidence, with this incident's numbers.
    pub confidence_rule: String,
    /// What the severity goes by: failed requests, budgets of objectives, how far it reached.
    pub severity_evidence: Vec<String>,
    /// All of it in one line, for logs and chat.
    pub line: String,
}
