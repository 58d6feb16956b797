//! The error rate that a new endpoint is assumed to have.

use serde::{Deserialize, Serialize};

use super::rate_baseline::RateBaseline;

/// Rows that are learnt before a learnt rate takes the place of the assumed one.
const ROWS: usize = 20;
/// Requests that the assumed rate is worth.
const WEIGHT: f64 = 20.0;
/// Assumed error rate of an endpoint about whose service nothing is known.
const UNKNOWN_SERVICE: f64 = 0.01;
/// Likelihood ratio of the assumed rate to that since the first row, over the rows since, from which
/// on an endpoint has recovered. Three rows without a failure among two requests are no recovery of
/// one that fails half of the time; six are.
const RECOVERED_RATIO: f64 = 1_000.0;

/// An assumed rate of events, with which a rate is judged before enough rows are learnt.
///
/// # Method
///
/// The assumed rate `p` is a Beta distribution worth 20 requests. A row is judged by the
/// beta-binomial tail of its events after the learnt rows, and all rows since the first one together
/// by that of the assumption alone, so that two failures of two requests a minute add up. Rows that
/// are unlikely are not learnt: an endpoint that fails from its first request on does not become its
/// own baseline.
///
/// While the rows since the first one are unlikely together, a row without a failure is not learnt
/// either, because the rows that happen to have none would make the baseline. The endpoint has
/// recovered when the assumed rate explains the newest rows 1,000 times as well as the rate since the
/// first row (a CUSUM of the log-likelihood ratio; Page, 1954). The rows are counted from zero again
/// from then on.
///
/// # Small samples and limits
///
/// Four failures of four requests are unlikely (one in 10^5), three are not. For many requests the
/// tail ends at about a third of failures: what fails less often may be usual, and is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct FirstSight {
    share: f64,
    /// Events and trials since the first row, those of unlikely rows included.
    events: u64,
    trials: u64,
    /// CUSUM of the log-likelihood ratio of the assumed rate to that since the first row.
    recovery: f64,
}

impl FirstSight {
    /// The assumption for an endpoint whose service had `events` among `trials` elsewhere.
    pub fn of_service(events: u64, trials: u64) -> Self {
        let share = (events as f64 + UNKNOWN_SERVICE * WEIGHT) / (trials as f64 + WEIGHT);
        Self { share, events: 0, trials: 0, recovery: 0.0 }
    }

    /// Whether the assumption still decides, with this number of rows learnt.
    pub const fn decides(rows: usize) -> bool {
        rows < ROWS
    }

    /// The baseline after `events` among `trials` were learnt.
    pub fn baseline(&self, events: u64, trials: u64, memory: f64) -> RateBaseline {
        let trials = trials as f64 + WEIGHT;
        let share = (events as f64 + self.share * WEIGHT) / trials;
        RateBaseline { share, memory: trials.min(memory.max(WEIGHT)) }
    }

    /// `-log10 p` of all rows since the first one with the current one, and their events. 0 if the
    /// current row no longer has half of their rate.
    pub fn since_first(&self, events: u64, trials: u64) -> (f64, u64) {
        let (all, of) = (self.events + events, self.trials + trials);
        let is_over = 2.0 * events as f64 * (of as f64) < all as f64 * trials as f64;
        if is_over || all == 0 {
            return (0.0, 0);
        }
        (self.baseline(0, 0, WEIGHT).surprise(all, of), all)
    }

    /// The rate since the first row, once for each row that a baseline needs, if it is unlikely.
    pub fn level(&self, neg_log10_p: f64) -> Option<Vec<f64>> {
        let is_unlikely = self.since_first(0, 0).0 >= neg_log10_p;
        is_unlikely.then(|| vec![self.events as f64 / self.trials as f64; ROWS])
    }

    /// Trials of one row, if all since the first one were those of the rows of [`level`](Self::level).
    pub const fn trials_of_row(&self) -> u64 {
        self.trials / ROWS as u64
    }

    /// Counts a row. Returns whether the endpoint fails since its first row by `neg_log10_p`.
    pub fn count(&mut self, events: u64, trials: u64, neg_log10_p: f64) -> bool {
        let raised = (self.events as f64 + 0.5) / (self.trials as f64 + 1.0);
        self.events = self.events.saturating_add(events);
        self.trials = self.trials.saturating_add(trials);
        if self.since_first(0, 0).0 < neg_log10_p || raised <= self.share {
            self.recovery = 0.0;
            return false;
        }
        let log_ratio = events as f64 * (self.share / raised).ln()
            + trials.saturating_sub(events) as f64 * ((1.0 - self.share) / (1.0 - raised)).ln();
        self.recovery = (self.recovery + log_ratio).max(0.0);
        if self.recovery < RECOVERED_RATIO.ln() {
            return true;
        }
        (self.events, self.trials, self.recovery) = (0, 0, 0.0);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_failures_of_four_are_unlikely_and_a_tenth_of_many_is_not() {
        let new = FirstSight::of_service(0, 0);
        let alone = |events, trials| new.since_first(events, trials).0;
        assert!(alone(3, 3) < 4.65 && alone(4, 4) > 4.65, "{} {}", alone(3, 3), alone(4, 4));
        assert!(alone(1_000, 10_000) < 4.0 && alone(4_000, 10_000) > 4.65);
        // a service that fails often explains an endpoint that does
        let failing = FirstSight::of_service(600, 1_000);
        assert!(failing.since_first(60, 100).0 < 1.0);
    }

    #[test]
    fn few_requests_of_several_rows_add_up() {
        let mut new = FirstSight::of_service(0, 0);
        new.count(2, 2, 4.0);
        new.count(2, 2, 4.0);
        assert!(new.since_first(2, 2).0 > 4.65);
        assert_eq!(new.since_first(0, 2).0, 0.0);
    }

    #[test]
    fn some_rows_without_a_failure_are_no_recovery() {
        let mut new = FirstSight::of_service(0, 0);
        for _ in 0..40 {
            new.count(1, 2, 4.0);
        }
        let well: Vec<bool> = (0..7).map(|_| new.count(0, 2, 4.0)).collect();
        assert_eq!(well, [true, true, true, true, true, false, false]);
        assert_eq!(new.level(4.0), None);
    }
}
