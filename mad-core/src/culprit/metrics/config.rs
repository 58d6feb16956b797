//! Configuration of the ranking over metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::MetricKind;
use crate::error::{Error, Result};
use crate::series::Glob;

/// Configuration of a [`MetricRanker`](super::MetricRanker).
///
/// # Examples
///
/// ```
/// use mad_core::culprit::{MetricKind, MetricRanker, MetricRankerConfig};
///
/// let config = MetricRankerConfig {
///     top_k: 3,
///     metric_kinds: [("*_backlog".to_owned(), MetricKind::Traffic)].into(),
///     ..MetricRankerConfig::default()
/// };
/// assert!(MetricRanker::new(config).is_ok());
/// let refused = MetricRankerConfig { top_k: 0, ..MetricRankerConfig::default() };
/// assert!(refused.validate().unwrap_err().to_string().contains("top_k"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricRankerConfig {
    /// Smallest effect of the first suspect, in scales, with a target; below it the ranking abstains.
    /// Above 0, at most 1e6. Default 3.
    pub min_effect: f64,
    /// The same without a target. Default 2, because half of all rows of the incident have to reach
    /// it, not only the target's anomalous rows.
    pub min_lasting_effect: f64,
    /// Smallest effect of the target itself, in scales, 0 to 1e6. Default 1.5: the caller already
    /// states that the target is anomalous.
    pub min_target_effect: f64,
    /// Largest number of culprits, 1 to 1,000. Default 10.
    pub top_k: usize,
    /// Kinds of metrics by name or pattern (`*_backlog`), for names from which [`MetricKind::guess`]
    /// does not find them. The longest fitting pattern counts. Default empty.
    pub metric_kinds: BTreeMap<String, MetricKind>,
    /// Whether the onset of the incident is searched. If not, it is the start of the given incident,
    /// or the middle of all rows without normal time. Default true.
    pub find_onset: bool,
    /// Parts of the method that are left out. Only for ablation studies.
    #[cfg(feature = "ablation")]
    pub without: std::collections::BTreeSet<RankerPart>,
}

/// A part of the method of [`MetricRanker`](super::MetricRanker) that an ablation study can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(not(feature = "ablation"), allow(unreachable_pub, reason = "exported with the feature"))]
#[serde(rename_all = "snake_case")]
pub enum RankerPart {
    /// Floors of the scale by level and by peers.
    Floors,
    /// Bad directions and weights by kind of metric.
    Kinds,
    /// Comparison in the target's anomalous rows only.
    Alignment,
    /// Subtraction of a callee's change from its caller's.
    CalleeExplanation,
    /// Attribution of client views to the called service.
    ClientViews,
}

impl Default for MetricRankerConfig {
    fn default() -> Self {
        Self {
            min_effect: 3.0,
            min_lasting_effect: 2.0,
            min_target_effect: 1.5,
            top_k: 10,
            metric_kinds: BTreeMap::new(),
            find_onset: true,
            #[cfg(feature = "ablation")]
            without: std::collections::BTreeSet::new(),
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

    /// The configured kind of a metric.
    pub(super) fn kind_of(&self, metric: &str) -> Option<MetricKind> {
        let fitting = self.metric_kinds.iter().filter(|(pattern, _)| {
            **pattern == metric || Glob::new(pattern.as_str()).matches(metric)
        });
        fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, kind)| *kind)
    }

    /// Whether a part of the method is applied.
    #[cfg(feature = "ablation")]
    pub(super) fn applies(&self, part: RankerPart) -> bool {
        !self.without.contains(&part)
    }

    /// Whether a part of the method is applied: always, without the feature `ablation`.
    #[cfg(not(feature = "ablation"))]
    #[allow(clippy::unused_self, reason = "the feature reads the config")]
    pub(super) const fn applies(&self, _: RankerPart) -> bool {
        true
    }
}
