//! How often each status came in a row of requests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::telemetry::Status;

/// Most statuses that a row names.
const LISTED: usize = 8;

/// The most frequent statuses of a row that are no success, at most eight of them.
///
/// # Examples
///
/// ```
/// use mad_core::Status;
/// use mad_core::feature::StatusCounts;
///
/// let counts = StatusCounts::of([(Status::Http(404), 3), (Status::NoResponse, 52)]);
/// assert_eq!(counts.to_string(), "no_response=52 404=3");
/// assert_eq!(counts.iter().next(), Some((Status::NoResponse, 52)));
/// assert_eq!("no_response=52 404=3".parse(), Ok(counts));
/// assert_eq!(StatusCounts::default().to_string(), "");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounts {
    statuses: [Status; LISTED],
    counts: [u32; LISTED],
}

impl StatusCounts {
    /// No statuses.
    pub(super) const NONE: Self = Self { statuses: [Status::Success; LISTED], counts: [0; LISTED] };

    /// The eight most frequent of some statuses; of equally frequent ones the lowest.
    pub fn of(statuses: impl IntoIterator<Item = (Status, u64)>) -> Self {
        let mut all: Vec<(Status, u64)> = statuses.into_iter().filter(|(_, n)| *n > 0).collect();
        // The second key makes the choice among ties independent of the order of arrival.
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut out = Self::default();
        let slots = out.statuses.iter_mut().zip(&mut out.counts);
        for ((known, count), (status, n)) in slots.zip(all) {
            (*known, *count) = (status, u32::try_from(n).unwrap_or(u32::MAX));
        }
        out
    }

    /// Adds the counts of another row; of the sums the eight most frequent are kept.
    pub fn add(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let mut sums: BTreeMap<Status, u64> = self.iter().collect();
        for (status, count) in other.iter() {
            *sums.entry(status).or_default() += count;
        }
        *self = Self::of(sums);
    }

    /// Whether no status is listed.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The statuses with their counts, the most frequent one first.
    pub fn iter(&self) -> impl Iterator<Item = (Status, u64)> + '_ {
        let pairs = self.statuses.iter().zip(&self.counts).filter(|(_, count)| **count > 0);
        pairs.map(|(status, count)| (*status, u64::from(*count)))
    }
}

impl Default for StatusCounts {
    fn default() -> Self {
        Self::NONE
    }
}

impl FromStr for StatusCounts {
    type Err = Infallible;

    /// Reads `401=52 404=3`. Words of another form are left out.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let pair = |word: &str| {
            let (status, count) = word.split_once('=')?;
            let status =
                if status == "no_response" { Status::NoResponse } else { Status::parse(status) };
            Some((status, count.parse().ok()?))
        };
        Ok(Self::of(text.split_ascii_whitespace().filter_map(pair)))
    }
}

impl fmt::Display for StatusCounts {
    /// `401=52 404=3`; empty without any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (status, count)) in self.iter().enumerate() {
            let gap = if place > 0 { " " } else { "" };
            match status {
                Status::NoResponse => write!(f, "{gap}no_response={count}")?,
                status => write!(f, "{gap}{status}={count}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_statuses_are_listed_in_any_order_of_input() {
        let all: Vec<(Status, u64)> =
            (400..420).map(|code| (Status::Http(code), u64::from(code % 7))).collect();
        let counts = StatusCounts::of(all.iter().copied());
        assert_eq!(counts, StatusCounts::of(all.into_iter().rev()));
        assert_eq!(counts.iter().count(), 8);
        assert_eq!(counts.to_string(), "405=6 412=6 419=6 404=5 411=5 418=5 403=4 410=4");
    }
}
