//! The telemetry of a service that is measured once a second, with log lines (the radar system).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TruthIncident;
use super::radar::{Radar, RadarScenario};
use super::world::{SimulatedChange, SimulatedLog, SimulatedMetric, World, end_of, steps_of};
use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

/// The service.
const SERVICE: &str = "radar";
/// Seconds between two info lines.
const INFO_SECONDS: u32 = 10;
/// Timeout lines in a second of a burst.
const TIMEOUTS: u32 = 3;

/// Configuration of a [`RadarWorld`].
///
/// # Examples
///
/// ```
/// use mad_core::simulate::RadarConfig;
///
/// assert!(RadarConfig::default().validate().is_ok());
/// assert!(RadarConfig { interval_seconds: 0.5, ..RadarConfig::default() }.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RadarConfig {
    /// What happens after the warm-up. Default drift.
    pub scenario: RadarScenario,
    /// Whole minutes before the scenario, 0 to 65,535. Default 60.
    pub warm_up_minutes: u16,
    /// Length of the data in seconds: at least one interval, at most 90 days. Default 7,200.
    pub duration_seconds: f64,
    /// Time between two measurements in whole seconds, 1 to 86,400. Default 1.
    pub interval_seconds: f64,
    /// Start of the data, cut to the second. Default 2026-01-06T10:00:00Z.
    pub start: Timestamp,
    /// Seed of all random numbers. Default 0.
    pub seed: u64,
}

impl Default for RadarConfig {
    fn default() -> Self {
        Self {
            scenario: RadarScenario::Drift,
            warm_up_minutes: 60,
            duration_seconds: 7_200.0,
            interval_seconds: 1.0,
            start: Timestamp::from_seconds(1_767_693_600),
            seed: 0,
        }
    }
}

impl RadarConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field outside its range.
    pub fn validate(&self) -> Result<()> {
        let interval = self.interval_seconds;
        steps_of(self.duration_seconds, interval, 1)?;
        if interval.fract() != 0.0 {
            return Err(Error::config("interval_seconds", interval, "whole seconds"));
        }
        if self.duration_seconds > 90.0 * 86_400.0 {
            let expected = "at most 7776000 seconds (90 days)";
            return Err(Error::config("duration_seconds", self.duration_seconds, expected));
        }
        end_of(self.start, self.duration_seconds).map(|_| ())
    }
}

/// One service with `latency_ms` 120, `error_rate` 0.2 percent and `cpu_pct` 40, and its log.
///
/// The scenario is the resource of the metrics. The log has an info line every ten seconds, and three
/// errors `DB timeout` in each second in which requests to the saturated database time out. A drift
/// begins with a deployment. The data does not end when the static rule of [`Radar`] fires.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{RadarConfig, RadarScenario, RadarWorld};
///
/// let config = RadarConfig { scenario: RadarScenario::Saturation, ..RadarConfig::default() };
/// let world = RadarWorld::new(config)?.run();
/// assert_eq!(world.metrics.len(), 3 * 7_200);
/// assert!(world.logs.iter().any(|line| line.body.starts_with("DB timeout")));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RadarWorld {
    config: RadarConfig,
    radar: Radar,
}

impl RadarWorld {
    /// A service that is ready to run.
    ///
    /// # Errors
    ///
    /// See [`RadarConfig::validate`].
    pub fn new(config: RadarConfig) -> Result<Self> {
        config.validate()?;
        let start = config.start.floor(SECOND);
        let radar = Radar::new(config.scenario, config.seed, start)?
            .with_calm(config.warm_up_minutes)
            .endless();
        Ok(Self { config, radar })
    }

    /// The telemetry from the beginning to the end.
    pub fn run(&self) -> World {
        let config = &self.config;
        let begin = self.radar.begins();
        let start = config.start.floor(SECOND);
        let end = start.plus((config.duration_seconds * SECOND as f64).round() as i64);
        let (service, resource): (Arc<str>, Arc<str>) =
            (SERVICE.into(), config.scenario.as_str().into());
        let (info, timeout): (Arc<str>, Arc<str>) =
            ("GET /orders 200".into(), "DB timeout after 5000 ms on orders".into());
        let mut world = World::default();
        let has_incident = config.scenario != RadarScenario::Calm && begin < end;
        if has_incident && config.scenario == RadarScenario::Drift {
            world.changes.push(SimulatedChange {
                timestamp: begin,
                service: Arc::clone(&service),
                kind: "deployment",
                name: SERVICE,
                version: "2.4.1",
                is_anomaly: false,
            });
        }
        let seconds = config.duration_seconds as usize;
        let interval = config.interval_seconds as u32;
        for (second, point) in (0_u32..).zip(self.radar.clone().take(seconds)) {
            let is_anomaly = has_incident && point.at >= begin;
            if second % interval == 0 {
                for (metric, value) in [
                    ("latency_ms", point.latency_ms),
                    ("error_rate", point.error_rate),
                    ("cpu_pct", point.cpu_pct),
                ] {
                    world.metrics.push(SimulatedMetric {
                        timestamp: point.at,
                        service: Arc::clone(&service),
                        resource: Arc::clone(&resource),
                        metric,
                        value,
                        is_anomaly,
                    });
                }
            }
            let mut log = |level, body: &Arc<str>, is_anomaly| {
                world.logs.push(SimulatedLog {
                    timestamp: point.at,
                    service: Arc::clone(&service),
                    level,
                    body: Arc::clone(body),
                    is_anomaly,
                });
            };
            if second % INFO_SECONDS == 0 {
                log("INFO", &info, false);
            }
            if point.has_timeouts {
                (0..TIMEOUTS).for_each(|_| log("ERROR", &timeout, true));
            }
        }
        world.truth.incidents.extend(has_incident.then(|| TruthIncident {
            service: SERVICE.to_owned(),
            endpoint: config.scenario.as_str().to_owned(),
            start: begin,
            end,
            kind: config.scenario.as_str().to_owned(),
            affected: vec![SERVICE.to_owned()],
            spec: None,
        }));
        world.truth.seed = Some(config.seed);
        world.truth.rows = Some(world.metrics.len() as u64);
        (world.truth.start, world.truth.end) = (Some(start), Some(end));
        world
    }
}
