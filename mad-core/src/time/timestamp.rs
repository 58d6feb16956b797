//! A moment of event time, its written forms and its arithmetic.
//!
//! The file is longer than others because its tests stand below the code.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::civil::{
    DAY_SECONDS, civil_from_days, digit_pair, is_number, parse_civil, parse_decimal, push_digits,
};
use super::duration::{SECOND, duration_of, nanos_of};
use super::written;
use super::zone::{TimeError, ZonePolicy};

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, from the year 1678 to 2262.
///
/// All arithmetic saturates at [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use mad_core::time::{Timestamp, ZonePolicy};
///
/// let t = Timestamp::parse("2026-01-06T12:45:00.25+02:00", ZonePolicy::Refuse).unwrap();
/// assert_eq!(t.to_string(), "2026-01-06T10:45:00.25Z");
/// assert_eq!(Timestamp::parse("1767696300250", ZonePolicy::Refuse), Ok(t));
///
/// let later = t + Duration::from_secs(90);
/// assert_eq!(later.duration_since(t), Duration::from_secs(90));
/// ```
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self(i64::MAX);
    /// The earliest time of a record or command that is accepted: 1970-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(0);
    /// The latest time of a record or command that is accepted: 2200-01-01T00:00:00Z. Sixty years
    /// before [`MAX`](Self::MAX), so that durations can be added without reaching the end.
    pub const LATEST: Self = Self(7_258_118_400 * SECOND);

    /// From nanoseconds since 1970 UTC.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970 UTC.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// From whole seconds since 1970 UTC, saturating.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// Whether records and commands may have this time: it lies between
    /// [`EARLIEST`](Self::EARLIEST) and [`LATEST`](Self::LATEST).
    pub const fn is_accepted(self) -> bool {
        Self::EARLIEST.0 <= self.0 && self.0 <= Self::LATEST.0
    }

    /// Seconds since 1970 UTC with their fraction.
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// This moment moved by `nanos`, saturating at the ends.
    #[must_use]
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this moment, saturating.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn duration_since(self, earlier: Self) -> Duration {
        duration_of(self.since(earlier))
    }

    /// The start of the window of `step` nanoseconds that holds this moment. Windows are aligned
    /// to 1970 UTC; a step of zero or less gives the moment itself.
    #[must_use]
    pub const fn floor(self, step: i64) -> Self {
        if step <= 0 {
            return self;
        }
        Self(self.0.saturating_sub(self.0.rem_euclid(step)))
    }

    /// Reads RFC 3339 with any offset (`T` or a space between date and time, any fraction) or a
    /// number since the epoch, whose unit follows from its size: seconds below 1e11, milliseconds
    /// below 1e14, microseconds below 1e17, else nanoseconds. Seconds may have a fraction. A number
    /// with an exponent is refused when its digits leave more than a second open (`1.7676E+12`).
    ///
    /// Other forms of logs are read too: `[09/Mar/2026:00:10:03 +0000]`,
    /// `Mon, 09 Mar 2026 00:10:03 GMT`, `Mon Mar  9 00:10:03 UTC 2026`, `2026/03/09 00:10:03`,
    /// `20260309T001003Z`, and `UTC` or `GMT` in the place of `Z`.
    ///
    /// # Errors
    ///
    /// [`TimeError`] says which rule failed.
    pub fn parse(text: &str, zone: ZonePolicy) -> Result<Self, TimeError> {
        let bytes = text.trim_ascii().as_bytes();
        match parse_civil(bytes) {
            Some(civil) => civil?.resolve(zone).map(Self),
            None => Self::parse_epoch(bytes).or_else(|error| {
                let written = std::str::from_utf8(bytes).ok().and_then(written::as_rfc3339);
                let civil = written.as_deref().and_then(|text| parse_civil(text.as_bytes()));
                civil.map_or(Err(error), |civil| civil?.resolve(zone).map(Self))
            }),
        }
    }

    fn parse_epoch(bytes: &[u8]) -> Result<Self, TimeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TimeError::Malformed)?;
        if !is_number(text) {
            return Err(TimeError::Malformed);
        }
        if let Ok(value) = text.parse::<i64>() {
            return Self::from_epoch(value);
        }
        if let Some(nanos) = parse_decimal(text) {
            return nanos.map(Self);
        }
        let value: f64 = text.parse().map_err(|_| TimeError::Malformed)?;
        let time = Self::from_epoch_f64(value)?;
        if is_rounded(text, value) { Err(TimeError::Malformed) } else { Ok(time) }
    }

    /// From a number since the epoch, its unit found as in [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// [`TimeError::OutOfRange`] when the moment does not fit.
    pub fn from_epoch(value: i64) -> Result<Self, TimeError> {
        let unit = match value.unsigned_abs() {
            0..100_000_000_000 => SECOND,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        };
        value.checked_mul(unit).map(Self).ok_or(TimeError::OutOfRange)
    }

    /// From a number since the epoch with a fraction, to the microsecond; its unit is found as in
    /// [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// [`TimeError::OutOfRange`] for NaN, infinities and moments that do not fit.
    pub fn from_epoch_f64(value: f64) -> Result<Self, TimeError> {
        if !value.is_finite() {
            return Err(TimeError::OutOfRange);
        }
        if value.fract() == 0.0 && value.abs() < 9e18 {
            return Self::from_epoch(value as i64);
        }
        // the unit follows from the size, as of whole numbers
        let of_second = match value.abs() {
            ..1e11 => 1e6,
            ..1e14 => 1e3,
            _ => 1.0,
        };
        let micros = (value * of_second).round();
        if micros.abs() < 9.2e15 {
            Ok(Self(micros as i64 * 1_000))
        } else {
            Err(TimeError::OutOfRange)
        }
    }

    /// Writes RFC 3339 in UTC with as many fraction digits as needed (0, 3, 6 or 9).
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        self.write_civil(out);
        out.push(b'Z');
    }

    /// Writes the time without a zone, as in the files of the reference mode.
    pub fn write_civil(self, out: &mut Vec<u8>) {
        let seconds = self.0.div_euclid(SECOND);
        let fraction = self.0.rem_euclid(SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_SECONDS));
        let (year, second) = (year.unsigned_abs(), seconds.rem_euclid(DAY_SECONDS).unsigned_abs());
        let ([y1, y2], [y3, y4]) = (digit_pair(year / 100), digit_pair(year));
        let ([m1, m2], [d1, d2]) = (digit_pair(month), digit_pair(day));
        let ([h1, h2], [n1, n2]) = (digit_pair(second / 3600), digit_pair(second / 60 % 60));
        let [s1, s2] = digit_pair(second % 60);
        // one copy, because every row of every file begins with a time
        out.extend_from_slice(&[
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2,
        ]);
        if fraction != 0 {
            out.push(b'.');
            let mut digits = 9;
            let mut value = fraction.unsigned_abs();
            while value.is_multiple_of(10) {
                value /= 10;
                digits -= 1;
            }
            push_digits(out, value, digits);
        }
    }

    /// As a `chrono` time.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

/// Whether the digits of a number with an exponent leave more than a second open.
fn is_rounded(text: &str, value: f64) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let after = mantissa.split_once('.').map_or(0, |(_, after)| after.len());
    let Ok(exponent) = exponent.parse::<i32>() else { return true };
    // the value of one unit of the last digit
    let last = 10_f64.powi(exponent.saturating_sub(i32::try_from(after).unwrap_or(i32::MAX)));
    let second = match value.abs() {
        0.0..1e11 => 1.0,
        1e11..1e14 => 1e3,
        1e14..1e17 => 1e6,
        _ => 1e9,
    };
    digits > 0 && last > second
}

/// Adds a duration, saturating at [`Timestamp::MAX`].
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.plus(nanos_of(duration))
    }
}

/// Subtracts a duration, saturating at [`Timestamp::MIN`].
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        self.plus(-nanos_of(duration))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    /// Times outside the years 1678 to 2262 saturate.
    fn from(time: DateTime<Utc>) -> Self {
        let nanos = time.timestamp_nanos_opt();
        Self(nanos.unwrap_or(if time.timestamp() < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        time.to_datetime()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(32);
        self.write_rfc3339(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    fn utc(text: &str) -> Result<String, TimeError> {
        Timestamp::parse(text, ZonePolicy::Refuse).map(|t| t.to_string())
    }

    #[test]
    fn reads_the_usual_forms() {
        let want = Ok("2026-01-06T10:45:00Z".to_owned());
        for text in [
            "2026-01-06T10:45:00Z",
            "2026-01-06 10:45:00z",
            "2026-01-06T10:45Z",
            "2026-01-06T12:45:00+02:00",
            "2026-01-06T12:45:00.000+0200",
            "2026-01-06T05:15:00-05:30",
            " 1767696300 ",
            "1767696300000",
            "1767696300000000",
            "1767696300000000000",
            "1767696300.0",
        ] {
            assert_eq!(utc(text), want, "{text}");
        }
        assert_eq!(
            utc("2026-01-06T10:45:00.123456789Z"),
            Ok("2026-01-06T10:45:00.123456789Z".into())
        );
        assert_eq!(utc("1767696300.25"), Ok("2026-01-06T10:45:00.25Z".into()));
        assert_eq!(utc("-1.5"), Ok("1969-12-31T23:59:58.5Z".into()));
        assert_eq!(utc("2024-02-29T23:59:60Z"), Ok("2024-02-29T23:59:59Z".into()));
    }

    #[test]
    fn reads_the_forms_of_logs() {
        let want = Ok("2026-03-09T00:10:03Z".to_owned());
        for text in [
            "[09/Mar/2026:00:10:03 +0000]",
            "09/Mar/2026:02:10:03 +0200",
            "Mon, 09 Mar 2026 00:10:03 GMT",
            "Mon, 9 Mar 2026 00:10:03 +0000 (UTC)",
            "09 Mar 2026 00:10:03 UTC",
            "Mon Mar  9 00:10:03 UTC 2026",
            "Monday, 09-Mar-2026 00:10:03 GMT",
            "2026-03-09 00:10:03 UTC",
            "2026-03-09 00:10:03 +0000 UTC",
            "2026-03-09T00:10:03+00:00[UTC]",
            "2026-03-09 00:10:03 GMT",
            "2026/03/09 00:10:03Z",
            "2026.03.09 00:10:03 UTC",
            "20260309T001003Z",
            "20260309T011003+0100",
            "\"2026-03-09T00:10:03Z\"",
        ] {
            assert_eq!(utc(text), want, "{text}");
        }
        for text in ["09/Mar/2026:00:10:03", "2026/03/09 00:10:03", "Mon Mar  9 00:10:03 2026"] {
            assert_eq!(utc(text), Err(TimeError::Naive), "{text}");
        }
        for text in ["03/09/2026 00:10:03", "Mon, 09 Foo 2026 00:10:03 GMT", "9 Mar 00:10:03"] {
            assert_eq!(utc(text), Err(TimeError::Malformed), "{text}");
        }
    }

    #[test]
    fn refuses_rounded_numbers() {
        assert_eq!(utc("1.767696300E+12"), Ok("2026-01-06T10:45:00Z".into()));
        assert_eq!(utc("1.767696300250e12"), Ok("2026-01-06T10:45:00.25Z".into()));
        for text in ["1.7676E+12", "1.77301E+12", "1.7676963E9", "2e9"] {
            assert_eq!(utc(text), Err(TimeError::Malformed), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_rule_that_failed() {
        assert_eq!(utc("2026-01-06T10:45:00"), Err(TimeError::Naive));
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-01-06",
            "2026-01-06T25:00:00Z",
            "2026-01-06T10:45:00.Z",
            "2026-01-06T10:45:00+2",
            "nan",
            "inf",
            "1e",
            "--5",
        ] {
            assert_eq!(utc(text), Err(TimeError::Malformed), "{text}");
        }
        assert_eq!(utc("0001-01-01T00:00:00Z"), Err(TimeError::OutOfRange));
        assert_eq!(utc("9999-01-01T00:00:00Z"), Err(TimeError::OutOfRange));
        assert_eq!(utc("1e300"), Err(TimeError::OutOfRange));
    }

    #[test]
    fn naive_times_take_the_configured_zone() {
        let t = Timestamp::parse("2026-01-06T10:45:00", ZonePolicy::Offset(3600)).unwrap();
        assert_eq!(t.to_string(), "2026-01-06T09:45:00Z");
    }

    #[test]
    fn agrees_with_chrono_over_the_whole_range() {
        let mut nanos = i64::MIN + 7;
        while let Some(next) = nanos.checked_add(97_777_777_777_777_777) {
            let t = Timestamp::from_nanos(nanos);
            assert_eq!(t.to_datetime().timestamp_nanos_opt(), Some(nanos));
            assert_eq!(Timestamp::parse(&t.to_string(), ZonePolicy::Refuse), Ok(t), "{t}");
            let there = t.to_datetime().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            assert_eq!(Timestamp::parse(&there, ZonePolicy::Refuse), Ok(t));
            nanos = next;
        }
    }

    #[test]
    fn arithmetic_with_durations_saturates() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Timestamp::from_seconds(0) + hour, Timestamp::from_seconds(3600));
        assert_eq!(Timestamp::from_seconds(0) - hour, Timestamp::from_seconds(-3600));
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MIN - hour, Timestamp::MIN);
        assert_eq!(Timestamp::MIN.duration_since(Timestamp::MAX), Duration::ZERO);
    }

    #[test]
    fn floors_towards_the_past() {
        assert_eq!(Timestamp::from_nanos(-1).floor(MINUTE), Timestamp::from_nanos(-MINUTE));
        assert_eq!(Timestamp::from_seconds(119).floor(MINUTE), Timestamp::from_seconds(60));
        assert_eq!(Timestamp::MIN.floor(3_600 * SECOND).nanos(), i64::MIN);
    }
}
