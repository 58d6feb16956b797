//! A service measured once a second that drifts or saturates (the radar system).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::random::Draws;
use crate::error::{Error, Result};
use crate::time::{MINUTE, SECOND, Timestamp};

/// Default number of minutes before the scenario starts.
const CALM: u16 = 60;
/// Latency of a calm second, ms.
const LATENCY: f64 = 120.0;
/// Share of requests that fail in a calm second, percent.
const ERRORS: f64 = 0.2;
/// Processor of a calm second, percent.
const CPU: f64 = 40.0;

/// The scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadarScenario {
    /// Nothing.
    Calm,
    /// A deployment that gets slower and fails more: in the first 20 minutes latency goes from 120 to
    /// 180 ms and errors from 0.2 to 0.6 %, and on at the same pace.
    Drift,
    /// A database that saturates: its utilisation rises from 40 % by a percent every 12 seconds, its
    /// latency as that of an M/M/1 queue; beyond 90 % timeouts come in bursts.
    Saturation,
}

impl RadarScenario {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Drift, Self::Saturation];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Drift => "drift",
            Self::Saturation => "saturation",
        }
    }
}

impl fmt::Display for RadarScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RadarScenario {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::argument("scenario", format!("{text:?}"), &format!("one of {known}"))
        })
    }
}

/// The measurements of one second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadarPoint {
    /// Time.
    pub at: Timestamp,
    /// Mean latency, ms.
    pub latency_ms: f64,
    /// Requests that failed, percent.
    pub error_rate: f64,
    /// Processor, percent.
    pub cpu_pct: f64,
    /// Whether requests to the database timed out.
    pub has_timeouts: bool,
}

impl RadarPoint {
    /// Whether the static rule fires: 5 % errors or 500 ms.
    pub fn is_over(&self) -> bool {
        self.error_rate >= 5.0 || self.latency_ms >= 500.0
    }
}

/// An iterator over the seconds of a service, the same for the same seed.
///
/// After an hour of calm the scenario runs until the static rule fires. The calm scenario never ends.
///
/// # Examples
///
/// ```
/// use mad_core::Timestamp;
/// use mad_core::simulate::{Radar, RadarScenario};
///
/// let start = Timestamp::from_seconds(0);
/// let points: Vec<_> = Radar::new(RadarScenario::Saturation, 1, start)?.collect();
/// assert!(points.len() > 3600 && points.last().is_some_and(|last| last.is_over()));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Radar {
    scenario: RadarScenario,
    start: Timestamp,
    calm: u16,
    second: u32,
    over: bool,
    endless: bool,
    draws: Draws,
}

impl Radar {
    /// The service of a seed.
    ///
    /// # Errors
    ///
    /// A start too late for a week to follow.
    pub fn new(scenario: RadarScenario, seed: u64, start: Timestamp) -> Result<Self> {
        if start > Timestamp::MAX.plus(-7 * 86_400 * SECOND) {
            return Err(Error::config("start", start, "a time a week before the end of time"));
        }
        Ok(Self {
            scenario,
            start,
            calm: CALM,
            second: 0,
            over: false,
            endless: false,
            draws: Draws::new(seed),
        })
    }

    /// Sets the minutes of calm before the scenario.
    #[must_use]
    pub fn with_calm(mut self, minutes: u16) -> Self {
        self.calm = minutes;
        self
    }

    /// Continues after the static rule fires.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self
    }

    /// When the scenario begins.
    pub fn begins(&self) -> Timestamp {
        self.start.plus(i64::from(self.calm) * MINUTE)
    }

    /// An approximate normal deviate: the sum of twelve uniforms, identical on every machine.
    fn deviate(&mut self) -> f64 {
        (0..12).map(|_| self.draws.unit()).sum::<f64>() - 6.0
    }
}

impl Iterator for Radar {
    type Item = RadarPoint;

    fn next(&mut self) -> Option<RadarPoint> {
        if self.over {
            return None;
        }
        let minutes = (f64::from(self.second) / 60.0 - f64::from(self.calm)).max(0.0);
        let mut has_timeouts = false;
        let (latency, errors, cpu) = match self.scenario {
            RadarScenario::Calm => (LATENCY, ERRORS, CPU),
            RadarScenario::Drift => {
                (LATENCY + 3.0 * minutes, ERRORS + 0.02 * minutes, CPU + 0.2 * minutes)
            }
            RadarScenario::Saturation => {
                let used = (0.4 + minutes * 0.05).min(0.985);
                has_timeouts = used > 0.9 && self.draws.unit() < 0.3;
                let errors = if has_timeouts { self.draws.within(1.0, 4.0) } else { ERRORS };
                (LATENCY * 0.6 / (1.0 - used), errors, (100.0 * used).min(100.0))
            }
        };
        // the measured rate of some hundred requests a second
        let (wide, few, busy) = (self.deviate(), self.deviate(), self.deviate());
        let point = RadarPoint {
            at: self.start.plus(i64::from(self.second) * SECOND),
            latency_ms: (latency * (1.0 + 0.08 * wide)).max(1.0),
            error_rate: (errors + 0.45 * errors.sqrt() * few).clamp(0.0, 100.0),
            cpu_pct: (cpu + 3.0 * busy).clamp(0.0, 100.0),
            has_timeouts,
        };
        self.second = self.second.saturating_add(1);
        self.over = !self.endless && self.scenario != RadarScenario::Calm && point.is_over();
        Some(point)
    }
}
