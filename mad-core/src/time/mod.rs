//! Event time: moments, durations, the written forms of both, and numbers that may be unknown.
//!
//! Nothing here reads a clock. A [`Timestamp`] is a moment; spans of time are
//! [`std::time::Duration`] in the public interface of the stages and nanoseconds within the crate.

mod civil;
mod duration;
pub(crate) mod nanoseconds;
mod timestamp;
pub(crate) mod unknown;
mod written;
mod zone;

pub use duration::{DAY, HOUR, MINUTE, SECOND};
pub(crate) use duration::{duration_of, nanos_of};
pub use timestamp::Timestamp;
pub use zone::{TimeError, ZonePolicy};
