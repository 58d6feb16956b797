//! The score of lines of new error templates, of which there is no past.

use std::f64::consts::LN_10;

use super::signal_scores::SignalScores;
use super::{ScaleSource, Score};
use crate::robust::ln_factorial;
use crate::series::Sample;

/// Lines of a new error template that are assumed within 30 s: one in ten minutes.
const ASSUMED_LINES: f64 = 0.05;

/// Scores the lines of new error templates in a step against an assumed rate, so that no baseline is
/// needed.
///
/// `n` of the sample is the largest number of lines of one template within 30 s. Its probability is that
/// of a Poisson distribution with a mean of 0.05 lines, of which the tail is its first term up to 1 %.
/// Five lines have a probability of one in 10^8.6, which opens an incident by itself.
pub(crate) fn new_error_scores(sample: Sample) -> SignalScores {
    let lines = sample.n as f64;
    let surprise = ASSUMED_LINES - lines * ASSUMED_LINES.ln() + ln_factorial(lines);
    let neg_log10_p = if sample.value > 0.0 { (surprise / LN_10).clamp(0.0, 300.0) } else { 0.0 };
    SignalScores::of(Score {
        z: sample.value / ASSUMED_LINES.sqrt(),
        neg_log10_p,
        expected: 0.0,
        low: 0.0,
        high: 0.0,
        source: ScaleSource::Assumed,
        points: 0,
        effective_n: lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_lines_open_an_incident_and_none_is_normal() {
        let of = |value, n| new_error_scores(Sample { value, n }).score;
        assert!(of(5.0, 5).neg_log10_p - 3.0_f64.log10() > 8.0);
        assert!(of(4.0, 4).neg_log10_p < 8.0);
        assert!(of(1e6, u64::MAX).neg_log10_p <= 300.0);
        assert_eq!((of(0.0, 0).neg_log10_p, of(0.0, 0).z), (0.0, 0.0));
    }
}
