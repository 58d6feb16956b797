//! The settings of one entity and of its signals, with the overrides applied.

use super::overrides::set;
use super::{GuardConfig, Override, PipelineConfig, ScoreConfig, SeriesKind, SloConfig};
use crate::series::{Direction, Entity, NETWORK_GAP, PRICE_OF_TEMPLATE, counts, log_template_of};

/// The settings of one entity: the general settings with the overrides that match it.
///
/// # Examples
///
/// ```
/// use mad_core::{Entity, Glob, Override, PipelineConfig};
///
/// let patient = Override {
///     service: Glob::new("batch"),
///     warm_up_minutes: Some(120.0),
///     ..Override::default()
/// };
/// let config = PipelineConfig { overrides: vec![patient], ..PipelineConfig::default() };
/// assert_eq!(config.resolve(&Entity::new("batch", "/run")).guard.warm_up_minutes, 120.0);
/// assert_eq!(config.resolve(&Entity::new("cart", "/add")).guard.warm_up_minutes, 15.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySettings {
    /// How its rows are scored.
    pub score: ScoreConfig,
    /// Which of its anomalous rows are suppressed.
    pub guard: GuardConfig,
    /// Its service level objectives.
    pub slo: SloConfig,
    /// Whether its rows are judged. A single signal may be judged even if this is false.
    pub watched: bool,
    all: SignalSettings,
    overrides: Vec<Override>,
}

/// The settings of one signal of one entity.
///
/// # Examples
///
/// ```
/// use mad_core::config::Override;
/// use mad_core::series::Glob;
/// use mad_core::{Entity, PipelineConfig};
///
/// let mut config = PipelineConfig::default();
/// config.overrides.push(Override {
///     service: Glob::new("batch-*"),
///     signal: Glob::new("error_rate"),
///     threshold: Some(0.8),
///     ..Override::default()
/// });
/// let settings = config.resolve(&Entity::new("batch-mail", "/send"));
/// assert_eq!(settings.of_signal("error_rate").threshold, 0.8);
/// assert_eq!(settings.of_signal("p95_latency_ms").threshold, config.score.threshold);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalSettings {
    /// The kind of a metric, where an override or the name decides it. Request signals have fixed
    /// kinds.
    pub kind: Option<SeriesKind>,
    /// The direction that is anomalous; none for the default of the kind. It is up for metrics of
    /// the kind rate. It is also up for counts of log lines and missing spans and for network gaps,
    /// unless an override changes it.
    pub direction: Option<Direction>,
    /// A score of at least this is anomalous, above 0 and below 1.
    pub threshold: f64,
    /// Whether the signal is judged.
    pub watched: bool,
    /// Whether a metric is known to be in milliseconds, so that
    /// [`GuardConfig::latency_absolute_ms`] applies to it.
    pub in_ms: bool,
    /// Which of its anomalous values are suppressed.
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

    /// The settings of `entity`. It allocates only when an override matches.
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
            settings.kind = Some(SeriesKind::Count);
            // a template that stops is news, while fewer errors are none
            let is_template = log_template_of(name).is_some();
            settings.direction = Some(if is_template { Direction::Both } else { Direction::Up });
            if is_template {
                settings.threshold = rarer(settings.threshold);
            }
        }
        if name == NETWORK_GAP {
            settings.kind = Some(SeriesKind::Latency);
            settings.direction = Some(Direction::Up);
            settings.in_ms = true;
        }
        for over in self.overrides.iter().filter(|over| over.signal.matches(name)) {
            settings.apply(over);
        }
        if settings.kind == Some(SeriesKind::Rate) {
            settings.direction = Some(Direction::Up);
        }
        settings
    }

    /// Whether any override matches this entity. Otherwise all its signals have the general settings.
    pub fn is_special(&self) -> bool {
        !self.overrides.is_empty()
    }
}

/// The threshold of a score that is rarer by [`PRICE_OF_TEMPLATE`].
fn rarer(threshold: f64) -> f64 {
    let neg_log10_p = 4.0 * threshold / (1.0 - threshold) + PRICE_OF_TEMPLATE;
    neg_log10_p / (neg_log10_p + 4.0)
}

impl PipelineConfig {
    /// The settings of one entity: the general ones with the overrides that match it.
    pub fn resolve(&self, entity: &Entity) -> EntitySettings {
        EntitySettings::new(self, entity)
    }
}
