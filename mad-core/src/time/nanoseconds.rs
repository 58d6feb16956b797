//! Saves a [`Duration`] as its whole nanoseconds.
//!
//! The form that serde has for durations takes two numbers and their names.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::nanos_of;

/// Writes a duration; one beyond 292 years as 292 years.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    nanos_of(*duration).serialize(to)
}

/// Reads a duration; a negative one is refused.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_nanos)
}

/// The same for a duration that may be missing.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, nanos_of};

    /// Writes a duration or none.
    #[allow(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(nanos_of).serialize(to)
    }

    /// Reads a duration or none.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_nanos))
    }
}
