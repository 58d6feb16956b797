//! Incidents of the simulated shop: kind, place and time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::catalogue;
use super::random::Draws;
use crate::error::{Error, Result};

/// How requests change during an incident. A failing request is no slower than others then;
/// outside all incidents it takes 1.2 to 2 times as long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum IncidentKind {
    /// Slow and failing: each request draws its own latency factor and its own chance to fail.
    Outage {
        /// Range of the latency factor: above 0, at most 10^6. The reference system has 5 to 20.
        latency: (f64, f64),
        /// Range of the chance to fail, which takes the place of the endpoint's own: 0 to 1. The
        /// reference system has 0.1 to 0.3.
        errors: (f64, f64),
    },
    /// Slow: every latency times `factor`.
    Latency {
        /// Above 0, at most 10^6; below 1 it is a drop.
        factor: f64,
    },
    /// Failing: the chance to fail grows by `add`, at most to 1.
    Errors {
        /// Probability points, 0 to 1: 0.2 takes an endpoint from 1.5 % to 21.5 %.
        add: f64,
    },
    /// Fewer requests: each stays with the probability `factor`.
    Traffic {
        /// What remains, 0 to 1: 0.3 is a drop by 70 %.
        factor: f64,
    },
}

impl IncidentKind {
    /// The incident of the reference system.
    pub const OUTAGE: Self = Self::Outage { latency: (5.0, 20.0), errors: (0.1, 0.3) };

    /// The name in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outage { .. } => "outage",
            Self::Latency { .. } => "latency",
            Self::Errors { .. } => "errors",
            Self::Traffic { .. } => "traffic",
        }
    }

    fn validate(self, field: &str) -> Result<()> {
        let factor = |x: f64| x.is_finite() && x > 0.0 && x <= 1e6;
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let (ok, name, low, high, expected) = match self {
            Self::Outage { latency: (low, high), .. }
                if !(factor(low) && factor(high) && low <= high) =>
            {
                (false, "latency", low, high, "factors above 0 up to 1000000, low..high")
            }
            Self::Outage { errors: (low, high), .. } => (
                share(low) && share(high) && low <= high,
                "errors",
                low,
                high,
                "shares from 0 to 1, low..high",
            ),
            Self::Latency { factor: x } => {
                (factor(x), "factor", x, x, "a factor above 0 up to 1000000")
            }
            Self::Errors { add } => (share(add), "add", add, add, "a share from 0 to 1"),
            Self::Traffic { factor } => {
                (share(factor), "factor", factor, factor, "the share that remains, 0 to 1")
            }
        };
        if ok {
            return Ok(());
        }
        let value = if low == high { low.to_string() } else { format!("{low}..{high}") };
        Err(Error::config(&format!("{field}.{name}"), value, expected))
    }
}

/// One incident to inject.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{IncidentKind, IncidentSpec};
///
/// let spec: IncidentSpec = "service=auth,endpoint=/login,start=1h,length=90s,kind=latency,factor=3".parse()?;
/// assert_eq!((spec.start_seconds, spec.duration_seconds), (3600.0, 90.0));
/// assert_eq!(spec.kind, IncidentKind::Latency { factor: 3.0 });
/// let spec: IncidentSpec = "kind=traffic,factor=0.3".parse()?;
/// assert_eq!(spec, IncidentSpec { kind: IncidentKind::Traffic { factor: 0.3 }, ..Default::default() });
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentSpec {
    /// The service at fault.
    pub service: String,
    /// Its endpoint at fault.
    pub endpoint: String,
    /// Seconds from the beginning of the data to the incident, 0 or more.
    pub start_seconds: f64,
    /// How long it lasts, in seconds, above 0.
    pub duration_seconds: f64,
    /// Kind of fault.
    #[serde(flatten)]
    pub kind: IncidentKind,
}

impl Default for IncidentSpec {
    /// The incident of the reference system: an outage of payments `/pay` from minute 45 to minute 53
    /// inclusive.
    fn default() -> Self {
        Self {
            service: "payments".to_owned(),
            endpoint: "/pay".to_owned(),
            start_seconds: 2_700.0,
            duration_seconds: 540.0,
            kind: IncidentKind::OUTAGE,
        }
    }
}

impl IncidentSpec {
    /// Checks every number; `field` is the path that errors name.
    pub(super) fn validate(&self, field: &str) -> Result<()> {
        let start = self.start_seconds;
        if !(start.is_finite() && start >= 0.0) {
            let expected = "seconds after the beginning, 0 or more";
            return Err(Error::config(&format!("{field}.start_seconds"), start, expected));
        }
        let duration = self.duration_seconds;
        if !(duration.is_finite() && duration > 0.0) {
            let expected = "seconds above 0";
            return Err(Error::config(&format!("{field}.duration_seconds"), duration, expected));
        }
        self.kind.validate(field)
    }
}

impl fmt::Display for IncidentSpec {
    /// The form of the command line, which reads back to the same incident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, endpoint, start_seconds, duration_seconds, kind } = self;
        write!(
            f,
            "service={service},endpoint={endpoint},start={start_seconds}s,\
             length={duration_seconds}s,kind={}",
            kind.as_str()
        )?;
        match kind {
            IncidentKind::Outage { latency, errors } => {
                write!(f, ",latency={}..{},errors={}..{}", latency.0, latency.1, errors.0, errors.1)
            }
            IncidentKind::Latency { factor } | IncidentKind::Traffic { factor } => {
                write!(f, ",factor={factor}")
            }
            IncidentKind::Errors { add } => write!(f, ",add={add}"),
        }
    }
}

impl FromStr for IncidentSpec {
    type Err = Error;

    /// Reads `key=value` pairs separated by commas: `service`, `endpoint`, `start`, `length`
    /// (`45m`, `90s`, `1.5h`, `1h30m`; a bare number is seconds), `kind`, and what the kind needs:
    /// `latency=5..20` and `errors=0.1..0.3` for an outage (both optional), `factor` for latency
    /// and traffic, `add` for errors. Omitted keys have the values of the [`Default`].
    ///
    /// # Errors
    ///
    /// A pair that cannot be read, a key that the kind does not have, or a value out of range.
    fn from_str(text: &str) -> Result<Self> {
        let mut spec = Self::default();
        let mut kind = "outage";
        let (mut latency, mut errors, mut factor, mut add) = (None, None, None, None);
        let (mut service, mut endpoint) = (None, None);
        for pair in text.split(',') {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(bad(pair, "key=value, such as start=45m"));
            };
            let value = value.trim();
            match key.trim() {
                "service" => service = Some(value),
                "endpoint" => endpoint = Some(value),
                "start" => spec.start_seconds = seconds("start", value)?,
                "length" => spec.duration_seconds = seconds("length", value)?,
                "kind" => kind = value,
                "latency" => latency = Some(range("latency", value)?),
                "errors" => errors = Some(range("errors", value)?),
                "factor" => factor = Some(number("factor", value)?),
                "add" => add = Some(number("add", value)?),
                _ => {
                    let keys = "one of service, endpoint, start, length, kind, latency, errors, \
                                factor, add";
                    return Err(bad(key, keys));
                }
            }
        }
        match (service, endpoint) {
            (Some(_), None) => return Err(bad(text, "an endpoint too, such as endpoint=/login")),
            (service, endpoint) => {
                spec.service = service.map_or(spec.service, str::to_owned);
                spec.endpoint = endpoint.map_or(spec.endpoint, str::to_owned);
            }
        }
        let unused = |given: &[(&str, bool)]| match given.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(bad(key, &format!("no {key} with kind={kind}"))),
            None => Ok(()),
        };
        let (l, e) = (("latency", latency.is_some()), ("errors", errors.is_some()));
        let (f, a) = (("factor", factor.is_some()), ("add", add.is_some()));
        spec.kind = match kind {
            "outage" => {
                unused(&[f, a])?;
                IncidentKind::Outage {
                    latency: latency.unwrap_or((5.0, 20.0)),
                    errors: errors.unwrap_or((0.1, 0.3)),
                }
            }
            "latency" => {
                unused(&[l, e, a])?;
                let factor = factor.ok_or_else(|| bad(text, "a factor, such as factor=3"))?;
                IncidentKind::Latency { factor }
            }
            "errors" => {
                unused(&[l, e, f])?;
                let add = add.ok_or_else(|| bad(text, "a rate to add, such as add=0.2"))?;
                IncidentKind::Errors { add }
            }
            "traffic" => {
                unused(&[l, e, a])?;
                let missing = || bad(text, "the share that remains, such as factor=0.3");
                IncidentKind::Traffic { factor: factor.ok_or_else(missing)? }
            }
            _ => return Err(bad(kind, "kind=outage, latency, errors or traffic")),
        };
        spec.validate("incident")?;
        Ok(spec)
    }
}

impl IncidentSpec {
    /// The incident of the reference system, moved to the same share of a run shorter than two hours.
    pub fn default_within(duration_seconds: f64) -> Self {
        let shrink = (duration_seconds / 7_200.0).clamp(0.0, 1.0);
        let whole = Self::default();
        Self {
            start_seconds: whole.start_seconds * shrink,
            duration_seconds: whole.duration_seconds * shrink,
            ..whole
        }
    }
}

/// An incident for quality runs: one of the twelve endpoints, start uniform between minutes 30 and
/// 90 and so inside a minute, length uniform between 5 and 15 minutes. The same seed gives the
/// same place and time for every kind.
pub fn random_incident(seed: u64, kind: IncidentKind) -> IncidentSpec {
    let mut draws = Draws::new(seed);
    let chosen = (draws.unit() * 12.0) as usize;
    let start_seconds = draws.within(1_800.0, 5_400.0);
    let duration_seconds = draws.within(300.0, 900.0);
    let place = catalogue::SERVICES
        .iter()
        .flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)))
        .nth(chosen);
    let (service, endpoint) =
        place.map_or(("payments", "/pay"), |(service, endpoint)| (service.name, endpoint.name));
    IncidentSpec {
        service: service.to_owned(),
        endpoint: endpoint.to_owned(),
        start_seconds,
        duration_seconds,
        kind,
    }
}

fn bad(value: &str, expected: &str) -> Error {
    Error::argument("incident", format!("`{value}`"), expected)
}

fn number(key: &str, value: &str) -> Result<f64> {
    let parsed = value.parse::<f64>().ok().filter(|x| x.is_finite());
    parsed.ok_or_else(|| bad(&format!("{key}={value}"), "a number"))
}

fn range(key: &str, value: &str) -> Result<(f64, f64)> {
    match value.split_once("..") {
        Some((low, high)) => Ok((number(key, low)?, number(key, high)?)),
        None => number(key, value).map(|x| (x, x)),
    }
}

/// Reads `45m`, `1.5h`, `1h30m`, `250ms`, or a bare number of seconds.
fn seconds(key: &str, text: &str) -> Result<f64> {
    let wrong = || bad(&format!("{key}={text}"), "a time such as 45m, 90s, 1.5h or 1h30m");
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (count, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale = match unit {
            "ms" => 1e-3,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        total += count.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}
