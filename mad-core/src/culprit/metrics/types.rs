//! What a ranking over metrics says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MetricKind;
use crate::error::{Error, Result};
use crate::series::{Entity, Glob};
use crate::telemetry::ChangeEvent;
use crate::time::{SECOND, Timestamp};

/// How culprits are ranked over metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricRankerConfig {
    /// Scales by which the first suspect must have left its normal level, or nobody is named;
    /// above 0, at most 1e6. Default 3.
    pub min_effect: f64,
    /// The same without a target. Default 2: half of all the incident's rows have to reach it, not
    /// the target's bad ones alone.
    pub min_lasting_effect: f64,
    /// The same of the target, where one is given; 0 to 1e6. Default 1.5: that it is bad was told.
    pub min_target_effect: f64,
    /// How many culprits are named, 1 to 1,000. Default 10.
    pub top_k: usize,
    /// What metrics measure, by name or pattern (`*_backlog`), where their names do not tell; of
    /// several patterns that fit the longest counts. Default none: see [`MetricKind`].
    pub metric_kinds: BTreeMap<String, MetricKind>,
    /// Whether scales have floors by level and peers. Default true, as of all that follow: they are
    /// there to see what each part does.
    pub floors: bool,
    /// Whether what a metric measures counts: its bad direction and its weight.
    pub kinds: bool,
    /// Whether series count in the target's bad rows alone, where a target is given.
    pub align: bool,
    /// Whether the begin is found again. Otherwise it is where it was told, or the middle.
    pub find_begin: bool,
    /// Whether a callee's change is taken off its caller's.
    pub explain: bool,
    /// Whether a client's view of a call is about its peer and counts less.
    pub client_views: bool,
}

impl Default for MetricRankerConfig {
    fn default() -> Self {
        Self {
            min_effect: 3.0,
            min_lasting_effect: 2.0,
            min_target_effect: 1.5,
            top_k: 10,
            metric_kinds: BTreeMap::new(),
            floors: true,
            kinds: true,
            align: true,
            find_begin: true,
            explain: true,
            client_views: true,
        }
    }
}

impl MetricRankerConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        let scales =
            [("min_effect", self.min_effect), ("min_lasting_effect", self.min_lasting_effect)];
        for (field, value) in scales {
            if !(value > 0.0 && value <= 1e6) {
                return Err(Error::config(field, value, "above 0, at most 1e6 scales"));
            }
        }
        if !(self.min_target_effect >= 0.0 && self.min_target_effect <= 1e6) {
            let value = self.min_target_effect;
            return Err(Error::config("min_target_effect", value, "0 to 1e6 scales"));
        }
        if !(1..=1_000).contains(&self.top_k) {
            return Err(Error::config("top_k", self.top_k, "an integer from 1 to 1000"));
        }
        for (pattern, kind) in &self.metric_kinds {
            if matches!(kind, MetricKind::Calls | MetricKind::Logs) {
                let field = format!("metric_kinds.{pattern}");
                return Err(Error::config(&field, format!("{kind:?}"), "a kind that metrics have"));
            }
        }
        Ok(())
    }

    /// What a metric measures where somebody said so.
    pub(super) fn kind_of(&self, metric: &str) -> Option<MetricKind> {
        let fitting = self.metric_kinds.iter().filter(|(pattern, _)| {
            **pattern == metric || Glob::new(pattern.as_str()).matches(metric)
        });
        fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, kind)| *kind)
    }
}

/// What one series says against a culprit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricEvidence {
    /// The service that reported it: a caller, where it is about a call.
    pub service: String,
    /// Its resource, or empty.
    pub resource: String,
    /// The metric.
    pub metric: String,
    /// What the metric measures.
    pub kind: MetricKind,
    /// The value in the bad rows, in the metric's own unit.
    pub value: f64,
    /// What was expected there.
    pub expected: f64,
    /// How far the value is from what was expected, in scales, above 0 in the bad direction.
    pub effect: f64,
    /// The first row at half of the effect.
    pub onset: Timestamp,
}

impl MetricEvidence {
    /// The evidence in words.
    pub fn sentence(&self) -> String {
        let Self { service, metric, value, expected, effect, onset, .. } = self;
        format!(
            "{metric} of {service} was {} where {} was expected ({effect:.1} scales), since {onset}",
            short(*value),
            short(*expected),
        )
    }
}

fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        let places = if value.abs() < 1.0 { 4 } else { 2 };
        let text = format!("{value:.places$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.2e}")
    }
}

/// An anomaly that goes with the first suspect's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlated {
    /// The service.
    pub service: String,
    /// Its resource, or empty.
    pub resource: String,
    /// The metric.
    pub metric: String,
    /// Spearman's rank correlation, in the bad directions, of the rows around the begin: 0.5 to 1.
    pub correlation_score: f64,
}

/// One suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricCulprit {
    /// The service, and the resource with the strongest evidence against it.
    pub entity: Entity,
    /// The metric with the strongest evidence.
    pub metric: String,
    /// 0 to 1; 0.5 is the evidence of the least effect that names anybody.
    pub score: f64,
    /// Start of the first row in which that metric is bad.
    pub onset: Timestamp,
    /// What speaks against it, the strongest first, at most five.
    pub evidence: Vec<MetricEvidence>,
    /// The last change of it in the half hour before its onset.
    pub change: Option<ChangeEvent>,
    /// How the fault went: services from the target, or from its uppermost caller among the suspects, to
    /// this one, each calling the next. This one alone where nothing is known of calls.
    pub chain: Vec<String>,
    /// Of the first culprit, what else moved as its strongest metric did: the closest first, at most ten.
    pub correlated: Vec<Correlated>,
}

impl MetricCulprit {
    /// What speaks against it, in words: each series, the strongest first, then the change.
    pub fn sentences(&self) -> Vec<String> {
        let mut all: Vec<String> = self.evidence.iter().map(MetricEvidence::sentence).collect();
        all.extend(self.change.as_ref().map(|change| {
            let ChangeEvent { at, service, kind, name, version } = change;
            let what = [kind.as_str(), name, version].into_iter().filter(|word| !word.is_empty());
            let what = what.collect::<Vec<&str>>().join(" ");
            let seconds = self.onset.nanos().saturating_sub(at.nanos()) / SECOND;
            format!("{what} of {service} at {at}, {seconds} s before it went bad")
        }));
        all
    }
}

/// Suspects, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRanking {
    /// The likeliest suspects, one a service.
    pub culprits: Vec<MetricCulprit>,
    /// Whether nobody is named because nothing stands out.
    pub abstained: bool,
    /// Where the incident begins, as told or as found; None without points.
    pub start: Option<Timestamp>,
}
