//! The share of slow requests that the season of the latencies implies.

use super::signal_scores::SignalScores;
use crate::feature::Row;
use crate::robust::normal_log10_sf;
use crate::series::Signal;

/// Standard normal deviate of the 95th percentile.
const P95_DEVIATE: f64 = 1.645;
/// Smallest standard deviation of the logarithm of single latencies. Latencies that hardly differ
/// would otherwise be all slow or all fast.
const LEAST_SPREAD: f64 = 0.05;

/// Share of the requests from which on a phase makes requests slow: one percent is beyond the 99th
/// percentile that the limit is a multiple of.
const LEAST_SHARE: f64 = 0.01;

/// The largest share of requests beyond the slow limit of a row that latencies inside their bands
/// imply. 0 unless the season expects latencies that put requests beyond the limit.
///
/// A request is slow beyond a multiple of the 99th percentile of all hours. A batch that makes all
/// requests three times as slow each night puts half of them there. Median and 95th percentile know
/// that hour. A share of slow requests that follows from latencies inside their bands is no news.
/// With few requests the bands are wide, and the share says nothing that the latencies do not say.
///
/// # Method
///
/// Single latencies are taken as lognormal, with the spread between the expected median and 95th
/// percentile. If the expected latencies put 1 % of the requests beyond the limit, each of both is
/// moved to the upper end of its band, and the larger of both shares counts.
///
/// # Limits
///
/// In such a phase a slow tail is found only where it exceeds that share.
pub(super) fn implied_share(row: &Row<'_>, judged: &[SignalScores]) -> f64 {
    let of = |signal: Signal| {
        let place = row.samples.iter().position(|one| one.signal == signal.into())?;
        judged.get(place)
    };
    let tail_ms = row.requests.and_then(|facts| facts.tail_ms);
    let (Some(tail_ms), Some(p50), Some(p95)) =
        (tail_ms, of(Signal::P50Latency), of(Signal::P95Latency))
    else {
        return 0.0;
    };
    let spread = (p95.alone.expected / p50.alone.expected).ln() / P95_DEVIATE;
    if !spread.is_finite() {
        return 0.0;
    }
    let spread = spread.max(LEAST_SPREAD);
    // the share beyond the limit when the latency with this deviate has a value
    let share = |deviate: f64, ms: f64| {
        10_f64.powf(normal_log10_sf(deviate + (tail_ms / ms).ln() / spread))
    };
    let (mut expected, mut most) = (0.0_f64, 0.0_f64);
    for (one, deviate) in [(p50, 0.0), (p95, P95_DEVIATE)] {
        let raised = one.phase.shift.max(0.0) + one.phase.widen;
        if raised > 0.0 {
            expected = expected.max(share(deviate, one.alone.expected * one.phase.widen.exp()));
        }
        most = most.max(share(deviate, one.alone.high));
    }
    if expected >= LEAST_SHARE { most } else { 0.0 }
}
