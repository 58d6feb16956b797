//! Metrics, events, logs and traces of a chain of services (the MELT system).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::melt_traces::{MeltTraces, chain};
use super::random::Draws;
use super::world::{
    SimulatedChange, SimulatedLog, SimulatedMetric, World, end_of, point_truth, steps_of,
};
use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

/// Text of a line of each level.
const INFO: &str = "request processed";
const WARN: &str = "response slower than expected";
const ERROR: &str = "upstream connection failed";
/// Kinds of events. A restart is the anomaly.
const EVENTS: [&str; 4] = ["restart", "config", "login", "deploy"];

/// Configuration of a [`Melt`] system.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::MeltConfig;
///
/// assert!(MeltConfig::default().validate().is_ok());
/// assert!(MeltConfig { interval_seconds: 0.0, ..MeltConfig::default() }.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeltConfig {
    /// Services in the chain, 1 to 1,000. Default 3.
    pub services: u32,
    /// Length of the data in seconds: at least one interval, at most ten years. Default 43,200.
    pub duration_seconds: f64,
    /// Time between two records of one kind and service in seconds, 1 to 86,400. Default 60.
    pub interval_seconds: f64,
    /// Share of the rows of metrics that are anomalous, 0 to 1. Default 0.05.
    pub anomalous: f64,
    /// Share of the spans that are lost, 0 to 1. Default 0.2.
    pub missing: f64,
    /// Start of the data, cut to the second. Default 2026-01-06T10:00:00Z.
    pub start: Timestamp,
    /// Seed of all random numbers. Default 0.
    pub seed: u64,
}

impl Default for MeltConfig {
    fn default() -> Self {
        Self {
            services: 3,
            duration_seconds: 43_200.0,
            interval_seconds: 60.0,
            anomalous: 0.05,
            missing: 0.2,
            start: Timestamp::from_seconds(1_767_693_600),
            seed: 0,
        }
    }
}

impl MeltConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field outside its range, or more than ten million rows of services.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1_000).contains(&self.services) {
            return Err(Error::config("services", self.services, "an integer from 1 to 1000"));
        }
        for (name, share) in [("anomalous", self.anomalous), ("missing", self.missing)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::config(name, share, "a share from 0 to 1"));
            }
        }
        steps_of(self.duration_seconds, self.interval_seconds, self.services)?;
        end_of(self.start, self.duration_seconds).map(|_| ())
    }
}

/// A chain of services with metrics, logs and events a service and interval, and one trace an
/// interval.
///
/// | kind | normal | anomaly |
/// |---|---|---|
/// | metrics | `cpu` 18 ± 5 %, `memory` 1,507 ± 250 MB, `response_time_ms` 100 to 109 | share `anomalous`: `cpu` 50 to 69 and `response_time_ms` 300 to 499 more |
/// | logs | one line: INFO 70 %, WARN 20 % | ERROR, 10 % |
/// | changes | one event: `config`, `login`, `deploy`, 25 % each | `restart`, 25 % |
/// | spans | 20 to 49 ms each, a client's request through the chain | share `missing`: no span; its child names it as parent |
///
/// The truth has one entry an anomaly, for the interval and the service (the endpoint is the name of
/// the metric, or empty), whose kind is `metric`, `log`, `event` or `trace`. All draws of a kind come
/// from a separate stream of random numbers.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{Melt, MeltConfig};
///
/// let world = Melt::new(MeltConfig { duration_seconds: 6_000.0, ..MeltConfig::default() })?.run();
/// assert_eq!((world.metrics.len(), world.logs.len(), world.changes.len()), (900, 300, 300));
/// let lost = world.truth.incidents.iter().filter(|one| one.kind == "trace").count();
/// assert_eq!(world.spans.len() + lost, 300);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Melt {
    config: MeltConfig,
    traces: MeltTraces,
}

impl Melt {
    /// A system that is ready to run.
    ///
    /// # Errors
    ///
    /// See [`MeltConfig::validate`].
    pub fn new(config: MeltConfig) -> Result<Self> {
        config.validate()?;
        let steps = steps_of(config.duration_seconds, config.interval_seconds, config.services)?;
        let start = config.start.floor(SECOND);
        let interval = (config.interval_seconds * SECOND as f64).round() as i64;
        let traces = MeltTraces::new(steps, config.missing, config.seed, start)?.along(
            chain(config.services),
            interval,
            start,
        );
        Ok(Self { config, traces })
    }

    /// The telemetry from the beginning to the end.
    pub fn run(&self) -> World {
        let (spans, lost) = self.traces.run();
        let mut world = World { spans, ..World::default() };
        let traces = Draws::new(self.config.seed);
        let mut metrics = traces.following();
        let mut logs = metrics.following();
        let mut events = logs.following();
        let services = self.traces.services();
        let interval = self.traces.interval();
        let length = i64::from(self.traces.traces()) * interval;
        let start = self.config.start.floor(SECOND);
        let mut truth = Vec::new();
        let mut mark = |at, service: &Arc<str>, endpoint, kind| {
            truth.push(point_truth(at, interval, service, endpoint, kind));
        };
        for step in 0..self.traces.traces() {
            let at = start.plus(i64::from(step) * interval);
            for service in services {
                let is_anomaly = metrics.unit() < self.config.anomalous;
                let usual = [
                    ("cpu", metrics.within(13.0, 23.0)),
                    ("memory", metrics.within(1_257.0, 1_757.0)),
                    ("response_time_ms", metrics.within(100.0, 109.0)),
                ];
                let more = [metrics.within(50.0, 69.0), 0.0, metrics.within(300.0, 499.0)];
                for ((metric, value), more) in usual.into_iter().zip(more) {
                    let is_anomaly = is_anomaly && more > 0.0;
                    if is_anomaly {
                        mark(at, service, metric, "metric");
                    }
                    let value = if is_anomaly { value + more } else { value };
                    world.metrics.push(SimulatedMetric {
                        timestamp: at,
                        service: Arc::clone(service),
                        resource: "".into(),
                        metric,
                        value,
                        is_anomaly,
                    });
                }
                let (level, body) = match logs.unit() {
                    share if share < 0.7 => ("INFO", INFO),
                    share if share < 0.9 => ("WARN", WARN),
                    _ => ("ERROR", ERROR),
                };
                let is_anomaly = level == "ERROR";
                if is_anomaly {
                    mark(at, service, "", "log");
                }
                world.logs.push(SimulatedLog {
                    timestamp: at,
                    service: Arc::clone(service),
                    level,
                    body: body.into(),
                    is_anomaly,
                });
                let kind = EVENTS.get((events.unit() * 4.0) as usize).copied().unwrap_or("deploy");
                let is_anomaly = kind == "restart";
                if is_anomaly {
                    mark(at, service, "", "event");
                }
                world.changes.push(SimulatedChange {
                    timestamp: at,
                    service: Arc::clone(service),
                    kind,
                    name: "",
                    version: "",
                    is_anomaly,
                });
            }
        }
        for span in &lost {
            mark(span.minute, &span.service, "", "trace");
        }
        truth.sort_by_key(|incident| incident.start);
        world.truth.incidents = truth;
        world.truth.seed = Some(self.config.seed);
        world.truth.rows = Some(u64::from(self.traces.traces()));
        (world.truth.start, world.truth.end) = (Some(start), Some(start.plus(length)));
        world
    }
}
