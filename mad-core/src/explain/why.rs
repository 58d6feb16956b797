//! Explains why one row or point was flagged or not.

use std::time::Duration;

use super::TemplateExplainer;
use super::words::{
    count, date_clock, describe_signal, duration, format_value, milliseconds, named, number,
    one_line, percent,
};
use crate::config::{EntitySettings, GuardConfig, SignalSettings};
use crate::guard::{EntityMaturity, Reason};
use crate::history::Decision;
use crate::series::{
    Direction, Entity, LOG_LINES_WARM_UP, Signal, SignalKind, SignalName, log_template_of,
};
use crate::time::{MINUTE, Timestamp};

/// A question about one row or point. Unknown parts are left out of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Why<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The metric, for a point of a metric.
    pub metric: Option<&'a str>,
    /// The settings of the entity.
    pub settings: Option<&'a EntitySettings>,
    /// The maturity of the entity or series at that time.
    pub maturity: Option<EntityMaturity>,
    /// End of the mute that applied.
    pub muted_until: Option<Timestamp>,
    /// Length of a step. Times are written with seconds below one minute.
    pub step: Duration,
}

impl TemplateExplainer {
    /// Why a row or point was flagged, or which guardrail suppressed it and which value would have flagged it.
    /// One sentence without a full stop; settings are called by their names.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::explain::{TemplateExplainer, Why};
    /// use mad_core::history::Decision;
    /// use mad_core::{Entity, PipelineConfig, Reason, Signal, SignalKind, Timestamp};
    ///
    /// let decision = Decision {
    ///     bucket: Timestamp::from_seconds(0),
    ///     count: 7,
    ///     signal: Some(Signal::ErrorRate),
    ///     kind: SignalKind::Rate,
    ///     value: 0.4,
    ///     expected: 0.0,
    ///     low: 0.0,
    ///     high: 0.1,
    ///     score: 0.6,
    ///     is_anomaly: false,
    ///     reason: Reason::TooLittleTraffic,
    /// };
    /// let mut config = PipelineConfig::default();
    /// config.guard.min_requests = 20;
    /// let settings = config.resolve(&Entity::new("shop", "/pay"));
    /// let why = Why {
    ///     decision: &decision,
    ///     metric: None,
    ///     settings: Some(&settings),
    ///     maturity: None,
    ///     muted_until: None,
    ///     step: std::time::Duration::from_secs(60),
    /// };
    /// assert_eq!(
    ///     TemplateExplainer.reason(&why),
    ///     "7 requests in the minute; 20 (guard.min_requests) are needed"
    /// );
    /// ```
    pub fn reason(&self, why: &Why<'_>) -> String {
        let decision = why.decision;
        let signal = match (why.metric, decision.signal) {
            (Some(metric), _) => SignalName::Metric(metric.into()),
            (None, signal) => signal.unwrap_or(Signal::P95Latency).into(),
        };
        let settings = why.settings.map(|settings| settings.of_signal(signal.as_str()));
        let guard = why.settings.map(|settings| settings.guard);
        match decision.reason {
            Reason::WarmUp => warming_up(why, guard.as_ref()),
            Reason::TooFewPoints => few_points(why, guard.as_ref()),
            Reason::TooLittleTraffic => few_requests(why, guard.as_ref()),
            Reason::Muted => muted(why),
            Reason::History => {
                "history before the watched time, learned but not flagged".to_owned()
            }
            Reason::BelowMinEffect => {
                let needed = needed(decision, settings.as_ref().map(|settings| &settings.guard));
                format!("{}; {needed}", seen(decision, &signal))
            }
            Reason::WrongDirection => {
                format!("{}; {}", seen(decision, &signal), counted(decision, settings.as_ref()))
            }
            Reason::ColdStart => {
                format!(
                    "{}; first requests after idle time (guard.cold_start_minutes)",
                    seen(decision, &signal)
                )
            }
            Reason::Normal if short_of_requests(decision, guard.as_ref()) => {
                few_requests(why, guard.as_ref())
            }
            Reason::Normal | Reason::AboveExpected | Reason::BelowExpected => {
                let seen = seen(decision, &signal);
                if !(decision.score.is_finite() && decision.value.is_finite()) {
                    return seen;
                }
                let scored = format!("{seen}; score {}", number(decision.score, 3));
                match settings {
                    Some(own) if own.watched => {
                        format!("{scored}, flagged from {} on", number(own.threshold, 3))
                    }
                    Some(_) => format!("{scored}, not watched by an override"),
                    None => scored,
                }
            }
        }
    }

    /// A sentence with entity and time, whether the row was flagged, and the reason.
    pub(crate) fn answer(&self, entity: &Entity, why: &Why<'_>) -> String {
        let whose = match why.metric {
            Some(metric) => format!("{} {}", named(entity), one_line(metric)),
            None => named(entity),
        };
        format!(
            "{whose}, {}: {}, {}.",
            date_clock(why.decision.bucket, why.step),
            if why.decision.is_anomaly { "flagged" } else { "not flagged" },
            self.reason(why),
        )
    }
}

/// `no requests since 2026-01-06 10:45 UTC: 9 minutes`.
pub(crate) fn silence(newest: Timestamp, now: Timestamp, step: Duration, metric: bool) -> String {
    let what = if metric { "points" } else { "requests" };
    format!(
        "no {what} since {}: {}",
        date_clock(newest, step),
        duration(now.since(newest)).english()
    )
}

/// Whether a row has fewer requests than the guard needs.
fn short_of_requests(decision: &Decision, guard: Option<&GuardConfig>) -> bool {
    let requests = decision.count as f64;
    decision.signal.is_some() && guard.is_some_and(|guard| guard.too_few_requests(requests))
}

/// A count with its noun in the right number: `1 request`, `1,204 requests`.
fn plural(value: f64, noun: &str) -> String {
    let written = count(value);
    let ending = if written == "1" { "" } else { "s" };
    format!("{written} {noun}{ending}")
}

/// `7 requests in the minute; 20 (guard.min_requests) are needed`.
fn few_requests(why: &Why<'_>, guard: Option<&GuardConfig>) -> String {
    let requests = plural(why.decision.count as f64, "request");
    let unit = if why.step == Duration::from_secs(60) { "minute" } else { "step" };
    let needed = guard.map(|guard| number(guard.min_requests as f64, 0));
    format!("{requests} in the {unit}; {} are needed", setting("guard.min_requests", needed))
}

/// `muted until 2026-01-06 10:45 UTC`.
pub(crate) fn muted(why: &Why<'_>) -> String {
    match why.muted_until {
        Some(Timestamp::MAX) => "muted for good".to_owned(),
        Some(until) => format!("muted until {}", date_clock(until, why.step)),
        None => "muted".to_owned(),
    }
}

/// `warming up until ...; 7 points so far`.
fn warming_up(why: &Why<'_>, guard: Option<&GuardConfig>) -> String {
    let (Some(guard), Some(maturity)) = (guard, why.maturity) else {
        return "warming up (guard.warm_up_minutes)".to_owned();
    };
    let points = plural(maturity.points as f64, "point");
    if why.metric.is_some_and(|metric| log_template_of(metric).is_some()) {
        let until = date_clock(maturity.first.plus(LOG_LINES_WARM_UP), why.step);
        return format!("warming up until {until}; {points} so far");
    }
    let length = (guard.warm_up_minutes * MINUTE as f64) as i64;
    format!(
        "warming up until {} (guard.warm_up_minutes is {}); {} so far",
        date_clock(maturity.first.plus(length), why.step),
        number(guard.warm_up_minutes, 2),
        points,
    )
}

/// `7 of 20 points (guard.min_points)`.
fn few_points(why: &Why<'_>, guard: Option<&GuardConfig>) -> String {
    match (why.maturity, guard) {
        (Some(known), Some(guard)) => format!(
            "{} of {} points (guard.min_points)",
            number(known.points as f64, 0),
            number(guard.min_points as f64, 0)
        ),
        _ => "fewer points than guard.min_points".to_owned(),
    }
}

/// `95th-percentile latency 182 ms, expected 150 ms to 260 ms`.
fn seen(decision: &Decision, signal: &SignalName) -> String {
    let what = describe_signal(signal);
    if !decision.value.is_finite() {
        return format!("no value of {what}");
    }
    let value = format_value(signal, decision.value);
    if decision.low.is_finite() && decision.high.is_finite() {
        let (low, high) = (format_value(signal, decision.low), format_value(signal, decision.high));
        format!("{what} {value}, expected {low} to {high}")
    } else {
        format!("{what} {value}")
    }
}

/// The smallest change that would have counted.
fn needed(decision: &Decision, guard: Option<&GuardConfig>) -> String {
    let of = |name: &str, value: &dyn Fn(&GuardConfig) -> String| setting(name, guard.map(value));
    let of_requests = decision.signal.is_some();
    let both = match decision.kind {
        SignalKind::Latency => (
            of("guard.latency_relative", &|guard| percent(guard.latency_relative)),
            of_requests.then(|| {
                of("guard.latency_absolute_ms", &|guard| milliseconds(guard.latency_absolute_ms))
            }),
        ),
        SignalKind::Rate => (
            of("guard.error_rate_absolute", &|guard| {
                plural(100.0 * guard.error_rate_absolute, "point")
            }),
            of_requests
                .then(|| of("guard.min_errors", &|guard| plural(guard.min_errors as f64, "error"))),
        ),
        SignalKind::Count => (
            of("guard.traffic_relative", &|guard| percent(guard.traffic_relative)),
            Some(of("guard.traffic_absolute", &|guard| number(guard.traffic_absolute, 2))),
        ),
        SignalKind::Gauge | SignalKind::Events => {
            return "the change is too small to matter".to_owned();
        }
    };
    match both {
        (first, Some(second)) => format!("a change of {first} and {second} is needed"),
        (first, None) => format!("a change of {first} is needed"),
    }
}

/// `25 % (guard.latency_relative)`, or only the name without a value.
fn setting(name: &str, value: Option<String>) -> String {
    value.map_or_else(|| name.to_owned(), |value| format!("{value} ({name})"))
}

/// The direction in which deviations count.
fn counted(decision: &Decision, settings: Option<&SignalSettings>) -> &'static str {
    match settings.and_then(|settings| settings.direction) {
        Some(Direction::Up) => "only a rise counts",
        Some(Direction::Down) => "only a fall counts",
        _ if decision.signal.is_some() => "a latency below its expected range is no fault",
        Some(Direction::Both) | None => "this direction does not count",
    }
}
