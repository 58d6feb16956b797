//! The explanation of an incident.

use serde::{Deserialize, Serialize};

use crate::guard::Confidence;

/// The explanation of an incident. Every number is taken from its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What happened, where and when, the other anomalous signals, and the first culprit.
    pub summary: String,
    /// The first culprit of the ranking, since when it is anomalous, and its strongest signal.
    pub root_cause: String,
    /// The entity whose anomaly came first, when, and its first anomalous value.
    pub first_failure: String,
    /// One sentence per flagged signal: value, usual value, likelihood.
    pub why_flagged: Vec<String>,
    /// The log template that changed most of each ranked service, at most 3.
    pub log_evidence: Vec<String>,
    /// The effect on users and on the budgets of objectives.
    pub impact: Vec<String>,
    /// The first anomalies of all entities in order of time, at most 8, and the number of further ones.
    pub chain: Vec<String>,
    /// Likely causes, each with the pattern that suggests it: at most 5, after those from the ranking.
    pub likely_causes: Vec<String>,
    /// What to check first, at most 5.
    pub recommended_actions: Vec<String>,
    /// Checks that were made and found nothing, and what the known time is too short for.
    pub checks: Vec<String>,
    /// Confidence that the incident is real.
    pub confidence: Confidence,
    /// The rule behind the confidence, with the numbers of this incident.
    pub confidence_rule: String,
    /// The facts behind the severity: failed requests, budgets, affected entities.
    pub severity_evidence: Vec<String>,
    /// A summary on one line, for logs and chat.
    pub line: String,
}
