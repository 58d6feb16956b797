//! A share of events that was learnt or assumed, and how far it is trusted.

use std::f64::consts::LOG10_2;

use crate::robust::beta_binomial_log10_sf;

/// A share of events, and the number of trials with which it is trusted.
#[derive(Clone, Copy)]
pub(super) struct RateBaseline {
    /// The share, 0 to 1.
    pub share: f64,
    /// Trials with which it is trusted.
    pub memory: f64,
}

impl RateBaseline {
    /// The share of `events` among `trials`, trusted with at most `memory` trials.
    pub fn of(events: u64, trials: u64, memory: f64) -> Self {
        let trials = trials as f64 + 1.0;
        Self { share: (events as f64 + 0.5) / trials, memory: trials.min(memory) }
    }

    /// `-log10` of the mid-p of `events` among `trials`.
    pub fn surprise(self, events: u64, trials: u64) -> f64 {
        surprise(events, trials, self.memory * self.share, self.memory * (1.0 - self.share))
    }

    /// Standard deviation of the share of `trials`.
    pub fn deviation(self, trials: u32) -> f64 {
        let n = f64::from(trials);
        (self.share * (1.0 - self.share) / n * (1.0 + (n - 1.0) / (self.memory + 1.0))).sqrt()
    }
}

/// `-log10` of the mid-p: half the probability of as many events and that of more.
pub(super) fn surprise(events: u64, trials: u64, a: f64, b: f64) -> f64 {
    let tail = |events: u64| beta_binomial_log10_sf(events, trials, a, b);
    // Both tails as logarithms; their difference cannot overflow.
    let (as_many, more) = (tail(events), tail(events + 1));
    LOG10_2 - as_many - (10_f64.powf(more - as_many) + 1.0).log10()
}
