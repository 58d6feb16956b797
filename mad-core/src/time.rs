//! Event time: nanoseconds since 1970 UTC, its usual written forms, and window steps. No clock.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 86_400;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, from the year 1678 to 2262.
///
/// # Examples
///
/// ```
/// use mad_core::time::{Timestamp, ZonePolicy};
///
/// let t = Timestamp::parse("2026-01-06T12:45:00.25+02:00", ZonePolicy::Refuse).unwrap();
/// assert_eq!(t.to_string(), "2026-01-06T10:45:00.25Z");
/// assert_eq!(Timestamp::parse("1767696300250", ZonePolicy::Refuse), Ok(t));
/// ```
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// What to do with a written time that carries no zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZonePolicy {
    /// Refuse it: [`TimeError::Naive`].
    #[default]
    Refuse,
    /// Take it as this many seconds east of UTC (0 = UTC).
    Offset(i32),
}

/// Why a written time was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Neither RFC 3339 nor an epoch number.
    #[error("not a time: write RFC 3339 (2026-01-06T10:45:00Z) or epoch s, ms, us or ns")]
    Malformed,
    /// A wall-clock time without a zone.
    #[error("time without a zone: add Z or an offset, or set `naive_offset_seconds`")]
    Naive,
    /// A time before the year 1678 or after 2262.
    #[error("time outside the years 1678 to 2262")]
    OutOfRange,
}

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self(i64::MAX);

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
    /// below 1e14, microseconds below 1e17, else nanoseconds. Seconds may have a fraction.
    ///
    /// # Errors
    ///
    /// [`TimeError`] says which rule failed.
    pub fn parse(text: &str, zone: ZonePolicy) -> Result<Self, TimeError> {
        let bytes = text.trim_ascii().as_bytes();
        match parse_civil(bytes) {
            Some(civil) => civil?.resolve(zone),
            None => parse_epoch(bytes),
        }
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

    /// From seconds since the epoch with a fraction, to the microsecond.
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
        let micros = (value * 1e6).round();
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

    /// Writes the time without a zone, as system A's files do.
    pub fn write_civil(self, out: &mut Vec<u8>) {
        let seconds = self.0.div_euclid(SECOND);
        let fraction = self.0.rem_euclid(SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        push_digits(out, year.unsigned_abs(), 4);
        out.push(b'-');
        push_digits(out, month, 2);
        out.push(b'-');
        push_digits(out, day, 2);
        out.push(b'T');
        push_digits(out, (second / 3600).unsigned_abs(), 2);
        out.push(b':');
        push_digits(out, (second / 60 % 60).unsigned_abs(), 2);
        out.push(b':');
        push_digits(out, (second % 60).unsigned_abs(), 2);
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

/// A parsed wall-clock time; `offset` in seconds east of UTC when it was written.
struct Civil {
    nanos: i128,
    offset: Option<i64>,
}

impl Civil {
    fn resolve(self, zone: ZonePolicy) -> Result<Timestamp, TimeError> {
        let offset = match (self.offset, zone) {
            (Some(offset), _) => offset,
            (None, ZonePolicy::Offset(offset)) => i64::from(offset),
            (None, ZonePolicy::Refuse) => return Err(TimeError::Naive),
        };
        let nanos = self.nanos - i128::from(offset) * i128::from(SECOND);
        i64::try_from(nanos).map(Timestamp).map_err(|_| TimeError::OutOfRange)
    }
}

/// `None` when the text does not look like a date at all; `Some(Err)` when it does and is wrong.
fn parse_civil(bytes: &[u8]) -> Option<Result<Civil, TimeError>> {
    let (head, rest) = bytes.split_at_checked(10)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = head else { return None };
    let date = || -> Option<(i64, i64, i64)> {
        let year = two(*y0, *y1)? * 100 + two(*y2, *y3)?;
        let (month, day) = (two(*m0, *m1)?, two(*d0, *d1)?);
        ((1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month))
            .then_some((year, month, day))
    };
    let Some((year, month, day)) = date() else { return Some(Err(TimeError::Malformed)) };
    Some(parse_clock(rest).map(|(nanos_of_day, offset)| Civil {
        nanos: i128::from(days_from_civil(year, month, day)) * i128::from(DAY * SECOND)
            + i128::from(nanos_of_day),
        offset,
    }))
}

fn parse_clock(rest: &[u8]) -> Result<(i64, Option<i64>), TimeError> {
    let malformed = TimeError::Malformed;
    let (clock, mut rest) = rest.split_at_checked(6).ok_or(malformed)?;
    let [b'T' | b't' | b' ', h0, h1, b':', m0, m1] = clock else { return Err(malformed) };
    let (hour, minute) = (two(*h0, *h1).ok_or(malformed)?, two(*m0, *m1).ok_or(malformed)?);
    let mut second = 0;
    let mut fraction = 0;
    if let [b':', s0, s1, tail @ ..] = rest {
        second = two(*s0, *s1).ok_or(malformed)?;
        rest = tail;
        if let [b'.' | b',', tail @ ..] = rest {
            let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return Err(malformed);
            }
            let (written, after) = tail.split_at_checked(digits).ok_or(malformed)?;
            let mut scale = SECOND / 10;
            for digit in written {
                fraction += i64::from(digit - b'0') * scale;
                scale /= 10;
            }
            rest = after;
        }
    }
    // a leap second is the last moment of its minute
    if hour > 23 || minute > 59 || second > 60 {
        return Err(malformed);
    }
    let nanos = (hour * 3600 + minute * 60 + second.min(59)) * SECOND + fraction;
    let offset = match rest.trim_ascii_start() {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, tail @ ..] => {
            let minutes = match tail {
                [] => 0,
                [b':', m0, m1] | [m0, m1] => two(*m0, *m1).ok_or(malformed)?,
                _ => return Err(malformed),
            };
            let hours = two(*h0, *h1).ok_or(malformed)?;
            if hours > 23 || minutes > 59 {
                return Err(malformed);
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return Err(malformed),
    };
    Ok((nanos, offset))
}

fn parse_epoch(bytes: &[u8]) -> Result<Timestamp, TimeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TimeError::Malformed)?;
    let numeric = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    if !numeric {
        return Err(TimeError::Malformed);
    }
    if let Ok(value) = text.parse::<i64>() {
        return Timestamp::from_epoch(value);
    }
    // digits of a fraction are read exactly, not through f64, which holds only microseconds
    if let Some((whole, fraction)) = text.split_once('.')
        && let Ok(seconds) = whole.parse::<i64>()
        && seconds.unsigned_abs() < 100_000_000_000
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        let mut scale = SECOND / 10;
        let mut nanos = 0;
        for digit in fraction.bytes() {
            nanos += i64::from(digit - b'0') * scale;
            scale /= 10;
        }
        let nanos = if whole.starts_with('-') { -nanos } else { nanos };
        return seconds
            .checked_mul(SECOND)
            .and_then(|s| s.checked_add(nanos))
            .map(Timestamp)
            .ok_or(TimeError::OutOfRange);
    }
    match text.parse::<f64>() {
        Ok(value) => Timestamp::from_epoch_f64(value),
        Err(_) => Err(TimeError::Malformed),
    }
}

fn two(a: u8, b: u8) -> Option<i64> {
    (a.is_ascii_digit() && b.is_ascii_digit())
        .then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
}

fn push_digits(out: &mut Vec<u8>, value: u64, digits: u32) {
    for place in (0..digits).rev() {
        out.push(b'0' + (value / 10_u64.pow(place) % 10) as u8);
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01; the proleptic Gregorian calendar counted in eras of 400 years
/// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u64, u64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn floors_towards_the_past() {
        assert_eq!(Timestamp::from_nanos(-1).floor(MINUTE), Timestamp::from_nanos(-MINUTE));
        assert_eq!(Timestamp::from_seconds(119).floor(MINUTE), Timestamp::from_seconds(60));
        assert_eq!(Timestamp::MIN.floor(3_600 * SECOND).nanos(), i64::MIN);
    }
}
