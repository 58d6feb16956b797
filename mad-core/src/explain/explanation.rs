//! The explanation of an incident.

use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;
use super::phrase::Phrase;
use crate::guard::Confidence;

/// The explanation of an incident. Every number is taken from its evidence.
///
/// Its texts are in English or the language of a [`Catalogue`], or they are [`Phrase`]s, which can be
/// written in any language later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation<Text = String> {
    /// What happened, where and when, the other anomalous signals, and the first culprit.
    pub summary: Text,
    /// The first culprit of the ranking, since when it is anomalous, and its strongest signal.
    pub root_cause: Text,
    /// The entity whose anomaly came first, when, and its first anomalous value.
    pub first_failure: Text,
    /// One sentence per flagged signal: value, usual value, likelihood.
    pub why_flagged: Vec<Text>,
    /// The log template that changed most of each ranked service, at most 3.
    pub log_evidence: Vec<Text>,
    /// The effect on users and on the budgets of objectives.
    pub impact: Vec<Text>,
    /// The first anomalies of all entities in order of time, at most 8, and the number of further ones.
    pub chain: Vec<Text>,
    /// Likely causes, each with the pattern that suggests it: at most 5, after those from the ranking.
    pub likely_causes: Vec<Text>,
    /// What to check first, at most 5.
    pub recommended_actions: Vec<Text>,
    /// Checks that were made and found nothing, and what the known time is too short for.
    pub checks: Vec<Text>,
    /// Confidence that the incident is real.
    pub confidence: Confidence,
    /// The rule behind the confidence, with the numbers of this incident.
    pub confidence_rule: Text,
    /// The facts behind the severity: failed requests, budgets, affected entities.
    pub severity_evidence: Vec<Text>,
    /// A summary on one line, for logs and chat.
    pub line: Text,
}

impl Explanation<Phrase> {
    /// The explanation in the language of a catalogue.
    pub fn in_language(&self, catalogue: &Catalogue) -> Explanation {
        let text = |phrase: &Phrase| phrase.in_language(catalogue);
        let texts = |phrases: &[Phrase]| phrases.iter().map(text).collect();
        Explanation {
            summary: text(&self.summary),
            root_cause: text(&self.root_cause),
            first_failure: text(&self.first_failure),
            why_flagged: texts(&self.why_flagged),
            log_evidence: texts(&self.log_evidence),
            impact: texts(&self.impact),
            chain: texts(&self.chain),
            likely_causes: texts(&self.likely_causes),
            recommended_actions: texts(&self.recommended_actions),
            checks: texts(&self.checks),
            confidence: self.confidence,
            confidence_rule: text(&self.confidence_rule),
            severity_evidence: texts(&self.severity_evidence),
            line: text(&self.line),
        }
    }
}
