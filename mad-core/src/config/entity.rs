//! The settings of one entity and of its signals, overrides applied.

use super::overrides::set;
use super::{GuardConfig, MetricKind, Override, PipelineConfig, ScoreConfig, SloConfig};
use crate::series::{Direction, Entity, NETWORK_GAP, counts};

/// The settings of one entity: those of all, with the overrides that are for it.
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySettings {
    /// How its rows are judged.
    pub score: ScoreConfig,
    /// What of it is not worth waking anyone.
    pub guard: GuardConfig,
    /// What its callers were promised.
    pub slo: SloConfig,
    /// Whether it is judged at all; a signal of one that is not may be all the same.
    pub watched: bool,
    all: SignalSettings,
    overrides: Vec<Override>,
}

/// The settings of one signal of one entity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalSettings {
    /// What kind of number a metric is; none where nothing says so. Not for request signals,
    /// whose kinds are fixed.
    pub kind: Option<MetricKind>,
    /// Which way out counts; none for what its kind has by itself. Up for a metric of the kind
    /// rate, and for counts of log lines and missing spans and for network gaps unless an override
    /// says otherwise.
    pub direction: Option<Direction>,
    /// A score of at least this is anomalous, above 0 and below 1.
    pub threshold: f64,
    /// Whether it is judged.
    pub watched: bool,
    /// Whether a metric is known to be in milliseconds, so that
    /// [`GuardConfig::latency_absolute_ms`] holds for it.
    pub in_ms: bool,
    /// What of it is not worth waking anyone.
    pub guard: GuardConfig,
}

impl SignalSettings {
    fn apply(&mut self, over: &Override) {
        self.kind = over.kind.or(self.kind);
        self.direction = over.direction.or(self.direction);
        set(&mut self.threshold, over.threshold);
        set(&mut self.watched, over.watched);
        over.guard(&mut self.guard);
    }
}

impl EntitySettings {
    /// The settings of entities without an override.
    pub(crate) fn of_all(config: &PipelineConfig) -> Self {
        Self::with(config, Vec::new())
    }

    /// The settings of `entity`; allocates only when an override is for it.
    pub(crate) fn new(config: &PipelineConfig, entity: &Entity) -> Self {
        let overrides: Vec<Override> =
            config.overrides.iter().filter(|over| over.is_for(entity)).cloned().collect();
        Self::with(config, overrides)
    }

    fn with(config: &PipelineConfig, overrides: Vec<Override>) -> Self {
        let all = SignalSettings {
            kind: None,
            direction: None,
            threshold: config.score.threshold,
            watched: true,
            in_ms: false,
            guard: config.guard,
        };
        let (mut whole, mut slo) = (all, config.slo);
        for over in overrides.iter().filter(|over| over.signal.is_any()) {
            whole.apply(over);
            over.slo(&mut slo);
        }
        Self {
            score: ScoreConfig { threshold: whole.threshold, ..config.score },
            guard: whole.guard,
            slo,
            watched: whole.watched,
            all,
            overrides,
        }
    }

    /// The settings of one of its signals: a request signal by
    /// [`Signal::as_str`](crate::Signal::as_str), or a metric by its name.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::series::{Direction, Glob};
    /// use mad_core::config::Override;
    /// use mad_core::{Entity, PipelineConfig};
    ///
    /// let free = Override {
    ///     signal: Glob::new("*_free"),
    ///     direction: Some(Direction::Down),
    ///     ..Override::default()
    /// };
    /// let config = PipelineConfig { overrides: vec![free], ..PipelineConfig::default() };
    /// let settings = config.resolve(&Entity::new("disk", "sda"));
    /// assert_eq!(settings.of_signal("bytes_free").direction, Some(Direction::Down));
    /// assert_eq!(settings.of_signal("bytes_used").direction, None);
    /// ```
    pub fn of_signal(&self, name: &str) -> SignalSettings {
        let mut settings = self.all;
        if counts(name) {
            settings.kind = Some(MetricKind::Count);
            settings.direction = Some(Direction::Up);
        }
        if name == NETWORK_GAP {
            settings.kind = Some(MetricKind::Latency);
            settings.direction = Some(Direction::Up);
            settings.in_ms = true;
        }
        for over in self.overrides.iter().filter(|over| over.signal.matches(name)) {
            settings.apply(over);
        }
        if settings.kind == Some(MetricKind::Rate) {
            settings.direction = Some(Direction::Up);
        }
        settings
    }

    /// Whether any override is for this entity; without one all its signals are as the others'.
    pub fn is_special(&self) -> bool {
        !self.overrides.is_empty()
    }
}

impl PipelineConfig {
    /// The settings of one entity: the general ones with the overrides that match it.
    pub fn resolve(&self, entity: &Entity) -> EntitySettings {
        EntitySettings::new(self, entity)
    }
}
