//! What traces to simulate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

/// What goes wrong, and in which system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceScenario {
    /// A checkout that calls payment and inventory: payment takes 2 s longer.
    SlowPayment,
    /// The same: inventory fails nine times of ten.
    FailingInventory,
    /// The same: checkout stops calling inventory.
    SilentInventory,
    /// The same: payment takes 4 s longer and checkout gives up on it after 3 s.
    Cascade,
    /// The same: what goes from checkout to payment and back takes 400 ms longer each way.
    SlowNetwork,
    /// A chain of [`depth`](TracesConfig::depth) services: the last fails nine times of ten.
    Errors,
    /// The same: the last takes 2 s longer.
    Delays,
    /// The checkout, and nothing goes wrong.
    Quiet,
}

impl TraceScenario {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SlowPayment,
        Self::FailingInventory,
        Self::SilentInventory,
        Self::Cascade,
        Self::SlowNetwork,
        Self::Errors,
        Self::Delays,
        Self::Quiet,
    ];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SlowPayment => "slow-payment",
            Self::FailingInventory => "failing-inventory",
            Self::SilentInventory => "silent-inventory",
            Self::Cascade => "cascade",
            Self::SlowNetwork => "slow-network",
            Self::Errors => "errors",
            Self::Delays => "delays",
            Self::Quiet => "quiet",
        }
    }
}

impl fmt::Display for TraceScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TraceScenario {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::argument("scenario", format!("{text:?}"), &format!("one of {known}"))
        })
    }
}

/// Configuration of simulated [`Traces`](super::Traces).
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{Traces, TracesConfig};
///
/// let config = TracesConfig { traces: 100, depth: 3, ..TracesConfig::default() };
/// assert!(Traces::new(config).is_ok());
/// let refused = TracesConfig { missing: 0.95, ..TracesConfig::default() };
/// assert!(refused.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// Kind of fault. Default: slow payment.
    pub scenario: TraceScenario,
    /// Traces, 1 to 1,000,000. Default 900.
    pub traces: u32,
    /// Duration over which the traces are spread evenly, in seconds: 1 to ten years. Default 1,800.
    pub duration_seconds: f64,
    /// Start of the data, cut to the microsecond. Default 2026-01-06T10:00:00Z.
    pub start: Timestamp,
    /// Seed of all random numbers. Default 0.
    pub seed: u64,
    /// Services in the chain of [`Errors`](TraceScenario::Errors) and
    /// [`Delays`](TraceScenario::Delays), 2 to 6. Default 4.
    pub depth: u32,
    /// Share of spans that are lost, 0 to 0.9. Default 0.
    pub missing: f64,
    /// Additional time of the faulty service in ms, 0 to 3,600,000; `None` is that of the scenario. It is
    /// added in scenarios of errors too.
    pub delay_ms: Option<f64>,
    /// Share of calls of the faulty service that fail, 0 to 1; `None` is that of the scenario, 0.9 for
    /// errors. It applies in scenarios of delays too.
    pub error_rate: Option<f64>,
    /// Largest offset of the clock of a service in either direction, ms: 0 to 3,600,000. Default 0.
    pub skew_ms: f64,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            scenario: TraceScenario::SlowPayment,
            traces: 900,
            duration_seconds: 1_800.0,
            start: Timestamp::from_seconds(1_767_693_600),
            seed: 0,
            depth: 4,
            missing: 0.0,
            delay_ms: None,
            error_rate: None,
            skew_ms: 0.0,
        }
    }
}

impl TracesConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field outside its range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1_000_000).contains(&self.traces) {
            return Err(Error::config("traces", self.traces, "an integer from 1 to 1000000"));
        }
        if !(1.0..=315_360_000.0).contains(&self.duration_seconds) {
            let expected = "seconds from 1 to 315360000 (ten years)";
            return Err(Error::config("duration_seconds", self.duration_seconds, expected));
        }
        // an hour for what the last trace takes and for clocks that are ahead
        let length = self.nanos(1.0).saturating_add(3_600 * SECOND);
        let (first, last) = (
            self.start.nanos().checked_sub(3_600 * SECOND),
            self.start.nanos().checked_add(length),
        );
        if first.is_none() || last.is_none() {
            let expected = "a time that lies the duration or more within the years 1678 to 2262";
            return Err(Error::config("start", self.start, expected));
        }
        if !(2..=6).contains(&self.depth) {
            return Err(Error::config("depth", self.depth, "an integer from 2 to 6"));
        }
        if !(0.0..=0.9).contains(&self.missing) {
            return Err(Error::config("missing", self.missing, "a share from 0 to 0.9"));
        }
        if let Some(delay) = self.delay_ms.filter(|delay| !(0.0..=3_600_000.0).contains(delay)) {
            return Err(Error::config("delay_ms", delay, "ms from 0 to 3600000"));
        }
        if let Some(rate) = self.error_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            return Err(Error::config("error_rate", rate, "a share from 0 to 1"));
        }
        if !(0.0..=3_600_000.0).contains(&self.skew_ms) {
            return Err(Error::config("skew_ms", self.skew_ms, "ms from 0 to 3600000"));
        }
        Ok(())
    }

    /// A share of the duration, ns.
    fn nanos(&self, share: f64) -> i64 {
        (self.duration_seconds * share * 1e6).round() as i64 * 1_000
    }

    /// When a trace begins.
    pub(super) fn begin(&self, trace: u32) -> Timestamp {
        let share = f64::from(trace) / f64::from(self.traces);
        self.start.floor(1_000).plus(self.nanos(share))
    }

    /// First moment of the incident, and the first after it: from 60 % to 90 % of the time.
    pub(super) fn incident(&self) -> (Timestamp, Timestamp) {
        let start = self.start.floor(1_000);
        (start.plus(self.nanos(0.6)), start.plus(self.nanos(0.9)))
    }

    /// First moment after the data.
    pub(super) fn end(&self) -> Timestamp {
        self.start.floor(1_000).plus(self.nanos(1.0))
    }
}
