//! A ranking of culprits with its evidence, as reports and files show it.

use serde::Serialize;

use crate::culprit::{Culprit, Evidence, Ranking};
use crate::explain::{Catalogue, Phrase, evidence_phrase, log_phrase};
use crate::incident::{Incident, Peak};
use crate::logs::LogChange;
use crate::telemetry::LogLevel;

/// A ranking.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct RankingDocument {
    pub at: String,
    pub from: String,
    pub minutes: f64,
    pub rows: u64,
    pub abstained: bool,
    pub culprits: Vec<CulpritDocument>,
}

/// One culprit of a ranking.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct CulpritDocument {
    pub service: String,
    pub endpoint: String,
    pub metric: String,
    pub score: f64,
    pub onset: String,
    pub last: String,
    pub rows: u64,
    pub severity: &'static str,
    pub evidence: Vec<EvidenceDocument>,
    pub log: Option<LogDocument>,
}

/// The log template of a culprit's service that changed most.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct LogDocument {
    pub template: String,
    pub level: &'static str,
    pub from: String,
    pub to: String,
    pub lines: u64,
    pub known_since: String,
    pub lines_before: u64,
    pub expected: Option<f64>,
    pub ratio: Option<f64>,
    pub text: String,
    /// The text for any language.
    #[serde(skip)]
    pub phrase: Phrase,
}

impl LogDocument {
    fn new(service: &str, change: &LogChange, catalogue: &Catalogue) -> Self {
        let phrase = log_phrase(service, change);
        let finite = |number: f64| number.is_finite().then_some(number);
        Self {
            template: change.template.clone(),
            level: if change.level == LogLevel::Error { "error" } else { "other" },
            from: change.from.to_string(),
            to: change.to.to_string(),
            lines: change.lines,
            known_since: change.known_since.to_string(),
            lines_before: change.lines_before,
            expected: finite(change.expected()),
            ratio: finite(change.ratio()),
            text: phrase.in_language(catalogue),
            phrase,
        }
    }
}

/// The evidence of one signal against a culprit.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EvidenceDocument {
    pub signal: String,
    pub rows: u64,
    pub at: String,
    #[serde(flatten)]
    pub deviation: DeviationDocument,
    pub usual: f64,
    pub text: String,
    /// The text for any language.
    #[serde(skip)]
    pub phrase: Phrase,
}

/// A value and how far it lies from the expected one.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct DeviationDocument {
    pub value: f64,
    pub expected: f64,
    pub expected_low: f64,
    pub expected_high: f64,
    pub z: f64,
    pub neg_log10_p: f64,
}

impl RankingDocument {
    /// The document of the ranking of an incident. Evidence of its entities is that of their peaks, so
    /// that one page has one value and one usual value of a signal. Its texts are in the language of
    /// `catalogue`.
    pub fn of_incident(ranking: &Ranking, incident: &Incident, catalogue: &Catalogue) -> Self {
        let mut document = Self::in_language(ranking, catalogue);
        for (culprit, known) in document.culprits.iter_mut().zip(&ranking.culprits) {
            let Some(peaks) = incident.peaks_of(&known.entity) else { continue };
            for (evidence, own) in culprit.evidence.iter_mut().zip(&known.evidence) {
                if let Some(peak) = peaks.iter().find(|peak| peak.signal.signal == own.signal) {
                    *evidence = at_peak(own, peak, catalogue);
                }
            }
        }
        document
    }

    /// The document of a ranking, with texts in English.
    pub fn new(ranking: &Ranking) -> Self {
        Self::in_language(ranking, Catalogue::english())
    }

    fn in_language(ranking: &Ranking, catalogue: &Catalogue) -> Self {
        let culprit = |culprit| culprit_document(culprit, catalogue);
        Self {
            at: ranking.at.to_string(),
            from: ranking.from.to_string(),
            minutes: ranking.at.since(ranking.from) as f64 / crate::time::MINUTE as f64,
            rows: ranking.rows,
            abstained: ranking.abstained,
            culprits: ranking.culprits.iter().map(culprit).collect(),
        }
    }
}

fn culprit_document(culprit: &Culprit, catalogue: &Catalogue) -> CulpritDocument {
    let log = |log| LogDocument::new(&culprit.entity.service, log, catalogue);
    CulpritDocument {
        service: culprit.entity.service.to_string(),
        endpoint: culprit.entity.endpoint.to_string(),
        metric: culprit.metric.to_string(),
        score: culprit.score,
        onset: culprit.onset.to_string(),
        last: culprit.last.to_string(),
        rows: culprit.rows,
        severity: culprit.severity.as_str(),
        evidence: culprit.evidence.iter().map(|one| evidence_document(one, catalogue)).collect(),
        log: culprit.log.as_ref().map(log),
    }
}

fn evidence_document(evidence: &Evidence, catalogue: &Catalogue) -> EvidenceDocument {
    let phrase = evidence_phrase(evidence);
    EvidenceDocument {
        signal: evidence.signal.to_string(),
        rows: evidence.rows,
        at: evidence.at.to_string(),
        deviation: DeviationDocument {
            value: evidence.value,
            expected: evidence.expected,
            expected_low: evidence.low,
            expected_high: evidence.high,
            z: evidence.z,
            neg_log10_p: evidence.neg_log10_p,
        },
        usual: evidence.usual,
        text: phrase.in_language(catalogue),
        phrase,
    }
}

/// The evidence in the row of a peak.
fn at_peak(evidence: &Evidence, peak: &Peak, catalogue: &Catalogue) -> EvidenceDocument {
    let flagged = &peak.signal;
    let at_peak = Evidence {
        at: peak.at,
        value: flagged.value,
        expected: flagged.expected,
        usual: peak.usual,
        low: flagged.low,
        high: flagged.high,
        z: flagged.z,
        neg_log10_p: peak.neg_log10_p,
        ..evidence.clone()
    };
    evidence_document(&at_peak, catalogue)
}
