//! Rules that scorers share: thresholds, the price of several signals, views and learning by kind.

use super::Learn;
use crate::feature::RowKind;
use crate::series::SignalKind;

/// Values of a signal that are learnt in full, whatever they look like. Values clipped to the range
/// of one or two earlier ones would keep that range narrow for good.
const LEARNT_IN_FULL: usize = 20;

/// What looking at several signals of one row costs, in decades: `log10` of their number
/// (Bonferroni: the probability of the row is the smallest one times the number of signals).
pub(super) fn price_of_signals(signals: usize) -> f64 {
    (signals.max(1) as f64).log10()
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
        Self { combines_signals: matches!(kind, RowKind::Requests) }
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

/// How a value is learnt. An anomalous value is clipped, unless fewer than 20 values are known or
/// more than `relearn_after` anomalous values came in a row: then the new level is learnt.
///
/// `streak` counts the anomalous values in a row.
pub(super) fn learn_as(
    anomalous: bool,
    points: usize,
    streak: &mut u32,
    relearn_after: u32,
) -> Learn {
    *streak = if anomalous { streak.saturating_add(1) } else { 0 };
    if anomalous && points >= LEARNT_IN_FULL && *streak <= relearn_after {
        Learn::Clipped
    } else {
        Learn::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anomaly_is_clipped_until_it_is_the_new_level() {
        let mut streak = 0;
        assert_eq!(learn_as(true, 19, &mut streak, 2), Learn::Full);
        assert_eq!(learn_as(true, 20, &mut streak, 2), Learn::Clipped);
        assert_eq!(learn_as(true, 21, &mut streak, 2), Learn::Full);
        assert_eq!(learn_as(false, 22, &mut streak, 2), Learn::Full);
        assert_eq!((learn_as(true, 23, &mut streak, 2), streak), (Learn::Clipped, 1));
    }
}
