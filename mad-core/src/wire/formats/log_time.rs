//! The time at the begin of a log line, in the forms of many loggers.

use std::fmt::Write as _;

use super::text_level::is_level;

/// What a written time leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lacks {
    Nothing,
    Year,
    /// Day, month and year.
    Date,
}

/// The time at the begin of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeadingTime<'a> {
    /// RFC 3339 without what it lacks, perhaps without a zone: `-01-06T10:45:00` without a year,
    /// `T10:45:00` without a date.
    pub written: String,
    pub lacks: Lacks,
    /// A level that stands before or within the time; may be empty.
    pub level: &'a str,
    /// What follows.
    pub rest: &'a str,
}

/// The keys of the time of a line in `logfmt`, as logrus, slog and go-kit write it.
const TIME_KEYS: [&str; 4] = ["time=", "ts=", "t=", "timestamp="];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Most bytes before a time: a level, the number of a process.
const MOST_BEFORE: usize = 24;

/// The time at the begin of a line, and what follows it. `None` where the line begins otherwise.
///
/// | form | written by |
/// |---|---|
/// | `2026-01-06 10:45:00,123 +0100`, with `/` or `T`, in brackets, or as `time=` | most loggers |
/// | `06 Jan 2026 10:45:00.123`, `06-Jan-2026 10:45:00`, `06/Jan/2026:10:45:00 +0000` | Redis, Tomcat, BIND |
/// | `[Tue Jan 06 10:45:00.123 2026]`, `Jan 6, 2026 10:45:00 AM` | Apache, java.util.logging |
/// | `Jan  6 10:45:00` | syslog |
/// | `I0106 10:45:00.123456` | klog, glog |
/// | `10:45:00.123` | log4j, Logback |
/// | `# Time: 2026-01-06T10:45:00.123456Z` | slow queries of MySQL |
///
/// A level or the number of a process may stand before it: `INFO 2026-01-06`, `1:M 06 Jan 2026`.
pub(super) fn leading_time(line: &str) -> Option<LeadingTime<'_>> {
    if let Some(found) = at_begin(line).or_else(|| klog(line)) {
        return Some(found);
    }
    if let Some(found) = line.strip_prefix("# Time: ").and_then(at_begin) {
        return Some(found);
    }
    let (before, text) = after_prefix(line)?;
    let level = before.trim_matches(|c: char| !c.is_ascii_alphabetic());
    let found = at_begin(text)?;
    Some(LeadingTime { level: if is_level(level) { level } else { "" }, ..found })
}

/// A level, a letter or the number of a process with punctuation, and what follows it.
fn after_prefix(line: &str) -> Option<(&str, &str)> {
    let at = line.find(' ').filter(|at| (1..MOST_BEFORE).contains(at))?;
    let (before, text) = line.split_at_checked(at)?;
    let word = before.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_process = before.split_once(':').is_some_and(|(pid, role)| {
        !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) && role.len() == 1
    });
    let is_prefix = is_level(word)
        || is_process
        || before == "[GIN]"
        || (word.len() == 1 && before.ends_with(','));
    is_prefix.then(|| (before, text.trim_start()))
}

/// A time without anything before it but a bracket or a key.
fn at_begin(line: &str) -> Option<LeadingTime<'_>> {
    let (text, in_bracket) = line.strip_prefix('[').map_or((line, false), |text| (text, true));
    let named = TIME_KEYS.iter().find_map(|key| line.strip_prefix(key));
    let text = named.map_or(text, |text| text.strip_prefix('"').unwrap_or(text));
    let (written, lacks, rest) = iso(text)
        .map(|(written, rest)| (written, Lacks::Nothing, rest))
        .or_else(|| day_first(text).map(|(written, rest)| (written, Lacks::Nothing, rest)))
        .or_else(|| month_first(text))
        .or_else(|| {
            let (clock, rest) = clock(text)?;
            let rest = rest.strip_prefix(']').filter(|_| in_bracket).unwrap_or(rest);
            // the time of day alone is a weak sign: a message has to follow
            rest.starts_with([' ', '\t', '|']).then(|| (format!("T{clock}"), Lacks::Date, rest))
        })?;
    let rest = rest.strip_prefix([']', '"']).unwrap_or(rest);
    Some(LeadingTime { written, lacks, level: "", rest })
}

fn digits(text: &str, from: usize, count: usize) -> Option<&str> {
    text.get(from..from + count).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
}

/// `10:45:00`, perhaps with a fraction, as RFC 3339 writes it, and what follows.
fn clock(text: &str) -> Option<(String, &str)> {
    let bytes = text.as_bytes();
    let (hour, minute) = (digits(text, 0, 2)?, digits(text, 3, 2)?);
    let second = digits(text, 6, 2)?;
    if bytes.get(2) != Some(&b':') || bytes.get(5) != Some(&b':') {
        return None;
    }
    let mut found = format!("{hour}:{minute}:{second}");
    let mut rest = text.get(8..)?;
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let end = after.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
        if end > 0 {
            let _ = write!(found, ".{}", after.get(..end.min(9))?);
            rest = after.get(end..)?;
        }
    }
    Some((found, rest))
}

/// `Z`, `+01`, `+0100`, `+01:00`, `UTC` or `GMT`, perhaps after a space, and what follows.
fn zone(text: &str) -> (&str, &str) {
    let none = ("", text);
    let spaced = text.strip_prefix(' ').unwrap_or(text);
    let bytes = spaced.as_bytes();
    let end = match bytes {
        [b'Z', ..] if spaced.len() == text.len() => 1,
        [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => 3,
        [b'+' | b'-', a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => {
            let colon = usize::from(bytes.get(3) == Some(&b':'));
            if digits(spaced, 3 + colon, 2).is_some() { 5 + colon } else { 3 }
        }
        _ => return none,
    };
    let Some((zone, rest)) = spaced.split_at_checked(end) else { return none };
    if rest.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) {
        return none;
    }
    (if zone == "UTC" || zone == "GMT" { "Z" } else { zone }, rest)
}

/// `2026-01-06T10:45:00.5+01:00`, with `/` or `.` in the date, or `2026/01/06 - 10:45:00` of Gin.
fn iso(text: &str) -> Option<(String, &str)> {
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?);
    let separator = *text.as_bytes().get(4)?;
    if !b"-/.".contains(&separator) || text.as_bytes().get(7) != Some(&separator) {
        return None;
    }
    let rest = text.get(10..)?;
    let rest = rest.strip_prefix(" - ").or_else(|| rest.strip_prefix([' ', 'T', ':']))?;
    let (clock, rest) = clock(rest)?;
    let (zone, rest) = zone(rest);
    Some((format!("{year}-{month}-{day}T{clock}{zone}"), rest))
}

fn month_of(name: &str) -> Option<usize> {
    MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name)).map(|at| at + 1)
}

/// `06 Jan 2026 10:45:00`, with `-` or `/` in the date and a space or a colon after it.
fn day_first(text: &str) -> Option<(String, &str)> {
    let day = digits(text, 0, 2)?;
    let separator = *text.as_bytes().get(2)?;
    if !b" -/".contains(&separator) || text.as_bytes().get(6) != Some(&separator) {
        return None;
    }
    let (month, year) = (month_of(text.get(3..6)?)?, digits(text, 7, 4)?);
    let (clock, rest) = clock(text.get(11..)?.strip_prefix([' ', ':', 'T'])?)?;
    let (zone, rest) = zone(rest);
    Some((format!("{year}-{month:02}-{day}T{clock}{zone}"), rest))
}

/// `Jan  6 10:45:00`, `Tue Jan 06 10:45:00.123 2026`, `Jan 6 2026 10:45:00`, or
/// `Jan 6, 2026 10:45:00 AM`.
fn month_first(text: &str) -> Option<(String, Lacks, &str)> {
    let week = DAYS.iter().find_map(|day| text.strip_prefix(day)?.strip_prefix(' '));
    let text = week.unwrap_or(text);
    let month = month_of(text.get(..3)?)?;
    let text = text.get(3..)?.strip_prefix(' ')?.trim_start();
    let end = text.bytes().position(|b| !b.is_ascii_digit()).filter(|end| (1..3).contains(end))?;
    let (day, text) = (text.get(..end)?, text.get(end..)?);
    let text = text.strip_prefix(',').unwrap_or(text).strip_prefix(' ')?;
    let (year, text) = match digits(text, 0, 4) {
        Some(year) => (year, text.get(4..)?.strip_prefix(' ')?),
        None => ("", text),
    };
    // the hour of a clock with AM and PM may have one digit
    let padded = if text.as_bytes().get(1) == Some(&b':') { "0" } else { "" };
    let padded = format!("{padded}{text}");
    let (mut clock, after) = clock(&padded)?;
    let rest = text.get(text.len().checked_sub(after.len())?..)?;
    let half = rest.strip_prefix(" AM").map(|rest| (0, rest));
    let half = half.or_else(|| rest.strip_prefix(" PM").map(|rest| (12, rest)));
    let mut rest = rest;
    if let Some((from, after)) = half {
        let hour = clock.get(..2)?.parse::<u32>().ok().filter(|hour| (1..=12).contains(hour))?;
        clock = format!("{:02}{}", hour % 12 + from, clock.get(2..)?);
        rest = after;
    }
    let (zone, rest) = zone(rest);
    // the year is last where the day of the week is first
    let late = rest.strip_prefix(' ').filter(|_| year.is_empty() && week.is_some());
    let late = late.and_then(|rest| Some((digits(rest, 0, 4)?, rest.get(4..)?)));
    let (year, rest) = late.unwrap_or((year, rest));
    let lacks = if year.is_empty() { Lacks::Year } else { Lacks::Nothing };
    let day: u32 = day.parse().ok()?;
    Some((format!("{year}-{month:02}-{day:02}T{clock}{zone}"), lacks, rest))
}

/// `I0106 10:45:00.123456       1 server.go:143] text` of klog and glog.
fn klog(line: &str) -> Option<LeadingTime<'_>> {
    let level = match line.as_bytes().first()? {
        b'I' => "INFO",
        b'W' => "WARN",
        b'E' => "ERROR",
        b'F' => "FATAL",
        _ => return None,
    };
    // glog can write the year: I20260106
    let wide = digits(line, 1, 8);
    let (date, after) = match wide {
        Some(date) => (date, 9),
        None => (digits(line, 1, 4)?, 5),
    };
    let (month, day) = date.get(date.len() - 4..)?.split_at_checked(2)?;
    let year = if wide.is_some() { date.get(..4)? } else { "" };
    let (clock, rest) = clock(line.get(after..)?.strip_prefix(' ')?)?;
    let lacks = if year.is_empty() { Lacks::Year } else { Lacks::Nothing };
    Some(LeadingTime { written: format!("{year}-{month}-{day}T{clock}"), lacks, level, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_at_the_begin_of_lines() {
        for (line, time, rest) in [
            ("[2016-12-20 00:00:36,888] INFO x", "2016-12-20T00:00:36.888", " INFO x"),
            ("2026-01-06T10:00:00.5+01:00 a", "2026-01-06T10:00:00.5+01:00", " a"),
            ("2026/01/06 10:00:00 [error] 7#7: x", "2026-01-06T10:00:00", " [error] 7#7: x"),
            ("2026-01-06 10:00:00.123 +0200 a", "2026-01-06T10:00:00.123+0200", " a"),
            ("time=\"2026-01-06T10:00:00Z\" level=info", "2026-01-06T10:00:00Z", " level=info"),
            ("ts=2026-01-06T10:00:00.5Z level=x", "2026-01-06T10:00:00.5Z", " level=x"),
            ("2026-01-06 10:00:00Z", "2026-01-06T10:00:00Z", ""),
            ("2026-01-06 10:00:00.123 UTC [1] LOG: x", "2026-01-06T10:00:00.123Z", " [1] LOG: x"),
            ("1:M 06 Jan 2026 10:00:00.123 * x", "2026-01-06T10:00:00.123", " * x"),
            ("06-Jan-2026 10:00:00.123 SEVERE x", "2026-01-06T10:00:00.123", " SEVERE x"),
            ("[06/Jan/2026:10:00:00 +0000] x", "2026-01-06T10:00:00+0000", " x"),
            (
                "[Tue Jan 06 10:00:00.5 2026] [core:error] x",
                "2026-01-06T10:00:00.5",
                " [core:error] x",
            ),
            ("Tue Jan  6 10:00:00 UTC 2026: x", "2026-01-06T10:00:00Z", ": x"),
            ("Jan 06, 2026 1:00:00 PM a.b c", "2026-01-06T13:00:00", " a.b c"),
            ("Jan 06, 2026 12:00:00 AM a.b c", "2026-01-06T00:00:00", " a.b c"),
            (
                "I, [2026-01-06T10:00:00.1 #12]  INFO -- : x",
                "2026-01-06T10:00:00.1",
                " #12]  INFO -- : x",
            ),
            ("[GIN] 2026/01/06 - 10:00:00 | 200 |", "2026-01-06T10:00:00", " | 200 |"),
            ("# Time: 2026-01-06T10:00:00.5Z", "2026-01-06T10:00:00.5Z", ""),
            ("Jan  6 10:00:00 web1 x", "-01-06T10:00:00", " web1 x"),
            ("E0106 10:00:00.123456  1 a.go:1] x", "-01-06T10:00:00.123456", "  1 a.go:1] x"),
            ("10:00:00,123 [main] INFO x", "T10:00:00.123", " [main] INFO x"),
            ("[10:00:00 INF] x", "T10:00:00", " INF] x"),
        ] {
            let found = leading_time(line).map(|found| (found.written, found.rest));
            assert_eq!(found, Some((time.to_owned(), rest)), "{line}");
        }
        let level = |line| leading_time(line).map(|found: LeadingTime<'_>| found.level.to_owned());
        assert_eq!(level("E0106 10:00:00.1 1 a.go:1] x").as_deref(), Some("ERROR"));
        assert_eq!(level("WARN  [2026-01-06 10:00:00,123] x").as_deref(), Some("WARN"));
        for line in ["", "[2016", "\tat x", "Caused by: y", "2026-01-06", "12:00:00", "é", "Jan é"]
        {
            assert_eq!(leading_time(line), None, "{line}");
        }
    }
}
