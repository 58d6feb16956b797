//! Lines of syslog: RFC 3164, RFC 5424, the files of rsyslog and of `journalctl`.

use std::borrow::Cow;

use super::log_time::{Lacks, LeadingTime, leading_time};
use super::text_level::is_level;
use super::wrapped::Wrapped;

/// The levels of the severities 0 to 7.
const SEVERITIES: [&str; 8] =
    ["EMERG", "ALERT", "CRIT", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"];
/// Most digits of the length before a message with octet counting (RFC 6587).
const MOST_DIGITS: usize = 6;

/// The level of a severity.
pub(super) fn severity(number: usize) -> &'static str {
    SEVERITIES.get(number).copied().unwrap_or_default()
}

/// The first message of a line and the rest of the line: messages with octet counting
/// (`48 <34>1 ...`) follow each other without a line feed.
pub(super) fn first_frame(line: &str) -> (&str, &str) {
    let counted = line.split_once(' ').filter(|(length, rest)| {
        length.len() <= MOST_DIGITS && rest.starts_with('<') && !length.is_empty()
    });
    let cut = counted.and_then(|(length, rest)| {
        rest.split_at_checked(length.parse().ok()?).or(Some((rest, "")))
    });
    cut.unwrap_or((line, ""))
}

/// The parts of a message: its time, the program as service, the level of its priority and the
/// text. `None` where it is none.
///
/// A message begins with a priority, with the time of BSD (`Jan  6 10:45:00 web1 pay[12]: text`), or
/// with any other date and time that a host and a program with the number of its process follow.
pub(super) fn syslog(line: &str) -> Option<Wrapped<'_>> {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let (level, text) = match priority(line) {
        Some((priority, rest)) => (severity(priority % 8), rest),
        None => ("", line),
    };
    let has_priority = text.len() < line.len();
    if let Some(rest) = text.strip_prefix("1 ").filter(|_| has_priority) {
        return structured(rest, level);
    }
    let time =
        leading_time(text).filter(|time| time.level.is_empty() && time.lacks != Lacks::Date)?;
    let rest = time.rest.strip_prefix(':').unwrap_or(time.rest).strip_prefix(' ')?;
    let is_bsd = text.as_bytes().first().is_some_and(u8::is_ascii_uppercase)
        && (time.lacks == Lacks::Year || has_priority);
    let (program, text) = match (program(rest), rest.split_once(' ')) {
        // a device leaves its name out
        (Some((program, _, text)), _) if has_priority => (program, text),
        (_, Some((host, message))) if is_host(host) => match program(message) {
            Some((program, has_process, text)) if is_bsd || has_process || has_priority => {
                (program, text)
            }
            _ if is_bsd => ("", message),
            _ => return None,
        },
        _ if has_priority => ("", rest),
        _ => return None,
    };
    Some(wrapped(time, program, level, text))
}

fn wrapped<'a>(
    time: LeadingTime<'a>,
    service: &'a str,
    level: &'a str,
    text: &'a str,
) -> Wrapped<'a> {
    Wrapped {
        time: Cow::Owned(time.written),
        lacks: time.lacks,
        stream: Cow::Borrowed(""),
        is_partial: false,
        service,
        level,
        text: Cow::Borrowed(text),
    }
}

/// `<34>` and what follows.
fn priority(line: &str) -> Option<(usize, &str)> {
    let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse().ok().filter(|number| is_number && *number < 192)?;
    Some((number, rest))
}

/// `TIME HOST APP PROCID MSGID STRUCTURED-DATA MSG` of RFC 5424, behind the version.
fn structured<'a>(text: &'a str, level: &'a str) -> Option<Wrapped<'a>> {
    let mut parts = text.splitn(6, ' ');
    let (written, _host, app) = (parts.next()?, parts.next()?, parts.next()?);
    let (_process, _id, data) = (parts.next()?, parts.next()?, parts.next()?);
    let message = after_data(data)?.trim_start();
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    let message = message.strip_prefix("BOM").unwrap_or(message);
    let time = leading_time(written)?;
    Some(wrapped(time, if app == "-" { "" } else { app }, level, message))
}

/// What follows the structured data: `-`, or elements in brackets whose values escape `"`, `\` and
/// `]` with a backslash.
fn after_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let (mut in_quotes, mut escaped, mut open) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_quotes => escaped = true,
            b'"' if open => in_quotes = !in_quotes,
            b'[' if !in_quotes => open = true,
            b']' if !in_quotes => open = false,
            _ if !open => return text.get(at..).filter(|_| at > 0),
            _ => {}
        }
    }
    (!open && !text.is_empty()).then_some("")
}

fn is_host(word: &str) -> bool {
    !word.is_empty()
        && !is_level(word)
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
        && !word.ends_with(':')
}

/// The program of `pay[12]: text` or `pay: text`, whether it has the number of its process, and the
/// text.
fn program(text: &str) -> Option<(&str, bool, &str)> {
    let end = text.find([':', ' '])?;
    let (tag, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix(':')?;
    let (name, has_process) = match tag.split_once('[') {
        Some((name, process)) => (name, process.ends_with(']')),
        None => (tag, false),
    };
    let is_name = !name.is_empty()
        && (has_process || !tag.contains(['[', ']']))
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/()@".contains(&b));
    (is_name && !is_level(name)).then(|| (name, has_process, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_standards() {
        for (line, want) in [
            ("<34>Jan  6 10:45:00 web1 su: x", "-01-06T10:45:00 su CRIT x"),
            ("<13>Jan  6 10:45:00 su[1]: x", "-01-06T10:45:00 su NOTICE x"),
            ("Jan  6 10:45:00 web1 a-b/c[12]: x y", "-01-06T10:45:00 a-b/c  x y"),
            (
                "Jan  6 10:45:00 web1 last message repeated",
                "-01-06T10:45:00   last message repeated",
            ),
            ("2026-01-06T10:45:00+01:00 web1 pay[1]: x", "2026-01-06T10:45:00+01:00 pay  x"),
            ("<11>1 2026-01-06T10:45:00Z web1 pay 1 - - x", "2026-01-06T10:45:00Z pay ERROR x"),
            (
                r#"<165>1 2026-01-06T10:45:00.003Z h p 1 - [a@1 b="c\]\"" d="e"][f] x"#,
                "2026-01-06T10:45:00.003Z p NOTICE x",
            ),
            ("<11>1 2026-01-06T10:45:00Z web1 - - - -", "2026-01-06T10:45:00Z  ERROR "),
        ] {
            let found = syslog(line).unwrap();
            let found = [&*found.time, found.service, found.level, &*found.text].join(" ");
            assert_eq!(found, want, "{line}");
        }
        for line in [
            "",
            "<34>",
            "<999>Jan  6 10:45:00 web1 su: x",
            "2026-01-06T10:45:00Z INFO app[1]: x",
            "2026-01-06T10:45:00Z web1 pay: x",
            "10:45:00 web1 pay[1]: x",
            "<11>1 - web1 pay 1 - [a",
        ] {
            assert_eq!(syslog(line), None, "{line}");
        }
    }

    #[test]
    fn counted_messages_follow_each_other() {
        assert_eq!(first_frame("5 <1>ab7 <1>abcd"), ("<1>ab", "7 <1>abcd"));
        assert_eq!(first_frame("9 <1>ab"), ("<1>ab", ""));
        assert_eq!(first_frame("12 text"), ("12 text", ""));
        assert_eq!(first_frame("2 <é"), ("<é", ""));
    }
}
