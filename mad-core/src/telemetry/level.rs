//! Levels of log lines: words, letters and numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Severity of a log line, by the level that its source gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// `error`, `err`, `E`, `severe`, `critical`, `fatal`, `alert`, `emerg`, `panic` and others.
    Error,
    /// `warning`, `warn`, `W` and others.
    Warning,
    /// Any other level, and lines without one.
    Other,
}

/// A level as its source wrote it.
///
/// Words are read in any case, with marks, brackets, colours and white space around them, as the
/// last part of a longer name (`kern.err`, `LogLevel.Error`), and with a number behind them
/// (`ERROR2` of OpenTelemetry, `ERROR+4` of slog). A letter stands for its word, also as the first
/// one of a klog header (`E0309`).
///
/// A number alone has no meaning: 3 is an error in syslog and a warning in .NET. It is read beside
/// the other numbers of its service, see [`LevelNumbers`].
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::{LogLevel, WrittenLevel};
///
/// assert_eq!(WrittenLevel::parse("<ERROR>"), WrittenLevel::Named(LogLevel::Error));
/// assert_eq!(WrittenLevel::parse(" w "), WrittenLevel::Named(LogLevel::Warning));
/// assert_eq!(WrittenLevel::parse("50"), WrittenLevel::Number(50));
/// assert_eq!(WrittenLevel::parse(""), WrittenLevel::Named(LogLevel::Other));
/// assert_eq!(WrittenLevel::parse("purple"), WrittenLevel::Unknown);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenLevel {
    /// A word that is known, or no level.
    Named(LogLevel),
    /// A number.
    Number(i32),
    /// A word that is not known. Its line counts as [`LogLevel::Other`].
    Unknown,
}

/// Words of logging libraries for errors, lower case. Localized ones are those of the JDK.
const ERRORS: [&str; 33] = [
    "error",
    "errors",
    "err",
    "eror",
    "severe",
    "critical",
    "crit",
    "crt",
    "crlt",
    "fatal",
    "ftl",
    "fatl",
    "alert",
    "emerg",
    "emergency",
    "panic",
    "dpanic",
    "fail",
    "failed",
    "failure",
    "fault",
    "exception",
    "disaster",
    "corrupt",
    "fehler",
    "erreur",
    "grave",
    "schwerwiegend",
    "e",
    "f",
    "c",
    "a",
    "p",
];
/// Words for warnings, lower case.
const WARNINGS: [&str; 9] = [
    "warning",
    "warn",
    "wrn",
    "warning1",
    "warnung",
    "avertissement",
    "advertencia",
    "avvertenza",
    "w",
];
/// Words for all other levels, lower case.
const OTHERS: [&str; 51] = [
    "",
    "info",
    "inf",
    "information",
    "informational",
    "infos",
    "notice",
    "note",
    "ntc",
    "debug",
    "dbg",
    "dbug",
    "debg",
    "trace",
    "trc",
    "trce",
    "verbose",
    "verb",
    "vrb",
    "fine",
    "finer",
    "finest",
    "config",
    "all",
    "off",
    "none",
    "unset",
    "unspecified",
    "default",
    "success",
    "audit",
    "log",
    "system",
    "statement",
    "detail",
    "hint",
    "context",
    "http",
    "silly",
    "access",
    "message",
    "msg",
    "print",
    "output",
    "basic",
    "null",
    "nil",
    "nan",
    "i",
    "d",
    "t",
];
/// Other letters that libraries write for levels below a warning: notice, verbose, success.
const LETTERS: [&str; 4] = ["n", "v", "s", "l"];

impl WrittenLevel {
    /// Reads a level.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_ascii();
        if text.contains('\u{1b}') {
            return Self::parse(&without_colours(text));
        }
        if let Some(level) = word(&text.to_ascii_lowercase()) {
            return Self::Named(level);
        }
        let bare = text.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
        let number = bare.parse::<f64>().ok().filter(|number| number.fract() == 0.0);
        if let Some(number) = number.filter(|number| number.abs() < 1e9) {
            return Self::Number(number as i32);
        }
        let lower = bare.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
        let long = |part: &&&str| part.len() > 1;
        let found = suffixed(&lower)
            .or_else(|| parts.iter().rev().filter(long).find_map(|part| suffixed(part)));
        found.map_or(Self::Unknown, Self::Named)
    }
}

/// The level of a known word in lower case.
fn word(lower: &str) -> Option<LogLevel> {
    if ERRORS.contains(&lower) {
        Some(LogLevel::Error)
    } else if WARNINGS.contains(&lower) {
        Some(LogLevel::Warning)
    } else if OTHERS.contains(&lower) || LETTERS.contains(&lower) {
        Some(LogLevel::Other)
    } else {
        None
    }
}

/// The level of a known word, alone or with a number behind it. A letter may have the four digits of
/// a klog date, or one digit.
fn suffixed(lower: &str) -> Option<LogLevel> {
    let name = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = lower.len() - name.len();
    let name = name.trim_end_matches(['+', '-']);
    let fits = if name.len() == 1 { matches!(digits, 0 | 1 | 4) } else { digits <= 2 };
    if fits && !name.is_empty() { word(name) } else { None }
}

/// The text without the escape sequences of a terminal.
fn without_colours(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('\u{1b}');
    out.extend(parts.next());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        out.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    out
}

/// Most different numbers that are counted.
const MOST_NUMBERS: usize = 32;

/// The numbers that the lines of one service have as levels, and the scale that they show.
///
/// | scale | numbers | error | warning |
/// |---|---|---|---|
/// | syslog | 0 to 7 | up to 3 | 4 |
/// | Windows, logrus | 0 to 5, mostly 4 | up to 2 | 3 |
/// | .NET | 0 to 5, mostly 1 or 2 | 4 and more | 3 |
/// | zap | -1 to 5, mostly 0 | 2 and more | 1 |
/// | slog | multiples of 4 from -4 to 12 | 8 and more | 4 |
/// | OpenTelemetry | 1 to 24, one above 7 | 17 and more | 13 and more |
/// | Python | multiples of 10, mostly 10 or 20, with 40 or 50 | 40 and more | 30 |
/// | pino, bunyan | multiples of 10 up to 60, mostly 30 | 50 and more | 40 |
/// | Monolog | 100 to 600, mostly 100 or 200 | 400 and more | 300 |
/// | Log4j 2 | 100 to 600, mostly 400 or more | up to 200 | 300 |
/// | java.util.logging | 300 to 1000, with 700 or more | 1000 | 900 |
/// | Log4j 1 | 5000 to 50000 | 40000 and more | 30000 |
///
/// The most frequent number decides between scales that share numbers, because most lines of a log
/// are information.
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::{LevelNumbers, LogLevel};
///
/// let mut syslog = LevelNumbers::default();
/// syslog.add(6, 900);
/// syslog.add(3, 4);
/// assert_eq!(syslog.level(3), LogLevel::Error);
///
/// let mut dotnet = LevelNumbers::default();
/// dotnet.add(2, 900);
/// dotnet.add(3, 4);
/// assert_eq!(dotnet.level(3), LogLevel::Warning);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LevelNumbers {
    counts: BTreeMap<i32, u64>,
}

impl LevelNumbers {
    /// Counts lines of a number. Beyond 32 different numbers, new ones are not counted.
    pub fn add(&mut self, number: i32, lines: u64) {
        if self.counts.len() < MOST_NUMBERS || self.counts.contains_key(&number) {
            let count = self.counts.entry(number).or_default();
            *count = count.saturating_add(lines);
        }
    }

    /// Counts the lines of other numbers.
    pub fn add_all(&mut self, other: &Self) {
        for (number, lines) in &other.counts {
            self.add(*number, *lines);
        }
    }

    /// The numbers and their lines.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.counts.iter().map(|(number, lines)| (*number, *lines))
    }

    /// Whether no number was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The level of a number on the scale of all numbers.
    pub fn level(&self, number: i32) -> LogLevel {
        let (error, warning, less_is_worse) = self.bounds();
        let reaches = |bound: i32| if less_is_worse { number <= bound } else { number >= bound };
        if reaches(error) {
            LogLevel::Error
        } else if reaches(warning) {
            LogLevel::Warning
        } else {
            LogLevel::Other
        }
    }

    /// The numbers of an error and of a warning, and whether smaller ones are worse.
    fn bounds(&self) -> (i32, i32, bool) {
        let count = |number: i32| self.counts.get(&number).copied().unwrap_or(0);
        let has = |number: i32| count(number) > 0;
        let min = self.counts.keys().next().copied().unwrap_or(0);
        let max = self.counts.keys().next_back().copied().unwrap_or(0);
        let most = self.counts.iter().max_by_key(|(number, lines)| (**lines, **number));
        let most = most.map_or(0, |(number, _)| *number);
        let multiples = |of: i32| self.counts.keys().all(|number| number % of == 0);
        match max {
            2000.. => (40_000, 30_000, false),
            100.. if has(900) || has(1000) || most >= 700 => (1000, 900, false),
            100.. if most >= 400 => (200, 300, true),
            100.. => (400, 300, false),
            10.. if multiples(10) && min >= 0 => {
                // 30 beside 20 alone may be information beside debug
                let errors = has(40) || has(50);
                let python = !has(60) && errors && count(10) + count(20) > count(30);
                if python { (40, 30, false) } else { (50, 40, false) }
            }
            ..=12 if multiples(4) && (has(8) || min < 0) => (8, 4, false),
            8.. => (17, 13, false),
            6 | 7 => (3, 4, true),
            _ if min < 0 || most == 0 => (2, 1, false),
            _ if most <= 2 && self.counts.len() > 1 => (4, 3, false),
            _ if most == 4 => (2, 3, true),
            _ => (3, 4, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_logging_libraries_are_known() {
        use LogLevel::{Error, Other, Warning};
        for (level, words) in [
            (
                Error,
                "error ERROR Err SEVERE critical CRIT fatal FTL alert emerg Emergency panic DPANIC \
                 fail E F e C <ERROR> ERROR: [error] |FATAL| *ERROR* (err) ERROR2 ERROR+4 FATAL4 \
                 SEVERITY_NUMBER_ERROR3 LOG_ERR kern.err LogLevel.Error level=error E0309 \
                 ERROR:root \u{1b}[31mERROR\u{1b}[0m \u{1b}[1;31mE\u{1b}[0m \"error\" Error, ERROR]",
            ),
            (Warning, "warn WARNING W w WRN <warn> WARN3 Warning: LOG_WARNING warn- WARN-2 W0309"),
            (
                Other,
                "info INFO I notice debug trace V verbose DBG Information INFO2 INFO+1 I0309 D1 \
                 FINE CONFIG success DEBUG5 <INFO> N",
            ),
        ] {
            for word in words.split(' ') {
                assert_eq!(WrittenLevel::parse(word), WrittenLevel::Named(level), "{word:?}");
            }
        }
        for word in [" error", "error\t", "  ERROR  ", "Audit Failure"] {
            assert_eq!(WrittenLevel::parse(word), WrittenLevel::Named(Error), "{word:?}");
        }
        for word in ["rot", "gruen", "purple", "x", "Errorless"] {
            assert_eq!(WrittenLevel::parse(word), WrittenLevel::Unknown, "{word:?}");
        }
        for (word, number) in [("30", 30), (" 50.0", 50), ("<3>", 3), ("-4", -4), ("[17]", 17)] {
            assert_eq!(WrittenLevel::parse(word), WrittenLevel::Number(number), "{word:?}");
        }
    }

    #[test]
    fn numbers_are_read_beside_the_others() {
        // the usual number, then errors, warnings and other numbers of the same log
        for (usual, errors, warnings, others) in [
            (6, &[3, 2, 0][..], &[4][..], &[5, 7][..]),
            (6, &[3], &[], &[]),
            (5, &[3], &[4], &[]),
            (4, &[2, 1], &[3], &[5]),
            (2, &[4, 5], &[3], &[1, 0]),
            (0, &[2, 3, 5], &[1], &[-1]),
            (0, &[8, 12], &[4], &[-4]),
            (9, &[17, 18, 21], &[13, 16], &[5]),
            (10, &[18], &[], &[]),
            (10, &[21], &[], &[]),
            (30, &[50, 60], &[40], &[20, 10]),
            (30, &[60], &[], &[]),
            (30, &[50], &[], &[]),
            (20, &[40, 50], &[30], &[10]),
            (20, &[40], &[], &[]),
            (20, &[], &[], &[30]),
            (200, &[400, 500, 550, 600], &[300], &[100, 250]),
            (400, &[100, 200], &[300], &[500, 600]),
            (800, &[1000], &[900], &[700, 500]),
            (20_000, &[40_000, 50_000], &[30_000], &[10_000]),
        ] {
            let mut numbers = LevelNumbers::default();
            numbers.add(usual, 1_000);
            for number in errors.iter().chain(warnings).chain(others) {
                numbers.add(*number, 3);
            }
            let level = |number: i32| numbers.level(number);
            assert_eq!(level(usual), LogLevel::Other, "{numbers:?}");
            assert!(errors.iter().all(|x| level(*x) == LogLevel::Error), "{numbers:?}");
            assert!(warnings.iter().all(|x| level(*x) == LogLevel::Warning), "{numbers:?}");
            assert!(others.iter().all(|x| level(*x) == LogLevel::Other), "{numbers:?}");
        }
    }
}
