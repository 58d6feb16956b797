//! Zones of written times, and why a written time is refused.

use serde::{Deserialize, Serialize};

/// What to do with a written time that carries no zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZonePolicy {
    /// Refuse it: [`TimeError::Naive`].
    #[default]
    Refuse,
    /// Take it as this many seconds east of UTC (0 = UTC).
    Offset(i32),
}

/// Why a written time was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Neither RFC 3339 nor an epoch number.
    #[error("not a time: write RFC 3339 (2026-01-06T10:45:00Z) or epoch s, ms, us or ns")]
    Malformed,
    /// A wall-clock time without a zone.
    #[error("time without a zone: add Z or an offset, or set `naive_offset_seconds`")]
    Naive,
    /// A time before the year 1678 or after 2262.
    #[error("time outside the years 1678 to 2262")]
    OutOfRange,
}
