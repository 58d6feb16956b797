//! Two services in a chain under a load pattern, with single anomalous requests (the API system).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TruthIncident;
use super::random::Draws;
use super::request::SimulatedRequest;
use super::world::{World, end_of, point_truth, steps_of};
use crate::error::{Error, Result};
use crate::time::{MINUTE, Timestamp};

/// Caller and callee.
const CALLER: &str = "service-a";
const CALLEE: &str = "service-b";
/// Endpoints of the caller and of the callee.
const ROUTES: [&str; 2] = ["/start", "/test"];
const PING: &str = "/ping";
/// Share of calls that fail: normally, under high errors and of anomalous requests.
const FAILING: f64 = 0.01;
const FAILING_MORE: f64 = 0.3;
/// Part of the minutes, from the first on, without anomalous requests: one of this number.
const CALM_PART: u32 = 8;

/// The load after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadPattern {
    /// 10 to 50 ms in the callee and 1 % errors.
    Normal,
    /// Five times the calls.
    HighTraffic,
    /// 400 to 800 ms in the callee.
    HighLatency,
    /// 30 % errors.
    HighError,
    /// 5 % slower each minute.
    Degrading,
    /// Ten times the calls from second 20 to second 30 of each minute.
    Burst,
}

impl LoadPattern {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Normal,
        Self::HighTraffic,
        Self::HighLatency,
        Self::HighError,
        Self::Degrading,
        Self::Burst,
    ];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::HighTraffic => "high_traffic",
            Self::HighLatency => "high_latency",
            Self::HighError => "high_error",
            Self::Degrading => "degrading",
            Self::Burst => "burst",
        }
    }

    /// The largest factor by which calls increase.
    const fn most(self) -> f64 {
        match self {
            Self::HighTraffic => 5.0,
            Self::Burst => 10.0,
            _ => 1.0,
        }
    }

    /// The factor by which calls increase at a second of the minute.
    fn more(self, second: f64) -> f64 {
        match self {
            Self::Burst if !(20.0..30.0).contains(&second) => 1.0,
            other => other.most(),
        }
    }
}

impl fmt::Display for LoadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LoadPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::argument("pattern", format!("{text:?}"), &format!("one of {known}"))
        })
    }
}

/// Configuration of an [`Api`] system.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{ApiConfig, LoadPattern};
///
/// let config = ApiConfig { pattern: LoadPattern::Burst, ..ApiConfig::default() };
/// assert!(config.validate().is_ok());
/// assert!(ApiConfig { anomalies: 1_000, ..config }.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// The load after the warm-up. Default normal.
    pub pattern: LoadPattern,
    /// Calls of clients a minute; each calls the second service once. Above 0, at most 100,000.
    /// Default 20.
    pub calls_per_minute: f64,
    /// Anomalous requests, each in a separate minute after the first eighth of the data: at most as
    /// many as there are such minutes. Default 20.
    pub anomalies: u32,
    /// Seconds before the pattern applies. Default 1,500.
    pub warm_up_seconds: f64,
    /// Length of the data in seconds: 60 to ten years. Default 14,400.
    pub duration_seconds: f64,
    /// Start of the data, cut to the minute. Default 2026-01-06T10:00:00Z.
    pub start: Timestamp,
    /// Seed of all random numbers. Default 0.
    pub seed: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            pattern: LoadPattern::Normal,
            calls_per_minute: 20.0,
            anomalies: 20,
            warm_up_seconds: 1_500.0,
            duration_seconds: 14_400.0,
            start: Timestamp::from_seconds(1_767_693_600),
            seed: 0,
        }
    }
}

impl ApiConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field outside its range, or more than about ten million requests.
    pub fn validate(&self) -> Result<()> {
        let calls = self.calls_per_minute;
        if !(calls > 0.0 && calls <= 100_000.0) {
            let expected = "calls a minute above 0 up to 100000";
            return Err(Error::config("calls_per_minute", calls, expected));
        }
        let minutes = steps_of(self.duration_seconds, 60.0, 1)?;
        if f64::from(minutes) * calls * self.pattern.most() > 5e6 {
            let expected = "at most 5,000,000 calls in all; fewer calls a minute or a shorter time";
            return Err(Error::config("calls_per_minute", calls, expected));
        }
        let warm_up = self.warm_up_seconds;
        if !(0.0..=315_360_000.0).contains(&warm_up) {
            return Err(Error::config("warm_up_seconds", warm_up, "seconds from 0 to 315360000"));
        }
        let most = minutes - minutes / CALM_PART;
        if self.anomalies > most {
            let expected = format!("0 to {most}, the minutes after the first eighth of the data");
            return Err(Error::config("anomalies", self.anomalies, &expected));
        }
        end_of(self.start, self.duration_seconds).map(|_| ())
    }
}

/// `service-a` with `/start` and `/test`, which call `service-b` `/ping`; a load pattern after the
/// warm-up; and single anomalous requests of 400 to 800 ms, 30 % of which fail.
///
/// An anomalous request comes in addition to the normal calls, at one of the three endpoints in turn,
/// and makes no other request slow. The truth has one entry for each, of kind `request`, for its
/// minute and endpoint, and one for a pattern other than normal, from the warm-up to the end. Calls
/// follow a Poisson process, and the anomalous requests have a separate stream of random numbers.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{Api, ApiConfig};
///
/// let world = Api::new(ApiConfig { seed: 3, ..ApiConfig::default() })?.run();
/// let anomalous: Vec<_> = world.requests.iter().filter(|one| one.is_anomaly).collect();
/// assert_eq!((anomalous.len(), world.truth.incidents.len()), (20, 20));
/// assert!(anomalous.iter().all(|one| (400.0..=800.0).contains(&one.latency_ms)));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    config: ApiConfig,
}

impl Api {
    /// A system that is ready to run.
    ///
    /// # Errors
    ///
    /// See [`ApiConfig::validate`].
    pub fn new(config: ApiConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// The requests from the beginning to the end.
    pub fn run(&self) -> World {
        let config = &self.config;
        let start = config.start.floor(MINUTE);
        let at = |seconds: f64| start.plus((seconds * 1e6).round() as i64 * 1_000);
        let end = at(config.duration_seconds);
        let (caller, callee): (Arc<str>, Arc<str>) = (CALLER.into(), CALLEE.into());
        let (routes, ping) = (ROUTES.map(Arc::<str>::from), Arc::<str>::from(PING));
        let mut draws = Draws::new(config.seed);
        let mut extra = draws.following();
        let mut world = World::default();
        let most = config.pattern.most();
        let mut now = 0.0;
        loop {
            now += draws.exponential() * 60.0 / (config.calls_per_minute * most);
            if now >= config.duration_seconds {
                break;
            }
            let is_late = now >= config.warm_up_seconds;
            let pattern = if is_late { config.pattern } else { LoadPattern::Normal };
            let more = pattern.more(now % 60.0);
            // thinning: calls are drawn at the highest rate, and kept by the rate of the moment
            if draws.unit() * most >= more {
                continue;
            }
            let below = if pattern == LoadPattern::HighLatency {
                draws.within(400.0, 800.0)
            } else {
                draws.within(10.0, 50.0)
            };
            let minutes = (now - config.warm_up_seconds) / 60.0;
            let below =
                if pattern == LoadPattern::Degrading { below * grown(minutes) } else { below };
            let own = draws.within(2.0, 10.0);
            let share = if pattern == LoadPattern::HighError { FAILING_MORE } else { FAILING };
            let status_code = if draws.unit() < share { 500 } else { 200 };
            let route = usize::from(draws.unit() < 0.5);
            let trace_id = draws.bits();
            let is_anomaly = is_late
                && match pattern {
                    LoadPattern::Normal => false,
                    LoadPattern::Burst => more > 1.0,
                    _ => true,
                };
            let call =
                |timestamp, service: &Arc<str>, endpoint: &Arc<str>, latency_ms| SimulatedRequest {
                    timestamp,
                    service: Arc::clone(service),
                    endpoint: Arc::clone(endpoint),
                    method: "GET",
                    status_code,
                    latency_ms: rounded(latency_ms),
                    trace_id,
                    is_anomaly,
                };
            let [first, second] = &routes;
            let route = if route == 0 { first } else { second };
            world.requests.push(call(at(now), &caller, route, below + own));
            let later = now + own / 2e3;
            if later < config.duration_seconds {
                world.requests.push(call(at(later), &callee, &ping, below));
            }
        }
        let [first, second] = &routes;
        let places = [(&caller, first), (&caller, second), (&callee, &ping)];
        for (minute, (service, endpoint)) in
            self.minutes(&mut extra).into_iter().zip(places.iter().cycle())
        {
            let begin = start.plus(i64::from(minute) * MINUTE);
            let micros = (extra.unit() * 6e7) as i64;
            let latency_ms = rounded(extra.within(400.0, 800.0));
            let status_code = if extra.unit() < FAILING_MORE { 500 } else { 200 };
            world.requests.push(SimulatedRequest {
                timestamp: begin.plus(micros * 1_000),
                service: Arc::clone(service),
                endpoint: Arc::clone(endpoint),
                method: "GET",
                status_code,
                latency_ms,
                trace_id: extra.bits(),
                is_anomaly: true,
            });
            let truth = point_truth(begin, MINUTE, service, endpoint, "request");
            world.truth.incidents.push(truth);
        }
        world.requests.sort_by_key(|request| (request.timestamp, request.trace_id));
        world.truth.incidents.extend(self.pattern_truth(at(config.warm_up_seconds), end));
        world.truth.incidents.sort_by_key(|incident| incident.start);
        world.truth.seed = Some(config.seed);
        world.truth.rows = Some(world.requests.len() as u64);
        (world.truth.start, world.truth.end) = (Some(start), Some(end));
        world
    }

    /// Distinct minutes for the anomalous requests, in random order.
    fn minutes(&self, draws: &mut Draws) -> Vec<u32> {
        let all = (self.config.duration_seconds / 60.0) as u32;
        let mut minutes: Vec<u32> = (all / CALM_PART..all).collect();
        for place in 0..minutes.len() {
            let other = place + (draws.unit() * (minutes.len() - place) as f64) as usize;
            let other = other.min(minutes.len() - 1);
            minutes.swap(place, other);
        }
        minutes.truncate(self.config.anomalies as usize);
        minutes
    }

    /// The truth about the pattern.
    fn pattern_truth(&self, begin: Timestamp, end: Timestamp) -> Option<TruthIncident> {
        if self.config.pattern == LoadPattern::Normal || begin >= end {
            return None;
        }
        Some(TruthIncident {
            service: CALLEE.to_owned(),
            endpoint: PING.to_owned(),
            start: begin,
            end,
            kind: self.config.pattern.as_str().to_owned(),
            affected: ROUTES.iter().map(|route| format!("{CALLER} {route}")).collect(),
            spec: None,
        })
    }
}

/// 5 % more each minute, by multiplication alone, so that it is the same on every machine; at most
/// a million times.
fn grown(minutes: f64) -> f64 {
    let whole = minutes.max(0.0).floor();
    let mut factor = 1.0 + 0.05 * (minutes.max(0.0) - whole);
    for _ in 0..(whole as u32).min(300) {
        factor *= 1.05;
    }
    factor.min(1e6)
}

/// Milliseconds with three decimals.
fn rounded(latency_ms: f64) -> f64 {
    (latency_ms * 1e3).round() / 1e3
}
