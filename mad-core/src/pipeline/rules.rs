//! What the configuration says of one entity: overrides and mutes.

use crate::config::{EntitySettings, MetricKind, ScoreConfig, SignalSettings};
use crate::guard::Guardrails;
use crate::score::MetricScorer;
use crate::series::{Entity, EntityId, Signal, SignalKind, is_made_here};
use crate::time::Timestamp;

use super::Pipeline;

/// The settings of an entity that some override is for.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub settings: EntitySettings,
    pub guardrails: Guardrails,
    pub signals: [SignalSettings; Signal::ALL.len()],
}

/// Running totals by the convention of `OpenMetrics`.
const COUNTER_SUFFIX: &str = "_total";

impl Pipeline {
    /// Makes sure that the rules of an entity are known, if there are any for it.
    pub(super) fn learn_rules(&mut self, entity: EntityId) {
        if self.config.overrides.is_empty() || self.rules.contains_key(&entity) {
            return;
        }
        let Some(name) = self.entities.get(entity) else { return };
        let settings = self.config.resolve(name);
        // the config was validated when the pipeline was made
        let Ok(guardrails) = Guardrails::new(settings.guard, settings.score.threshold) else {
            return;
        };
        let rules = settings.is_special().then(|| Rules {
            guardrails,
            signals: Signal::ALL.map(|signal| settings.of_signal(signal.as_str())),
            settings,
        });
        self.rules.insert(entity, rules);
    }

    /// Has the slow requests of an entity counted by the objective that some override gives it.
    pub(super) fn learn_objective(&mut self, entity: EntityId) {
        self.learn_rules(entity);
        let slow_ms = self.rules_of(entity).map(|rules| rules.settings.slo.latency_objective_ms);
        for partition in slow_ms.and(Some(&mut self.partitions)).into_iter().flatten() {
            partition.features.set_slow(Some(entity), slow_ms.unwrap_or_default());
        }
    }

    pub(super) fn rules_of(&self, entity: EntityId) -> Option<&Rules> {
        self.rules.get(&entity).and_then(Option::as_ref)
    }

    /// Until when an entity is muted at `at`.
    pub fn muted_until(&self, entity: EntityId, at: Timestamp) -> Option<Timestamp> {
        if self.config.mutes.is_empty() && self.mutes.is_empty() {
            return None;
        }
        self.mute_of(self.entities.get(entity)?, at)
    }

    /// The same of an entity by its name.
    pub fn mute_of(&self, entity: &Entity, at: Timestamp) -> Option<Timestamp> {
        let configured = self.config.mute_at(entity, at).map(|(_, until)| until);
        let asked = self.mutes.iter().filter_map(|mute| mute.muted_until(entity, at)).max();
        configured.max(asked)
    }

    /// The settings of a metric, if some override is for its entity or its name says some.
    pub(super) fn metric_settings(&self, entity: EntityId, metric: &str) -> Option<SignalSettings> {
        if let Some(rules) = self.rules_of(entity) {
            return Some(rules.settings.of_signal(metric));
        }
        // what is made of log lines or spans has a kind and a direction by itself
        is_made_here(metric).then(|| EntitySettings::of_all(&self.config).of_signal(metric))
    }
}

/// The scorer of a metric: of the kind that an override says, otherwise a running total by its name
/// or a gauge.
pub(super) fn metric_scorer(
    metric: &str,
    settings: Option<&SignalSettings>,
    config: &ScoreConfig,
) -> crate::error::Result<MetricScorer> {
    let threshold = settings.map_or(config.threshold, |settings| settings.threshold);
    let config = ScoreConfig { threshold, ..*config };
    let named = || {
        if metric.ends_with(COUNTER_SUFFIX) { MetricKind::Counter } else { MetricKind::Gauge }
    };
    match settings.and_then(|settings| settings.kind).unwrap_or_else(named) {
        MetricKind::Gauge => MetricScorer::new(SignalKind::Gauge, &config),
        MetricKind::Latency => MetricScorer::new(SignalKind::Latency, &config),
        MetricKind::Rate => MetricScorer::new(SignalKind::Rate, &config),
        MetricKind::Count => MetricScorer::new(SignalKind::Count, &config),
        MetricKind::Counter => MetricScorer::counter(&config),
    }
}
