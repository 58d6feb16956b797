//! The zone of daily and weekly patterns.

use serde::{Deserialize, Serialize};

use super::check::within;
use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

/// Most changes of the offset: two a year for 250 years.
const MOST_OFFSETS: usize = 500;

/// The zone in which hours, days and weeks are counted by the season of a signal.
///
/// Without a zone they are those of UTC. That is enough for a zone without daylight saving time,
/// because a season needs only that the same hour comes back. Where clocks change, people and jobs
/// move by an hour against UTC, so the season has to move with them.
///
/// The crate has no database of zones. `offsets` is the table of the zone: pairs of a time in
/// seconds since 1970 UTC and the offset from UTC from then on, in seconds east. The Python package
/// fills it from `zone`. The first offset counts for earlier times too.
///
/// # Examples
///
/// ```
/// use mad_core::{SeasonConfig, Timestamp};
///
/// let berlin = SeasonConfig {
///     zone: "Europe/Berlin".to_owned(),
///     offsets: vec![(1_761_440_400, 3_600), (1_774_746_000, 7_200)],
/// };
/// assert!(berlin.validate().is_ok());
/// assert_eq!(berlin.utc_offset_seconds(Timestamp::from_seconds(1_774_745_999)), 3_600);
/// assert_eq!(berlin.utc_offset_seconds(Timestamp::from_seconds(1_774_746_000)), 7_200);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeasonConfig {
    /// Name of the zone, such as `Europe/Berlin`. Default empty, which is UTC.
    pub zone: String,
    /// Times of changes, in seconds since 1970 UTC, and the offset from then on, in seconds east.
    pub offsets: Vec<(i64, i32)>,
}

impl SeasonConfig {
    /// The offset from UTC at a time, in seconds east; 0 without a zone.
    pub fn utc_offset_seconds(&self, at: Timestamp) -> i32 {
        let changed =
            self.offsets.partition_point(|(from, _)| Timestamp::from_seconds(*from) <= at);
        self.offsets.get(changed.saturating_sub(1)).map_or(0, |(_, offset)| *offset)
    }

    /// A time by the clocks of the zone.
    pub(crate) fn local(&self, at: Timestamp) -> Timestamp {
        at.plus(i64::from(self.utc_offset_seconds(at)) * SECOND)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// A zone without a table, more than 500 entries, times that do not ascend, and an offset
    /// beyond a day.
    pub fn validate(&self) -> Result<()> {
        if !self.zone.is_empty() && self.offsets.is_empty() {
            let expected = "a zone of this system's zone database, such as Europe/Berlin (`pip \
                            install tzdata` if there is none), or a table in `season.offsets`";
            return Err(Error::config("season.zone", &self.zone, expected));
        }
        let field = "season.offsets";
        if self.offsets.len() > MOST_OFFSETS {
            let given = format!("{} entries", self.offsets.len());
            return Err(Error::config(field, given, "at most 500 entries"));
        }
        for (_, offset) in &self.offsets {
            within(field, *offset, -86_400..=86_400, "offsets of -86400 to 86400 seconds")?;
        }
        let mut last = None;
        for (from, _) in &self.offsets {
            if last.replace(*from).is_some_and(|last| last >= *from) {
                let expected = "times in ascending order, in seconds since 1970 UTC";
                return Err(Error::config(field, from, expected));
            }
        }
        Ok(())
    }
}
