//! Recent rows, saved in columns: a row that repeats its fields' names takes four times as much.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{HistoryPoint, HistoryRow};
use crate::guard::Reason;
use crate::series::Signal;
use crate::time::Timestamp;

/// Recent rows or points, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Columns", into = "Columns", bound = "T: HistoryEntry")]
pub struct Ring<T>(VecDeque<T>);

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Deref for Ring<T> {
    type Target = VecDeque<T>;

    fn deref(&self) -> &VecDeque<T> {
        &self.0
    }
}

impl<T> DerefMut for Ring<T> {
    fn deref_mut(&mut self) -> &mut VecDeque<T> {
        &mut self.0
    }
}

impl<T> FromIterator<T> for Ring<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl<T> IntoIterator for Ring<T> {
    type Item = T;
    type IntoIter = std::collections::vec_deque::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What a row is made of beside its time.
#[doc(hidden)]
pub trait HistoryEntry: Copy {
    const NUMBERS: usize;
    const COUNTS: usize;
    fn bucket(&self) -> Timestamp;
    fn verdict(&self) -> (bool, Reason);
    fn numbers(&self) -> impl Iterator<Item = f32>;
    fn counts(&self) -> impl Iterator<Item = u32>;
    fn read(
        bucket: Timestamp,
        verdict: (bool, Reason),
        numbers: &[f32],
        counts: &[u32],
    ) -> Option<Self>;
}

/// Rows by column: times as differences of differences (0 while the step stays), numbers as they
/// stand in memory, little end first.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Ring", deny_unknown_fields)]
struct Columns {
    times: Vec<i64>,
    verdicts: ByteBuf,
    numbers: ByteBuf,
    counts: Vec<u32>,
}

/// The bit of a flagged row; the others are the place of the reason in [`Reason::ALL`].
const FLAGGED: u8 = 0x80;

impl<T: HistoryEntry> From<Ring<T>> for Columns {
    fn from(Ring(rows): Ring<T>) -> Self {
        let (mut last, mut step) = (0_i64, 0_i64);
        let mut times = Vec::with_capacity(rows.len());
        let mut verdicts = Vec::with_capacity(rows.len());
        let mut numbers = Vec::with_capacity(rows.len() * T::NUMBERS * 4);
        let mut counts = Vec::with_capacity(rows.len() * T::COUNTS);
        for row in rows {
            let at = row.bucket().nanos();
            let next = at.wrapping_sub(last);
            times.push(next.wrapping_sub(step));
            (last, step) = (at, next);
            let (flagged, reason) = row.verdict();
            let place = Reason::ALL.iter().position(|known| *known == reason).unwrap_or(0);
            verdicts.push(place as u8 | if flagged { FLAGGED } else { 0 });
            numbers.extend(row.numbers().flat_map(f32::to_le_bytes));
            counts.extend(row.counts());
        }
        Self { times, verdicts: verdicts.into(), numbers: numbers.into(), counts }
    }
}

impl<T: HistoryEntry> TryFrom<Columns> for Ring<T> {
    type Error = &'static str;

    fn try_from(columns: Columns) -> Result<Self, Self::Error> {
        let fault = "columns of rows that do not fit together";
        let Columns { times, verdicts, numbers, counts } = columns;
        let whole = verdicts.len() == times.len()
            && numbers.len() == times.len() * T::NUMBERS * 4
            && counts.len() == times.len() * T::COUNTS;
        if !whole {
            return Err(fault);
        }
        let floats: Vec<f32> = numbers
            .chunks_exact(4)
            .filter_map(|bytes| Some(f32::from_le_bytes(bytes.try_into().ok()?)))
            .collect();
        let (mut last, mut step) = (0_i64, 0_i64);
        let mut rows = VecDeque::with_capacity(times.len());
        for (i, (more, mark)) in times.iter().zip(verdicts.iter()).enumerate() {
            step = step.wrapping_add(*more);
            last = last.wrapping_add(step);
            let reason = Reason::ALL.get(usize::from(mark & !FLAGGED)).ok_or(fault)?;
            let numbers = floats.get(i * T::NUMBERS..(i + 1) * T::NUMBERS).unwrap_or_default();
            let counts = counts.get(i * T::COUNTS..(i + 1) * T::COUNTS).unwrap_or_default();
            let verdict = (mark & FLAGGED != 0, *reason);
            let row = T::read(Timestamp::from_nanos(last), verdict, numbers, counts);
            rows.push_back(row.ok_or(fault)?);
        }
        Ok(Self(rows))
    }
}

impl HistoryEntry for HistoryRow {
    const NUMBERS: usize = 3 * Signal::ALL.len();
    const COUNTS: usize = 2;

    fn bucket(&self) -> Timestamp {
        self.bucket
    }

    fn verdict(&self) -> (bool, Reason) {
        (self.is_anomaly, self.reason)
    }

    fn numbers(&self) -> impl Iterator<Item = f32> {
        self.values.into_iter().chain(self.low).chain(self.high)
    }

    fn counts(&self) -> impl Iterator<Item = u32> {
        [self.count, self.errors].into_iter()
    }

    fn read(
        bucket: Timestamp,
        (is_anomaly, reason): (bool, Reason),
        numbers: &[f32],
        counts: &[u32],
    ) -> Option<Self> {
        let (values, bands) = numbers.split_first_chunk()?;
        let (low, high) = bands.split_first_chunk()?;
        let [count, errors] = *counts.first_chunk()?;
        let (values, low, high) = (*values, *low, *high.first_chunk()?);
        Some(Self { bucket, count, errors, values, low, high, is_anomaly, reason })
    }
}

impl HistoryEntry for HistoryPoint {
    const NUMBERS: usize = 3;
    const COUNTS: usize = 0;

    fn bucket(&self) -> Timestamp {
        self.bucket
    }

    fn verdict(&self) -> (bool, Reason) {
        (self.is_anomaly, self.reason)
    }

    fn numbers(&self) -> impl Iterator<Item = f32> {
        [self.value, self.low, self.high].into_iter()
    }

    fn counts(&self) -> impl Iterator<Item = u32> {
        std::iter::empty()
    }

    fn read(
        bucket: Timestamp,
        (is_anomaly, reason): (bool, Reason),
        numbers: &[f32],
        _: &[u32],
    ) -> Option<Self> {
        let [value, low, high] = *numbers.first_chunk()?;
        Some(Self { bucket, value, low, high, is_anomaly, reason })
    }
}
