//! Rules that scorers share: thresholds, the price of several signals, views by kind.

use serde::{Deserialize, Serialize};

use crate::feature::RowKind;
use crate::series::{Signal, SignalId, SignalKind};

/// Share of a row's evidence that a main signal of requests has (p50, p95, errors, traffic).
const MAIN_WEIGHT: f64 = 0.225;
/// Share of a row's evidence that another signal of requests has (client errors, slow share). Most
/// faults show in a main signal, so an equal share would make all rows less sensitive for a few.
const MINOR_WEIGHT: f64 = 0.05;

/// What a row of a service costs beside the rows of its endpoints, in decades: a factor of four.
/// A service is one row beside two endpoints or more, so that services add at most an eighth to
/// the false alarms.
const PRICE_OF_SERVICES: f64 = 0.602_059_991_327_962_4;

/// What looking at several signals of one row costs, in decades, by signal.
///
/// The probability of a row is the smallest of `p / w` over its signals. The weights `w` add up to 1
/// (weighted Bonferroni; Genovese, Roeder and Wasserman, 2006). Signals of requests have fixed
/// weights. Those of other rows have equal ones, so that `p` is multiplied by their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Price {
    main: f64,
    minor: f64,
}

impl Price {
    /// The price of a row of some kind and number of signals.
    pub fn of(kind: RowKind, signals: usize) -> Self {
        if kind.is_requests() {
            let more = if kind == RowKind::Services { PRICE_OF_SERVICES } else { 0.0 };
            return Self { main: more - MAIN_WEIGHT.log10(), minor: more - MINOR_WEIGHT.log10() };
        }
        let equal = (signals.max(1) as f64).log10();
        Self { main: equal, minor: equal }
    }

    /// The price of one signal.
    pub fn of_signal(self, signal: SignalId) -> f64 {
        let is_minor = signal.builtin().is_some() && signal.index() >= Signal::MAIN;
        if is_minor { self.minor } else { self.main }
    }

    /// The price of a main signal.
    pub fn of_main(self) -> f64 {
        self.main
    }
}

/// How the signals of one row are judged together, by the kind of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowPolicy {
    /// Whether weak deviations of several signals are combined. Requests do: a fault moves several
    /// of their signals at once. Metrics of one resource have nothing in common by default.
    pub combines_signals: bool,
}

impl RowPolicy {
    /// The policy of a kind of row.
    pub const fn of(kind: RowKind) -> Self {
        Self { combines_signals: kind.is_requests() }
    }
}

/// Which views of a signal are used beside its likelihood, by the kind of the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Views {
    /// Whether neighbouring rows are combined. Latencies and counts do. A rate pools its rows by
    /// itself, and a gauge has an alarm for a level that lasts.
    pub combines_rows: bool,
    /// Whether single rows feed a CUSUM. Latencies do. Counts follow the time of day, a rate pools
    /// its rows, and a gauge has a CUSUM of blocks.
    pub latency_cusum: bool,
}

impl Views {
    /// The views of a kind of signal.
    pub const fn of(kind: SignalKind) -> Self {
        Self {
            combines_rows: matches!(kind, SignalKind::Latency | SignalKind::Count),
            latency_cusum: matches!(kind, SignalKind::Latency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_the_signals_of_requests_add_up_to_one() {
        let price = Price::of(RowKind::Requests, Signal::ALL.len());
        let weights = Signal::ALL.map(|signal| 10_f64.powf(-price.of_signal(signal.into())));
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let price = Price::of(RowKind::Metrics, 10);
        assert_eq!(price.of_signal(crate::series::SeriesId(3).into()), 1.0);
    }
}
