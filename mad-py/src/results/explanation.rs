//! Explanations of incidents.

use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pickle::pickled;
use crate::tables::html;

/// The explanation of an incident in sentences; each holds numbers of its evidence.
///
/// >>> import mad
/// >>> judged = {
/// ...     "bucket_ts": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(20)],
/// ...     "service": ["shop"] * 20,
/// ...     "endpoint": ["/pay"] * 20,
/// ...     "req_count": [100] * 20,
/// ...     "error_count": [40 if minute >= 10 else 0 for minute in range(20)],
/// ...     "is_anomaly": [minute >= 10 for minute in range(20)],
/// ...     "signal": ["error_rate"] * 20,
/// ...     "score": [0.8 if minute >= 10 else 0.0 for minute in range(20)],
/// ...     "severity": ["Critical" if minute >= 10 else "Info" for minute in range(20)],
/// ...     "expected": [0.01] * 20,
/// ... }
/// >>> (incident,) = mad.IncidentGrouper().group(judged)
/// >>> explanation = mad.TemplateExplainer().explain(incident)
/// >>> "shop /pay" in explanation.line, len(explanation.recommended_actions) > 0
/// (True, True)
#[pyclass(module = "mad._core", frozen)]
#[derive(Serialize, Deserialize)]
pub struct Explanation {
    core: mad_core::Explanation,
}

/// Getters of fields of `core`.
macro_rules! fields {
    ($class:ty: $($(#[$doc:meta])+ $field:ident -> $type:ty;)+) => {
        #[pymethods]
        impl $class {
            $($(#[$doc])+ #[getter] fn $field(&self) -> $type { &self.core.$field })+
        }
    };
}

fields!(Explanation:
    /// A summary with the signal, the place and the time.
    summary -> &str;
    /// The first culprit of the ranking, since when, and its strongest signal.
    root_cause -> &str;
    /// The entity whose anomaly came first.
    first_failure -> &str;
    /// One sentence per flagged signal.
    why_flagged -> &[String];
    /// The log template that changed most of each ranked service.
    log_evidence -> &[String];
    /// The impact on users.
    impact -> &[String];
    /// The order in which services became anomalous, and the calls between them.
    chain -> &[String];
    /// Likely causes.
    likely_causes -> &[String];
    /// Checks to make first.
    recommended_actions -> &[String];
    /// Checks that were made and found nothing.
    checks -> &[String];
    /// The rule behind the confidence.
    confidence_rule -> &str;
    /// The facts behind the severity.
    severity_evidence -> &[String];
    /// The explanation in one line.
    line -> &str;
);

#[pymethods]
impl Explanation {
    /// High, Medium or Low.
    #[getter]
    fn confidence(&self) -> &'static str {
        self.core.confidence.as_str()
    }

    fn _repr_html_(&self) -> String {
        let core = &self.core;
        let parts: [(&str, &[String]); 7] = [
            ("Why it was flagged", &core.why_flagged),
            ("Log", &core.log_evidence),
            ("Impact", &core.impact),
            ("How it spread", &core.chain),
            ("Likely causes", &core.likely_causes),
            ("What to do", &core.recommended_actions),
            ("Checked, nothing found", &core.checks),
        ];
        html::lists(&core.summary, &parts)
    }

    fn __str__(&self) -> &str {
        &self.core.summary
    }

    fn __repr__(&self) -> String {
        format!("Explanation({:?})", self.core.line)
    }
}

impl From<mad_core::Explanation> for Explanation {
    fn from(core: mad_core::Explanation) -> Self {
        Self { core }
    }
}

pickled!(Explanation);
