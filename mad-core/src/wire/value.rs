//! The fields of records in any format.

use crate::telemetry::{RejectReason, Status};
use crate::time::{TimeError, Timestamp, ZonePolicy};

/// One field as a format holds it: text of a CSV row, a value of JSON, a cell of a table.
///
/// A field that is absent, null or blank is *missing*.
pub trait Value {
    /// The field as a time; `zone` decides on times without a zone.
    ///
    /// # Errors
    ///
    /// `MissingField`, `BadTimestamp` or `NaiveTimestamp`.
    fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason>;

    /// The field as text; empty where it is missing.
    ///
    /// # Errors
    ///
    /// `BadName` or `NotUtf8` when it is no text.
    fn text(&self) -> Result<&str, RejectReason>;

    /// The field as a status; [`Status::NoResponse`] where it is missing.
    fn status(&self) -> Status;

    /// The field as a latency in milliseconds: NaN where it is missing, negative or no number. The
    /// times of several attempts are added up.
    fn latency(&self) -> f64;

    /// The field as a number, which may be NaN or infinite; `None` where it is missing.
    ///
    /// # Errors
    ///
    /// `wrong` when it is no number.
    fn number(&self, wrong: RejectReason) -> Result<Option<f64>, RejectReason>;
}

/// The rejection reason for a time that cannot be read.
pub fn time_reason(error: TimeError) -> RejectReason {
    match error {
        TimeError::Naive => RejectReason::NaiveTimestamp,
        TimeError::Malformed | TimeError::OutOfRange => RejectReason::BadTimestamp,
    }
}
