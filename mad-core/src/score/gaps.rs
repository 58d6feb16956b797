//! Distribution of the gaps between points.

use std::f64::consts::{LN_10, LOG10_2};

use crate::robust::quantile_sorted;

/// Pseudo-gaps added to the known ones: the degrees of freedom of a scale from few gaps.
const PRIOR: f64 = 4.0;
/// Smallest scale as a share of the median gap, so that exact schedules tolerate some jitter.
const OF_USUAL: f64 = 0.5;
/// Smallest scale as a share of the longest gap, so that bursts are no silence.
const OF_LONGEST: f64 = 0.05;

/// Distribution of gaps, given in ascending order and in any unit. The method is that of
/// [`SilenceScorer`](super::SilenceScorer).
pub(crate) struct Gaps<'a> {
    sorted: &'a [f64],
    pub(crate) usual: f64,
    longest: f64,
    pub(super) scale: f64,
}

impl<'a> Gaps<'a> {
    /// The distribution of these gaps; `None` without a gap.
    pub fn of(sorted: &'a [f64]) -> Option<Self> {
        Self::with_longest(sorted, 0.0)
    }

    /// The distribution of these gaps, of which one of `longest` was known before; `None` without a
    /// gap.
    pub fn with_longest(sorted: &'a [f64], longest: f64) -> Option<Self> {
        let longest = longest.max(*sorted.last()?);
        let usual = quantile_sorted(sorted, 0.5);
        // An exponential tail falls tenfold between the median and the 95th percentile.
        let scale = ((quantile_sorted(sorted, 0.95) - usual) / LN_10)
            .max(OF_USUAL * usual)
            .max(OF_LONGEST * longest)
            .max(f64::MIN_POSITIVE);
        Some(Self { sorted, usual, longest, scale })
    }

    fn count(&self) -> f64 {
        self.sorted.len() as f64
    }

    /// Decades by which the probability falls over the time `beyond`: `-log10` of the Lomax tail.
    fn decades(&self, beyond: f64) -> f64 {
        let known = self.count() + PRIOR;
        known * (beyond / (known * self.scale)).ln_1p() / LN_10
    }

    /// The inverse of [`decades`](Self::decades).
    fn beyond(&self, decades: f64) -> f64 {
        let known = self.count() + PRIOR;
        known * self.scale * (decades.max(0.0) * LN_10 / known).exp_m1()
    }

    /// `-log10` of the probability of a gap at least as long, 0 to 300.
    pub fn neg_log10_p(&self, gap: f64) -> f64 {
        if gap < self.usual {
            return 0.0;
        }
        // Half of the gaps are longer than the median: log10 2.
        let by_size = LOG10_2 + self.decades(gap - self.usual);
        // Known gaps that are at least as long.
        let as_long = self.count() - self.sorted.partition_point(|past| *past < gap) as f64;
        // Among n gaps and this one, the rank of this one is uniform.
        let by_rank = ((self.count() + 1.0) / (as_long + 1.0)).log10()
            + self.decades((gap - self.longest).max(0.0));
        by_size.min(by_rank).clamp(0.0, 300.0)
    }

    /// The longest gap with at most this `-log10 p`.
    pub(crate) fn longest_expected(&self, neg_log10_p: f64) -> f64 {
        let by_size = self.usual + self.beyond(neg_log10_p - LOG10_2);
        // Number of longest gaps that the rank alone makes unlikely enough.
        let spared = ((self.count() + 1.0) / 10_f64.powf(neg_log10_p)) as usize;
        let kept = self.sorted.len().checked_sub(spared.max(1));
        let known = kept.and_then(|place| self.sorted.get(place)).copied().unwrap_or(0.0);
        let known = if spared <= 1 { known.max(self.longest) } else { known };
        let by_rank = known + self.beyond(neg_log10_p - (self.count() + 1.0).log10());
        by_size.max(by_rank).min(f64::MAX)
    }
}
