//! Levels of log lines as words.

use std::borrow::Cow;

/// A level by its usual name, so that `warn`, `WARNING` and pino's `40` are counted as one.
pub(super) fn canonical(level: &str) -> Cow<'_, str> {
    let name = match level.trim().to_ascii_uppercase().as_str() {
        "" => return Cow::Borrowed(""),
        "WARNING" | "WARN" | "WRN" | "W" | "40" => "WARN",
        "ERR" | "ERROR" | "E" | "50" | "SEVERE" => "ERROR",
        "INFORMATION" | "INFORMATIONAL" | "INFO" | "INF" | "I" | "30" => "INFO",
        "DBG" | "DEBUG" | "D" | "20" => "DEBUG",
        "TRC" | "TRACE" | "10" => "TRACE",
        "FATAL" | "FTL" | "F" | "60" => "FATAL",
        other => return Cow::Owned(other.to_owned()),
    };
    Cow::Borrowed(name)
}

/// The words that are levels in the text of a line.
const WORDS: [&str; 26] = [
    "TRACE", "TRC", "DEBUG", "DBG", "INFO", "INF", "NOTICE", "WARN", "WRN", "WARNING", "ERROR",
    "ERR", "CRITICAL", "CRIT", "FATAL", "FTL", "SEVERE", "PANIC", "ALERT", "EMERG", "FINE",
    "FINER", "FINEST", "VERBOSE", "VRB", "DPANIC",
];

/// Whether a word is a level, in any case.
pub(super) fn is_level(word: &str) -> bool {
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// The level among the first words of a line: `ERROR`, `[error]`, `error:`, `level=error`,
/// `app.ERROR:`, `[core:error]`, `"level":"error"`.
pub(super) fn level_in(text: &str) -> &str {
    text.split_ascii_whitespace().take(6).find_map(level_of).unwrap_or_default()
}

fn level_of(word: &str) -> Option<&str> {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if is_level(bare) {
        return Some(bare);
    }
    if let Some(at) = word.find("level") {
        // `level=error`, `"level":"error"` or `loglevel="error"`
        let value = word.get(at + 5..)?.trim_start_matches(|c: char| "=:\"'".contains(c));
        let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
        return value.get(..end).filter(|value| is_level(value));
    }
    let head = bare.split_once([':', ']']).map(|(head, _)| head).filter(|head| is_level(head));
    let is_marked = word.ends_with([':', ']']);
    let tail = bare.rsplit_once(['.', ':']).map(|(_, tail)| tail);
    head.or(tail.filter(|tail| is_marked && is_level(tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_among_the_first_words() {
        for (text, level) in [
            ("[core:error] [pid 1] x", "error"),
            ("app.INFO: x", "INFO"),
            ("WARNING:root:x", "WARNING"),
            ("[main] level=\"warn\" x", "warn"),
            ("{\"level\":\"error\",\"msg\":\"x\"}", "error"),
            ("[ERR] x", "ERR"),
            ("[WARN ][o.e.n.Node] x", "WARN"),
            ("[ERROR][o.e.n.Node] x", "ERROR"),
            ("error.go:12: x", ""),
            ("main.go:12 core.error x", ""),
            ("one two three four five six ERROR", ""),
        ] {
            assert_eq!(level_in(text), level, "{text}");
        }
    }
}
