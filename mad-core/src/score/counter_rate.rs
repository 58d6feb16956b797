//! Running totals, turned into increases per second.

use serde::{Deserialize, Serialize};

use crate::series::Sample;
use crate::time::{SECOND, Timestamp};

/// Turns the readings of a counter, such as `http_requests_total`, into increases per second.
///
/// The rate of a reading is its increase since the reading before, divided by the seconds between
/// them. A reading that is lower than the one before means that the counter was reset: its rate is
/// NaN, a gap. The first reading has no rate either. Readings that are not finite or have no
/// observation behind them are passed on and forgotten.
///
/// # Examples
///
/// ```
/// use mad_core::score::CounterRate;
/// use mad_core::{Sample, Timestamp};
///
/// let mut counter = CounterRate::default();
/// let at = |minute: i64| Timestamp::from_seconds(60 * minute);
/// assert!(counter.rate(at(0), Sample { value: 600.0, n: 1 }).value.is_nan());
/// assert_eq!(counter.rate(at(1), Sample { value: 720.0, n: 1 }).value, 2.0);
/// assert!(counter.rate(at(2), Sample { value: 12.0, n: 1 }).value.is_nan());
/// assert_eq!(counter.resets(), 1);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterRate {
    last: Option<(Timestamp, f64)>,
    resets: u64,
}

impl CounterRate {
    /// The increase per second since the reading before, with the `n` of this reading.
    pub fn rate(&mut self, at: Timestamp, reading: Sample) -> Sample {
        if !(reading.value.is_finite() && reading.n > 0) {
            return reading;
        }
        let last = self.last.replace((at, reading.value));
        let rate = last.map_or(f64::NAN, |(then, before)| {
            let seconds = at.since(then) as f64 / SECOND as f64;
            if reading.value < before {
                self.resets += 1;
                return f64::NAN;
            }
            // Halves, so that the difference of two extremes does not overflow.
            let rate = (reading.value / 2.0 - before / 2.0) / (seconds / 2.0);
            if rate.is_finite() { rate } else { f64::NAN }
        });
        Sample { value: rate, ..reading }
    }

    /// How often the counter was reset.
    pub const fn resets(&self) -> u64 {
        self.resets
    }
}
