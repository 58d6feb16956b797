//! The reasons for which a record is rejected.

use serde::{Deserialize, Serialize};

/// Why a record was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectReason {
    /// A needed field is absent or empty.
    MissingField,
    /// The time is neither RFC 3339 nor an epoch number, or lies outside the years 1970 to 2199.
    BadTimestamp,
    /// The time has no zone and none is configured.
    NaiveTimestamp,
    /// The value of a metric, a duration or a count is not a number that its field may hold.
    BadValue,
    /// A service or endpoint name is too long or has control characters, or a request id is too
    /// long or not text.
    BadName,
    /// The line is longer than [`MAX_LINE_BYTES`](crate::limits::MAX_LINE_BYTES).
    LineTooLong,
    /// The line is not UTF-8.
    NotUtf8,
    /// The line is not a JSON object with the needed fields.
    BadJson,
    /// The row has fewer or more fields than the header.
    FieldCount,
    /// The line of a text format has another layout than the format.
    BadLine,
    /// A quote was opened and never closed, or the file ends in the middle of a record.
    Truncated,
    /// The record is older than the watermark: its window is closed.
    Late,
    /// The record is dated further ahead than `max_ahead` and nothing else agrees with it.
    Future,
    /// The record is of a source whose clock is known to be wrong.
    WrongClock,
    /// A record with this `request_id` was taken before, or the series has a point at this time.
    Duplicate,
}

impl RejectReason {
    /// The reason as files and answers write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingField => "missing_field",
            Self::BadTimestamp => "bad_timestamp",
            Self::NaiveTimestamp => "naive_timestamp",
            Self::BadValue => "bad_value",
            Self::BadName => "bad_name",
            Self::LineTooLong => "line_too_long",
            Self::NotUtf8 => "not_utf8",
            Self::BadJson => "bad_json",
            Self::FieldCount => "field_count",
            Self::BadLine => "bad_line",
            Self::Truncated => "truncated",
            Self::Late => "late",
            Self::Future => "future",
            Self::WrongClock => "wrong_clock",
            Self::Duplicate => "duplicate",
        }
    }

    /// The fault as part of a sentence.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::MissingField => "a required field is missing",
            Self::BadTimestamp => "the timestamp cannot be parsed or is outside 1970 to 2199",
            Self::NaiveTimestamp => "the timestamp has no time zone",
            Self::BadValue => "the value is not a finite number",
            Self::BadName => "a name is empty, too long or has control characters",
            Self::LineTooLong => "the line is too long",
            Self::NotUtf8 => "the line is not UTF-8",
            Self::BadJson => "the line is not valid JSON, or lacks a required field",
            Self::FieldCount => "the row has more or fewer fields than the header",
            Self::BadLine => "the line has not the layout of the format",
            Self::Truncated => "the record is truncated",
            Self::Late => "the step of its time was already closed",
            Self::Future => "the timestamp is far ahead of all other records",
            Self::WrongClock => "the clock of its source is wrong",
            Self::Duplicate => "a record with this request_id was already accepted",
        }
    }

    /// The reason with a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// Every reason.
    pub const ALL: [Self; 15] = [
        Self::MissingField,
        Self::BadTimestamp,
        Self::NaiveTimestamp,
        Self::BadValue,
        Self::BadName,
        Self::LineTooLong,
        Self::NotUtf8,
        Self::BadJson,
        Self::FieldCount,
        Self::BadLine,
        Self::Truncated,
        Self::Late,
        Self::Future,
        Self::WrongClock,
        Self::Duplicate,
    ];

    /// Whether the record was read, and refused because of its time or because it came before.
    pub const fn was_read(self) -> bool {
        matches!(self, Self::Late | Self::Future | Self::WrongClock | Self::Duplicate)
    }

    /// The remedy for the sender.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::MissingField => "give every needed field: docs/files.md lists them for each kind",
            Self::BadTimestamp => {
                "write RFC 3339 (2026-01-06T10:45:00Z) or epoch s, ms, us or ns, from 1970 to 2199"
            }
            Self::NaiveTimestamp => "add Z or an offset, or set `naive_offset_seconds`",
            Self::BadValue => "give a finite number, or NaN or nothing for a gap of a metric",
            Self::BadName => "give a name of 1 to 512 bytes without control characters",
            Self::LineTooLong => "keep a record below 1 MiB",
            Self::NotUtf8 => "write the file in UTF-8",
            Self::BadJson => "write one JSON object a line",
            Self::FieldCount => "give each row as many fields as the header; quote commas",
            Self::BadLine => "name the format with --format, or give its layout with --pattern",
            Self::Truncated => "close the quote, or end the file with a whole record",
            Self::Late => "send within the allowed lateness, or raise `lateness_seconds`",
            Self::Future => "check the sender's clock, or raise `max_ahead_seconds`",
            Self::WrongClock => "set the clock of the source that the report names",
            Self::Duplicate => "nothing to do: the first delivery was taken",
        }
    }
}
