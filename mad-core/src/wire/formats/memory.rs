//! What decoders of metrics remember between the bodies of one source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::FormatSink;
use super::buckets::BucketTable;
use super::naming::{fitted, optional};
use super::outcomes::OutcomeTable;
use super::prometheus::SeriesCache;
use super::quantile::Exponential;
use crate::telemetry::{Change, Record};
use crate::time::Timestamp;

/// Series whose last value is kept. Further series give no rates and no percentiles.
const MOST_SERIES: usize = 200_000;
/// Time after which a series that sends no more is forgotten while there is no room: one hour.
const IDLE_NANOS: i64 = 3_600_000_000_000;
/// Services whose versions are kept, and versions of each.
const MOST_SERVICES: usize = 10_000;
const MOST_VERSIONS: usize = 8;
/// Time after which a version that comes back is a change again: one hour.
const VERSION_NANOS: i64 = 3_600_000_000_000;

/// The last values of cumulative series and the versions of services.
///
/// Prometheus counters and cumulative metrics of OpenTelemetry state totals since the start of a
/// process. A rate needs the total before. The memory holds it from one body to the next; a decoder
/// has its own unless a caller gives it another one with
/// [`swap_memory`](super::FormatDecoder::swap_memory). It is bounded, and part of a saved state.
///
/// # Examples
///
/// ```
/// use mad_core::wire::formats::TelemetryMemory;
///
/// let memory = TelemetryMemory::default();
/// let bytes = memory.to_bytes()?;
/// assert_eq!(TelemetryMemory::from_bytes(&bytes)?, memory);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TelemetryMemory {
    series: BTreeMap<u64, Last>,
    versions: BTreeMap<String, Vec<(String, i64)>>,
    pub(super) buckets: BucketTable,
    pub(super) outcomes: OutcomeTable,
    newest: i64,
    /// Series of remote write whose labels were read before.
    #[serde(skip)]
    pub(super) series_cache: SeriesCache,
}

/// The last point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Last {
    at: i64,
    /// When the process began to count; 0 where the source does not say.
    start: i64,
    totals: Totals,
}

/// The totals of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Totals {
    Counter(f64),
    /// Observations per bucket.
    Histogram(Vec<f64>),
    Exponential(Exponential),
}

/// What a cumulative series did since its last point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Increase {
    pub of: Totals,
    /// Seconds over which it happened.
    pub seconds: f64,
}

/// What a point of a cumulative series says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Progress {
    /// It is the first point that is known of the series.
    First,
    /// Nothing, because it is not newer than the last.
    None,
    By(Increase),
}

impl Totals {
    /// The increase since `before`; `None` where a total has fallen or the buckets differ, which is
    /// a restart.
    fn since(&self, before: &Self) -> Option<Self> {
        match (self, before) {
            (Self::Counter(now), Self::Counter(before)) => {
                (now >= before).then_some(Self::Counter(now - before))
            }
            (Self::Histogram(now), Self::Histogram(before)) if now.len() == before.len() => {
                let left: Vec<f64> =
                    now.iter().zip(before).map(|(now, before)| now - before).collect();
                left.iter().all(|count| *count >= 0.0).then_some(Self::Histogram(left))
            }
            (Self::Exponential(now), Self::Exponential(before)) => {
                now.since(before).map(Self::Exponential)
            }
            _ => None,
        }
    }
}

impl TelemetryMemory {
    /// The increase of a series up to `at`. `start` is when its process began to count.
    ///
    /// `None` for the first point and for one that is not newer than the last. A total that has
    /// fallen, or a later `start`, is a restart: the increase counts from 0 and from the later of
    /// the last point and the start.
    pub(super) fn increase(
        &mut self,
        key: u64,
        at: Timestamp,
        start: Option<Timestamp>,
        totals: Totals,
    ) -> Option<Increase> {
        match self.progress(key, at, start, totals) {
            Progress::By(increase) => Some(increase),
            Progress::First | Progress::None => None,
        }
    }

    /// As [`increase`](Self::increase); it also says why there is none.
    pub(super) fn progress(
        &mut self,
        key: u64,
        at: Timestamp,
        start: Option<Timestamp>,
        totals: Totals,
    ) -> Progress {
        let (at, start) = (at.nanos(), start.map_or(0, Timestamp::nanos));
        self.newest = self.newest.max(at);
        let Some(last) = self.series.get_mut(&key) else {
            self.make_room();
            if self.series.len() < MOST_SERIES {
                self.series.insert(key, Last { at, start, totals });
            }
            return Progress::First;
        };
        if at <= last.at {
            return Progress::None;
        }
        let restarted = start > last.start && last.start > 0;
        let since = if restarted { None } else { totals.since(&last.totals) };
        let from = if since.is_none() { last.at.max(start) } else { last.at };
        let of = since.unwrap_or_else(|| totals.clone());
        *last = Last { at, start, totals };
        let seconds = at.saturating_sub(from) as f64 / 1e9;
        if seconds > 0.0 { Progress::By(Increase { of, seconds }) } else { Progress::None }
    }

    /// Seconds since the last point of a series of increases, which is noted; `None` for the first.
    pub(super) fn interval(&mut self, key: u64, at: Timestamp) -> Option<f64> {
        let at_nanos = at.nanos();
        let before = self.series.get(&key).map(|last| last.at);
        if before.is_none_or(|before| before < at_nanos) {
            self.increase(key, at, None, Totals::Counter(0.0));
        }
        let seconds = at_nanos.saturating_sub(before?) as f64 / 1e9;
        (seconds > 0.0).then_some(seconds)
    }

    /// Notes the version that a service had at a moment. A version that the service did not have in
    /// the last hour is a deployment, unless it is the first one that is known.
    pub(super) fn version(
        &mut self,
        service: &str,
        version: &str,
        at: Timestamp,
        sink: &mut dyn FormatSink,
    ) {
        if version.is_empty() {
            return;
        }
        let nanos = at.nanos();
        let Some(known) = self.versions.get_mut(service) else {
            if self.versions.len() < MOST_SERVICES {
                self.versions.insert(service.to_owned(), vec![(version.to_owned(), nanos)]);
            }
            return;
        };
        let is_new = if let Some((_, seen)) = known.iter_mut().find(|(name, _)| name == version) {
            let returns = nanos.saturating_sub(*seen) > VERSION_NANOS;
            *seen = nanos.max(*seen);
            returns && known.len() > 1
        } else {
            if known.len() >= MOST_VERSIONS {
                known.remove(0);
            }
            known.push((version.to_owned(), nanos));
            true
        };
        if is_new {
            let (service, version) = (fitted(service), optional(version));
            let change = Change::new(at, &service, "deploy");
            let record = Record::Change(Change { version: &version, ..change });
            if record.check().is_ok() {
                sink.record(record, 0);
            }
        }
    }

    fn make_room(&mut self) {
        if self.series.len() >= MOST_SERIES {
            let oldest = self.newest.saturating_sub(IDLE_NANOS);
            self.series.retain(|_, last| last.at >= oldest);
        }
    }

    /// The memory as bytes.
    ///
    /// # Errors
    ///
    /// The memory cannot be written, which does not happen.
    pub fn to_bytes(&self) -> crate::Result<Vec<u8>> {
        rmp_serde::to_vec(self).map_err(|error| crate::Error::input(error.to_string()))
    }

    /// The memory of bytes that [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// The bytes are damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> crate::Result<Self> {
        rmp_serde::from_slice(bytes)
            .map_err(|error| crate::Error::input(format!("the memory of series: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn rate(
        memory: &mut TelemetryMemory,
        second: i64,
        start: i64,
        total: f64,
    ) -> Option<(f64, f64)> {
        let start = (start > 0).then(|| at(start));
        let increase = memory.increase(1, at(second), start, Totals::Counter(total))?;
        let Totals::Counter(of) = increase.of else { return None };
        Some((of, increase.seconds))
    }

    #[test]
    fn a_counter_that_restarts_counts_from_zero() {
        let mut memory = TelemetryMemory::default();
        assert_eq!(rate(&mut memory, 10, 0, 100.0), None);
        assert_eq!(rate(&mut memory, 20, 0, 130.0), Some((30.0, 10.0)));
        assert_eq!(rate(&mut memory, 20, 0, 130.0), None, "a repeated point");
        assert_eq!(rate(&mut memory, 15, 0, 120.0), None, "an older point");
        assert_eq!(rate(&mut memory, 30, 0, 5.0), Some((5.0, 10.0)));
    }

    #[test]
    fn a_later_start_is_a_restart_even_where_the_total_is_larger() {
        let mut memory = TelemetryMemory::default();
        assert_eq!(rate(&mut memory, 10, 1, 100.0), None);
        assert_eq!(rate(&mut memory, 20, 16, 130.0), Some((130.0, 4.0)));
    }

    #[test]
    fn a_new_version_is_a_change_once() {
        let mut memory = TelemetryMemory::default();
        let mut changes = Vec::new();
        for (second, version) in [(1, "1"), (2, "2"), (3, "1"), (4, "2"), (9_000, "1")] {
            let mut sink = |record: Record<'_>, _: u64| {
                if let Record::Change(change) = record {
                    changes.push((change.timestamp, change.version.to_owned()));
                }
            };
            memory.version("cart", version, at(second), &mut sink);
        }
        assert_eq!(changes, [(at(2), "2".to_owned()), (at(9_000), "1".to_owned())]);
    }
}
