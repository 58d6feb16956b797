//! The stage that explains incidents.

use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pickle::pickled;
use crate::results::catalogue::{Catalogue, language};
use crate::results::explanation::Explanation;
use crate::results::incident::Incident;
use crate::results::ranking::Ranking;

/// Explains incidents by templates, which state only what the evidence shows.
///
/// An explanation has a summary, a sentence for each flagged signal, the impact, likely causes,
/// recommended actions, and a confidence with the rule behind it. Numbers carry their units: ms,
/// per cent, requests. A value that is not known is left out of the text.
///
/// An explainer can be pickled and copied.
///
/// >>> import mad
/// >>> steps = range(30)
/// >>> judged = {
/// ...     "bucket_ts": [f"2026-01-06T10:{i:02}:00Z" for i in steps],
/// ...     "service": ["shop" for _ in steps],
/// ...     "endpoint": ["/pay" for _ in steps],
/// ...     "req_count": [100 for _ in steps],
/// ...     "error_count": [30 if 10 <= i < 15 else 0 for i in steps],
/// ...     "is_anomaly": [10 <= i < 15 for i in steps],
/// ...     "signal": ["error_rate" for _ in steps],
/// ...     "score": [0.8 if 10 <= i < 15 else 0.0 for i in steps],
/// ...     "severity": ["Critical" if 10 <= i < 15 else "Info" for i in steps],
/// ...     "expected": [0.01 for _ in steps],
/// ...     "expected_low": [0.0 for _ in steps],
/// ...     "expected_high": [0.05 for _ in steps],
/// ... }
/// >>> (incident,) = mad.IncidentGrouper().group(judged)
/// >>> explanation = mad.TemplateExplainer().explain(incident)
/// >>> "shop" in explanation.summary and "30" in explanation.summary
/// True
/// >>> explanation.confidence
/// 'High'
#[pyclass(module = "mad._core", frozen)]
#[derive(Serialize, Deserialize)]
pub struct TemplateExplainer {
    core: mad_core::TemplateExplainer,
}

#[pymethods]
impl TemplateExplainer {
    #[new]
    fn new() -> Self {
        Self { core: mad_core::TemplateExplainer }
    }

    /// Explains an incident; `ranking` is the one at its end, whose culprits become likely causes.
    /// `catalogue` is the language of the sentences; English without one.
    #[pyo3(signature = (incident, ranking=None, catalogue=None))]
    fn explain(
        &self,
        incident: &Incident,
        ranking: Option<&Ranking>,
        catalogue: Option<&Catalogue>,
    ) -> Explanation {
        let language = language(catalogue);
        let ranking = ranking.map(|ranking| &ranking.core);
        self.core.explain_in(&incident.core, ranking, language).into()
    }
}

pickled!(TemplateExplainer);
