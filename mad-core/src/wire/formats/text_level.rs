//! Levels of log lines as words.

use std::borrow::Cow;

/// A level by its usual name, so that `warn`, `WARNING` and pino's `40` are counted as one.
pub(super) fn canonical(level: &str) -> Cow<'_, str> {
    let name = match level.trim().to_ascii_uppercase().as_str() {
        "" => return Cow::Borrowed(""),
        "WARNING" | "WARN" | "W" | "40" => "WARN",
        "ERR" | "ERROR" | "E" | "50" | "SEVERE" => "ERROR",
        "INFORMATION" | "INFO" | "I" | "30" => "INFO",
        "DBG" | "DEBUG" | "D" | "20" => "DEBUG",
        "TRC" | "TRACE" | "10" => "TRACE",
        "FATAL" | "FTL" | "60" => "FATAL",
        other => return Cow::Owned(other.to_owned()),
    };
    Cow::Borrowed(name)
}

/// The words that are levels in the text of a line.
const WORDS: [&str; 16] = [
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "ERR", "CRITICAL", "CRIT",
    "FATAL", "SEVERE", "PANIC", "ALERT", "EMERG", "FINE",
];

/// The level among the first words of a line: `ERROR`, `[error]`, `error:`, `level=error`.
pub(super) fn level_in(text: &str) -> &str {
    text.split_ascii_whitespace()
        .take(6)
        .map(|word| {
            let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            word.strip_prefix("level=").unwrap_or(word)
        })
        .find(|word| WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
        .unwrap_or_default()
}
