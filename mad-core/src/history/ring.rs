//! Rings of recent rows, kept and saved in columns.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::HistoryRow;
use crate::guard::Reason;
use crate::time::Timestamp;

/// Recent rows of one entity or one series, the oldest first.
///
/// The rows are kept in columns: a row of requests takes 65 bytes and a point of a metric 21. All
/// rows of a ring have the signals of its first row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Columns", into = "Columns")]
pub struct HistoryRing {
    /// Nanoseconds since 1970.
    times: Vec<i64>,
    /// The place of the reason in [`Reason::ALL`], and [`FLAGGED`].
    marks: Vec<u8>,
    /// Two for each row of requests: requests and failed requests.
    counts: Vec<u32>,
    /// Three for each signal of a row.
    numbers: Vec<f32>,
    /// Numbers of a row.
    width: usize,
    /// Place of the oldest row in the columns.
    oldest: usize,
}

/// The bit of a flagged row in its mark.
const FLAGGED: u8 = 0x80;

impl HistoryRing {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The rows, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = HistoryRow<'_>> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Adds a row. If there are `most` rows, it takes the place of the oldest one.
    pub fn push(&mut self, row: HistoryRow<'_>, most: usize) {
        if self.is_empty() {
            self.width = row.numbers.len();
        }
        let at = if self.len() >= most.max(1) {
            let at = self.oldest;
            self.oldest = (at + 1) % self.len();
            at
        } else {
            self.append(row.counts.is_some(), most)
        };
        let first = at * self.width;
        if let Some(slots) = self.numbers.get_mut(first..first + self.width) {
            let numbers = row.numbers.iter().copied().chain(std::iter::repeat(f32::NAN));
            slots.iter_mut().zip(numbers).for_each(|(slot, number)| *slot = number);
        }
        if let (Some(counts), Some(slots)) = (row.counts, self.counts.get_mut(2 * at..2 * at + 2)) {
            slots.copy_from_slice(&counts);
        }
        if let (Some(time), Some(mark)) = (self.times.get_mut(at), self.marks.get_mut(at)) {
            *time = row.at.nanos();
            *mark = mark_of(&row);
        }
    }

    /// Keeps every second row, beginning with the oldest one.
    pub(crate) fn thin(&mut self) {
        *self = self.iter().step_by(2).collect();
    }

    /// Adds a place at the end. Memory is never taken for more than `most` rows.
    fn append(&mut self, has_counts: bool, most: usize) -> usize {
        let Self { times, marks, counts, numbers, width, oldest } = self;
        let rows = times.len();
        let per_count = if rows == 0 && has_counts || !counts.is_empty() { 2 } else { 0 };
        // the oldest row stands first while the ring is not full
        times.rotate_left(*oldest);
        marks.rotate_left(*oldest);
        counts.rotate_left(*oldest * per_count);
        numbers.rotate_left(*oldest * *width);
        *oldest = 0;
        if rows == times.capacity() {
            let more = rows.max(4).min(most - rows);
            times.reserve_exact(more);
            marks.reserve_exact(more);
            counts.reserve_exact(more * per_count);
            numbers.reserve_exact(more * *width);
        }
        times.push(0);
        marks.push(0);
        counts.resize((rows + 1) * per_count, 0);
        numbers.resize((rows + 1) * *width, f32::NAN);
        rows
    }

    /// The row at a place, counted from the oldest one.
    fn get(&self, place: usize) -> Option<HistoryRow<'_>> {
        let at = (self.oldest + place) % self.len().max(1);
        let mark = *self.marks.get(at)?;
        Some(HistoryRow {
            at: Timestamp::from_nanos(*self.times.get(at)?),
            is_anomaly: mark & FLAGGED != 0,
            reason: *Reason::ALL.get(usize::from(mark & !FLAGGED))?,
            counts: self.counts.get(2 * at..).and_then(|rest| rest.first_chunk()).copied(),
            numbers: self.numbers.get(at * self.width..(at + 1) * self.width)?,
        })
    }
}

fn mark_of(row: &HistoryRow<'_>) -> u8 {
    let place = Reason::ALL.iter().position(|known| *known == row.reason).unwrap_or(0);
    place as u8 | if row.is_anomaly { FLAGGED } else { 0 }
}

impl PartialEq for HistoryRing {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> FromIterator<HistoryRow<'a>> for HistoryRing {
    fn from_iter<I: IntoIterator<Item = HistoryRow<'a>>>(rows: I) -> Self {
        let mut ring = Self::default();
        for row in rows {
            ring.push(row, usize::MAX);
        }
        ring
    }
}

/// The columns as they are saved: times as differences of differences (0 while the step stays the
/// same), and numbers as bytes with the little end first. Field names of every row would take four
/// times as much.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Ring", deny_unknown_fields)]
struct Columns {
    times: Vec<i64>,
    verdicts: ByteBuf,
    numbers: ByteBuf,
    counts: Vec<u32>,
}

impl From<HistoryRing> for Columns {
    fn from(ring: HistoryRing) -> Self {
        let (mut last, mut step) = (0_i64, 0_i64);
        let mut times = Vec::with_capacity(ring.len());
        let mut verdicts = Vec::with_capacity(ring.len());
        let mut numbers = Vec::with_capacity(ring.numbers.len() * 4);
        let mut counts = Vec::with_capacity(ring.counts.len());
        for row in ring.iter() {
            let at = row.at.nanos();
            let next = at.wrapping_sub(last);
            times.push(next.wrapping_sub(step));
            (last, step) = (at, next);
            verdicts.push(mark_of(&row));
            numbers.extend(row.numbers.iter().copied().flat_map(f32::to_le_bytes));
            counts.extend(row.counts.into_iter().flatten());
        }
        Self { times, verdicts: verdicts.into(), numbers: numbers.into(), counts }
    }
}

impl TryFrom<Columns> for HistoryRing {
    type Error = &'static str;

    fn try_from(columns: Columns) -> Result<Self, Self::Error> {
        let fault = "columns of rows that do not fit together";
        let Columns { times, verdicts, numbers, counts } = columns;
        let rows = times.len();
        let width = numbers.len() / 4 / rows.max(1);
        let fits = verdicts.len() == rows
            && width % 3 == 0
            && numbers.len() == rows * width * 4
            && (counts.is_empty() || counts.len() == 2 * rows);
        let is_reason = |mark: &u8| usize::from(mark & !FLAGGED) < Reason::ALL.len();
        if !(fits && verdicts.iter().all(is_reason)) {
            return Err(fault);
        }
        let (mut last, mut step) = (0_i64, 0_i64);
        let time = |more: &i64| {
            step = step.wrapping_add(*more);
            last = last.wrapping_add(step);
            last
        };
        let number = |bytes: &[u8]| Some(f32::from_le_bytes(bytes.try_into().ok()?));
        Ok(Self {
            times: times.iter().map(time).collect(),
            marks: verdicts.into_vec(),
            counts,
            numbers: numbers.chunks_exact(4).filter_map(number).collect(),
            width,
            oldest: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: i64, numbers: &[f32]) -> HistoryRow<'_> {
        let is_anomaly = minute % 2 == 1;
        let reason = if is_anomaly { Reason::AboveExpected } else { Reason::Normal };
        let at = Timestamp::from_seconds(60 * minute);
        let counts = Some([minute as u32, 1]);
        HistoryRow { at, is_anomaly, reason, counts, numbers }
    }

    #[test]
    fn the_newest_rows_are_kept_in_order() {
        let mut ring = HistoryRing::default();
        for minute in 0..25 {
            ring.push(row(minute, &[minute as f32, 0.0, 9.0]), 10);
            assert_eq!(ring.len() as i64, (minute + 1).min(10));
            assert!(ring.times.capacity() <= 10 && ring.numbers.capacity() <= 30);
        }
        let kept: Vec<(u32, f32)> = ring.iter().map(|row| (row.requests(), row.value(0))).collect();
        let wanted: Vec<(u32, f32)> = (15..25).map(|minute| (minute, minute as f32)).collect();
        assert_eq!(kept, wanted);
        assert!(ring.iter().all(|row| (row.low(0), row.high(0)) == (0.0, 9.0)));
        assert_eq!(ring.iter().next_back().unwrap().at, Timestamp::from_seconds(60 * 24));
    }

    #[test]
    fn a_saved_ring_is_the_same_and_grows_on() {
        let mut ring = HistoryRing::default();
        for minute in 0..7 {
            ring.push(row(minute, &[minute as f32, f32::MIN, f32::MAX]), 5);
        }
        let mut read = HistoryRing::try_from(Columns::from(ring.clone())).unwrap();
        assert!(read == ring);
        ring.push(row(7, &[7.0, 0.0, 1.0]), 6);
        read.push(row(7, &[7.0, 0.0, 1.0]), 6);
        assert!(read == ring && ring.len() == 6);
        ring.thin();
        assert_eq!(ring.iter().map(|row| row.requests()).collect::<Vec<_>>(), [2, 4, 6]);
    }

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        let columns = |numbers: usize, counts: usize, mark: u8| Columns {
            times: vec![0; 2],
            verdicts: vec![mark; 2].into(),
            numbers: vec![0; numbers].into(),
            counts: vec![0; counts],
        };
        assert!(HistoryRing::try_from(columns(24, 0, 0)).is_ok());
        for (numbers, counts, mark) in [(23, 0, 0), (24, 1, 0), (24, 0, 0x7f), (16, 0, 0)] {
            assert!(HistoryRing::try_from(columns(numbers, counts, mark)).is_err());
        }
    }
}
