//! Numbers and times as people read them.

use std::borrow::Cow;

use crate::history::FlaggedSignal;
use crate::series::{
    Entity, LOG_ERRORS, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP, Signal, SignalName,
};
use crate::time::{SECOND, Timestamp};

/// A value with its unit: `3,260 ms`, `21.6 %`; a count is bare, as its name says of what: `37`.
/// A metric has the digits that it needs and no unit, as nobody said one: `0.0312`, `41.7`.
pub(super) fn quantity(signal: &SignalName, value: f64) -> String {
    match signal {
        SignalName::Request(Signal::P50Latency | Signal::P95Latency) => milliseconds(value),
        SignalName::Request(Signal::ErrorRate) => percent(value),
        SignalName::Metric(name) if **name == *NETWORK_GAP => milliseconds(value),
        signal if signal.is_count() => {
            number(value, usize::from(value.fract() != 0.0 && value.abs() < 9.95))
        }
        _ => significant(value),
    }
}

/// Three significant digits, and all that stand before the point; tiny numbers as powers of ten.
fn significant(value: f64) -> String {
    let magnitude = value.abs().log10().floor();
    if value != 0.0 && magnitude < -4.0 {
        return format!("{value:.2e}");
    }
    number(value, if value == 0.0 { 0 } else { (2.0 - magnitude).clamp(0.0, 6.0) as usize })
}

/// The signal as people call it.
pub(super) fn name(signal: &SignalName) -> Cow<'static, str> {
    match signal {
        SignalName::Request(Signal::P50Latency) => "median latency".into(),
        SignalName::Request(Signal::P95Latency) => "95th-percentile latency".into(),
        SignalName::Request(Signal::ErrorRate) => "error rate".into(),
        SignalName::Request(Signal::RequestCount) => "number of requests".into(),
        SignalName::Metric(name) => match &**name {
            LOG_ERRORS => "number of error lines".into(),
            LOG_WARNINGS => "number of warning lines".into(),
            MISSING_SPANS => "number of missing spans".into(),
            NETWORK_GAP => "time between caller and callee".into(),
            name => one_line(name).into(),
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
        format!("{} ms", number(value, 1))
    }
}

/// A share as a percentage: `0.42 %`, `21.6 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let digits =
        usize::from(percent.abs() < 99.95) + usize::from(percent.abs() < 0.995 && percent != 0.0);
    format!("{} %", number(percent, digits))
}

/// A count with its noun: `1 request`, `1,204 requests`.
pub(super) fn plural(count: f64, noun: &str) -> String {
    let digits = usize::from(count.fract() != 0.0 && count < 100.0);
    let written = number(count, digits);
    let one = written == "1";
    format!("{written} {noun}{}", if one { "" } else { "s" })
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

/// How many times `usual` the value is: `14.7`; nothing where that is no number.
pub(super) fn times(value: f64, usual: f64) -> Option<String> {
    let factor = value / usual;
    // 0.02 and the like keep two digits
    let digits = if factor.abs() < 0.1 { 3 } else { 1 };
    (usual > 0.0 && factor.is_finite()).then(|| number(factor, digits))
}

/// `1 in 20,000 by chance`, from minus log10 of a probability.
pub(super) fn likelihood(neg_log10_p: f64) -> String {
    if neg_log10_p >= 6.0 {
        format!("less than 1 in 10^{} by chance", neg_log10_p.floor())
    } else {
        // two digits are more than a probability of this kind has
        let once_in = 10_f64.powf(neg_log10_p.max(0.0));
        let unit = 10_f64.powf((once_in.log10().floor() - 1.0).max(0.0));
        format!("about 1 in {} by chance", number((once_in / unit).round() * unit, 0))
    }
}

/// Date and time of day; with seconds where the step is shorter than a minute.
fn date_and_clock(time: Timestamp, step: i64) -> (String, String) {
    let written = time.to_string();
    let end = if step < 60 * SECOND { 19 } else { 16 };
    let part = |from: usize, to: usize| written.get(from..to).unwrap_or(&written).to_owned();
    (part(0, 10), part(11, end))
}

/// `2026-01-06 10:45 UTC`.
pub(super) fn date_clock(time: Timestamp, step: i64) -> String {
    let (date, clock) = date_and_clock(time, step);
    format!("{date} {clock} UTC")
}

/// A moment of something that went from `start` to `end`: `10:45 UTC`, with the date where the day
/// is not clear.
pub(super) fn moment(time: Timestamp, start: Timestamp, end: Timestamp, step: i64) -> String {
    let (date, clock) = date_and_clock(time, step);
    let one_day = [start, end].iter().all(|other| date_and_clock(*other, step).0 == date);
    if one_day { format!("{clock} UTC") } else { date_clock(time, step) }
}

/// `2026-01-06 10:45 to 10:54 UTC`, with the second date where it is another day.
pub(super) fn span(start: Timestamp, end: Timestamp, step: i64) -> String {
    let (date, clock) = date_and_clock(start, step);
    format!("{date} {clock} to {}", moment(end, start, end, step))
}

/// An entity's names, on one line.
pub(super) fn named(entity: &Entity) -> String {
    one_line(&entity.to_string())
}

/// A name with everything escaped that could break or turn around a line.
pub(super) fn one_line(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let breaks = c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if breaks { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `9 minutes`, `30 seconds`, `2 hours`.
pub(super) fn duration(nanos: i64) -> String {
    let seconds = nanos as f64 / SECOND as f64;
    if seconds < 120.0 && seconds % 60.0 != 0.0 {
        plural(seconds, "second")
    } else if seconds < 7200.0 {
        plural(seconds / 60.0, "minute")
    } else {
        plural((seconds / 360.0).round() / 10.0, "hour")
    }
}

/// Whether a value lies outside of what was expected by itself. Where rows before it or signals
/// beside it are needed, the band ends right at it.
pub(super) fn says_alone(flagged: &FlaggedSignal) -> bool {
    let FlaggedSignal { value, low, high, z, .. } = flagged;
    let end = if *z < 0.0 { low } else { high };
    let ends_at_it = (value - end).abs() <= 1e-12 * value.abs();
    !ends_at_it
}

/// `at most 534 ms`: the end of the expected band that was passed, counts as whole numbers. `179 ms`,
/// what was expected itself, of a value that does not say it alone.
pub(super) fn bound(flagged: &FlaggedSignal) -> String {
    let FlaggedSignal { signal, expected, low, high, z, .. } = flagged;
    let count = signal.is_count();
    if !says_alone(flagged) {
        quantity(signal, *expected)
    } else if *z < 0.0 {
        format!("at least {}", quantity(signal, if count { low.ceil() } else { *low }))
    } else {
        format!("at most {}", quantity(signal, if count { high.floor() } else { *high }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(milliseconds(3260.4), "3,260 ms");
        assert_eq!(milliseconds(0.0), "0 ms");
        assert_eq!(milliseconds(12.5), "12.5 ms");
        assert_eq!(milliseconds(95_240.0), "95.2 s");
        assert_eq!(percent(0.216), "21.6 %");
        assert_eq!(percent(0.0042), "0.42 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(number(1_234_567.0, 0), "1,234,567");
        assert_eq!(number(-0.01, 1), "0");
        assert_eq!(number(f64::MAX, 0), "1.80e308");
        assert_eq!(plural(1.0, "request"), "1 request");
        assert_eq!(plural(0.0, "request"), "0 requests");
        assert_eq!(duration(60 * SECOND), "1 minute");
        assert_eq!(duration(90 * SECOND), "90 seconds");
        assert_eq!(duration(9 * 60 * SECOND), "9 minutes");
        assert_eq!(likelihood(4.3), "about 1 in 20,000 by chance");
        assert_eq!(likelihood(0.0), "about 1 in 1 by chance");
        assert_eq!(likelihood(13.2), "less than 1 in 10^13 by chance");
    }
}
