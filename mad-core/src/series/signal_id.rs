//! Dense ids of signals: the built-in ones first, then the series of metrics.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{SeriesId, Signal};

/// Which signal a sample belongs to: a built-in [`Signal`], or a metric's series in a
/// [`SeriesTable`](super::SeriesTable).
///
/// Built-in signals have the ids below [`Signal::ALL`]`.len()`, and series follow in the order of
/// their ids, so that an id fits into 32 bits and works as an index.
///
/// # Examples
///
/// ```
/// use mad_core::{SeriesId, Signal, SignalId};
///
/// let latency = SignalId::from(Signal::P95Latency);
/// assert_eq!(latency.builtin(), Some(Signal::P95Latency));
/// assert_eq!(latency.series(), None);
///
/// let metric = SignalId::from(SeriesId(7));
/// assert_eq!(metric.builtin(), None);
/// assert_eq!(metric.series(), Some(SeriesId(7)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignalId(u32);

/// The number of built-in signals.
const BUILTIN: u32 = Signal::ALL.len() as u32;

impl SignalId {
    /// The built-in signal, or `None` for a series.
    pub fn builtin(self) -> Option<Signal> {
        Signal::ALL.get(self.index()).copied()
    }

    /// The series of a metric, or `None` for a built-in signal.
    pub const fn series(self) -> Option<SeriesId> {
        match self.0.checked_sub(BUILTIN) {
            Some(id) => Some(SeriesId(id)),
            None => None,
        }
    }

    /// The id as an index into a table of signals.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<Signal> for SignalId {
    fn from(signal: Signal) -> Self {
        Self(signal.index() as u32)
    }
}

impl From<SeriesId> for SignalId {
    /// A table holds far fewer series than 2^32 less the built-in signals; an id beyond that
    /// becomes the largest one.
    fn from(series: SeriesId) -> Self {
        Self(series.0.saturating_add(BUILTIN))
    }
}

impl fmt::Debug for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.builtin(), self.series()) {
            (Some(signal), _) => write!(f, "{signal:?}"),
            (None, series) => write!(f, "{:?}", series.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_signals_and_series_do_not_share_ids() {
        let ids = Signal::ALL.map(SignalId::from);
        for (signal, id) in Signal::ALL.into_iter().zip(ids) {
            assert_eq!((id.builtin(), id.series()), (Some(signal), None));
        }
        let first = SignalId::from(SeriesId(0));
        assert!(!ids.contains(&first));
        assert_eq!((first.builtin(), first.series()), (None, Some(SeriesId(0))));
    }

    #[test]
    fn the_debug_form_names_the_signal_or_the_series() {
        assert_eq!(format!("{:?}", SignalId::from(Signal::ErrorRate)), "ErrorRate");
        assert_eq!(format!("{:?}", SignalId::from(SeriesId(3))), "SeriesId(3)");
    }
}
