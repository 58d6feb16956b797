//! Configuration of the simulated shop.

use serde::{Deserialize, Serialize};

use super::catalogue;
use super::incident::IncidentSpec;
use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

const MAX_ROWS: u64 = 10_000_000_000;
const MAX_SECONDS: f64 = 315_360_000.0;
const MAX_SERVICES: u32 = 10_000;

/// Configuration of a [`Shop`](super::Shop).
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{Shop, ShopConfig};
///
/// let shop = Shop::new(ShopConfig { rows: 1_000, seed: 7, ..ShopConfig::default() })?;
/// assert_eq!(shop.requests().count(), 1_000);
/// assert!(ShopConfig { rows: 0, ..ShopConfig::default() }.validate().is_err());
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopConfig {
    /// Requests before any are lost to [`Traffic`](super::IncidentKind::Traffic) incidents: 1 to
    /// 10^10. Default 10,000.
    pub rows: u64,
    /// Time that they are spread over, in seconds: above 0, at most ten years. Default 7,200.
    pub duration_seconds: f64,
    /// Start of the data, cut to the microsecond. Default 2026-01-06T10:00:00Z.
    pub start: Timestamp,
    /// Seed of all random numbers. Default 0.
    pub seed: u64,
    /// Incidents to inject. They may overlap, on one endpoint too: latency factors multiply, added
    /// error rates add, and the highest rate of several outages counts. One that outlasts the data
    /// is cut. Default: payments `/pay`, 45 to 54 minutes after the beginning, an outage.
    pub incidents: Vec<IncidentSpec>,
    /// Services of three endpoints each, 1 to 10,000. Beyond four the four repeat as `auth-2`,
    /// `catalog-2`, ...; below four `payments` and the first others remain. Default 4.
    pub services: u32,
}

impl Default for ShopConfig {
    fn default() -> Self {
        Self {
            rows: 10_000,
            duration_seconds: 7_200.0,
            start: Timestamp::from_seconds(1_767_693_600),
            seed: 0,
            incidents: vec![IncidentSpec::default()],
            services: 4,
        }
    }
}

impl ShopConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field outside its range, an incident of an unknown endpoint, or an incident that
    /// starts after the end of the data.
    pub fn validate(&self) -> Result<()> {
        if !(1..=MAX_ROWS).contains(&self.rows) {
            return Err(Error::config("rows", self.rows, "an integer from 1 to 10000000000"));
        }
        let seconds = self.duration_seconds;
        if !(seconds.is_finite() && (1e-6..=MAX_SECONDS).contains(&seconds)) {
            let expected = "seconds from 0.000001 to 315360000 (ten years)";
            return Err(Error::config("duration_seconds", seconds, expected));
        }
        if self.start.nanos().checked_add(self.duration_nanos()).is_none() {
            let expected = "a time that lies the duration or more before the year 2262";
            return Err(Error::config("start", self.start, expected));
        }
        if !(1..=MAX_SERVICES).contains(&self.services) {
            return Err(Error::config("services", self.services, "an integer from 1 to 10000"));
        }
        for (i, incident) in self.incidents.iter().enumerate() {
            let field = format!("incidents[{i}]");
            incident.validate(&field)?;
            if incident.start_seconds >= seconds {
                return Err(Error::config(
                    &format!("{field}.start_seconds"),
                    incident.start_seconds,
                    &format!("a start before the end of the data ({seconds} s)"),
                ));
            }
            self.find_endpoint(&field, incident)?;
        }
        Ok(())
    }

    fn find_endpoint(&self, field: &str, incident: &IncidentSpec) -> Result<()> {
        let services = || catalogue::services(self.services);
        let Some((_, service)) = services().find(|(name, _)| *name == incident.service) else {
            let known: Vec<String> = services().take(8).map(|(name, _)| name).collect();
            let more = if self.services > 8 { ", ..." } else { "" };
            return Err(Error::config(
                &format!("{field}.service"),
                &incident.service,
                &format!("one of {}{more}", known.join(", ")),
            ));
        };
        if service.endpoints.iter().any(|endpoint| endpoint.name == incident.endpoint) {
            return Ok(());
        }
        let known: Vec<&str> = service.endpoints.iter().map(|endpoint| endpoint.name).collect();
        Err(Error::config(
            &format!("{field}.endpoint"),
            &incident.endpoint,
            &format!("one of {}", known.join(", ")),
        ))
    }

    /// The duration in microseconds, at least one.
    pub(super) fn duration_micros(&self) -> i64 {
        (self.duration_seconds * 1e6).round() as i64
    }

    /// The duration in nanoseconds.
    pub(super) fn duration_nanos(&self) -> i64 {
        self.duration_micros().saturating_mul(SECOND / 1_000_000)
    }

    /// Start of the data, cut to the microsecond.
    pub(super) fn first_moment(&self) -> Timestamp {
        self.start.floor(1_000)
    }

    /// First moment after the data.
    pub(super) fn last_moment(&self) -> Timestamp {
        self.first_moment().plus(self.duration_nanos())
    }

    /// Start and end of an incident, within the data.
    pub(super) fn span(&self, incident: &IncidentSpec) -> (Timestamp, Timestamp) {
        let after = |seconds: f64| self.first_moment().plus((seconds * 1e9).round() as i64);
        let end = after(incident.start_seconds + incident.duration_seconds);
        (after(incident.start_seconds), end.min(self.last_moment()))
    }
}
