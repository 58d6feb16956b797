//! Times of log lines that have no year or no date.

use super::FormatOptions;
use super::log_time::{Lacks, LeadingTime};
use crate::time::{DAY, Timestamp, ZonePolicy};

/// How far a time may lie after the last change of its file, in nanoseconds: zones differ by up to
/// 14 hours.
const SLACK: i64 = DAY;
/// A time of day that is this much earlier than the one before is of the next day, in nanoseconds.
const NEXT_DAY: i64 = DAY / 2;

/// Completes times. Each one depends on those before it in the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Dates {
    /// The last change of the file.
    written: Option<Timestamp>,
    /// Midnight of the day of times without a date.
    day: Option<Timestamp>,
    last: Option<Timestamp>,
    guessed: Option<Lacks>,
}

impl Dates {
    /// The date of a file named `app-2026-01-06.log` or `app.20260106.log` is that of its lines.
    pub fn new(options: &FormatOptions) -> Self {
        let named = date_in(&options.name);
        let day = named.or_else(|| options.written.map(|written| written.floor(DAY)));
        Self { written: options.written.or(named), day, ..Self::default() }
    }

    /// The time of a line as text that [`Timestamp::parse`] reads. A year is the latest one with
    /// which the time is not after the last change of the file. A time of day is of the day in the
    /// name of the file or of its last change, and of the next day where the clock goes back by
    /// half a day. `None` where nothing says the year or the date.
    pub fn complete(&mut self, found: &LeadingTime<'_>) -> Option<String> {
        match found.lacks {
            Lacks::Nothing => Some(found.written.clone()),
            Lacks::Year => {
                let written = self.written?;
                self.guessed = Some(Lacks::Year);
                let year = year_of(written);
                let zone = ZonePolicy::Offset(0);
                // 29 February is in one of the last eight years
                (0..=8).map(|back| format!("{:04}{}", year + 1 - back, found.written)).find(
                    |text| {
                        Timestamp::parse(text, zone).is_ok_and(|time| time.since(written) <= SLACK)
                    },
                )
            }
            Lacks::Date => {
                let day = self.day?;
                self.guessed = Some(Lacks::Date);
                let text = on_day(day, &found.written);
                let time = Timestamp::parse(&text, ZonePolicy::Offset(0)).ok()?;
                let is_next = self.last.is_some_and(|last| last.since(time) > NEXT_DAY);
                let (text, time) = if is_next {
                    let day = day.plus(DAY);
                    self.day = Some(day);
                    (on_day(day, &found.written), time.plus(DAY))
                } else {
                    (text, time)
                };
                self.last = Some(time);
                Some(text)
            }
        }
    }

    /// The assumption about the year or the date, for people.
    pub fn note(&self) -> Option<String> {
        let from = "the name of the file or from its last change";
        match self.guessed? {
            Lacks::Year => Some(format!("the times have no year, which is taken from {from}")),
            _ => Some(format!("the times have no date, which is taken from {from}")),
        }
    }
}

/// Why a time cannot be completed.
pub(super) const NO_DATE: &str = "the time has no year or date, and nothing says which one";

fn civil(time: Timestamp) -> String {
    let mut text = Vec::new();
    time.write_civil(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn year_of(time: Timestamp) -> i64 {
    civil(time).get(..4).and_then(|year| year.parse().ok()).unwrap_or(1970)
}

fn on_day(day: Timestamp, clock: &str) -> String {
    format!("{}{clock}", civil(day).get(..10).unwrap_or_default())
}

/// The first date in a name, with `-`, `_`, `.` or nothing between its parts.
fn date_in(name: &str) -> Option<Timestamp> {
    let bytes = name.as_bytes();
    let starts = (0..bytes.len()).filter(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !before.is_some_and(u8::is_ascii_digit)
    });
    starts.filter_map(|at| name.get(at..)).find_map(|text| {
        let number = |from: usize, count: usize| {
            text.get(from..from + count).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        };
        let year = number(0, 4).filter(|year| year.starts_with("19") || year.starts_with("20"))?;
        let wide = text.as_bytes().get(4).is_some_and(|b| b"-_.".contains(b))
            && text.as_bytes().get(7) == text.as_bytes().get(4);
        let (month, day, end) = if wide {
            (number(5, 2)?, number(8, 2)?, 10)
        } else {
            (number(4, 2)?, number(6, 2)?, 8)
        };
        let is_longer = text.as_bytes().get(end).is_some_and(u8::is_ascii_digit);
        let text = format!("{year}-{month}-{day}T00:00:00Z");
        Timestamp::parse(&text, ZonePolicy::Refuse).ok().filter(|_| !is_longer || !wide)
    })
}

#[cfg(test)]
mod tests {
    use super::super::log_time::leading_time;
    use super::*;

    fn dates(name: &str, written: &str) -> Dates {
        let written = Timestamp::parse(written, ZonePolicy::Refuse).ok();
        Dates::new(&FormatOptions { name: name.to_owned(), written, ..FormatOptions::default() })
    }

    #[test]
    fn the_last_change_of_the_file_says_the_year() {
        let mut found = dates("messages", "2026-01-06T10:00:00Z");
        for (line, want) in [
            ("Dec 31 23:59:59 web x", "2025-12-31T23:59:59"),
            ("Jan  6 09:00:00 web x", "2026-01-06T09:00:00"),
            ("Jan  6 22:00:00 web x", "2026-01-06T22:00:00"),
            ("Feb 29 22:00:00 web x", "2024-02-29T22:00:00"),
        ] {
            let line = leading_time(line).unwrap();
            assert_eq!(found.complete(&line).as_deref(), Some(want));
        }
        assert_eq!(
            dates("messages", "").complete(&leading_time("Jan  6 09:00:00 x").unwrap()),
            None
        );
    }

    #[test]
    fn the_day_follows_from_the_name_and_the_clock() {
        let mut found = dates("app-2026-01-06.log", "2026-03-01T10:00:00Z");
        for (line, want) in [
            ("10:00:00.5 x", "2026-01-06T10:00:00.5"),
            ("09:59:59 x", "2026-01-06T09:59:59"),
            ("23:00:00 x", "2026-01-06T23:00:00"),
            ("00:10:00 x", "2026-01-07T00:10:00"),
        ] {
            let line = leading_time(line).unwrap();
            assert_eq!(found.complete(&line).as_deref(), Some(want));
        }
        assert!(date_in("app.20260106.log").is_some() && date_in("app_2026_01_06").is_some());
        assert!(date_in("build-123456789.log").is_none() && date_in("2026-13-01").is_none());
    }
}
