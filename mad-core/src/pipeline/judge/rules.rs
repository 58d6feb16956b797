//! Overrides and mutes of one entity.

use super::Judge;
use crate::config::{
    EntitySettings, MuteWindow, PipelineConfig, ScoreConfig, SeriesKind, SignalSettings,
};
use crate::error::{Error, Result};
use crate::guard::Guardrails;
use crate::pipeline::names::Names;
use crate::score::{RunningTotal, SignalScorer, is_share};
use crate::series::{
    Entity, EntityId, Glob, SeriesId, SeriesName, Signal, SignalKind, is_made_here, log_template_of,
};
use crate::time::Timestamp;

/// The settings of an entity that an override applies to.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub settings: EntitySettings,
    pub guardrails: Guardrails,
    pub signals: [SignalSettings; Signal::ALL.len()],
}

impl Judge {
    /// Applies a config to all scorers. What they learnt stays.
    pub fn reconfigure_scorers(&mut self, config: &PipelineConfig, names: &Names) {
        for (entity, _) in names.entities.iter() {
            self.reconfigure_rows(entity, config, names);
        }
        for (series, name) in names.series.iter() {
            self.reconfigure_series(series, name, config);
        }
    }

    /// Applies a config to the scorers of one entity. What they learnt stays.
    pub fn reconfigure_entity(&mut self, id: EntityId, config: &PipelineConfig, names: &Names) {
        self.reconfigure_rows(id, config, names);
        for (series, name) in names.series.iter().filter(|(_, name)| name.entity == id) {
            self.reconfigure_series(series, name, config);
        }
    }

    fn reconfigure_rows(&mut self, entity: EntityId, config: &PipelineConfig, names: &Names) {
        self.learn_rules(entity, config, names);
        let rules = self.rules.get(&entity).and_then(Option::as_ref);
        let score = rules.map_or(config.score, |rules| rules.settings.score);
        if let Some(Some(state)) = self.rows.get_mut(entity.index()) {
            // it does not fail, because the configuration was validated before
            let _ = state.scorer.reconfigure(&score);
        }
    }

    /// The rules of its entity are known.
    fn reconfigure_series(&mut self, id: SeriesId, name: &SeriesName, config: &PipelineConfig) {
        let settings = self.metric_settings(name.entity, &name.metric, config);
        let threshold = settings.map_or(config.score.threshold, |own| own.threshold);
        if let Some(Some(state)) = self.series.get_mut(id.index()) {
            let _ = state.scorer.reconfigure(&ScoreConfig { threshold, ..config.score });
        }
    }

    /// Derives the settings of an entity from the overrides, if any applies to it.
    pub fn learn_rules(&mut self, entity: EntityId, config: &PipelineConfig, names: &Names) {
        if config.overrides.is_empty() || self.rules.contains_key(&entity) {
            return;
        }
        let Some(name) = names.entities.get(entity) else { return };
        let settings = config.resolve(name);
        // the configuration was validated when the pipeline was made
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

    /// The latency objective that an override gives an entity, in ms.
    pub fn objective_ms(
        &mut self,
        entity: EntityId,
        config: &PipelineConfig,
        names: &Names,
    ) -> Option<f64> {
        self.learn_rules(entity, config, names);
        let rules = self.rules.get(&entity).and_then(Option::as_ref);
        rules.map(|rules| rules.settings.slo.latency_objective_ms)
    }

    pub(super) fn is_muted(
        &self,
        entity: EntityId,
        at: Timestamp,
        config: &PipelineConfig,
        names: &Names,
    ) -> bool {
        if config.mutes.is_empty() && self.mutes.is_empty() {
            return false;
        }
        let name = names.entities.get(entity);
        name.is_some_and(|name| self.muted_until(name, at, config).is_some())
    }

    /// The end of the mute that holds for an entity at `at`, if there is one.
    pub fn muted_until(
        &self,
        entity: &Entity,
        at: Timestamp,
        config: &PipelineConfig,
    ) -> Option<Timestamp> {
        let configured = config.mute_at(entity, at).map(|(_, until)| until);
        let asked = self.mutes.iter().filter_map(|mute| mute.muted_until(entity, at)).max();
        configured.max(asked)
    }

    /// The settings of a metric, if an override applies to its entity or its name implies some.
    pub(super) fn metric_settings(
        &self,
        entity: EntityId,
        metric: &str,
        config: &PipelineConfig,
    ) -> Option<SignalSettings> {
        if let Some(rules) = self.rules.get(&entity).and_then(Option::as_ref) {
            return Some(rules.settings.of_signal(metric));
        }
        // signals that are made of log lines or spans imply their kind and direction
        is_made_here(metric).then(|| EntitySettings::of_all(config).of_signal(metric))
    }

    /// Mute windows of commands.
    pub fn mutes(&self) -> &[MuteWindow] {
        &self.mutes
    }

    /// Adds a mute window. Those that ended before `closed` leave if there are too many.
    pub fn mute(&mut self, mute: MuteWindow, limit: usize, closed: Timestamp) -> Result<()> {
        mute.validate("mute")?;
        if self.mutes.len() >= limit {
            self.forget_mutes(closed);
        }
        if self.mutes.len() >= limit {
            return Err(Error::state(format!(
                "there are limits.mutes = {limit} mutes already: end one first"
            )));
        }
        self.mutes.push(mute);
        Ok(())
    }

    /// Ends the mute windows of exactly these patterns at `at`.
    pub fn unmute(&mut self, service: &Glob, endpoint: &Glob, at: Timestamp) -> Result<()> {
        let mut found = false;
        for mute in &mut self.mutes {
            let meant = mute.service == *service && mute.endpoint == *endpoint;
            if meant && mute.to.is_none_or(|to| to > at) {
                mute.to = Some(at);
                found = true;
            }
        }
        self.mutes.retain(|mute| mute.from < mute.to);
        let name = || format!("nothing is muted by service = `{service}`, endpoint = `{endpoint}`");
        if found { Ok(()) } else { Err(Error::not_found(name())) }
    }

    /// Forgets the mute windows that ended before `at`.
    pub fn forget_mutes(&mut self, at: Timestamp) {
        self.mutes.retain(|mute| mute.to.is_none_or(|to| to > at));
    }

    /// Takes over the mute windows of another pipeline, as far as there is room.
    pub fn absorb_mutes(&mut self, other: &Self, limit: usize) {
        self.mutes.extend(other.mutes.iter().cloned());
        self.mutes.truncate(limit);
    }
}

/// The scorer of a metric: of the kind that an override gives, else of a gauge, and what recognises
/// a running total if the kind is not known.
pub(super) fn metric_scorer(
    metric: &str,
    settings: Option<&SignalSettings>,
    config: &ScoreConfig,
) -> Result<(SignalScorer, Option<RunningTotal>)> {
    let kind = settings.and_then(|settings| settings.kind);
    let total = match kind {
        Some(SeriesKind::Counter) => Some(RunningTotal::declared(metric)),
        Some(_) => None,
        None => Some(RunningTotal::named(metric)),
    };
    let kind = kind.map_or(SignalKind::Gauge, SeriesKind::signal);
    Ok((scorer_of(kind, metric, settings, config)?, total))
}

/// A scorer of a kind for a metric.
pub(super) fn scorer_of(
    kind: SignalKind,
    metric: &str,
    settings: Option<&SignalSettings>,
    config: &ScoreConfig,
) -> Result<SignalScorer> {
    let threshold = settings.map_or(config.threshold, |settings| settings.threshold);
    let scorer = SignalScorer::new(kind, &ScoreConfig { threshold, ..*config })?;
    let scorer = if is_share(metric) { scorer.share() } else { scorer };
    // More error lines or missing spans are not accepted by waiting, as errors of requests are not.
    let keeps_level = is_made_here(metric) && log_template_of(metric).is_none();
    Ok(if keeps_level { scorer.keeping_level() } else { scorer })
}
