//! Parses calendar dates, clock times and decimal epoch seconds, and converts days to dates.

use super::duration::SECOND;
use super::zone::{TimeError, ZonePolicy};

/// Seconds in a day.
pub(super) const DAY_SECONDS: i64 = 86_400;

/// A parsed wall-clock time. `offset` is in seconds east of UTC; `None` if the text has none.
pub(super) struct Civil {
    nanos: i128,
    offset: Option<i64>,
}

impl Civil {
    /// Nanoseconds since 1970 UTC, with the offset of the text or else of the policy.
    pub(super) fn resolve(self, zone: ZonePolicy) -> Result<i64, TimeError> {
        let offset = match (self.offset, zone) {
            (Some(offset), _) => offset,
            (None, ZonePolicy::Offset(offset)) => i64::from(offset),
            (None, ZonePolicy::Refuse) => return Err(TimeError::Naive),
        };
        let nanos = self.nanos - i128::from(offset) * i128::from(SECOND);
        i64::try_from(nanos).map_err(|_| TimeError::OutOfRange)
    }
}

/// Parses a date and a clock time. `None` if the text does not have the form of a date, `Some(Err)`
/// if it has that form but is not valid.
pub(super) fn parse_civil(bytes: &[u8]) -> Option<Result<Civil, TimeError>> {
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
        nanos: i128::from(days_from_civil(year, month, day)) * i128::from(DAY_SECONDS * SECOND)
            + i128::from(nanos_of_day),
        offset,
    }))
}

/// Parses `T10:45[:00[.25]][zone]` into nanoseconds of the day and the zone's offset in seconds.
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
            fraction = fraction_nanos(written);
            rest = after;
        }
    }
    // a leap second (60) is read as the last second of its minute
    if hour > 23 || minute > 59 || second > 60 {
        return Err(malformed);
    }
    let nanos = (hour * 3600 + minute * 60 + second.min(59)) * SECOND + fraction;
    let offset = match rest.trim_ascii_start() {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        word if is_utc(word) => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, tail @ ..] => {
            // Go and Java write the name of the zone behind its offset
            let named = |tail: &[u8]| tail.first().is_some_and(|b| matches!(b, b' ' | b'['));
            let minutes = match tail {
                [] => 0,
                [b':', m0, m1, rest @ ..] | [m0, m1, rest @ ..] if named(rest) => {
                    two(*m0, *m1).ok_or(malformed)?
                }
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

/// Whether a word means UTC.
fn is_utc(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"utc") || word.eq_ignore_ascii_case(b"gmt")
}

/// Whether the text has only the characters of a decimal number.
pub(super) fn is_number(text: &str) -> bool {
    let of_number = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    !text.is_empty() && text.bytes().all(of_number)
}

/// Seconds since the epoch with a decimal fraction, in nanoseconds; `None` for other numbers.
///
/// The digits of the fraction are read exactly. An `f64` would keep only microseconds.
pub(super) fn parse_decimal(text: &str) -> Option<Result<i64, TimeError>> {
    let (whole, fraction) = text.split_once('.')?;
    let seconds: i64 = whole.parse().ok()?;
    let is_seconds = seconds.unsigned_abs() < 100_000_000_000;
    if !is_seconds || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos = fraction_nanos(fraction.as_bytes());
    let nanos = if whole.starts_with('-') { -nanos } else { nanos };
    let total = seconds.checked_mul(SECOND).and_then(|s| s.checked_add(nanos));
    Some(total.ok_or(TimeError::OutOfRange))
}

/// Nanoseconds of one unit of the last digit of a fraction of a second, by the number of its digits.
const NANOS_OF_DIGITS: [i64; 10] =
    [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// Nanoseconds of the decimal digits of a fraction of a second. Digits beyond the ninth count zero.
fn fraction_nanos(digits: &[u8]) -> i64 {
    let known = digits.get(..9).unwrap_or(digits);
    let value = known.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    // the digits that are not written are zeros
    value * NANOS_OF_DIGITS.get(known.len()).copied().unwrap_or(1)
}

/// The number that two ASCII digits write.
fn two(a: u8, b: u8) -> Option<i64> {
    (a.is_ascii_digit() && b.is_ascii_digit())
        .then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
}

/// The last two digits of a number.
pub(super) const fn digit_pair(value: u64) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// Appends `value` with leading zeros, `digits` wide.
pub(super) fn push_digits(out: &mut Vec<u8>, value: u64, digits: u32) {
    for place in (0..digits).rev() {
        out.push(b'0' + (value / 10_u64.pow(place) % 10) as u8);
    }
}

/// Days of a month in the Gregorian calendar.
fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, by eras of 400 years
/// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // the year starts in March, so that the leap day is its last day
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 146,097 days an era; 719,468 days lie between 0000-03-01 and 1970-01-01
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day since 1970-01-01: the inverse of [`days_from_civil`].
pub(super) fn civil_from_days(days: i64) -> (i64, u64, u64) {
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
