//! Words for signals and reasons, and numbers and times as text. Other outputs use these too.

use std::borrow::Cow;
use std::time::Duration;

use super::catalogue::Catalogue;
pub(super) use super::line::one_line;
use super::messages;
use super::phrase::Phrase;
use crate::guard::Reason;
use crate::history::FlaggedSignal;
use crate::series::{
    Entity, LOG_ERRORS, LOG_NEW_ERRORS, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP, SILENCE, Signal,
    SignalName, log_template_of,
};
use crate::time::{SECOND, Timestamp};

/// A value of a signal with its unit: `3,260 ms`, `21.6 %`, `518 MB`.
///
/// Counts have no unit, because the name of the signal includes the unit. The unit of a metric
/// comes from the end of its name (`_ms`, `_seconds`, `_bytes`, `_kb`, `_mb`, `_gb`, `_percent`). A
/// metric has three significant digits. Values that are not finite are written as `NaN` or `inf`.
///
/// # Examples
///
/// ```
/// use mad_core::explain::format_value;
/// use mad_core::{Signal, SignalName};
///
/// assert_eq!(format_value(&Signal::P95Latency.into(), 3_260.4), "3,260 ms");
/// assert_eq!(format_value(&Signal::ErrorRate.into(), 0.216), "21.6 %");
/// assert_eq!(format_value(&SignalName::Metric("rss_mb".into()), 518.2), "518 MB");
/// assert_eq!(format_value(&SignalName::Metric("queue_depth".into()), 37.25), "37.2");
/// ```
pub fn format_value(signal: &SignalName, value: f64) -> String {
    value_phrase(signal, value).english()
}

/// The same for any language: only the length of a silence has words.
pub(super) fn value_phrase(signal: &SignalName, value: f64) -> Phrase {
    let written = match signal {
        SignalName::Request(Signal::P50Latency | Signal::P95Latency) => milliseconds(value),
        SignalName::Request(signal) if signal.kind() == crate::series::SignalKind::Rate => {
            percent(value)
        }
        SignalName::Metric(name) if **name == *NETWORK_GAP => milliseconds(value),
        SignalName::Metric(name) if **name == *SILENCE => {
            return duration((value * SECOND as f64) as i64);
        }
        signal if signal.is_count() => {
            number(value, usize::from(value.fract() != 0.0 && value.abs() < 9.95))
        }
        SignalName::Metric(name) => with_unit(name, value),
        SignalName::Request(_) => significant(value),
    };
    written.into()
}

/// A value of a metric with the unit that ends its name.
fn with_unit(metric: &str, value: f64) -> String {
    let name = metric.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let unit = match () {
        () if ends(&["_ms", "_millis", "_milliseconds"]) => return milliseconds(value),
        () if ends(&["_seconds", "_secs"]) => "s",
        () if ends(&["_percent", "_pct"]) => "%",
        () if ends(&["_bytes"]) => return bytes(value),
        () if ends(&["_kb"]) => "kB",
        () if ends(&["_mb"]) => "MB",
        () if ends(&["_gb"]) => "GB",
        () if ends(&["_mib"]) => "MiB",
        () if ends(&["_gib"]) => "GiB",
        () => return significant(value),
    };
    format!("{} {unit}", significant(value))
}

/// `512 B`, `1.5 MB`: bytes in decimal units.
fn bytes(value: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let fitting = units.into_iter().find(|(size, _)| value.abs() >= *size);
    let (size, unit) = fitting.unwrap_or((1.0, "B"));
    format!("{} {unit}", significant(value / size))
}

/// Three significant digits and all digits before the point; very small numbers as powers of ten.
fn significant(value: f64) -> String {
    let magnitude = value.abs().log10().floor();
    if value != 0.0 && magnitude < -4.0 {
        return format!("{value:.2e}");
    }
    number(value, if value == 0.0 { 0 } else { (2.0 - magnitude).clamp(0.0, 6.0) as usize })
}

/// The name of a signal in text: `median latency`, `number of error lines`. Metrics keep their names.
///
/// # Examples
///
/// ```
/// use mad_core::Signal;
/// use mad_core::explain::describe_signal;
///
/// assert_eq!(describe_signal(&Signal::P95Latency.into()), "95th-percentile latency");
/// ```
pub fn describe_signal(signal: &SignalName) -> Cow<'static, str> {
    signal_phrase(signal).english().into()
}

/// The name of a signal in the language of a catalogue. See [`describe_signal`].
pub fn describe_signal_in(signal: &SignalName, catalogue: &Catalogue) -> String {
    signal_phrase(signal).in_language(catalogue)
}

/// The name of a signal for any language.
pub(super) fn signal_phrase(signal: &SignalName) -> Phrase {
    match signal {
        SignalName::Request(Signal::P50Latency) => messages::signal::p50_latency(),
        SignalName::Request(Signal::P95Latency) => messages::signal::p95_latency(),
        SignalName::Request(Signal::ErrorRate) => messages::signal::error_rate(),
        SignalName::Request(Signal::RequestCount) => messages::signal::requests(),
        SignalName::Request(Signal::ClientErrorRate) => messages::signal::client_error_rate(),
        SignalName::Request(Signal::SlowShare) => messages::signal::slow_share(),
        SignalName::Metric(name) => match &**name {
            LOG_ERRORS => messages::signal::log_errors(),
            LOG_NEW_ERRORS => messages::signal::log_new_errors(),
            LOG_WARNINGS => messages::signal::log_warnings(),
            MISSING_SPANS => messages::signal::missing_spans(),
            NETWORK_GAP => messages::signal::network_gap(),
            SILENCE => messages::signal::silence(),
            name => match log_template_of(name) {
                Some(template) => messages::signal::log_lines(quoted(template)),
                None => one_line(name).into(),
            },
        },
    }
}

/// `0.8 ms`, `215 ms`, `3,260 ms`, `95.2 s`.
pub(super) fn milliseconds(value: f64) -> String {
    if value.abs() >= 60_000.0 {
        format!("{} s", number(value / 1000.0, 1))
    } else if value.abs() >= 100.0 {
        format!("{} ms", number(value, 0))
    } else {
        format!("{} ms", number(value, two_digits(value).max(1)))
    }
}

/// The decimals with which a number below 1 has two significant digits: 3 for 0.042; 0 from 10 on.
fn two_digits(value: f64) -> usize {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    (1.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize
}

/// A share as a percentage: `0.42 %`, `21.6 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let digits = if percent.abs() < 0.995 {
        two_digits(percent)
    } else {
        usize::from(percent.abs() < 99.95)
    };
    format!("{} %", number(percent, digits))
}

/// A count for the number of a noun: `1`, `1,204`.
pub(super) fn count(count: f64) -> String {
    number(count, usize::from(count.fract() != 0.0 && count < 100.0))
}

/// A number with thousands separated by commas, at most `digits` decimals, no trailing zeros.
pub(super) fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() || value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    let written = format!("{:.digits$}", value.abs());
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let mut out = String::new();
    if value < 0.0 && written.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('-');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `about 1 in 20,000 by chance`, from the negative logarithm of a probability.
pub(super) fn likelihood(neg_log10_p: f64) -> Phrase {
    if neg_log10_p >= 6.0 {
        messages::chance::below(neg_log10_p.floor().to_string())
    } else {
        // two digits: the probability is not known more precisely
        let once_in = 10_f64.powf(neg_log10_p.max(0.0));
        let unit = 10_f64.powf((once_in.log10().floor() - 1.0).max(0.0));
        messages::chance::about(number((once_in / unit).round() * unit, 0))
    }
}

/// Date and time of day, with seconds if the step is shorter than a minute.
fn date_and_clock(time: Timestamp, step: Duration) -> (String, String) {
    let written = time.to_string();
    let end = if step < Duration::from_secs(60) { 19 } else { 16 };
    let part = |from: usize, to: usize| written.get(from..to).unwrap_or(&written).to_owned();
    (part(0, 10), part(11, end))
}

/// `2026-01-06 10:45 UTC`.
pub(crate) fn date_clock(time: Timestamp, step: Duration) -> String {
    let (date, clock) = date_and_clock(time, step);
    format!("{date} {clock} UTC")
}

/// A moment of an interval: `10:45 UTC`, with the date if the interval covers more than one day.
pub(super) fn moment(time: Timestamp, start: Timestamp, end: Timestamp, step: Duration) -> String {
    let (date, clock) = date_and_clock(time, step);
    let one_day = [start, end].iter().all(|other| date_and_clock(*other, step).0 == date);
    if one_day { format!("{clock} UTC") } else { date_clock(time, step) }
}

/// `2026-01-06 10:45 to 10:54 UTC`, with the second date if it is another day, and with seconds where
/// a member with a shorter step ends within a minute.
pub(super) fn span(start: Timestamp, end: Timestamp, step: Duration) -> Phrase {
    let is_whole = |time: &Timestamp| time.nanos() % crate::time::MINUTE == 0;
    let step = if [start, end].iter().all(is_whole) { step } else { Duration::from_secs(1) };
    let (date, clock) = date_and_clock(start, step);
    messages::time::span(format!("{date} {clock}"), moment(end, start, end, step))
}

/// The name of an entity on one line.
pub(super) fn named(entity: &Entity) -> String {
    one_line(&entity.to_string())
}

/// The template of a log on one line, without the marks of a quotation: at most 200 characters.
pub(super) fn quoted(template: &str) -> String {
    const MOST: usize = 200;
    let line = one_line(template).replace('`', "'");
    if line.chars().count() <= MOST {
        return line;
    }
    let cut: String = line.chars().take(MOST).collect();
    format!("{cut}...")
}

/// `9 minutes`, `30 seconds`, `2 hours`.
pub(super) fn duration(nanos: i64) -> Phrase {
    let seconds = nanos as f64 / SECOND as f64;
    if seconds < 120.0 && seconds % 60.0 != 0.0 {
        messages::time::seconds(count(seconds))
    } else if seconds < 7200.0 {
        messages::time::minutes(count(seconds / 60.0))
    } else {
        messages::time::hours(count((seconds / 360.0).round() / 10.0))
    }
}

/// A rough duration in days: `45 minutes`, `5 hours`, `12 days`.
pub(super) fn rough_duration(days: f64) -> Phrase {
    let minutes = days * 1_440.0;
    if minutes < 90.0 {
        messages::time::minutes(count(minutes.round().max(1.0)))
    } else if minutes < 2_880.0 {
        messages::time::hours(count((minutes / 60.0).round()))
    } else {
        messages::time::days(count(days.round()))
    }
}

/// A short name of a guardrail decision, for tables: `Warm-up`.
///
/// # Examples
///
/// ```
/// use mad_core::Reason;
/// use mad_core::explain::{describe_reason, reason_label};
///
/// assert_eq!(reason_label(Reason::WarmUp), "Warm-up");
/// assert_eq!(describe_reason(Reason::WarmUp), "The series was still in its warm-up period.");
/// ```
pub const fn reason_label(reason: Reason) -> &'static str {
    match reason {
        Reason::Normal => "Normal",
        Reason::AboveExpected => "Above expected",
        Reason::BelowExpected => "Below expected",
        Reason::WarmUp => "Warm-up",
        Reason::TooFewPoints => "Too few points",
        Reason::TooLittleTraffic => "Too little traffic",
        Reason::BelowMinEffect => "Small effect",
        Reason::Muted => "Muted",
        Reason::History => "History",
        Reason::WrongDirection => "Harmless direction",
        Reason::ColdStart => "Cold start",
    }
}

/// A guardrail decision as one sentence. See [`reason_label`] for the short name.
pub const fn describe_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Normal => "No signal was outside its expected range.",
        Reason::AboveExpected => "The leading signal was above its expected range.",
        Reason::BelowExpected => "The leading signal was below its expected range.",
        Reason::WarmUp => "The series was still in its warm-up period.",
        Reason::TooFewPoints => "The history is too short for an expected range.",
        Reason::TooLittleTraffic => "The step had too few requests to be judged.",
        Reason::BelowMinEffect => "The deviation was too small to matter.",
        Reason::Muted => "A mute covers the entity.",
        Reason::History => "The row was learned as history and is before the watched time.",
        Reason::WrongDirection => "The deviation was an improvement, such as lower latency.",
        Reason::ColdStart => "The latency was that of the first requests after idle time.",
    }
}

/// Whether a value is outside its expected range without the rows before it or other signals of its
/// row. If it needs them, its range ends exactly at the value.
pub(super) fn is_outside_alone(flagged: &FlaggedSignal) -> bool {
    let FlaggedSignal { value, low, high, z, .. } = flagged;
    let end = if *z < 0.0 { low } else { high };
    let ends_at_value = (value - end).abs() <= 1e-12 * value.abs();
    !ends_at_value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_and_separators() {
        assert_eq!(milliseconds(3260.4), "3,260 ms");
        assert_eq!(milliseconds(0.0), "0 ms");
        assert_eq!(milliseconds(12.5), "12.5 ms");
        assert_eq!(milliseconds(0.0313), "0.031 ms");
        assert_eq!(milliseconds(0.8), "0.8 ms");
        assert_eq!(percent(0.000_043), "0.0043 %");
        assert_eq!(milliseconds(95_240.0), "95.2 s");
        assert_eq!(percent(0.216), "21.6 %");
        assert_eq!(percent(0.0042), "0.42 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(number(1_234_567.0, 0), "1,234,567");
        assert_eq!(number(-0.01, 1), "0");
        assert_eq!(number(f64::MAX, 0), "1.80e308");
        assert_eq!(messages::count::request(count(1.0)).english(), "1 request");
        assert_eq!(messages::count::request(count(0.0)).english(), "0 requests");
        assert_eq!(duration(60 * SECOND).english(), "1 minute");
        assert_eq!(duration(90 * SECOND).english(), "90 seconds");
        assert_eq!(duration(9 * 60 * SECOND).english(), "9 minutes");
        assert_eq!(rough_duration(30.0 / 952.0).english(), "45 minutes");
        assert_eq!(rough_duration(0.2).english(), "5 hours");
        assert_eq!(rough_duration(12.4).english(), "12 days");
        assert_eq!(bytes(1_530_000.0), "1.53 MB");
        assert_eq!(with_unit("rss_mb", 518.2), "518 MB");
        assert_eq!(with_unit("cpu_percent", 41.7), "41.7 %");
        assert_eq!(likelihood(4.3).english(), "about 1 in 20,000 by chance");
        assert_eq!(likelihood(0.0).english(), "about 1 in 1 by chance");
        assert_eq!(likelihood(13.2).english(), "less than 1 in 10^13 by chance");
    }
}
