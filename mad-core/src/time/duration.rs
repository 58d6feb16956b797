//! Units of time in nanoseconds, and the way from and to [`std::time::Duration`].

use std::time::Duration;

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Nanoseconds of an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Nanoseconds of a day.
pub const DAY: i64 = 24 * HOUR;

/// The duration of some nanoseconds; zero for a negative number.
pub(crate) const fn duration_of(nanos: i64) -> Duration {
    if nanos < 0 { Duration::ZERO } else { Duration::from_nanos(nanos.unsigned_abs()) }
}

/// A duration in nanoseconds, at most `i64::MAX` (292 years).
pub(crate) fn nanos_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
