//! Distribution of the gaps between points.

use std::f64::consts::{LN_10, LOG10_2};

use crate::robust::quantile_sorted;

/// Gaps that the past is believed to hold beside the ones it does.
const PRIOR: f64 = 4.0;
/// The scale of what comes after the usual gap: at least half of it, and a twentieth of the longest.
const OF_USUAL: f64 = 0.5;
const OF_LONGEST: f64 = 0.05;

/// Gaps in ascending order, of any unit, and what is made of them.
pub(crate) struct Gaps<'a> {
    sorted: &'a [f64],
    pub(super) usual: f64,
    longest: f64,
    pub(super) scale: f64,
}

impl<'a> Gaps<'a> {
    /// Nothing where there is none.
    pub fn of(sorted: &'a [f64]) -> Option<Self> {
        let longest = *sorted.last()?;
        let usual = quantile_sorted(sorted, 0.5);
        let scale = ((quantile_sorted(sorted, 0.95) - usual) / LN_10)
            .max(OF_USUAL * usual)
            .max(OF_LONGEST * longest)
            .max(f64::MIN_POSITIVE);
        Some(Self { sorted, usual, longest, scale })
    }

    fn count(&self) -> f64 {
        self.sorted.len() as f64
    }

    /// Decades by which the chance falls over so long a time.
    fn decades(&self, beyond: f64) -> f64 {
        let known = self.count() + PRIOR;
        known * (beyond / (known * self.scale)).ln_1p() / LN_10
    }

    /// The inverse of that.
    fn beyond(&self, decades: f64) -> f64 {
        let known = self.count() + PRIOR;
        known * self.scale * (decades.max(0.0) * LN_10 / known).exp_m1()
    }

    /// Minus log10 of the chance of a gap at least as long.
    pub fn neg_log10_p(&self, gap: f64) -> f64 {
        if gap < self.usual {
            return 0.0;
        }
        let by_size = LOG10_2 + self.decades(gap - self.usual);
        let as_long = self.count() - self.sorted.partition_point(|past| *past < gap) as f64;
        let by_rank = ((self.count() + 1.0) / (as_long + 1.0)).log10()
            + self.decades((gap - self.longest).max(0.0));
        by_size.min(by_rank).clamp(0.0, 300.0)
    }

    /// The longest gap that has no more evidence.
    pub(super) fn longest_expected(&self, neg_log10_p: f64) -> f64 {
        let by_size = self.usual + self.beyond(neg_log10_p - LOG10_2);
        let spared = ((self.count() + 1.0) / 10_f64.powf(neg_log10_p)) as usize;
        let kept = self.sorted.len().checked_sub(spared.max(1));
        let known = kept.and_then(|place| self.sorted.get(place)).copied().unwrap_or(0.0);
        let by_rank = known + self.beyond(neg_log10_p - (self.count() + 1.0).log10());
        by_size.max(by_rank).min(f64::MAX)
    }
}
