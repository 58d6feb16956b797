//! Feature rows: one entity at one step with any number of signals, and the buffer that holds them.
//!
//! The file is longer than others because its tests stand below the code.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request_facts::RequestFacts;
use super::subset::Subset;
use crate::series::{EntityId, Sample, SeriesId, Signal, SignalId};
use crate::time::{Timestamp, duration_of};

/// Which telemetry a row was made from. It selects the policy by which the row is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// Requests of one endpoint, and spans that count as requests.
    Requests,
    /// Requests of a whole service, across its endpoints.
    Services,
    /// Points of metrics.
    Metrics,
    /// Counts of log lines by level.
    Logs,
    /// Counts of missing spans and the network time of calls, from whole traces.
    Traces,
}

impl RowKind {
    /// Whether the row has the signals of requests: of an endpoint or of a whole service.
    pub const fn is_requests(self) -> bool {
        matches!(self, Self::Requests | Self::Services)
    }
}

/// The part of a row that does not depend on its signals. Heads are compared without the place of
/// their rows in a buffer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct RowHead {
    /// Start of the step. A metric keeps its own time.
    pub at: Timestamp,
    /// Length of the step. For metrics, the step of the row's first series as known by then.
    #[serde(with = "crate::time::nanoseconds")]
    pub step: Duration,
    /// The entity.
    pub entity: EntityId,
    /// Empty steps between this row and the entity's row of this kind before it; 0 for its first
    /// row. For metrics, the smallest gap of the row's series.
    pub gap: u32,
    /// Which telemetry the row was made from.
    pub kind: RowKind,
    /// Whether the step had ended when it was closed. It had not for the last step of a stream that
    /// ends within it: the number of requests in a part of a step is no evidence.
    pub whole: bool,
    /// Where the row's samples begin in the buffer.
    #[serde(skip)]
    pub(super) first: u32,
    /// How many samples the row has.
    pub(super) len: u16,
    /// Where the row's request facts are in the buffer, [`NO_FACTS`] if it has none.
    #[serde(skip)]
    pub(super) facts: u32,
}

/// `RowHead::facts` of a row without request facts.
const NO_FACTS: u32 = u32::MAX;

impl RowHead {
    /// The head of a row without signals: of a whole step of one minute, without a gap.
    pub(super) const fn new(kind: RowKind, entity: EntityId, at: Timestamp) -> Self {
        Self {
            at,
            step: Duration::from_secs(60),
            entity,
            gap: 0,
            kind,
            whole: true,
            first: 0,
            len: 0,
            facts: NO_FACTS,
        }
    }

    /// End of the step.
    pub fn end(&self) -> Timestamp {
        self.at + self.step
    }
}

impl PartialEq for RowHead {
    fn eq(&self, other: &Self) -> bool {
        let Self { at, step, entity, gap, kind, whole, len, .. } = *self;
        (at, step, entity, gap, kind, whole, len)
            == (other.at, other.step, other.entity, other.gap, other.kind, other.whole, other.len)
    }
}

impl Eq for RowHead {}

/// The value of one signal in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalSample {
    /// The value and the number of observations behind it.
    pub sample: Sample,
    /// The signal.
    pub signal: SignalId,
    /// Steps without a value of this signal before this one. For requests it is that of the row.
    pub gap: u32,
}

/// One row, borrowed from a [`RowBuffer`] or from a [`RowBuilder`](super::RowBuilder).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// Time, entity and kind.
    pub head: &'a RowHead,
    /// The signals. A row of requests has those of [`Signal::ALL`], in that order; a row of metrics
    /// has its series by name.
    pub samples: &'a [SignalSample],
    /// More figures of a row of requests; `None` for other kinds.
    pub requests: Option<&'a RequestFacts>,
    /// Its requests by the version and by the host that served them, where these are known.
    pub subsets: &'a [Subset],
}

impl Row<'_> {
    /// The sample of one signal; `n` is 0 and the value NaN if the row does not have it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{EntityId, RowBuilder, Signal, Timestamp};
    ///
    /// let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(60))
    ///     .latencies(&[10.0, 20.0, 30.0]);
    /// assert_eq!(row.row().sample(Signal::P50Latency).value, 20.0);
    /// ```
    pub fn sample(&self, signal: impl Into<SignalId>) -> Sample {
        let signal = signal.into();
        // rows of requests hold the built-in signals at their index
        let found = match self.samples.get(signal.index()) {
            Some(sample) if sample.signal == signal => Some(sample),
            _ => self.samples.iter().find(|sample| sample.signal == signal),
        };
        found.map_or(Sample { value: f64::NAN, n: 0 }, |sample| sample.sample)
    }
}

/// Rows one after the other. The samples of all rows are in one vector, so that a row needs no
/// separate allocation and has any number of signals. Buffers are meant to be cleared and reused.
///
/// # Examples
///
/// ```
/// use mad_core::{EntityId, RowBuffer, RowBuilder, RowKind, SeriesId, Timestamp};
///
/// let mut rows = RowBuffer::default();
/// for minute in 0..3 {
///     let at = Timestamp::from_seconds(60 * minute);
///     let row = RowBuilder::new(RowKind::Metrics, EntityId(0), at)
///         .signal(SeriesId(0), 0.5, 1)
///         .signal(SeriesId(1), 120.0, 1);
///     rows.push(row.row());
/// }
/// assert_eq!(rows.len(), 3);
/// let memory: Vec<f64> = rows.iter().map(|row| row.sample(SeriesId(1)).value).collect();
/// assert_eq!(memory, [120.0, 120.0, 120.0]);
/// ```
#[derive(Clone, Default)]
pub struct RowBuffer {
    heads: Vec<RowHead>,
    samples: Vec<SignalSample>,
    facts: Vec<RequestFacts>,
    subsets: Vec<Subset>,
    /// Where the subsets of the rows with facts end.
    subset_ends: Vec<u32>,
}

impl RowBuffer {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.samples.clear();
        self.facts.clear();
        self.subsets.clear();
        self.subset_ends.clear();
    }

    /// The row at a place, or `None` beyond the last one.
    pub fn get(&self, place: usize) -> Option<Row<'_>> {
        self.heads.get(place).map(|head| self.row(head))
    }

    /// All rows in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> + DoubleEndedIterator {
        self.heads.iter().map(|head| self.row(head))
    }

    /// Adds a copy of a row. A row holds at most 65,535 signals; more of them are left out.
    pub fn push(&mut self, row: Row<'_>) {
        self.begin(*row.head);
        for sample in row.samples {
            self.add(*sample);
        }
        if let Some(facts) = row.requests {
            self.set_facts(*facts, row.subsets.iter().cloned());
        }
    }

    /// Adds a row of requests.
    pub(super) fn add_row(
        &mut self,
        head: RowHead,
        signals: impl IntoIterator<Item = (Signal, Sample)>,
        facts: RequestFacts,
        subsets: Vec<Subset>,
    ) {
        self.begin(head);
        for (signal, sample) in signals {
            self.add(SignalSample { sample, signal: signal.into(), gap: head.gap });
        }
        self.set_facts(facts, subsets);
    }

    /// Adds a value of a series and its gap: to the last row if that is of the same kind, entity
    /// and time, and as a new row otherwise.
    pub(crate) fn add_sample(
        &mut self,
        kind: RowKind,
        entity: EntityId,
        at: Timestamp,
        step: i64,
        (series, sample, gap): (SeriesId, Sample, u32),
    ) {
        let same = |last: &RowHead| {
            last.kind == kind && last.entity == entity && last.at == at && last.len < u16::MAX
        };
        if let Some(last) = self.heads.last_mut().filter(|last| same(last)) {
            last.gap = last.gap.min(gap);
        } else {
            let step = duration_of(step);
            self.begin(RowHead { step, gap, ..RowHead::new(kind, entity, at) });
        }
        self.add(SignalSample { sample, signal: series.into(), gap });
    }

    /// Begins a row without signals.
    fn begin(&mut self, head: RowHead) {
        let first = self.samples.len() as u32;
        self.heads.push(RowHead { first, len: 0, facts: NO_FACTS, ..head });
    }

    /// Adds a signal to the last row.
    fn add(&mut self, sample: SignalSample) {
        if let Some(last) = self.heads.last_mut()
            && last.len < u16::MAX
        {
            last.len += 1;
            self.samples.push(sample);
        }
    }

    /// Sets the request facts and the subsets of the last row, which has none yet.
    fn set_facts(&mut self, facts: RequestFacts, subsets: impl IntoIterator<Item = Subset>) {
        if let Some(last) = self.heads.last_mut() {
            last.facts = self.facts.len() as u32;
            self.facts.push(facts);
            self.subsets.extend(subsets);
            self.subset_ends.push(self.subsets.len() as u32);
        }
    }

    fn row<'a>(&'a self, head: &'a RowHead) -> Row<'a> {
        let first = head.first as usize;
        let samples = self.samples.get(first..first + usize::from(head.len)).unwrap_or_default();
        let facts = head.facts as usize;
        let end = |place: usize| self.subset_ends.get(place).map_or(0, |end| *end as usize);
        let first = facts.checked_sub(1).map_or(0, end);
        let subsets = self.subsets.get(first..end(facts)).unwrap_or_default();
        Row { head, samples, requests: self.facts.get(facts), subsets }
    }
}

impl PartialEq for RowBuffer {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> Extend<Row<'a>> for RowBuffer {
    fn extend<T: IntoIterator<Item = Row<'a>>>(&mut self, rows: T) {
        for row in rows {
            self.push(row);
        }
    }
}

impl<'a> FromIterator<Row<'a>> for RowBuffer {
    fn from_iter<T: IntoIterator<Item = Row<'a>>>(rows: T) -> Self {
        let mut buffer = Self::default();
        buffer.extend(rows);
        buffer
    }
}

impl fmt::Debug for RowBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A gap as a row holds it.
pub(super) fn saturate(gap: u64) -> u32 {
    u32::try_from(gap).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::StatusCounts;
    use crate::telemetry::Status;
    use crate::time::MINUTE;

    /// Adds a value of a series at a minute.
    fn add(
        rows: &mut RowBuffer,
        kind: RowKind,
        (minute, entity, series, gap): (i64, u32, u32, u32),
    ) {
        let at = Timestamp::from_nanos(minute * MINUTE);
        let sample = Sample { value: f64::from(series), n: 1 };
        rows.add_sample(kind, EntityId(entity), at, MINUTE, (SeriesId(series), sample, gap));
    }

    /// Adds a row of requests whose step had not ended.
    fn add_requests(rows: &mut RowBuffer) {
        let head = RowHead {
            gap: 3,
            whole: false,
            ..RowHead::new(RowKind::Requests, EntityId(2), Timestamp::from_nanos(5 * MINUTE))
        };
        let facts = RequestFacts {
            requests: 10,
            errors: 4,
            no_response: 1,
            over_objective: 1,
            measured: 9,
            mean_ms: 20.0,
            p99_ms: 44.0,
            max_ms: 45.0,
            min_ms: 5.0,
            std_ms: 12.0,
            client_errors: 1,
            beyond_tail: 2,
            tail_ms: Some(40.0),
            statuses: StatusCounts::of([(Status::Http(404), 1), (Status::Http(500), 4)]),
        };
        let sample = |signal: Signal| Sample { value: signal.index() as f64, n: 9 };
        rows.add_row(head, Signal::ALL.map(|signal| (signal, sample(signal))), facts, Vec::new());
    }

    #[test]
    fn a_row_of_requests_holds_each_figure_once() {
        let mut rows = RowBuffer::default();
        add_requests(&mut rows);
        let row = rows.get(0).unwrap();
        assert_eq!((row.head.kind, row.head.gap, row.head.whole), (RowKind::Requests, 3, false));
        assert_eq!(row.head.end(), Timestamp::from_nanos(6 * MINUTE));
        let signals: Vec<SignalId> = row.samples.iter().map(|sample| sample.signal).collect();
        assert_eq!(signals, Signal::ALL.map(SignalId::from));
        for signal in Signal::ALL {
            assert_eq!(row.sample(signal).value, signal.index() as f64);
        }
        let facts = row.requests.unwrap();
        assert_eq!((facts.requests, facts.errors, facts.measured), (10, 4, 9));
        assert_eq!((facts.error_rate(), facts.max_ms), (0.4, 45.0));
    }

    #[test]
    fn points_of_one_entity_and_time_make_one_row() {
        let mut rows = RowBuffer::default();
        for point in [(0, 1, 0, 0), (0, 1, 1, 2), (0, 2, 2, 0), (1, 2, 2, 0)] {
            add(&mut rows, RowKind::Metrics, point);
        }
        add(&mut rows, RowKind::Logs, (1, 2, 3, 0));
        let lengths: Vec<usize> = rows.iter().map(|row| row.samples.len()).collect();
        assert_eq!(lengths, [2, 1, 1, 1]);
        let first = rows.get(0).unwrap();
        assert_eq!((first.head.gap, first.samples[1].gap), (0, 2));
        assert_eq!(first.sample(SeriesId(1)), Sample { value: 1.0, n: 1 });
        assert_eq!(first.requests, None);
    }

    #[test]
    fn a_signal_that_a_row_does_not_have_is_unknown() {
        let mut rows = RowBuffer::default();
        add(&mut rows, RowKind::Metrics, (0, 1, 0, 0));
        let missing = rows.get(0).unwrap().sample(Signal::P50Latency);
        assert!(missing.value.is_nan() && missing.n == 0);
    }

    #[test]
    fn a_copied_buffer_is_equal_and_a_cleared_one_is_empty() {
        let mut rows = RowBuffer::default();
        add(&mut rows, RowKind::Metrics, (0, 1, 0, 0));
        add_requests(&mut rows);
        let copy: RowBuffer = rows.iter().collect();
        assert_eq!(copy, rows);
        let last: RowBuffer = rows.iter().rev().take(1).collect();
        assert_eq!(last.get(0), rows.get(1));
        assert_ne!(last, rows);
        rows.clear();
        assert!(rows.is_empty() && rows.get(0).is_none());
    }

    #[test]
    fn heads_and_samples_stay_small() {
        assert_eq!(size_of::<RowHead>(), 48);
        assert_eq!(size_of::<SignalSample>(), 24);
    }
}
