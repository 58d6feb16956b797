//! The error of the crate: bad configuration, bad arguments, and input that cannot be read.
//!
//! Bad *records* are never errors. They are counted in
//! [`Rejections`](crate::telemetry::Rejections) and stop nothing.

use std::fmt::Display;

/// The kind of an [`Error`], for programs. The message of the error is for users.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A configuration field holds a value outside its range.
    Config {
        /// Dotted path of the field, such as `guard.min_points`.
        field: String,
    },
    /// Two processes that work together have settings that do not fit.
    Settings,
    /// The whole input cannot be read, such as a file without a required column.
    Input,
    /// An argument of a call is invalid, such as a window of zero.
    Argument {
        /// Name of the argument.
        name: String,
    },
    /// An item that was requested does not exist, such as an unknown incident id.
    NotFound,
    /// A saved state cannot be restored: it is truncated, damaged, of a newer version, or of a config
    /// with other windows.
    State,
    /// The input is not ordered by time and has more records than
    /// [`Limits::sort_records`](crate::Limits::sort_records).
    Unsorted,
}

/// The error of the crate: a kind for programs, and a message that names the field, its value and the
/// expected range.
///
/// # Examples
///
/// ```
/// use mad_core::FeatureConfig;
///
/// let error = FeatureConfig { step_seconds: 0.0, ..Default::default() }.validate().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "config field `features.step_seconds` is 0; expected 1 to 3600 seconds"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// The kind of this error.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// A configuration field outside its range.
    pub fn config(field: &str, value: impl Display, expected: &str) -> Self {
        Self {
            kind: ErrorKind::Config { field: field.to_owned() },
            message: format!("config field `{field}` is {value}; expected {expected}"),
        }
    }

    /// A text of a catalogue that is no translation of its message.
    pub(crate) fn catalogue(key: &str, value: impl Display, expected: &str) -> Self {
        Self {
            kind: ErrorKind::Config { field: key.to_owned() },
            message: format!("message `{key}` is {value}; expected {expected}"),
        }
    }

    /// The same error with the path of the field moved from `stage` to `place`, such as from `score`
    /// to `override[0]`.
    pub(crate) fn moved(self, stage: &str, place: &str) -> Self {
        let ErrorKind::Config { field } = &self.kind else { return self };
        let Some(rest) = field.strip_prefix(stage) else { return self };
        let moved = format!("{place}{rest}");
        let message = self.message.replacen(field.as_str(), &moved, 1);
        Self { kind: ErrorKind::Config { field: moved }, message }
    }

    /// An invalid argument.
    pub fn argument(name: &str, value: impl Display, expected: &str) -> Self {
        Self {
            kind: ErrorKind::Argument { name: name.to_owned() },
            message: format!("argument `{name}` is {value}; expected {expected}"),
        }
    }

    /// Input that cannot be read.
    pub fn input(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Input, message: message.into() }
    }

    /// An item that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::NotFound, message: message.into() }
    }

    /// A saved state that cannot be restored.
    pub fn state(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::State, message: message.into() }
    }

    /// Settings of two processes that do not fit.
    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Settings, message: message.into() }
    }

    /// Input that is not ordered by time.
    pub fn unsorted(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unsorted, message: message.into() }
    }
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
