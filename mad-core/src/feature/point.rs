//! The detection of the step of a series.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Finds the step of a series as the median of its last seven intervals, so that single gaps do not
/// change it and a new step is followed after four points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepFinder {
    last: Option<Timestamp>,
    intervals: [i64; 7],
    known: u8,
    next: u8,
}

impl StepFinder {
    /// Takes the time of the next point and returns the step and the number of steps without a point
    /// before it. The step of a series with one point is `unknown`.
    pub fn next(&mut self, at: Timestamp, unknown: i64) -> (i64, u64) {
        let Some(last) = self.last.replace(at) else { return (unknown, 0) };
        let interval = at.since(last).max(1);
        // The step as it was before this interval, which may itself be the gap.
        let before = self.step().unwrap_or(interval);
        // rounded, because the times of a source vary around its step
        let gap = (interval.saturating_add(before / 2) / before - 1).max(0).unsigned_abs();
        if let Some(slot) = self.intervals.get_mut(usize::from(self.next)) {
            *slot = interval;
        }
        self.next = (self.next + 1) % 7;
        self.known = (self.known + 1).min(7);
        (self.step().unwrap_or(interval), gap)
    }

    /// The time of the newest point.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The lower median of the latest intervals.
    fn step(&self) -> Option<i64> {
        let mut sorted = self.intervals;
        let known = sorted.get_mut(..usize::from(self.known))?;
        known.sort_unstable();
        known.get(known.len().checked_sub(1)? / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    fn steps(minutes: &[i64]) -> Vec<(i64, u64)> {
        let mut finder = StepFinder::default();
        let at = |minute: &i64| Timestamp::from_nanos(minute * MINUTE);
        let next = minutes.iter().map(|minute| finder.next(at(minute), 30));
        next.map(|(step, gap)| (step / MINUTE, gap)).collect()
    }

    #[test]
    fn gaps_do_not_count_and_a_new_step_is_followed() {
        let found = steps(&[0, 5, 10, 25, 30]);
        assert_eq!(found, [(0, 0), (5, 0), (5, 0), (5, 2), (5, 0)]);
        let found = steps(&[0, 5, 10, 15, 20, 25, 26, 27, 28, 29, 30]);
        assert_eq!(found.last(), Some(&(1, 0)));
    }
}
