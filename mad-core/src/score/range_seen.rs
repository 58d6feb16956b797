//! The range that a series has taken, which bounds what can be expected of it.

use serde::{Deserialize, Serialize};

/// Bounds of shares and of percentages, smallest first.
const BOUNDS: [f64; 2] = [1.0, 100.0];
/// Values at a bound that show that the series ends there.
const AT_BOUND: u8 = 2;

/// The smallest and the largest value so far, and the bounds that follow from them.
///
/// # Method
///
/// - An expected value lies between the smallest and the largest value so far.
/// - A series that was never negative has no negative lower end, and one that was never positive no
///   positive upper end.
/// - A series that is a share or a percentage by its name, or that reached exactly 1 (100) twice and
///   never exceeded it, has no upper end above 1 (100).
///
/// # Limits
///
/// The bounds concern expectations and not possibilities: a value beyond them is judged as any
/// other, and widens them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RangeSeen {
    /// Smallest and largest value; `None` without a value.
    seen: Option<(f64, f64)>,
    /// How often the largest value came, if it is one of the bounds; at most 255.
    at_bound: u8,
    /// Whether the series is a share or a percentage by its name.
    is_share: bool,
}

impl RangeSeen {
    /// Takes the series as a share or a percentage.
    pub fn set_share(&mut self) {
        self.is_share = true;
    }

    /// Takes a finite value.
    #[inline]
    pub fn push(&mut self, value: f64) {
        let Some((low, high)) = &mut self.seen else {
            self.seen = Some((value, value));
            self.at_bound = u8::from(BOUNDS.contains(&value));
            return;
        };
        if value < *low {
            *low = value;
        }
        if value > *high {
            *high = value;
            self.at_bound = 0;
        }
        if value >= *high && BOUNDS.contains(&value) {
            self.at_bound = self.at_bound.saturating_add(1);
        }
    }

    /// A center within the range.
    #[inline]
    pub fn center(&self, center: f64) -> f64 {
        self.seen.map_or(center, |(low, high)| center.clamp(low, high))
    }

    /// The ends of a band within the bounds.
    #[inline]
    pub fn band(&self, low: f64, high: f64) -> (f64, f64) {
        let Some((lowest, highest)) = self.seen else { return (low, high) };
        let mut band = (low, high);
        if lowest >= 0.0 {
            band.0 = low.max(0.0);
        }
        if highest <= 0.0 {
            band.1 = high.min(0.0);
        } else if lowest >= 0.0
            && (self.is_share || self.at_bound >= AT_BOUND)
            && let Some(bound) = BOUNDS.iter().find(|bound| highest <= **bound)
        {
            band.1 = high.min(*bound);
        }
        band
    }
}

/// Words in the name of a metric that make it a share or a percentage.
const SHARES: [&str; 9] = [
    "ratio",
    "percent",
    "pct",
    "share",
    "fraction",
    "utilization",
    "utilisation",
    "availability",
    "saturation",
];

/// Whether the name of a metric says that it is a share or a percentage.
pub(crate) fn is_share(metric: &str) -> bool {
    let name = metric.to_ascii_lowercase();
    SHARES.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(values: &[f64]) -> RangeSeen {
        let mut range = RangeSeen::default();
        for value in values {
            range.push(*value);
        }
        range
    }

    #[test]
    fn a_series_that_was_never_negative_expects_nothing_negative() {
        let queue = range(&[3.0, 0.0, 7.0]);
        assert_eq!(queue.band(-4.0, 12.0), (0.0, 12.0));
        assert_eq!((queue.center(-2.0), queue.center(9.0), queue.center(5.0)), (0.0, 7.0, 5.0));
        assert_eq!(range(&[3.0, -1.0]).band(-4.0, 12.0), (-4.0, 12.0));
        assert_eq!(range(&[-3.0, -1.0]).band(-4.0, 12.0), (-4.0, 0.0));
        assert_eq!(RangeSeen::default().band(-4.0, 12.0), (-4.0, 12.0));
    }

    #[test]
    fn a_share_ends_at_its_bound() {
        let mut hits = range(&[0.9, 0.95]);
        assert_eq!(hits.band(0.8, 1.2), (0.8, 1.2), "any small series");
        hits.set_share();
        assert_eq!(hits.band(0.8, 1.2), (0.8, 1.0));
        assert_eq!(range(&[97.0, 100.0, 100.0]).band(90.0, 104.0), (90.0, 100.0));
        assert_eq!(range(&[97.0, 100.0, 100.0, 101.0]).band(90.0, 104.0), (90.0, 104.0));
    }

    #[test]
    fn names_of_shares() {
        assert!(is_share("cpu_utilization") && is_share("cacheHitRatio") && is_share("disk_pct"));
        assert!(!is_share("queue_depth"));
    }
}
