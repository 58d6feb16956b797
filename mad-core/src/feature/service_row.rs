//! The row of a service across its endpoints, with latencies adjusted for the mix of endpoints.

use serde::{Deserialize, Serialize};

use crate::time::MINUTE;

/// How far the usual latency of an endpoint moves in [`REACH_TIME`] at most, once it is known, as a
/// logarithm. It is slow, so that a fault does not become usual while it lasts.
const REACH: f64 = 0.1;
/// See [`REACH`].
const REACH_TIME: i64 = 4 * 60 * MINUTE;
/// Rows from which an endpoint has a usual latency. Before, it counts as one of the new endpoints
/// of its service.
const KNOWN_ROWS: u32 = 5;
/// Rows after which the usual mix of a service stays, so that the level of its latencies does not
/// follow a slow change of the mix.
const MIX_ROWS: u32 = 60;
/// Shortest latency whose logarithm is taken, ms.
const SHORTEST_MS: f64 = 1e-3;

/// The usual logarithm of a latency: a running median with bounded steps (stochastic approximation,
/// Robbins and Monro, 1951).
///
/// The step after `n` values is `1 / n`, so that the first values count most, and at least
/// [`REACH`] in [`REACH_TIME`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct UsualLatency {
    ln_ms: f64,
    rows: u32,
}

impl UsualLatency {
    /// Learns the median latency of a step of `step` nanoseconds; NaN where it is unknown.
    pub fn learn_median(&mut self, p50_ms: f64, step: i64) {
        self.learn(ln_of(p50_ms), step);
    }

    /// Learns the value of a step of `step` nanoseconds.
    fn learn(&mut self, ln_ms: f64, step: i64) {
        if !ln_ms.is_finite() {
            return;
        }
        self.rows = self.rows.saturating_add(1);
        // The smallest step size, for the length of this row: a tenth of a logarithm in four hours.
        let slowest = REACH * step as f64 / REACH_TIME as f64;
        // Robbins and Monro: steps of 1 / n, until they would be too small to follow a new level.
        let reach = f64::from(self.rows).recip().max(slowest.min(1.0));
        let change = if self.rows == 1 { ln_ms } else { (ln_ms - self.ln_ms).clamp(-reach, reach) };
        self.ln_ms += change;
    }

    /// The value, once it is known from `rows` rows.
    fn after(self, rows: u32) -> Option<f64> {
        (self.rows >= rows).then_some(self.ln_ms)
    }
}

/// Levels learnt of a service for its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceLevels {
    /// The usual latency of endpoints that are too new to have their own.
    new: UsualLatency,
    /// The mean of the usual latencies of the endpoints, weighted by their requests.
    mix: UsualLatency,
}

/// One endpoint in a closing step.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndpointStep {
    /// Its usual latency before this step.
    pub usual: UsualLatency,
    /// Median latency, ms; NaN if none is known.
    pub p50_ms: f64,
    /// How many of the pooled latencies are its own.
    pub measured: usize,
}

/// Pools the latencies of the endpoints of one service in one step.
///
/// # Method
///
/// Indirect standardisation: each latency is multiplied by `exp(U - u)`, with `u` the usual log
/// latency of its endpoint and `U` the usual mean of `u` over the requests of the service. Another
/// mix of endpoints, such as more requests for a slow one, therefore does not change the quantiles.
/// An endpoint that becomes slower does.
///
/// The usual values are read before the step is learnt. An endpoint with fewer than five rows
/// counts as one of the new endpoints of its service, which share one usual value.
#[derive(Debug, Clone, Default)]
pub(super) struct ServicePool {
    /// Latencies of one endpoint after the other.
    pub latencies: Vec<f64>,
    pub endpoints: Vec<EndpointStep>,
}

impl ServicePool {
    pub fn clear(&mut self) {
        self.latencies.clear();
        self.endpoints.clear();
    }

    /// Adjusts the pooled latencies for the mix, then learns the usual latencies of the service.
    pub fn adjust(&mut self, known: &mut ServiceLevels, step: i64) {
        let usual_of_new = known.new.after(1);
        let usual = |one: &EndpointStep| one.usual.after(KNOWN_ROWS).or(usual_of_new);
        let measured = || self.endpoints.iter().filter(|one| one.measured > 0);
        let mean = |level: &dyn Fn(&EndpointStep) -> Option<f64>| {
            let known = || measured().filter_map(|one| Some((one.measured as f64, level(one)?)));
            let requests: f64 = known().map(|(n, _)| n).sum();
            known().map(|(n, level)| n * level).sum::<f64>() / requests
        };
        let mix = mean(&|one| Some(usual(one).unwrap_or_else(|| ln_of(one.p50_ms))));
        let of_new = mean(&|one| one.usual.after(KNOWN_ROWS).is_none().then(|| ln_of(one.p50_ms)));
        // All latencies are moved to the mix that the service had in its first rows.
        let target = known.mix.after(1).unwrap_or(mix);
        let mut rest = self.latencies.as_mut_slice();
        for endpoint in &self.endpoints {
            let Some((own, others)) = rest.split_at_mut_checked(endpoint.measured) else { break };
            // exp(U - u): an endpoint that is usually slow is divided by how slow it is.
            let factor = usual(endpoint).map_or(1.0, |usual| (target - usual).exp());
            for latency in own {
                *latency = (*latency * factor).min(f64::MAX);
            }
            rest = others;
        }
        // only a common factor, which must not drift
        if known.mix.rows < MIX_ROWS {
            known.mix.learn(mix, step);
        }
        known.new.learn(of_new, step);
        // runs that are sorted already are merged
        self.latencies.sort_by(f64::total_cmp);
    }
}

fn ln_of(ms: f64) -> f64 {
    if ms.is_nan() { f64::NAN } else { ms.max(SHORTEST_MS).ln() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::robust::quantile_sorted;

    /// The usual latencies of a service and of its endpoints by number.
    #[derive(Default)]
    struct Levels {
        service: ServiceLevels,
        endpoints: BTreeMap<u32, UsualLatency>,
    }

    /// The adjusted median of a step with endpoints, each with its number of requests and their usual ms.
    fn median(levels: &mut Levels, endpoints: &[(u32, usize, f64)]) -> f64 {
        let mut pool = ServicePool::default();
        for &(id, n, ms) in endpoints {
            let usual = levels.endpoints.entry(id).or_default();
            pool.latencies.extend((0..n).map(|i| ms * (0.9 + 0.2 * i as f64 / n as f64)));
            pool.endpoints.push(EndpointStep { usual: *usual, p50_ms: ms, measured: n });
            usual.learn_median(ms, MINUTE);
        }
        pool.adjust(&mut levels.service, MINUTE);
        quantile_sorted(&pool.latencies, 0.5)
    }

    #[test]
    fn another_mix_of_endpoints_is_no_other_latency() {
        let mut levels = Levels::default();
        let usual = [(1, 90, 10.0), (2, 10, 1_000.0)];
        let before: Vec<f64> = (0..60).map(|_| median(&mut levels, &usual)).collect();
        let calm = before.last().copied().unwrap_or_default();
        let shifted = median(&mut levels, &[(1, 10, 10.0), (2, 90, 1_000.0)]);
        assert!((shifted / calm).ln().abs() < 0.1, "{calm} {shifted}");
        let slower = median(&mut levels, &[(1, 90, 30.0), (2, 10, 3_000.0)]);
        assert!((slower / calm / 3.0).ln().abs() < 0.1, "{calm} {slower}");
    }

    #[test]
    fn new_endpoints_share_one_usual_latency() {
        let mut levels = Levels::default();
        let mut newest = 100;
        let mut step = |levels: &mut Levels, new: usize, ms: f64| {
            newest += 1;
            median(levels, &[(1, 50, 10.0), (newest, new, ms)])
        };
        let before: Vec<f64> = (0..60).map(|_| step(&mut levels, 50, 200.0)).collect();
        let calm = before.last().copied().unwrap_or_default();
        let fewer = step(&mut levels, 5, 200.0);
        assert!((fewer / calm).ln().abs() < 0.1, "{calm} {fewer}");
        let slow = step(&mut levels, 500, 3_600.0);
        assert!(slow > 10.0 * calm, "{calm} {slow}");
    }

    #[test]
    fn the_usual_latency_moves_slowly_once_it_is_known() {
        let mut usual = UsualLatency::default();
        for _ in 0..1_000 {
            usual.learn(2.0, MINUTE);
        }
        for _ in 0..240 {
            usual.learn(5.0, MINUTE);
        }
        let moved = usual.ln_ms - 2.0;
        assert!(moved > 0.05 && moved < 0.3, "{moved}");
    }
}
