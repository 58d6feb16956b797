//! Recent rows of a rate: their events and trials.

use std::collections::VecDeque;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::packed::pairs;

/// Events and trials of rows, the oldest first.
///
/// Four bytes a row while no row has more than 65,535 trials, which an endpoint has hardly ever;
/// eight bytes from the first such row on.
#[derive(Debug, Clone)]
pub(super) enum TallyRows {
    /// Rows of at most 65,535 trials.
    Small(VecDeque<(u16, u16)>),
    /// Rows of any size.
    Large(VecDeque<(u32, u32)>),
}

impl TallyRows {
    /// No rows.
    pub fn new() -> Self {
        Self::Small(VecDeque::new())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Small(rows) => rows.len(),
            Self::Large(rows) => rows.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The row at a place, counted from the newest one.
    #[inline]
    fn nth_newest(&self, place: usize) -> Option<(u32, u32)> {
        let at = self.len().checked_sub(place + 1)?;
        match self {
            Self::Small(rows) => {
                rows.get(at).map(|(events, trials)| (u32::from(*events), u32::from(*trials)))
            }
            Self::Large(rows) => rows.get(at).copied(),
        }
    }

    /// The rows, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.len()).filter_map(|place| self.nth_newest(place))
    }

    /// Adds a row. The oldest one leaves where there are `most` rows, and is returned.
    pub fn push(&mut self, (events, trials): (u32, u32), most: usize) -> Option<(u32, u32)> {
        if let Self::Small(rows) = self {
            if let (Ok(events), Ok(trials)) = (u16::try_from(events), u16::try_from(trials)) {
                let oldest = add(rows, (events, trials), most);
                return oldest.map(|(events, trials)| (events.into(), trials.into()));
            }
            let wide = |(events, trials): &(u16, u16)| (u32::from(*events), u32::from(*trials));
            *self = Self::Large(rows.iter().map(wide).collect());
        }
        let Self::Large(rows) = self else { return None };
        add(rows, (events, trials), most)
    }
}

/// Adds a row to a ring of at most `most` rows. Memory is never taken for more of them.
fn add<T>(rows: &mut VecDeque<T>, row: T, most: usize) -> Option<T> {
    let oldest = if rows.len() >= most { rows.pop_front() } else { None };
    if rows.len() == rows.capacity() {
        rows.reserve_exact(rows.len().max(4).min(most.saturating_sub(rows.len()).max(1)));
    }
    rows.push_back(row);
    oldest
}

impl Serialize for TallyRows {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut rows: VecDeque<(u32, u32)> = self.newest_first().collect();
        rows.make_contiguous().reverse();
        pairs::serialize(&rows, to)
    }
}

impl<'de> Deserialize<'de> for TallyRows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut rows = Self::new();
        for row in pairs::deserialize(from)? {
            rows.push(row, usize::MAX);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_size_are_kept_in_order_and_saved() {
        let mut rows = TallyRows::new();
        let mut all = Vec::new();
        for trial in 0..40_u32 {
            let row = (trial, if trial == 25 { 70_000 } else { 100 + trial });
            all.push(row);
            let oldest = rows.push(row, 10);
            assert_eq!(oldest, all.len().checked_sub(11).map(|place| all[place]));
            assert_eq!(matches!(rows, TallyRows::Large(_)), trial >= 25);
            let kept: Vec<_> = all.iter().rev().take(10).copied().collect();
            assert_eq!(rows.newest_first().collect::<Vec<_>>(), kept);
            let saved = rmp_serde::to_vec_named(&rows).unwrap();
            let read: TallyRows = rmp_serde::from_slice(&saved).unwrap();
            assert_eq!(read.newest_first().collect::<Vec<_>>(), kept);
        }
    }

    #[test]
    fn memory_is_taken_for_the_window_alone() {
        let mut rows = TallyRows::new();
        for _ in 0..500 {
            rows.push((0, 9), 240);
        }
        let TallyRows::Small(rows) = rows else { panic!("{rows:?}") };
        assert_eq!((rows.len(), rows.capacity()), (240, 240));
    }
}
