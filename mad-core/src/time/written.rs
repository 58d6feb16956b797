//! Times as logs, mail and web servers write them, brought to the form of RFC 3339.

/// Names of the months, as their first three letters.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// Names of the days of the week, as their first three letters.
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Longest text that is looked at.
const LONGEST: usize = 64;

/// The text in the form `2026-03-09T00:10:03+0000`; `None` if it has no form that is known. The
/// zone is left out where the text has none.
///
/// Known are Apache's `[09/Mar/2026:00:10:03 +0000]`, RFC 2822 and HTTP
/// (`Mon, 09 Mar 2026 00:10:03 GMT`), the `date` command (`Mon Mar  9 00:10:03 UTC 2026`),
/// `09-Mar-2026 00:10:03`, `2026/03/09 00:10:03`, and ISO 8601 without separators
/// (`20260309T001003Z`).
pub(super) fn as_rfc3339(text: &str) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let bare = text.trim_matches(|c: char| c.is_ascii_whitespace() || "[]\"'".contains(c));
    with_numbers(bare)
        .or_else(|| without_separators(bare))
        .or_else(|| with_month_name(bare))
        .or_else(|| (bare.len() < text.len()).then(|| bare.to_owned()))
}

/// `2026/03/09 00:10:03` and `2026.03.09 00:10:03`.
fn with_numbers(text: &str) -> Option<String> {
    let (date, clock) = (text.get(..10)?, text.get(10..)?);
    let numbers = |separator: char| -> Option<String> {
        let parts: Vec<&str> = date.split(separator).collect();
        let [year, month, day] = parts.as_slice() else { return None };
        (year.len() == 4 && month.len() == 2).then(|| format!("{year}-{month}-{day}{clock}"))
    };
    if date.bytes().any(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    numbers('/').or_else(|| numbers('.'))
}

/// `20260309T001003Z`.
fn without_separators(text: &str) -> Option<String> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (clock, zone) = (rest.get(..6)?, rest.get(6..)?);
    if date.len() != 8 || !digits(date) || !digits(clock) {
        return None;
    }
    let part = |text: &str, from: usize| text.get(from..from + 2).unwrap_or_default().to_owned();
    Some(format!(
        "{}-{}-{}T{}:{}:{}{zone}",
        date.get(..4)?,
        part(date, 4),
        part(date, 6),
        part(clock, 0),
        part(clock, 2),
        part(clock, 4),
    ))
}

/// Day, name of the month, year, clock and zone in any order.
fn with_month_name(text: &str) -> Option<String> {
    let (mut day, mut month, mut year, mut clock, mut zone) = (None, None, None, None, "");
    // 09/Mar/2026:00:10:03 has a colon between date and clock
    let spaced;
    let text = match text.as_bytes().get(11) {
        Some(b':') if text.as_bytes().get(2) == Some(&b'/') => {
            spaced = format!("{} {}", text.get(..11)?, text.get(12..)?);
            &spaced
        }
        _ => text,
    };
    for word in text.split([' ', ',', '/']).flat_map(dashes).filter(|word| !word.is_empty()) {
        let named = |names: &[&str]| {
            let head = word.get(..3).filter(|_| word.bytes().all(|b| b.is_ascii_alphabetic()))?;
            names.iter().position(|name| head.eq_ignore_ascii_case(name))
        };
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        if word.contains(':') && clock.is_none() {
            clock = Some(word);
        } else if digits && word.len() == 4 && year.is_none() {
            year = Some(word);
        } else if digits && word.len() <= 2 && day.is_none() {
            day = Some(word);
        } else if is_zone(word) {
            // +0000 (UTC) names its zone twice
            zone = if zone.is_empty() { word } else { zone };
        } else if let Some(place) = named(&MONTHS).filter(|_| month.is_none()) {
            month = Some(place + 1);
        } else {
            named(&WEEKDAYS)?;
        }
    }
    let (day, month, year, clock) = (day?, month?, year?, clock?);
    Some(format!("{year}-{month:02}-{day:0>2}T{clock}{zone}"))
}

/// The parts of a date such as `09-Mar-2026`; other words as they are.
fn dashes(word: &str) -> impl Iterator<Item = &str> {
    let date = word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains(':');
    word.split(move |c| c == '-' && date)
}

/// `+0100`, `-05:00`, `GMT`, `UTC`, `(UTC)`.
fn is_zone(word: &str) -> bool {
    let bare = word.trim_matches(['(', ')']);
    let signed = word.starts_with(['+', '-']) && word.len() >= 3;
    signed || ["gmt", "utc", "ut", "z"].iter().any(|zone| bare.eq_ignore_ascii_case(zone))
}
