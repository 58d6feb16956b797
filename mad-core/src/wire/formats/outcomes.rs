//! Shares of failed requests, from counters that have one series for each status.
//!
//! A counter such as `http_requests_total{code="500"}` first exists when the first request fails, so
//! that it has no usual value to depart from. The share of failures of all series that differ in the
//! status alone is known from the first request on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Groups of series of which shares are computed.
const MOST_GROUPS: usize = 50_000;
/// Adds up the increases of the series of a group, interval by interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OutcomeTable {
    groups: BTreeMap<u64, Group>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Group {
    at: i64,
    failed: f64,
    all: f64,
}

/// The requests of a group of an interval that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    pub failed: f64,
    pub all: f64,
}

impl OutcomeTable {
    /// Takes the increase of one series up to `at`. Gives the share of the interval before, once a
    /// sample of a later time shows that it is complete.
    ///
    /// `total` is the value of a series that was not there before: all of it counts if the group
    /// was there, because its counter began at 0 since then.
    pub fn add(
        &mut self,
        group: u64,
        at: Timestamp,
        failed: bool,
        increase: Result<f64, f64>,
    ) -> Option<Share> {
        let at = at.nanos();
        if !self.groups.contains_key(&group) && self.groups.len() >= MOST_GROUPS {
            self.groups.pop_first();
        }
        let mut is_new = false;
        let found = self.groups.entry(group).or_insert_with(|| {
            is_new = true;
            Group { at, failed: 0.0, all: 0.0 }
        });
        if is_new || at < found.at {
            return None;
        }
        let before = Share { failed: found.failed, all: found.all };
        let is_later = at > found.at;
        if is_later {
            *found = Group { at, failed: 0.0, all: 0.0 };
        }
        let count = increase.unwrap_or_else(|total| total);
        found.all += count;
        if failed {
            found.failed += count;
        }
        (is_later && before.all > 0.0).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_begins_later_counts_from_zero() {
        let mut table = OutcomeTable::default();
        let mut add = |second: i64, failed: bool, increase: Result<f64, f64>| {
            table.add(1, Timestamp::from_seconds(second), failed, increase)
        };
        // what a series counted before its group was known says nothing
        assert_eq!(add(5, false, Err(100.0)), None);
        assert_eq!(add(10, false, Ok(6.0)), None);
        assert_eq!(add(10, true, Err(2.0)), None);
        assert_eq!(add(15, false, Ok(4.0)), Some(Share { failed: 2.0, all: 8.0 }));
        assert_eq!(add(12, true, Ok(9.0)), None);
        assert_eq!(add(20, true, Ok(1.0)), Some(Share { failed: 0.0, all: 4.0 }));
    }
}
