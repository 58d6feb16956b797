//! The result of a ranking over metrics: suspects and their evidence.

use serde::{Deserialize, Serialize};

use super::kind::MetricKind;
use crate::series::Entity;
use crate::telemetry::ChangeEvent;
use crate::time::{SECOND, Timestamp};

/// The anomaly of one series, as evidence against a culprit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricEvidence {
    /// The service that reported the series: the caller, if it measures a call.
    pub service: String,
    /// The resource, or empty.
    pub resource: String,
    /// The metric.
    pub metric: String,
    /// What the metric measures.
    pub kind: MetricKind,
    /// The value in the anomalous rows, in the unit of the metric.
    pub value: f64,
    /// The expected value in these rows.
    pub expected: f64,
    /// Distance of the value from the expected value in scales, above 0 in the bad direction.
    pub effect: f64,
    /// The first clear move of the series; of a step, the first row that reaches half of the effect.
    pub onset: Timestamp,
}

impl MetricEvidence {
    /// The evidence as a sentence without a full stop.
    pub fn sentence(&self) -> String {
        let Self { service, metric, value, expected, effect, onset, .. } = self;
        format!(
            "{metric} of {service} was {} (usual {}), {effect:.1} scales away, since {onset}",
            short(*value),
            short(*expected),
        )
    }
}

/// A number with at most four decimals; very small and large numbers as powers of ten.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        let places = if value.abs() < 1.0 { 4 } else { 2 };
        let text = format!("{value:.places$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.2e}")
    }
}

/// An anomaly that is correlated with that of the first suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlated {
    /// The service.
    pub service: String,
    /// The resource, or empty.
    pub resource: String,
    /// The metric.
    pub metric: String,
    /// Spearman's rank correlation of the rows around the onset, in the bad directions: 0.5 to 1.
    pub correlation_score: f64,
}

/// One suspected service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricCulprit {
    /// The service and the resource with the strongest evidence.
    pub entity: Entity,
    /// The metric with the strongest evidence.
    pub metric: String,
    /// Score, 0 to 1. A score of 0.5 corresponds to the smallest effect that is ever reported.
    pub score: f64,
    /// The first clear move of any of its series that is about as strong as that metric.
    pub onset: Timestamp,
    /// The evidence, strongest first, at most five entries.
    pub evidence: Vec<MetricEvidence>,
    /// The changes of the service in the half hour before its onset, at most ten: deploys first, then
    /// feature flags, then others, each the newest first.
    pub changes: Vec<ChangeEvent>,
    /// The propagation path: services from the target, or else from the uppermost anomalous caller,
    /// to this one, each calling the next. Only this service if no calls are known.
    pub chain: Vec<String>,
    /// For the first culprit: other anomalies that correlate with its strongest metric, the closest
    /// first, at most ten.
    pub correlated: Vec<Correlated>,
}

impl MetricCulprit {
    /// The evidence as sentences: each series, the strongest first, then the changes.
    pub fn sentences(&self) -> Vec<String> {
        let mut all: Vec<String> = self.evidence.iter().map(MetricEvidence::sentence).collect();
        all.extend(self.changes.iter().map(|change| {
            let ChangeEvent { at, service, kind, name, version } = change;
            let what = [kind.as_str(), name, version].into_iter().filter(|word| !word.is_empty());
            let what = what.collect::<Vec<&str>>().join(" ");
            let seconds = self.onset.nanos().saturating_sub(at.nanos()) / SECOND;
            format!("{what} of {service} at {at}, {seconds} s before its onset")
        }));
        all
    }
}

/// Suspected services, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRanking {
    /// The likeliest culprits, at most one entry a service.
    pub culprits: Vec<MetricCulprit>,
    /// Whether no culprit is reported because no effect is large enough.
    pub abstained: bool,
    /// The anomaly of the target itself, if one was declared and changed for the worse.
    pub target: Option<MetricEvidence>,
    /// Whether no service stands out in the anomalous rows of the target, so that the services that it
    /// calls were ranked by their own changes.
    pub calm_target: bool,
    /// If the ranking abstained: the strongest anomaly of each of the three services that would be
    /// named first, the strongest first.
    pub unnamed: Vec<MetricEvidence>,
    /// Onset of the incident, as given or as found; `None` without points.
    pub start: Option<Timestamp>,
}

impl MetricRanking {
    /// The ranking of no points.
    pub(super) fn unknown() -> Self {
        let (culprits, unnamed) = (Vec::new(), Vec::new());
        Self { culprits, abstained: true, target: None, calm_target: false, unnamed, start: None }
    }

    /// The result as sentences: the first culprit, or the anomaly of the target, the best-supported
    /// candidate and the next largest changes, which are too small to name a cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
    ///
    /// let ranker = MetricRanker::new(MetricRankerConfig::default())?;
    /// let ranking = ranker.rank(&MetricWindow::new(), [], None);
    /// assert_eq!(ranking.summary(), "No service stands out.");
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn summary(&self) -> String {
        let mut sentences: Vec<String> = Vec::new();
        if let Some(first) = self.culprits.first() {
            let service = &first.entity.service;
            sentences
                .push(format!("{service} is the likeliest culprit (score {:.2}).", first.score));
            sentences.extend(first.sentences().iter().take(1).map(|known| format!("{known}.")));
            if self.calm_target {
                sentences
                    .push("It does not stand out in the anomalous rows of the target.".to_owned());
            }
            return sentences.join(" ");
        }
        sentences.extend(self.target.iter().map(|target| format!("{}.", target.sentence())));
        sentences.push("No service stands out.".to_owned());
        let known: Vec<String> = self.unnamed.iter().map(MetricEvidence::sentence).collect();
        if let Some((best, others)) = known.split_first() {
            sentences
                .push(format!("The best-supported candidate is too weak to be named: {best}."));
            if !others.is_empty() {
                sentences.push(format!("The next largest changes: {}.", others.join("; ")));
            }
        }
        sentences.join(" ")
    }
}
