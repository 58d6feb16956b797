//! The size of an effect: which unlikely values are also a change that matters.

use crate::config::{GuardConfig, SeriesKind, SignalSettings};
use crate::feature::SignalSample;
use crate::score::Score;
use crate::series::{Sample, Signal, SignalKind};

/// The traits of a signal on which its effect size depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalTraits {
    /// The kind of the signal.
    pub kind: SignalKind,
    /// Whether its values are milliseconds, so that an absolute change of latency means something.
    pub in_ms: bool,
    /// Whether `n` of its samples is a number of trials, so that a share has a number of errors.
    pub has_trials: bool,
    /// The signal of requests that it is; none for a metric.
    pub request: Option<Signal>,
}

impl SignalTraits {
    /// The traits of a signal of a row. The settings decide the kind of a metric, which is a gauge
    /// without them.
    pub fn of(signal: &SignalSample, settings: Option<&SignalSettings>) -> Self {
        if let Some(signal) = signal.signal.builtin() {
            return signal.into();
        }
        let kind = settings.and_then(|own| own.kind);
        Self {
            kind: kind.map_or(SignalKind::Gauge, SeriesKind::signal),
            in_ms: settings.is_some_and(|own| own.in_ms),
            has_trials: signal.sample.n > 1,
            request: None,
        }
    }
}

impl SignalTraits {
    /// Whether a flagged value is critical: an error rate, or the rate of a metric, from
    /// `critical_error_rate` on, and a client error rate from `critical_client_error_rate` on.
    pub fn is_critical(&self, config: &GuardConfig, value: f64) -> bool {
        match self.request {
            Some(Signal::ClientErrorRate) => {
                config.critical_client_error_rate.is_some_and(|least| value >= least)
            }
            Some(Signal::ErrorRate) | None => {
                self.kind == SignalKind::Rate && value >= config.critical_error_rate
            }
            Some(_) => false,
        }
    }
}

impl From<Signal> for SignalTraits {
    /// Request signals have known units, and their rates are shares of requests.
    fn from(signal: Signal) -> Self {
        let kind = signal.kind();
        Self {
            kind,
            in_ms: kind == SignalKind::Latency,
            has_trials: kind == SignalKind::Rate,
            request: Some(signal),
        }
    }
}

/// Whether the change of a signal is large enough to matter.
///
/// | kind | condition |
/// |---|---|
/// | latency | `latency_relative` of the expected value, and `latency_absolute_ms` if in milliseconds |
/// | rate | `error_rate_absolute` (`client_error_rate_absolute`, `slow_share_absolute` for those signals), and `min_errors` errors (or slow requests) if the number of trials is known |
/// | count | `traffic_relative` of the expected value, and `traffic_absolute` |
/// | gauge | always, because the size of a change that matters is unknown |
/// | rare events | always, because the scorer itself asks for five events more or fewer |
///
/// The errors behind a rate are those of the row, or those of several rows if the score
/// rests on more ([`Score::effective_n`]).
///
/// # Examples
///
/// ```
/// use mad_core::guard::{SignalTraits, exceeds_min_effect};
/// use mad_core::{GuardConfig, Sample, Score, Signal};
///
/// let config = GuardConfig::default();
/// let score = Score { expected: 100.0, ..Score::unknown() };
/// let latency = |value| {
///     let sample = Sample { value, n: 50 };
///     exceeds_min_effect(&config, Signal::P95Latency.into(), sample, &score)
/// };
/// assert!(latency(130.0));
/// assert!(!latency(110.0)); // less than a quarter slower
/// ```
pub fn exceeds_min_effect(
    config: &GuardConfig,
    signal: SignalTraits,
    sample: Sample,
    score: &Score,
) -> bool {
    let change = (sample.value - score.expected).abs();
    let relative = |share: f64| change >= share * score.expected.abs();
    match signal.kind {
        // Their units are unknown, so no size of a change is known to be small.
        SignalKind::Gauge | SignalKind::Events => true,
        SignalKind::Latency => {
            let least = if signal.in_ms { config.latency_absolute_ms } else { 0.0 };
            // Both: a quarter of 2 ms is noise of the clock, and 20 ms of 10 s is no change.
            relative(config.latency_relative) && change >= least
        }
        SignalKind::Rate => {
            // a share of n trials is errors / n up to rounding
            let errors = (sample.value * sample.n as f64).round().max(score.effective_n);
            let enough = !signal.has_trials || errors >= config.min_errors as f64;
            let least = match signal.request {
                Some(Signal::ClientErrorRate) => config.client_error_rate_absolute,
                Some(Signal::SlowShare) => config.slow_share_absolute,
                _ => config.error_rate_absolute,
            };
            change >= least && enough
        }
        // Both: traffic of a few requests doubles by chance.
        SignalKind::Count => relative(config.traffic_relative) && change >= config.traffic_absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_errors_only_if_its_trials_are_known() {
        let config = GuardConfig::default();
        let score = Score { expected: 0.0, ..Score::unknown() };
        let exceeds = |n, has_trials, effective_n| {
            let traits =
                SignalTraits { kind: SignalKind::Rate, in_ms: false, has_trials, request: None };
            let score = Score { effective_n, ..score };
            exceeds_min_effect(&config, traits, Sample { value: 0.1, n }, &score)
        };
        assert!(exceeds(1, false, 0.0));
        assert!(exceeds(20, true, 0.0));
        assert!(!exceeds(10, true, 0.0), "one error of ten");
        assert!(exceeds(10, true, 2.0), "two errors of several rows");
    }

    #[test]
    fn a_gauge_has_no_smallest_effect() {
        let traits = SignalTraits {
            kind: SignalKind::Gauge,
            in_ms: false,
            has_trials: false,
            request: None,
        };
        let score = Score { expected: 1.0, ..Score::unknown() };
        let sample = Sample { value: 1.0, n: 1 };
        assert!(exceeds_min_effect(&GuardConfig::default(), traits, sample, &score));
    }
}
