//! A line within a line: what a container runtime or syslog wrapped.

use std::borrow::Cow;

use super::log_time::Lacks;

/// The parts of a line of a runtime.
#[derive(Debug, PartialEq)]
pub(super) struct Wrapped<'a> {
    pub time: Cow<'a, str>,
    pub lacks: Lacks,
    /// The container or program, where the line names one.
    pub service: &'a str,
    /// The level beside the text; may be empty.
    pub level: &'a str,
    pub stream: Cow<'a, str>,
    /// Whether the record continues in the next line of the stream.
    pub is_partial: bool,
    pub text: Cow<'a, str>,
}

impl<'a> Wrapped<'a> {
    /// A whole line of the only stream.
    pub fn new(time: &'a str, service: &'a str, text: &'a str) -> Self {
        Self {
            time: Cow::Borrowed(time),
            lacks: Lacks::Nothing,
            service,
            level: "",
            stream: Cow::Borrowed(""),
            is_partial: false,
            text: Cow::Borrowed(text),
        }
    }
}
