//! One field as a format holds it.

use crate::telemetry::RejectReason;
use crate::time::{TimeError, Timestamp, ZonePolicy};

/// One field as a format holds it: text of a CSV row, a value of JSON, a cell of a table.
///
/// A field that is absent, null or blank is *missing*.
pub trait Value {
    /// The moment it stands for; `zone` says what a time without a zone means.
    ///
    /// # Errors
    ///
    /// `MissingField`, `BadTimestamp` or `NaiveTimestamp`.
    fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason>;

    /// Its text as it stands; empty where it is missing.
    ///
    /// # Errors
    ///
    /// `BadName` or `NotUtf8` when it is no text.
    fn text(&self) -> Result<&str, RejectReason>;

    /// An integer; the range is checked elsewhere.
    ///
    /// # Errors
    ///
    /// `MissingField`, or `BadStatus` when it is no integer.
    fn status(&self) -> Result<i64, RejectReason>;

    /// A number, NaN and infinite ones among them; `None` where it is missing.
    ///
    /// # Errors
    ///
    /// `wrong` when it is no number.
    fn number(&self, wrong: RejectReason) -> Result<Option<f64>, RejectReason>;
}

/// The reason that counts a refused time.
pub fn time_reason(error: TimeError) -> RejectReason {
    match error {
        TimeError::Naive => RejectReason::NaiveTimestamp,
        TimeError::Malformed | TimeError::OutOfRange => RejectReason::BadTimestamp,
    }
}
