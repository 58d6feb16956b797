//! A time span of every day, and days of the week.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MINUTES_OF_A_DAY: u32 = 1440;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are their documentation")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// The weekday of a day counted from 1970-01-01, a Thursday.
    pub(super) const fn of(day: i64) -> Self {
        match day.rem_euclid(7) {
            0 => Self::Thu,
            1 => Self::Fri,
            2 => Self::Sat,
            3 => Self::Sun,
            4 => Self::Mon,
            5 => Self::Tue,
            _ => Self::Wed,
        }
    }
}

/// A time span of every day, such as `22:00-04:30`. A span whose end is before its start ends on the
/// next day.
///
/// # Examples
///
/// ```
/// use mad_core::config::Daily;
///
/// let night: Daily = "22:00-04:30".parse()?;
/// assert_eq!((night.from, night.to), (22 * 60, 4 * 60 + 30));
/// assert!("22:00".parse::<Daily>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Daily {
    /// First minute of the day, 0 to 1439.
    pub from: u32,
    /// The minute of the day at which it ends, 0 to 1440. The end is not part of the span.
    pub to: u32,
}

impl Daily {
    /// The whole day.
    pub const ALL_DAY: Self = Self { from: 0, to: MINUTES_OF_A_DAY };

    /// Minutes from midnight of the day on which the span starts to its end, up to 2,879.
    pub(super) const fn end(self) -> u32 {
        if self.to > self.from { self.to } else { self.to + MINUTES_OF_A_DAY }
    }
}

impl FromStr for Daily {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (from, to) = text.split_once('-')?;
            let daily = Self { from: minute(from.trim())?, to: minute(to.trim())? };
            (daily.from < MINUTES_OF_A_DAY).then_some(daily)
        };
        read().ok_or_else(|| {
            format!("not a span of the day: {text:?}, expected two times such as 22:00-04:30")
        })
    }
}

impl TryFrom<String> for Daily {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Daily> for String {
    fn from(daily: Daily) -> Self {
        daily.to_string()
    }
}

impl fmt::Display for Daily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// The minute of the day of `04:30`, up to `24:00`.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !(digits(hours) && digits(minutes)) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let at = hours * 60 + minutes;
    (minutes < 60 && at <= MINUTES_OF_A_DAY).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["22:00-04:30", "00:00-24:00", "09:05-09:06"] {
            assert_eq!(text.parse::<Daily>().unwrap().to_string(), text);
        }
        for text in
            ["", "22:00", "22-23", "24:00-01:00", "22:60-23:00", "25:00-26:00", "9:00-+1:00"]
        {
            assert!(text.parse::<Daily>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!(Weekday::of(0), Weekday::Thu);
        assert_eq!(Weekday::of(-1), Weekday::Wed);
        assert_eq!(Weekday::of(20_459), Weekday::Tue); // 2026-01-06
    }
}
