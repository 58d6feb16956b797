//! Overrides: settings of some entities or signals.

use serde::{Deserialize, Serialize};

use super::{GuardConfig, ScoreConfig, SloConfig};
use crate::error::{Error, Result};
use crate::series::{Direction, Entity, Glob, SignalKind};

/// The kind of a metric in a configuration file. It decides how the metric is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesKind {
    /// A level of any value, judged as it is.
    Gauge,
    /// A positive and skewed value such as a duration, judged by its logarithm.
    Latency,
    /// A share of `n` trials, 0 to 1.
    Rate,
    /// A number of events in each step.
    Count,
    /// A total that only grows and can restart at 0. Its increase per second is judged.
    Counter,
}

impl SeriesKind {
    /// The kind of the judged signal. The increase per second of a counter is a gauge.
    pub const fn signal(self) -> SignalKind {
        match self {
            Self::Gauge | Self::Counter => SignalKind::Gauge,
            Self::Latency => SignalKind::Latency,
            Self::Rate => SignalKind::Rate,
            Self::Count => SignalKind::Count,
        }
    }
}

/// Settings of the entities and signals that match its patterns. A field that is not set keeps its
/// general value. If several overrides match, the last one that sets a field wins.
///
/// # Examples
///
/// ```
/// use mad_core::series::Glob;
/// use mad_core::config::Override;
/// use mad_core::{Entity, PipelineConfig};
///
/// let quiet = Override {
///     service: Glob::new("batch-*"),
///     threshold: Some(0.8),
///     ..Override::default()
/// };
/// let config = PipelineConfig { overrides: vec![quiet], ..PipelineConfig::default() };
/// config.validate()?;
/// assert_eq!(config.resolve(&Entity::new("batch-1", "/run")).score.threshold, 0.8);
/// assert_eq!(config.resolve(&Entity::new("payments", "/pay")).score.threshold, 0.5);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Override {
    /// Pattern of services. Default `*`.
    pub service: Glob,
    /// Pattern of endpoints, or of resources of metrics (`resource` is the same field). Default `*`.
    #[serde(alias = "resource")]
    pub endpoint: Glob,
    /// Pattern of signals of requests (`p50_latency_ms`, `p95_latency_ms`, `error_rate`, `req_count`,
    /// `client_error_rate`, `slow_share`) or of names of metrics (`metric` is the same field). Default `*`.
    #[serde(alias = "metric")]
    pub signal: Glob,
    /// See [`ScoreConfig::threshold`]: above 0 and below 1.
    #[serde(
        alias = "sensitivity",
        deserialize_with = "super::sensitivity::optional_threshold",
        skip_serializing_if = "Option::is_none"
    )]
    pub threshold: Option<f64>,
    /// The direction that is anomalous. A rate is judged upwards only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The kind of a metric. The kinds of request signals are fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<SeriesKind>,
    /// Whether it is judged; `false` turns judging off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watched: Option<bool>,
    /// See [`GuardConfig::warm_up_minutes`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up_minutes: Option<f64>,
    /// See [`GuardConfig::cold_start_minutes`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_start_minutes: Option<f64>,
    /// See [`GuardConfig::min_points`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_points: Option<usize>,
    /// See [`GuardConfig::min_requests`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_requests: Option<u64>,
    /// See [`GuardConfig::latency_relative`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_relative: Option<f64>,
    /// See [`GuardConfig::latency_absolute_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_absolute_ms: Option<f64>,
    /// See [`GuardConfig::error_rate_absolute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_absolute: Option<f64>,
    /// See [`GuardConfig::client_error_rate_absolute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error_rate_absolute: Option<f64>,
    /// See [`GuardConfig::slow_share_absolute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_share_absolute: Option<f64>,
    /// See [`GuardConfig::min_errors`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_errors: Option<u64>,
    /// See [`GuardConfig::traffic_relative`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_relative: Option<f64>,
    /// See [`GuardConfig::traffic_absolute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_absolute: Option<f64>,
    /// See [`GuardConfig::critical_error_rate`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_error_rate: Option<f64>,
    /// See [`GuardConfig::critical_client_error_rate`]. Only where `signal` is `*`, because it applies to
    /// whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_client_error_rate: Option<f64>,
    /// See [`SloConfig::error_objective`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_objective: Option<f64>,
    /// See [`SloConfig::latency_objective`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_objective: Option<f64>,
    /// See [`SloConfig::latency_objective_ms`]. Only where `signal` is `*`, because it applies to whole rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_objective_ms: Option<f64>,
}

impl Override {
    /// Whether it matches this entity, or some of its signals.
    pub fn is_for(&self, entity: &Entity) -> bool {
        self.service.matches(&entity.service) && self.endpoint.matches(&entity.endpoint)
    }

    /// Checks every field; `at` is its place in the configuration, such as `override[0]`.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range. An override is also refused if it sets nothing, if
    /// it sets a field of whole rows for some signals only, or if its kind cannot have its direction.
    pub fn validate(&self, at: &str) -> Result<()> {
        let globs = Self {
            service: self.service.clone(),
            endpoint: self.endpoint.clone(),
            signal: self.signal.clone(),
            ..Self::default()
        };
        if *self == globs {
            return Err(Error::config(at, "without a setting", "at least one, such as threshold"));
        }
        let (mut score, mut guard) = (ScoreConfig::default(), GuardConfig::default());
        set(&mut score.threshold, self.threshold);
        self.guard(&mut guard);
        score.validate().map_err(|error| error.moved("score", at))?;
        guard.validate().map_err(|error| error.moved("guard", at))?;
        let mut slo = SloConfig::default();
        self.slo(&mut slo);
        slo.validate().map_err(|error| error.moved("slo", at))?;
        self.of_whole_rows(at)?;
        match (self.kind, self.direction) {
            (Some(SeriesKind::Rate), Some(direction @ (Direction::Down | Direction::Both))) => {
                let value = if direction == Direction::Down { "down" } else { "both" };
                let expected = "up for a rate; another direction needs kind = \"gauge\"";
                Err(Error::config(&format!("{at}.direction"), value, expected))
            }
            _ => Ok(()),
        }
    }

    fn of_whole_rows(&self, at: &str) -> Result<()> {
        if self.signal.is_any() {
            return Ok(());
        }
        for (field, set) in [
            ("warm_up_minutes", self.warm_up_minutes.is_some()),
            ("cold_start_minutes", self.cold_start_minutes.is_some()),
            ("min_points", self.min_points.is_some()),
            ("min_requests", self.min_requests.is_some()),
            ("critical_error_rate", self.critical_error_rate.is_some()),
            ("critical_client_error_rate", self.critical_client_error_rate.is_some()),
            ("error_objective", self.error_objective.is_some()),
            ("latency_objective", self.latency_objective.is_some()),
            ("latency_objective_ms", self.latency_objective_ms.is_some()),
        ] {
            if set {
                let value = format!("set for the signal {}", self.signal);
                let expected = "an override without `signal`, because it applies to whole rows";
                return Err(Error::config(&format!("{at}.{field}"), value, expected));
            }
        }
        Ok(())
    }

    /// Writes its guardrail fields to `guard`.
    pub(super) fn guard(&self, guard: &mut GuardConfig) {
        set(&mut guard.warm_up_minutes, self.warm_up_minutes);
        set(&mut guard.cold_start_minutes, self.cold_start_minutes);
        set(&mut guard.min_points, self.min_points);
        set(&mut guard.min_requests, self.min_requests);
        set(&mut guard.latency_relative, self.latency_relative);
        set(&mut guard.latency_absolute_ms, self.latency_absolute_ms);
        set(&mut guard.error_rate_absolute, self.error_rate_absolute);
        set(&mut guard.client_error_rate_absolute, self.client_error_rate_absolute);
        set(&mut guard.slow_share_absolute, self.slow_share_absolute);
        set(&mut guard.min_errors, self.min_errors);
        set(&mut guard.traffic_relative, self.traffic_relative);
        set(&mut guard.traffic_absolute, self.traffic_absolute);
        set(&mut guard.critical_error_rate, self.critical_error_rate);
        guard.critical_client_error_rate =
            self.critical_client_error_rate.or(guard.critical_client_error_rate);
    }

    /// Writes its objectives to `slo`.
    pub(super) fn slo(&self, slo: &mut SloConfig) {
        set(&mut slo.error_objective, self.error_objective);
        set(&mut slo.latency_objective, self.latency_objective);
        set(&mut slo.latency_objective_ms, self.latency_objective_ms);
    }
}

/// Replaces a field if a value is given.
pub(super) fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}
